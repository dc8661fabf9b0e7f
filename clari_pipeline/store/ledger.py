"""The two ledgers, `export_job` of forecasts and `product_fetch` of the products beside them.

The `state` of a row is the last step that is done: SUBMITTING, SUBMITTED, LANDED, then LOADED or REFUSED; or FAILED,
TIMED_OUT, CANCELLED; RETIRED, once its quarter has left the tables. An interrupted run is continued from it.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Generic, TypeVar

from clari_pipeline.checks.export_gate import Verdict
from clari_pipeline.store.ledger_rows import ExportRow, FetchRow, LedgerRow
from clari_pipeline.warehouse.session import Record, Session, row, rows, rows_as, run

_Row = TypeVar("_Row", bound=LedgerRow)
_NO_WINDOW = dict.fromkeys(("window_from", "window_to", "gap_from", "gap_to"))  # of a fetch
LANDED_STATES = ("LANDED", "LOADED", "REFUSED", "RETIRED")


def in_order(moment: datetime, last: datetime | None) -> datetime:
    """The moment, or a microsecond after `last` where that is later: a clock that was set back must reorder nothing."""
    return moment if last is None or moment >= last else last + timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Ledger(Generic[_Row]):
    """One of the two tables, a row an export or fetch, named by its `request_id`.

    Its queries stand in `sql/ledger.sql`, their names beginning with `prefix`. What is submitted later is newer than
    all of its forecast's quarter or product, whatever the clock says.
    """

    prefix: str
    kind: type[_Row]

    def submitting(
        self, session: Session, *, submitted_at: datetime, started_by: str | None = None, **columns: Any
    ) -> datetime:
        """Persist an export before Clari is asked. Returns its `submitted_at`, not before the last one's."""
        at = in_order(submitted_at, self._row(session, "last_submitted", **columns)["submitted_at"])
        self._run(session, "submitting", **_NO_WINDOW | columns, submitted_at=at, started_by=started_by)
        return at

    def submitted(
        self, session: Session, request_id: str, *, job_id: str, at: datetime | None, is_adopted: bool
    ) -> None:
        """Clari has accepted it, at that moment if it is known.

        `is_adopted`: the answer was lost, and a job was found at Clari that may be this one.
        """
        self._run(session, "submitted", request_id=request_id, job_id=job_id, submitted_at=at, is_adopted=is_adopted)

    def counted(
        self, session: Session, request_id: str, *, retries: int, polls: int = 0, slot_seconds: Decimal = Decimal(0)
    ) -> None:
        """Add to the counts of polls and retried calls, and to the seconds of waiting for a free slot."""
        self._run(session, "counted", request_id=request_id, polls=polls, retries=retries, slot_seconds=slot_seconds)

    def ended(self, session: Session, request_id: str, *, exported_at: datetime | None, **columns: Any) -> None:
        """The job has ended at Clari. Without `exported_at` it is as of its submission, or right after the last one."""
        if exported_at is None:
            known = self._row(session, "exported_before", request_id=request_id)
            exported_at = in_order(known["submitted_at"], known["exported_before"])
        self._run(session, "ended", request_id=request_id, exported_at=exported_at, **columns)

    def landed(self, session: Session, request_id: str, **columns: Any) -> None:
        """The document is safe on disk."""
        self._run(session, "landed", request_id=request_id, **columns)

    def loaded(self, session: Session, request_id: str, **columns: Any) -> None:
        """The document's rows are in the tables."""
        self._run(session, "loaded", request_id=request_id, **columns)

    def failed(
        self,
        session: Session,
        request_id: str,
        *,
        error: str,
        error_kind: str | None,
        state: str = "FAILED",
        clari_status: str | None = None,
    ) -> None:
        """No document will come; `state` is FAILED, TIMED_OUT or CANCELLED, `error_kind` the error's class."""
        self._run(
            session,
            "failed",
            request_id=request_id,
            state=state,
            clari_status=clari_status,
            error=error,
            error_kind=error_kind,
        )

    def deferred(self, session: Session, request_id: str, *, error: str, error_kind: str) -> None:
        """Clari cannot be asked now; the state stays, and the next run goes on with it."""
        self._run(session, "deferred", request_id=request_id, error=error, error_kind=error_kind)

    def refused(self, session: Session, request_id: str, error: str, *, rows_exported: int | None = None) -> None:
        """A document came, and the gate keeps it out."""
        self._run(session, "refused", request_id=request_id, error=error, rows_exported=rows_exported)

    def reassign(self, session: Session, request_id: str, run_id: str) -> None:
        """Reassign what another run left behind to the run that goes on with it."""
        self._run(session, "reassigned", request_id=request_id, run_id=run_id)

    def restore(self, session: Session, **columns: Any) -> None:
        """Restore the row of a landed document from its manifest, unless the ledger has it."""
        self._run(session, "restored", **columns)

    def row(self, session: Session, request_id: str) -> _Row:
        """One export's row."""
        (only,) = rows_as(self.kind, session, f"ledger/{self.prefix}by_request", request_id=request_id)
        return only

    def find(self, session: Session, request_id: str) -> _Row | None:
        """One export's row, or None where there is none."""
        return next(iter(rows_as(self.kind, session, f"ledger/{self.prefix}by_request", request_id=request_id)), None)

    def known_jobs(self, session: Session) -> set[str]:
        """Clari's ids of the jobs of all rows."""
        return {found["job_id"] for found in rows(session, f"ledger/{self.prefix}known_jobs")}

    def _run(self, session: Session, query: str, **parameters: Any) -> None:
        run(session, f"ledger/{self.prefix}{query}", **parameters)

    def _row(self, session: Session, query: str, **parameters: Any) -> Record:
        return row(session, f"ledger/{self.prefix}{query}", **parameters)


