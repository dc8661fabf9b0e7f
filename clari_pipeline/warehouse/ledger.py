"""The ledger: what is being asked of Clari, was asked, landed, merged, refused. It decides what happens next."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from clari_pipeline.warehouse.statements import Connection, Record, row, rows, run

LANDED_STATES = ("LANDED", "LOADED", "REFUSED")


def submitting(connection: Connection, **columns: Any) -> None:
    """Write an export down before Clari is asked for it."""
    run(connection, "ledger/submitting", **columns)


def submitted(connection: Connection, request_id: str, *, job_id: str, at: datetime | None) -> None:
    """Clari has accepted it, at that moment if it is known."""
    run(connection, "ledger/submitted", request_id=request_id, job_id=job_id, submitted_at=at)


def types_asked(connection: Connection, request_id: str, *, types: Iterable[str], refused: Iterable[str]) -> None:
    """What is asked for now, and what Clari has refused of the request."""
    run(
        connection,
        "ledger/types_asked",
        request_id=request_id,
        types_to_export=",".join(sorted(types)),
        types_refused=",".join(sorted(refused)) or None,
    )


def counted(connection: Connection, request_id: str, *, polls: int, retries: int, slot_seconds: Decimal) -> None:
    """So many polls, calls made once more, and seconds waited for a free slot, since the last time."""
    run(connection, "ledger/counted", request_id=request_id, polls=polls, retries=retries, slot_seconds=slot_seconds)


def ended(connection: Connection, request_id: str, **columns: Any) -> None:
    """The job has ended at Clari."""
    run(connection, "ledger/ended", request_id=request_id, **columns)


def landed(connection: Connection, request_id: str, **columns: Any) -> None:
    """The document is safe on disk."""
    run(connection, "ledger/landed", request_id=request_id, **columns)


def failed(connection: Connection, request_id: str, **columns: Any) -> None:
    """No document came; `state` is FAILED, TIMED_OUT or CANCELLED."""
    run(connection, "ledger/failed", request_id=request_id, **columns)


def deferred(connection: Connection, request_id: str, *, error: str, error_kind: str) -> None:
    """Clari cannot be asked now; the state stays, and the next run goes on with it."""
    run(connection, "ledger/deferred", request_id=request_id, error=error, error_kind=error_kind)


def refused(connection: Connection, request_id: str, error: str) -> None:
    """A document came and is not good enough."""
    run(connection, "ledger/refused", request_id=request_id, error=error)


def document_read(connection: Connection, request_id: str, **columns: Any) -> None:
    """What was counted in the document."""
    run(connection, "ledger/read_document", request_id=request_id, **columns)


def known_again(connection: Connection, **columns: Any) -> None:
    """Write the row of a landed document, unless the ledger has it."""
    run(connection, "ledger/known_again", **columns)


def export(connection: Connection, request_id: str) -> Record:
    """One export's row."""
    return row(connection, "ledger/by_request", request_id=request_id)


def exports_of_quarter(
    connection: Connection, forecast_id: str, quarter_id: str, states: Iterable[str]
) -> list[Record]:
    """A forecast's quarter in the order of `exported_at`; of two as of one moment the one submitted later is newer."""
    return rows(connection, "ledger/of_quarter", forecast_id=forecast_id, quarter_id=quarter_id, states=list(states))


def landed_of_quarter(connection: Connection, quarter_id: str) -> list[str]:
    """Request ids of the documents that wait to be merged, oldest first."""
    return [found["request_id"] for found in rows(connection, "ledger/landed_of_quarter", quarter_id=quarter_id)]


def refused_requests(connection: Connection) -> set[str]:
    """Request ids of all that the gate has refused."""
    return {found["request_id"] for found in rows(connection, "ledger/refused_requests")}


def at_clari(connection: Connection) -> list[Record]:
    """Exports that Clari has been asked for, and that have neither landed nor failed, the newest first."""
    return rows(connection, "ledger/at_clari")


def landed_by(connection: Connection, run_ids: Iterable[str]) -> list[Record]:
    """Exports of these runs of which a document has landed, merged or not, the newest first."""
    return rows(connection, "ledger/landed_by", run_ids=list(run_ids))


def taken_up(connection: Connection, request_id: str, run_id: str) -> None:
    """An export that was begun by another run belongs to this one now."""
    run(connection, "ledger/taken_up", request_id=request_id, run_id=run_id)


def exports_of_run(connection: Connection, run_id: str) -> list[Record]:
    """One sync's exports, newest attempts only."""
    return rows(connection, "ledger/of_run", run_id=run_id)


def known_jobs(connection: Connection) -> set[str]:
    """Clari's ids of every job that is ours already."""
    return {record["job_id"] for record in rows(connection, "ledger/known_jobs")}


def is_known(connection: Connection, request_id: str) -> bool:
    """Whether the ledger has a row for this export."""
    return bool(rows(connection, "ledger/by_request", request_id=request_id))


def is_size_known(connection: Connection, size: int) -> bool:
    """Whether a loaded document has just so many bytes."""
    return bool(row(connection, "ledger/of_size", result_bytes=size)["documents"])


def landings(connection: Connection) -> list[tuple[str, str]]:
    """Forecast and quarter of every landed document, oldest quarter first."""
    return [(found["forecast_id"], found["time_period_id"]) for found in rows(connection, "ledger/landings")]


def status(connection: Connection) -> list[Record]:
    """Each forecast × quarter: newest export, and the figures that stand."""
    return rows(connection, "ledger/status")


def alerts_unsent(connection: Connection) -> int:
    """Alerts that no channel has taken yet."""
    return int(row(connection, "ledger/alerts_unsent")["alerts"])


def judged(
    connection: Connection,
    request_id: str,
    *,
    check_name: str,
    passed: bool,
    severity: str,
    evidence: Mapping[str, Any],
    at: datetime,
) -> None:
    """Write a verdict down, over that of the same export and check."""
    run(
        connection,
        "ledger/check_judged",
        request_id=request_id,
        check_name=check_name,
        passed=passed,
        severity=severity,
        evidence=json.dumps(evidence, default=str, ensure_ascii=False, sort_keys=True),
        checked_at=at,
    )


def verdicts_of(connection: Connection, request_id: str) -> list[Record]:
    """An export's verdicts by name: `check_name`, `passed`, `severity`, `evidence` (a dictionary)."""
    return [
        found | {"evidence": json.loads(found["evidence"] or "{}")}
        for found in rows(connection, "ledger/checks_of", request_id=request_id)
    ]


def health_exports(connection: Connection) -> list[Record]:
    """Each forecast × quarter: `state` of the newest export; `exported_at`, `loaded_at` of the newest sync merged."""
    return rows(connection, "ledger/health_exports")


def health_states(connection: Connection) -> list[Record]:
    """Each forecast × quarter × `state`: how many `exports` stand there."""
    return rows(connection, "ledger/health_states")
