"""Events in words: one line each, for the terminal and for Dagster's log alike."""

from __future__ import annotations

from clari_pipeline.clari import (
    Adopted,
    Cancelled,
    Completed,
    Polled,
    Retried,
    Submitted,
    TypesRefused,
    Waited,
)
from clari_pipeline.events import Deferred, Event, Failed, Landed, Merged, QuotaRead, Refused, Requeued


def in_words(event: Event) -> str | None:  # noqa: PLR0912 - a line a kind of event
    """What happened; None for what would only bury the rest, such as ordinary polls and the waits between them."""
    line: str | None = None
    match event:
        case QuotaRead(is_low=True):
            line = event.sentence
        case Submitted(job_id=job_id):
            line = f"accepted as job {job_id}"
        case Adopted(job_id=job_id):
            line = f"answer was lost; found again as job {job_id}"
        case TypesRefused(types=types):
            line = f"Clari does not export {', '.join(types)} here: goes on without"
        case Polled(is_known=False, status=status, job_id=job_id):
            line = f"job {job_id} is in a state that nobody knows, {status or 'none'}: waiting on"
        case Waited(reason="slot", seconds=seconds):
            line = f"waiting {seconds:.0f} s for a free slot"
        case Retried(call=call, cause=cause):
            line = f"{call} once more ({cause})"
        case Completed(job=job, wait_seconds=seconds):
            line = f"{job.status} after {seconds:.1f} s"
        case Cancelled(wait_seconds=seconds, job_id=job_id):
            line = f"job {job_id} cancelled after {seconds:.0f} s"
        case Requeued(attempt=attempt, error=error):
            line = f"attempt {attempt}: {error}"
        case Failed(state=state, error=error):
            line = f"{state}: {error}"
        case Deferred(error=error):
            line = f"put off: {error}"
        case Landed(size=size, landing_path=path):
            line = f"landed in {path}, {size:,} bytes"
        case Merged(rows_staged=rows):
            line = f"LOADED, {rows:,} rows"
        case Refused(error=error):
            line = f"REFUSED: {error}"
        case _:
            pass
    return line
