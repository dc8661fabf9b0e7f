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
from clari_pipeline.sync.events import Deferred, Event, Failed, Landed, Merged, QuotaRead, Refused, Requeued


class Narrator:
    """Puts events into words; a job's odd state is worth a word once, not at every poll."""

    def __init__(self) -> None:
        self._said: set[tuple[str, str]] = set()

    def __call__(self, event: Event) -> str | None:
        """What happened; None for what would only bury the rest."""
        if isinstance(event, Polled):
            if (event.job_id, event.status) in self._said:
                return None
            self._said.add((event.job_id, event.status))
        return _in_words(event)

    @staticmethod
    def is_warning(event: Event) -> bool:
        """Whether somebody should look at it, though nothing has to be wrong."""
        match event:
            case QuotaRead(is_low=is_low):
                return is_low
            case Polled(is_known=is_known):
                return not is_known
            case _:
                return isinstance(event, TypesRefused | Requeued | Deferred | Failed | Refused)


def _in_words(event: Event) -> str | None:  # noqa: PLR0912 - a line a kind of event
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
