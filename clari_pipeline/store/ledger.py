"""The ledger: what is being asked of Clari, was asked, landed, merged, refused. It decides what happens next."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from clari_pipeline.warehouse.session import Session
from clari_pipeline.warehouse.statements import Record, row, rows, run

LANDED_STATES = ("LANDED", "LOADED", "REFUSED", "RETIRED")


def in_order(moment: datetime, last: datetime | None) -> datetime:
    """That moment, or the one right after the last: a clock that was set back makes nothing older than what was."""
    return moment if last is None or moment >= last else last + timedelta(microseconds=1)


def submitting(session: Session, *, submitted_at: datetime, **columns: Any) -> None:
    """Write an export down before Clari is asked for it: the newest of its forecast's quarter, whatever time it is."""
    which = {name: columns[name] for name in ("forecast_id", "quarter_id")}
    last = row(session, "ledger/last_submitted", **which)["submitted_at"]
    run(session, "ledger/submitting", **columns, submitted_at=in_order(submitted_at, last))


def submitted(session: Session, request_id: str, *, job_id: str, at: datetime | None) -> None:
    """Clari has accepted it, at that moment if it is known."""
    run(session, "ledger/submitted", request_id=request_id, job_id=job_id, submitted_at=at)


def types_asked(session: Session, request_id: str, *, types: Iterable[str], refused: Iterable[str]) -> None:
    """What is asked for now, and what Clari has refused of the request."""
    run(
        session,
        "ledger/types_asked",
        request_id=request_id,
        types_to_export=",".join(sorted(types)),
        types_refused=",".join(sorted(refused)) or None,
    )


def quota_read(session: Session, **columns: Any) -> None:
    """Write down what Clari leaves of exports, as a run read it."""
    run(session, "ledger/quota_read", **columns)


def counted(session: Session, request_id: str, *, polls: int, retries: int, slot_seconds: Decimal) -> None:
    """Add so many polls, retried calls, and seconds waited for a free slot."""
    run(session, "ledger/counted", request_id=request_id, polls=polls, retries=retries, slot_seconds=slot_seconds)


def ended(session: Session, request_id: str, *, exported_at: datetime | None, **columns: Any) -> None:
    """The job has ended at Clari. Where it has no start, it is as of its submission, newer than those before it."""
    if exported_at is None:
        known = row(session, "ledger/exported_before", request_id=request_id)
        exported_at = in_order(known["submitted_at"], known["exported_before"])
    run(session, "ledger/ended", request_id=request_id, exported_at=exported_at, **columns)


def landed(session: Session, request_id: str, **columns: Any) -> None:
    """The document is safe on disk."""
    run(session, "ledger/landed", request_id=request_id, **columns)


def failed(session: Session, request_id: str, **columns: Any) -> None:
    """No document came; `state` is FAILED, TIMED_OUT or CANCELLED."""
    run(session, "ledger/failed", request_id=request_id, **columns)


def deferred(session: Session, request_id: str, *, error: str, error_kind: str) -> None:
    """Clari cannot be asked now; the state stays, and the next run goes on with it."""
    run(session, "ledger/deferred", request_id=request_id, error=error, error_kind=error_kind)


def refused(session: Session, request_id: str, error: str) -> None:
    """A document came and is not good enough."""
    run(session, "ledger/refused", request_id=request_id, error=error)


def document_read(session: Session, request_id: str, **columns: Any) -> None:
    """What was counted in the document."""
    run(session, "ledger/read_document", request_id=request_id, **columns)


def restore(session: Session, **columns: Any) -> None:
    """Restore the row of a landed document from its manifest, unless the ledger has it."""
    run(session, "ledger/restored", **columns)


def export(session: Session, request_id: str) -> Record:
    """One export's row."""
    return row(session, "ledger/by_request", request_id=request_id)


