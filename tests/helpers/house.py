"""The test harness of most tests: a warehouse and a landing folder on disk, and builders of documents."""

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from clari_pipeline.config.settings import EXPORT_TYPES, read_settings
from clari_pipeline.core.periods import Quarter
from clari_pipeline.landing import IS_WHOLE, Arriving
from clari_pipeline.store import ledger
from clari_pipeline.store.ledger_rows import ExportRow
from clari_pipeline.sync.context import Context
from clari_pipeline.sync.loading import Loader, has_landed
from clari_pipeline.sync.outcomes import Outcome, outcomes_of
from clari_pipeline.sync.publishing import Published, publish
from clari_pipeline.sync.recording import manifest_of
from clari_pipeline.sync.refreshing import Marts
from clari_pipeline.sync.replaying import Replay
from clari_pipeline.warehouse.session import Session
from tests.helpers import prepared

QUARTER = "2026_Q4"  # October to December
# What the merge of a document writes, its calls and marts included.
MERGED = (
    "forecast_entry",
    "forecast_entry_history",
    "forecast_user",
    "forecast_user_history",
    "forecast_field",
    "time_period",
    "time_frame",
    "forecast_swing",
    "forecast_vs_quota",
)
WEEKS = {f"W{number:02d}": date(2026, 10, 1) + timedelta(weeks=number - 1) for number in range(1, 14)}
FIELDS = {"commit": "Commit", "best_case": "Best Case", "quota": "Quota"}
_KEYS = {
    "call": "forecastValue",
    "submitted": "isUpdated",
    "quota": "quotaValue",
    "adjustment": "adjustmentValue",
    "adjusted_by": "adjustedBy",
    "total": "crmTotal",
    "closed": "crmClosed",
    "scope": "scopeId",
}

Json = dict[str, Any]


def moment(month: int, day: int, hour: int = 6, *, year: int = 2026) -> datetime:
    return datetime(year, month, day, hour, tzinfo=UTC)


def entry(
    person: str = "ann",
    week: str = "W01",
    field: str = "commit",
    *,
    period: str = QUARTER,
    currency: str | None = "USD",
    **figures: Any,
) -> Json:
    """One entry; `figures` by the short names `call`, `quota`, `closed`, `total`, `adjustment`, `submitted` …"""
    named = {_KEYS[name]: value for name, value in figures.items()}
    money = {"currency": {"code": currency, "symbol": "$"}} if currency else {}
    return {"fieldId": field, "timeFrameId": week, "timePeriodId": period, "userId": person} | money | named


def document(
    *entries: Json,
    people: Iterable[Json] | None = None,
    weeks: dict[str, date | None] | None = None,
    fields: dict[str, str] | None = None,
    periods: Iterable[Json] | None = None,
) -> Json:
    """A relational document with these entries; the other lists are generated unless given."""
    shown = {one["userId"] for one in entries if one.get("userId")}
    listed = WEEKS if weeks is None else weeks
    names = FIELDS if fields is None else fields
    return {
        "entries": list(entries),
        "fields": [{"fieldId": key, "fieldName": name, "fieldType": "FORECAST"} for key, name in names.items()],
        "users": list(people) if people is not None else [person(name) for name in sorted(shown)],
        "timeFrames": [
            {"timeFrameId": week, "startDate": str(first), "endDate": str(first + timedelta(days=6))}
            if first
            else {"timeFrameId": week}
            for week, first in listed.items()
        ],
        "timePeriods": list(periods)
        if periods is not None
        else [
            {"timePeriodId": name} for name in sorted({one["timePeriodId"] for one in entries if one["timePeriodId"]})
        ],
    }


def person(name: str, *, role: str | None = None, parent: str | None = "top", crm: str | None = None) -> Json:
    return {
        "userId": name,
        "name": name.title(),
        "email": f"{name}@example.com",
        "crmId": crm or f"crm-{name}",
        "hierarchyId": role or f"role-{name}",
        "hierarchyName": (role or f"Role of {name}").title(),
        "parentHierarchyId": parent or "",
        "parentHierarchyName": (parent or "").title(),
    }


