"""A product's records into its tables: staged as they are read, merged in one transaction, older never over newer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

from clari_pipeline.warehouse.session import Session
from clari_pipeline.warehouse.statements import row, run

_TEXT, _MOMENT, _AMOUNT = pa.string(), pa.timestamp("us", "UTC"), pa.decimal128(18, 4)


def _schema(**kinds: pa.DataType) -> pa.Schema:
    return pa.schema([("position", pa.int64()), *kinds.items()])


def _texts(names: str) -> dict[str, pa.DataType]:
    return dict.fromkeys(names.split(), _TEXT)


# What a product's documents are read into, the table of its records first, each with the columns that `stage_*` gets.
TABLES: Mapping[str, Mapping[str, pa.Schema]] = {
    "audit": {
        "audit_event": _schema(
            event_id=_TEXT,
            event_at=_MOMENT,
            **_texts("event event_parameters actor_id actor_type impersonating_actor_id session_id session_type"),
            **_texts("ip_address correlation_id"),
        ),
        "audit_actor": _schema(**_texts("actor_id actor_type name email")),
    },
    "activity": {
        "activity": _schema(
            **_texts("activity_id activity_type subject"),
            activity_at=_MOMENT,
            **_texts("owner_crm_user_id organiser_crm_user_id"),
        ),
        "activity_account": _schema(**_texts("activity_id account_id account_name account_owner_crm_user_id")),
        "activity_opportunity": _schema(
            **_texts("activity_id opportunity_id opportunity_name opportunity_owner_crm_user_id")
        ),
        "activity_participant": _schema(
            **_texts("activity_id participant_id name email crm_user_id"), is_internal=pa.bool_()
        ),
    },
    "opportunity": {
        "opportunity": _schema(opportunity_id=_TEXT, crm_score=_AMOUNT, crm_score_message=_TEXT),
        "opportunity_field": _schema(
            **_texts("opportunity_id field_id alias value value_type"),
            value_number=_AMOUNT,
            **_texts("original_value original_value_type"),
            original_value_number=_AMOUNT,
            trend=_TEXT,
        ),
        "opportunity_field_trend": _schema(
            **_texts("trend_id opportunity_id field_id"),
            value_changed_at=_MOMENT,
            old_value=_TEXT,
            old_value_number=_AMOUNT,
            new_value=_TEXT,
            new_value_number=_AMOUNT,
        ),
    },
}
_OF_PARTS = frozenset({"activity", "opportunity"})  # a record's parts may go, and the record stay
STAGED = tuple(f"stage_{table}" for tables in TABLES.values() for table in tables)
STAGING = tuple(f"documents/{product}_{step}" for product in TABLES for step in ("begin", "staged"))


@dataclass(frozen=True, slots=True)
class Merged:
    """What a merge did, in rows of the product's first table; `rows_merged` is counted in it afterwards."""

    rows_staged: int
    rows_inserted: int
    rows_updated: int
    rows_unchanged: int
    rows_merged: int


class Staging:
    """This session's `stage_*` tables of one product, made anew; they take its records as they are read."""

    def __init__(self, session: Session, product: str) -> None:
        self._session = session
        self._product = product
        self._taken = 0
        with self._read({}):
            run(session, f"documents/{product}_begin")

    def take(self, records: Mapping[str, list[dict[str, Any]]]) -> None:
        """More records, by table."""
        with self._read(records):
            run(self._session, f"documents/{self._product}_more")

    def end(self) -> None:
        """Merge what came several times, and bring all of it to where it is merged."""
        run(self._session, f"documents/{self._product}_staged")
        self._session.upload(f"stage_{table}" for table in TABLES[self._product])

    @contextmanager
    def _read(self, records: Mapping[str, list[dict[str, Any]]]) -> Iterator[None]:
        """The tables `raw_*` with these records meanwhile."""
        tables = TABLES[self._product]
        for name, schema in tables.items():
            found = [one | {"position": self._taken + place} for place, one in enumerate(records.get(name, ()))]
            self._session.documents.register(f"raw_{name}", pa.Table.from_pylist(found, schema=schema))
            self._taken += len(found)
        yield
        for name in tables:
            self._session.documents.unregister(f"raw_{name}")


def people_invented(session: Session, product: str) -> int:
    """People of the staged document who are a sandbox's; opportunities and limits name nobody."""
    if product not in {"audit", "activity"}:
        return 0
    found: int = row(session, f"documents/{product}_invented")["people"]
    return found


def merge(session: Session, product: str, *, request_id: str, exported_at: datetime) -> Merged:
    """Merge the staged document. The caller holds the transaction."""
    parameters = {"request_id": request_id, "exported_at": exported_at}
    before = row(session, f"products/{product}_counts", **parameters)
    run(session, f"products/{product}_merge", **parameters)
    if product in _OF_PARTS:
        run(session, f"products/{product}_hide", **parameters)
    after = row(session, f"products/{product}_merged", **parameters)
    staged, known, changed = (int(before[name]) for name in ("rows_staged", "rows_known", "rows_changed"))
    return Merged(staged, staged - known, changed, known - changed, int(after["rows_merged"]))


def say_gone(session: Session, **document: datetime) -> None:
    """Activities that a document of their days, `window_from` to `window_to`, as of `exported_at`, no longer shows."""
    run(session, "products/activity_gone", **document)


def forget(session: Session, product: str) -> None:
    """Empty a product's tables, to be rebuilt in this same transaction from its landed documents."""
    run(session, f"products/{product}_forget")