EXPORTS = Ledger("", ExportRow)
FETCHES = Ledger("fetch_", FetchRow)


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentCounts:
    """What reading a document has found: columns of `export_job`; of a product's document `rows_exported` alone."""

    rows_exported: int
    rows_staged: int | None = None
    types_to_export: str | None = None
    export_format: str | None = None
    scope_id: str | None = None
    document_period_id: str | None = None
    call_time_frame_id: str | None = None
    quota_fields: str | None = None
    contract: str | None = None


@dataclass(frozen=True, slots=True)
class QuarterStatus:
    """A forecast × quarter: `state` of its newest export; `exported_at` and count of the merged `rows`.

    `current_at` is the moment of the newest calls that were merged without a job, None where none were.
    """

    forecast_id: str
    time_period_id: str
    state: str
    exported_at: datetime | None
    rows: int | None
    current_at: datetime | None = None


def answered(session: Session, request_id: str, *, job_id: str, as_of: datetime | None, wait_seconds: Decimal) -> None:
    """Record that the call without a job has answered, as of `as_of`, Clari's clock, or else of the request's moment.

    Where that is not later than every other `exported_at` of the forecast's quarter, it becomes a microsecond later:
    clocks may differ, and `Date` is cut to the second.
    """
    (known,) = rows(session, "ledger/exported_last", request_id=request_id)
    last = known["exported_last"]
    moment = in_order(as_of or known["submitted_at"], last and last + timedelta(microseconds=1))
    EXPORTS.submitted(session, request_id, job_id=job_id, at=None, is_adopted=False)
    EXPORTS.ended(
        session,
        request_id,
        exported_at=moment,
        clari_status=None,
        completed_at=None,
        wait_seconds=wait_seconds,
        rows_truncated=False,
    )


def has_current_call(session: Session, base_url: str) -> bool | None:
    """Whether the organisation has the call without a job; None before Clari was first asked at that address."""
    return next((bool(found["has_it"]) for found in rows(session, "ledger/current_call", base_url=base_url)), None)


def note_current_call(session: Session, base_url: str, *, has_it: bool, at: datetime) -> None:
    """Remember whether the organisation has the call without a job, by an answer from that address."""
    with session.lock("current_call"), session.transaction():
        run(session, "ledger/current_call_noted", has_it=has_it, asked_at=at, base_url=base_url)


def types_asked(session: Session, request_id: str, *, types: Iterable[str], refused: Iterable[str]) -> None:
    """Record the export types that are asked for now, and those that Clari has refused."""
    run(
        session,
        "ledger/types_asked",
        request_id=request_id,
        types_to_export=",".join(sorted(types)),
        types_refused=",".join(sorted(refused)) or None,
    )


def quota_read(session: Session, **columns: Any) -> None:
    """Record in `export_quota` what Clari allows a run to export, and what is left of it."""
    run(session, "ledger/quota_read", **columns)


def document_read(session: Session, request_id: str, counts: DocumentCounts) -> None:
    """Record what reading the document has found."""
    run(session, "ledger/read_document", request_id=request_id, **asdict(counts))


def exports_of_quarter(session: Session, forecast_id: str, quarter_id: str, states: Iterable[str]) -> list[ExportRow]:
    """A forecast's quarter in the order of `exported_at`; of two as of one moment the one submitted later is newer."""
    which = {"forecast_id": forecast_id, "quarter_id": quarter_id, "states": list(states)}
    return rows_as(ExportRow, session, "ledger/of_quarter", **which)