class House:
    """A warehouse and landing folder; `deliver` lands a document, `merge` merges what has landed, `bring` does both."""

    def __init__(
        self,
        folder: Path,
        *,
        warehouse: str = "warehouse",
        url: str | None = None,
        now: datetime | None = None,
        **settings: Any,
    ):
        """`url` is of a warehouse on a server, in place of a DuckDB file in the folder."""
        given = {"historical_periods": 0} | settings
        if url is None:
            prepared.begin_with_empty_warehouse(folder / f"{warehouse}.duckdb")
        address = SecretStr(url or f"duckdb:///{folder / warehouse}.duckdb")
        self.context = Context.of(
            read_settings(warehouse_url=address, data_dir=folder, **given),
            now=lambda: now or moment(12, 30),
        )
        self.exports = 0

    @contextmanager
    def held_open(self) -> Iterator[None]:
        """Keep one session open, so that nothing in the block opens or closes the file."""
        with self.context.warehouse.session():
            yield

    def deliver(
        self,
        content: Json | bytes,
        at: datetime,
        *,
        forecast: str = "north",
        quarter: str = QUARTER,
        types: Iterable[str] = EXPORT_TYPES,
        scope: str | None = None,
        currency: str | None = None,
        history: bool = True,
        source: str = "EXPORT",
        submitted: datetime | None = None,
        is_truncated: bool = False,
        is_whole: bool | None = None,
    ) -> str:
        """Land a document that Clari exported at `at`; returns its request id."""
        self.exports += 1
        name = f"{forecast}-{quarter}-{self.exports}"
        writer = self.context.landing.writer()
        writer.write(content if isinstance(content, bytes) else json.dumps(content).encode())
        row = {
            "request_id": f"request-{name}",
            "job_id": f"job-{name}",
            "run_id": "run",
            "forecast_id": forecast,
            "time_period_id": quarter,
            "types_to_export": ",".join(sorted(types)),
            "scope_id": scope,
            "currency": currency,
            "export_format": "JSON",
            "include_historical": history,
            "source": source,
            "clari_status": "DONE",
            "attempt": 1,
            "submitted_at": submitted or at,
            "completed_at": at,
            "landed_at": at,
            "exported_at": at,
            "poll_count": 1,
            "wait_seconds": 1,
            "rows_truncated": is_truncated,
        }
        facts = manifest_of(ExportRow(state="LANDED", **row)) | ({} if is_whole is None else {IS_WHOLE: is_whole})
        landed = writer.keep(forecast_id=forecast, time_period=quarter, job_id=row["job_id"], facts=facts)
        self.know(landed.folder)
        return row["request_id"]

    def know(self, folder: Path) -> None:
        """Write the ledger's row of a landed document, from its manifest."""
        landing = self.context.landing
        landed = landing.find(folder.relative_to(landing.root).as_posix())
        manifest = dict(landed.manifest)
        with self.context.warehouse.session() as session:
            ledger.EXPORTS.restore(
                session,
                result_sha256=manifest.pop("sha256"),
                result_bytes=manifest.pop("size"),
                landing_path=landing.path_of(landed),
                **manifest,
            )

    def merge(self, quarter: str = QUARTER) -> list[str]:
        return Loader(self.context).merge_landed(quarter)

    def refresh(self, mart: str) -> None:
        Marts(self.context).refresh(mart)

    def refresh_marts(self) -> None:
        Marts(self.context).refresh_all()

    def publish(self) -> Published:
        return publish(self.context.warehouse, self.context.places)

    def replay(self, quarters: Sequence[Quarter], forecasts: Sequence[str]) -> tuple[list[str], set[str]]:
        """Replay; returns the request ids merged, and those that had been refused before."""
        found = Replay(self.context).documents(quarters, forecasts)
        return found.request_ids, found.refused_before

    def replay_document(self, arriving: Arriving, **named: Any) -> str:
        (request_id,) = Replay(self.context).document(arriving, **named).request_ids
        return request_id

    def has_landed(self, quarter: str) -> bool:
        return has_landed(self.context.warehouse, quarter)

    def bring(self, content: Json | bytes, at: datetime, **request: Any) -> Outcome:
        """Land a document, merge it, refresh the marts of calls; returns the outcome."""
        request_id = self.deliver(content, at, **request)
        self.merge(request.get("quarter", QUARTER))
        self.refresh("forecast_vs_quota")
        return self.outcome(request_id)

    def outcome(self, request_id: str) -> Outcome:
        (outcome,) = outcomes_of(self.context.warehouse, [request_id])
        return outcome

    def rows(self, query: str, **parameters: Any) -> list[dict[str, Any]]:
        with self.context.warehouse.session() as session:
            return rows_of(session, query, parameters)

    def tuples(self, query: str, **parameters: Any) -> list[tuple[Any, ...]]:
        """The rows without their names."""
        return [tuple(row.values()) for row in self.rows(query, **parameters)]

    def snapshot(self, *tables: str, without: Collection[str] = ()) -> dict[str, list[Json]]:
        """Every row of these tables, sorted, without the columns `without`."""

        def kept(row: Json) -> Json:
            return {name: value for name, value in row.items() if name not in without}

        return {table: sorted(map(kept, self.rows(f"select * from clari.{table}")), key=repr) for table in tables}

    def row(self, query: str, **parameters: Any) -> dict[str, Any]:
        (only,) = self.rows(query, **parameters)
        return only

    def value(self, query: str, **parameters: Any) -> Any:
        return next(iter(self.row(query, **parameters).values()))

    def execute(self, statement: str) -> None:
        """Execute a statement, as somebody changing tables by hand would."""
        with self.context.warehouse.session() as session:
            _plainly(session).execute(statement)


def rows_of(session: Session, query: str, parameters: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    """The rows of a query as dicts, with lower-case column names."""
    answer = _plainly(session).execute(query, parameters or None)
    names = [column[0].lower() for column in answer.description]
    return [dict(zip(names, row, strict=True)) for row in answer.fetchall()]


def _plainly(session: Session) -> Any:
    """The engine's own connection, whose statements are not transpiled."""
    connection: Any = getattr(session, "connection", None) or session.documents
    return connection if hasattr(connection, "execute") else connection.cursor()