def exports_of_quarter(session: Session, forecast_id: str, quarter_id: str, states: Iterable[str]) -> list[Record]:
    """A forecast's quarter in the order of `exported_at`; of two as of one moment the one submitted later is newer."""
    return rows(session, "ledger/of_quarter", forecast_id=forecast_id, quarter_id=quarter_id, states=list(states))


def landed_of_quarter(session: Session, quarter_id: str) -> list[str]:
    """Request ids of the documents that wait to be merged, oldest first."""
    return [found["request_id"] for found in rows(session, "ledger/landed_of_quarter", quarter_id=quarter_id)]


def refused_requests(session: Session) -> set[str]:
    """Request ids of all that the gate has refused."""
    return {found["request_id"] for found in rows(session, "ledger/refused_requests")}


def at_clari(session: Session) -> list[Record]:
    """Exports that Clari has been asked for, and that have neither landed nor failed, the newest first."""
    return rows(session, "ledger/at_clari")


def landed_by(session: Session, run_ids: Iterable[str]) -> list[Record]:
    """Exports of which a document has landed: these runs', merged or not, and whosever wait to be; the newest first."""
    return rows(session, "ledger/landed_by", run_ids=list(run_ids))


def reassign(session: Session, request_id: str, run_id: str) -> None:
    """Reassign an export that another run left behind to the run that goes on with it."""
    run(session, "ledger/reassigned", request_id=request_id, run_id=run_id)


def exports_of_run(session: Session, run_id: str) -> list[Record]:
    """One sync's exports, newest attempts only."""
    return rows(session, "ledger/of_run", run_id=run_id)


def known_jobs(session: Session) -> set[str]:
    """Clari's ids of every job that is ours already."""
    return {record["job_id"] for record in rows(session, "ledger/known_jobs")}


def is_known(session: Session, request_id: str) -> bool:
    """Whether the ledger has a row for this export."""
    return bool(rows(session, "ledger/by_request", request_id=request_id))


def landings(session: Session) -> list[tuple[str, str]]:
    """Forecast and quarter of every landed document, oldest quarter first."""
    return [(found["forecast_id"], found["time_period_id"]) for found in rows(session, "ledger/landings")]


def landing_paths(session: Session) -> set[str]:
    """Where the landed documents lie that the ledger knows."""
    return {found["landing_path"] for found in rows(session, "ledger/landing_paths")}


def status(session: Session) -> list[Record]:
    """Each forecast × quarter: newest export, and the figures that stand."""
    return rows(session, "ledger/status")


def alerts_pending(session: Session) -> int:
    """How many alerts are pending, of those not older than a week."""
    return int(row(session, "ledger/alerts_pending")["alerts"])


def judged(session: Session, request_id: str, verdicts: Mapping[str, Record], *, at: datetime) -> None:
    """Write an export's verdicts down, by the names of their checks, over those of the same checks.

    Each with `passed`, `severity` and `evidence` (a dictionary).
    """
    run(session, "ledger/checks_forgotten", request_id=request_id, check_names=list(verdicts))
    written = [
        (
            check_name,
            verdict["passed"],
            verdict["severity"],
            json.dumps(verdict["evidence"], default=str, ensure_ascii=False, sort_keys=True),
        )
        for check_name, verdict in verdicts.items()
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


def verdicts_of(session: Session, request_id: str) -> list[Record]:
    """An export's verdicts by name: `check_name`, `passed`, `severity`, `evidence` (a dictionary)."""
    return [
        found | {"evidence": json.loads(found["evidence"] or "{}")}
        for found in rows(session, "ledger/checks_of", request_id=request_id)
    ]


def health_exports(session: Session) -> list[Record]:
    """Each forecast × quarter: `state` of the newest export; `exported_at`, `loaded_at` of the newest sync merged."""
    return rows(session, "ledger/health_exports")


def health_states(session: Session) -> list[Record]:
    """Each forecast × quarter × `state`: how many `exports` stand there."""
    return rows(session, "ledger/health_states")