def landed_of_quarter(session: Session, quarter_id: str) -> list[str]:
    """Request ids of the documents that wait to be merged, oldest first."""
    return [found["request_id"] for found in rows(session, "ledger/landed_of_quarter", quarter_id=quarter_id)]


def refused_requests(session: Session) -> set[str]:
    """Request ids of all exports and fetches that the gate has refused."""
    return {found["request_id"] for found in rows(session, "ledger/refused_requests")}


def landed_documents(session: Session, forecast_id: str) -> dict[tuple[str, str], str | None]:
    """By SHA-256 and quarter of each judged document: why it was refused, None where it was merged."""
    found = rows(session, "ledger/landed_documents", forecast_id=forecast_id)
    return {(one["result_sha256"], one["time_period_id"]): one["error"] for one in found}


def at_clari(session: Session) -> list[ExportRow]:
    """Exports that Clari has been asked for, and that have neither landed nor failed, the newest first."""
    return rows_as(ExportRow, session, "ledger/at_clari")


def landed_by(session: Session, run_ids: Iterable[str]) -> list[ExportRow]:
    """Landed exports, newest first: merged or refused ones of these runs, and of any run those that wait to be merged.

    Of the waiting ones only those that would be the newest of their quarter.
    """
    return rows_as(ExportRow, session, "ledger/landed_by", run_ids=list(run_ids))


def exports_of_run(session: Session, run_id: str) -> list[ExportRow]:
    """One sync's exports, newest attempts only."""
    return rows_as(ExportRow, session, "ledger/of_run", run_id=run_id)


def landings(session: Session) -> list[tuple[str, str]]:
    """Forecast and quarter of every landed document, oldest quarter first."""
    return [(found["forecast_id"], found["time_period_id"]) for found in rows(session, "ledger/landings")]


def landing_paths(session: Session) -> set[str]:
    """`landing_path` of every landed document, relative to the landing folder."""
    return {found["landing_path"] for found in rows(session, "ledger/landing_paths")}


def status(session: Session) -> list[QuarterStatus]:
    """Each forecast × quarter, the newest quarter first."""
    return rows_as(QuarterStatus, session, "ledger/status")


def alerts_pending(session: Session) -> int:
    """How many alerts are pending, of those not older than a week."""
    return int(row(session, "ledger/alerts_pending")["alerts"])


def keep_verdicts(session: Session, verdicts: Iterable[Verdict], at: datetime) -> None:
    """Write verdicts into `export_check`, in place of those of the same export and check."""
    of_export: dict[str, dict[str, Verdict]] = {}
    for verdict in verdicts:
        of_export.setdefault(verdict.request_id, {})[verdict.check_name] = verdict
    for request_id, by_check in of_export.items():
        run(session, "ledger/checks_forgotten", request_id=request_id, check_names=list(by_check))
        written = [
            (
                verdict.check_name,
                verdict.passed,
                verdict.severity,
                json.dumps(verdict.evidence, default=str, ensure_ascii=False, sort_keys=True),
            )
            for verdict in by_check.values()
        ]
        check_names, passed, severities, evidence = (list(column) for column in zip(*written, strict=True))
        run(
            session,
            "ledger/checks_judged",
            request_id=request_id,
            check_names=check_names,
            passed=passed,
            severities=severities,
            evidence=evidence,
            verdicts=written,  # the same, row by row
            checked_at=at,
        )


def verdicts_of(session: Session, request_id: str) -> list[Verdict]:
    """An export's verdicts, by the names of their checks."""
    return [
        Verdict(request_id=request_id, **found | {"evidence": json.loads(found["evidence"] or "{}")})
        for found in rows(session, "ledger/checks_of", request_id=request_id)
    ]


def newest_verdicts(session: Session, runs: int) -> list[Record]:
    """Each verdict on the exports and fetches of the newest `runs` that have any, the newest first.

    `subject` is a forecast, or with `is_fetch` a product; `evidence` is JSON.
    """
    return rows(session, "ledger/newest_verdicts", runs=runs)


def health_exports(session: Session) -> list[Record]:
    """Each forecast × quarter: `state` of the newest export; `exported_at`, `loaded_at` of a sync's newest merged."""
    return rows(session, "ledger/health_exports")


def health_states(session: Session) -> list[Record]:
    """Each forecast × quarter × `state`: how many `exports` stand there."""
    return rows(session, "ledger/health_states")
