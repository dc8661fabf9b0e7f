"""Rebuild the tables from landed documents, or land and merge a document from elsewhere, without a call to Clari."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from clari_pipeline.core.periods import Quarter
from clari_pipeline.core.runbook import Problem, RunbookSection
from clari_pipeline.core.setting_errors import UsageError
from clari_pipeline.landing import Arriving, LandedDocument, Landing, LandingError
from clari_pipeline.store import alert_rows, ledger
from clari_pipeline.store.ledger_rows import ExportRow
from clari_pipeline.sync.context import Context
from clari_pipeline.sync.loading import Loader, raise_all
from clari_pipeline.sync.recording import manifest_of
from clari_pipeline.sync.refreshing import Marts
from clari_pipeline.warehouse.session import Warehouse

_BEFORE_A_QUARTER = timedelta(days=16)  # its first week may begin earlier, and a fiscal year in mid-month


class FileState(StrEnum):
    """What became of a file; `REFUSED` and `UNREADABLE` are failures."""

    MERGED = "MERGED"
    KNOWN = "KNOWN"
    REFUSED = "REFUSED"
    UNREADABLE = "UNREADABLE"
    NO_DOCUMENT = "NO_DOCUMENT"
    SKIPPED = "SKIPPED"


@dataclass(frozen=True, slots=True)
class InboxFile:
    """One entry of an inbox and what became of it: `detail` for people, `section` of the runbook on a failure.

    `time_period_id` is its quarter, None where it has none; `request_id` is its row of the ledger, None where this run
    landed nothing.
    """

    name: str
    state: FileState
    detail: str
    time_period_id: str | None = None
    request_id: str | None = None
    section: str = RunbookSection.INBOX_FILE

    @property
    def is_failure(self) -> bool:
        """Whether it was to be merged and was not."""
        return self.state in {FileState.REFUSED, FileState.UNREADABLE}

    @property
    def line(self) -> str:
        """The file, and what became of it."""
        return f"{self.name}: {self.detail}"


@dataclass(frozen=True, slots=True)
class Replayed:
    """Request ids of the replayed exports, and of all exports that were refused before the replay.

    `problems` come from the refresh of the marts; `files` are the entries of an inbox, where one was read.
    """

    request_ids: list[str]
    refused_before: set[str]
    problems: list[Problem]
    files: tuple[InboxFile, ...] = ()


class Replay:
    """Replays landed documents into a warehouse."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def documents(self, quarters: Sequence[Quarter], forecasts: Sequence[str]) -> Replayed:
        """Rebuild the tables from the landed documents, quarter by quarter, each in the order of `exported_at`.

        Raises `LandingError`, once all others are merged, where the tables hold rows of a document that is damaged.
        """
        loader = Loader(self._context)
        unreadable: dict[str, LandingError] = {}
        with self._context.warehouse.session() as session:  # the file is opened once
            for document in self._context.landing.readable(unreadable.__setitem__):
                _restore_ledger_row(self._context.warehouse, self._context.landing, document)
            known = ledger.landing_paths(session)
        damaged = [error for path, error in unreadable.items() if path not in known]
        wanted = {str(quarter) for quarter in quarters}
        replayed: list[str] = []
        with self._context.warehouse.session() as session:
            refused = ledger.refused_requests(session)
            landings = ledger.landings(session)
        for forecast_id, quarter_id in landings:
            if (wanted and quarter_id not in wanted) or (forecasts and forecast_id not in forecasts):
                continue
            self._context.stop.check()
            try:
                loader.rebuild(forecast_id, quarter_id)
            except LandingError as error:
                damaged.append(error)
                continue
            with self._context.warehouse.session() as session:
                exports = ledger.exports_of_quarter(session, forecast_id, quarter_id, ledger.LANDED_STATES)
            replayed += [export.request_id for export in exports]
        if not replayed:
            raise_all(damaged)
        with self._context.warehouse.transaction("alerts") as session:  # so that replayed exports raise no alerts
            alert_rows.mark_reviewed(session, replayed, at=self._context.now())
        self._context.stop.check()
        problems = Marts(self._context).refresh_all()
        raise_all(damaged)
        return Replayed(replayed, refused, problems)

    def document(
        self,
        arriving: Arriving,
        *,
        forecast_id: str,
        quarter: Quarter,
        exported_at: datetime | None,
        run_id: str,
    ) -> Replayed:
        """Land and merge one document from elsewhere; idempotent: its id is a hash of the document and its labels.

        Raises `UsageError` if the quarter cannot have been exported at that moment: in the future, or too early.
        """
        with self._context.warehouse.session() as session:
            refused_before = ledger.refused_requests(session)
        landed = self.land(arriving, forecast_id=forecast_id, quarter=quarter, exported_at=exported_at, run_id=run_id)
        with self._context.warehouse.kept_open():
            job_id = self.merge(landed)
            self._context.stop.check()
            problems = Marts(self._context).refresh_all()
        return Replayed([job_id], refused_before, problems)

    def land(
        self,
        arriving: Arriving,
        *,
        forecast_id: str,
        quarter: Quarter,
        exported_at: datetime | None,
        run_id: str,
    ) -> LandedDocument:
        """Land one document from elsewhere, for `merge`. Raises `UsageError` as `document` does."""
        writer = arriving.written()
        as_of = exported_at or arriving.changed_at
        self._check_moment(quarter, as_of, "--exported-at" if exported_at else "the file's modification time")
        self._context.stop.check()
        identity = "\n".join((writer.sha256, forecast_id, str(quarter), as_of.astimezone(UTC).isoformat()))
        job_id = f"document-{hashlib.sha256(identity.encode()).hexdigest()[:32]}"
        now = self._context.now()
        row = ExportRow(  # types and format are read from the document
            request_id=job_id,
            job_id=job_id,
            run_id=run_id,
            forecast_id=forecast_id,
            time_period_id=str(quarter),
            include_historical=True,
            state="LANDED",
            attempt=1,
            submitted_at=now,
            landed_at=now,
            exported_at=as_of,
            poll_count=0,
            rows_truncated=False,
        )
        manifest = manifest_of(row) | {"wait_seconds": 0}
        return writer.keep(forecast_id=forecast_id, time_period=str(quarter), job_id=job_id, facts=manifest)

    def merge(self, landed: LandedDocument) -> str:
        """Merge or refuse a document that `land` has landed, judging it again; returns its request id."""
        request_id: str = landed.manifest["request_id"]
        with self._context.warehouse.kept_open():
            _restore_ledger_row(self._context.warehouse, self._context.landing, landed)
            Loader(self._context).remerge(request_id)
        return request_id

    def _check_moment(self, quarter: Quarter, as_of: datetime, source: str) -> None:
        given = f"{source} is {as_of.astimezone(UTC):%Y-%m-%dT%H:%M:%S}+00:00"
        remedy = "say with --document and --exported-at when the file was exported"
        if as_of > self._context.now():
            raise UsageError(f"{given}, which is still to come by this machine's clock: {remedy}")
        ahead = self._context.settings.future_periods
        first = self._context.fiscal_calendar().first_day(quarter.shifted(-ahead)) - _BEFORE_A_QUARTER
        if self._context.calendar.day_of(as_of) < first:
            raise UsageError(
                f"{given}, and {quarter} can have been exported from {first} on "
                f"(CLARI_FUTURE_PERIODS={ahead}): {remedy}, or name another --period"
            )


def _restore_ledger_row(warehouse: Warehouse, landing: Landing, document: LandedDocument) -> None:
    """Insert a landed document's ledger row from its manifest, unless it has one."""
    manifest: dict[str, Any] = dict(document.manifest)
    result = {
        "result_sha256": manifest.pop("sha256"),
        "result_bytes": manifest.pop("size"),
        "landing_path": landing.path_of(document),
    }
    manifest.setdefault("types_refused", None)
    manifest.setdefault("source", "EXPORT")  # of an earlier release
    manifest["exported_at"] = manifest["exported_at"] or manifest["submitted_at"]
    with warehouse.session() as session:
        ledger.EXPORTS.restore(session, **manifest, **result)
