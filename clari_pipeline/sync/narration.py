"""Events as lines of text, for the terminal and for Dagster's log."""

from clari_pipeline.clari import (
    Adopted,
    Answered,
    Cancelled,
    Completed,
    Polled,
    Retried,
    Submitted,
    TypesRefused,
    Waited,
)
from clari_pipeline.sync.events import Deferred, Event, Failed, Landed, Merged, QuotaRead, Refused, Requeued, Shared


class Narrator:
    """Formats events as lines; an unknown state of a job gives one line, not one at every poll."""

    def __init__(self) -> None:
        self._polled: set[tuple[str, str]] = set()

    def __call__(self, event: Event) -> str | None:
        """The line of an event; None for one that is not shown."""
        if isinstance(event, Polled):
            if (event.job_id, event.status) in self._polled:
                return None
            self._polled.add((event.job_id, event.status))
        return _line(event)

    @staticmethod
    def is_warning(event: Event) -> bool:
        """Whether the line is logged as a warning."""
        match event:
            case QuotaRead(is_low=is_low):
                return is_low
            case Polled(is_known=is_known):
                return not is_known
            case _:
                return isinstance(event, TypesRefused | Requeued | Deferred | Failed | Refused)


def _line(event: Event) -> str | None:  # noqa: PLR0911, PLR0912 - a line a kind of event
    match event:
        case QuotaRead(is_low=True):
            return event.sentence
        case Submitted(job_id=job_id):
            return f"accepted as job {job_id}"
        case Adopted(job_id=job_id):
            return f"the response was lost; found as job {job_id}"
        case TypesRefused(types=types):
            return f"Clari does not export {', '.join(types)} for this organisation: continuing without"
        case Answered(wait_seconds=seconds):
            return f"newest week received without an export job after {seconds:.1f} s"
        case Polled(is_known=False, status=status, job_id=job_id):
            return f"job {job_id} is in an unknown state, {status or 'none'}: still waiting"
        case Waited(reason="slot", seconds=seconds):
            return f"waiting {seconds:.0f} s for a free slot"
        case Retried(call=call, cause=cause):
            return f"retrying {call} ({cause})"
        case Completed(job=job, wait_seconds=seconds):
            return f"{job.status} after {seconds:.1f} s"
        case Cancelled(wait_seconds=seconds, job_id=job_id):
            return f"job {job_id} cancelled after {seconds:.0f} s"
        case Requeued(attempt=attempt, error=error):
            return f"attempt {attempt}: {error}"
        case Failed(state=state, error=error):
            return f"{state}: {error}"
        case Deferred(error=error):
            return f"deferred: {error}"
        case Shared():
            return "exported by the sync that ran beside this one"
        case Landed(size=size, landing_path=path):
            return f"landed in {path}, {size:,} bytes"
        case Merged(rows_staged=rows):
            return f"LOADED, {rows:,} rows"
        case Refused(error=error):
            return f"REFUSED: {error}"
        case _:
            return None
