"""Events of an export at Clari, emitted to an observer; the observer is awaited before the next step runs."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from clari_pipeline.clari.models import ExportRequest, Job


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportEvent:
    """An event of one export, at a UTC moment; `request_id` is the key of its row in the ledger."""

    request_id: str
    forecast_id: str
    time_period_id: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitting(ExportEvent):
    """The export call is about to be sent. Emitted before every attempt: the ledger is written ahead."""

    request: ExportRequest
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted(ExportEvent):
    """Clari has queued the export as this job."""

    job_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopted(ExportEvent):
    """The response to the export call was lost, and its job found in the list of jobs.

    `started_at` is Clari's `startTime` by this machine's clock, None where it gives none.
    """

    job_id: str
    started_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TypesRefused(ExportEvent):
    """This organisation may not export `types`: the export is submitted with `types_left`."""

    types: tuple[str, ...]
    types_left: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered(ExportEvent):
    """The call without a job has delivered the newest week. `job_id` is `Export.current_id`, in place of a job's.

    `as_of` is Clari's clock at the answer, None where that has no `Date`; `wait_seconds` is how long it took to come.
    """

    job_id: str
    as_of: datetime | None
    wait_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Polled(ExportEvent):
    """A job's status was polled. `is_known` is false for a state that Clari's API description does not list."""

    job_id: str
    status: str
    is_known: bool
    poll_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Waited(ExportEvent):
    """A wait of so many seconds begins: until the next poll, for a free slot, or before a retry."""

    seconds: float
    reason: Literal["poll", "slot", "retry"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Retried(ExportEvent):
    """A failed call is retried; `cause` is why it failed."""

    call: str
    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled(ExportEvent):
    """The job exceeded the export timeout and was cancelled, which frees its quota."""

    job_id: str
    wait_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed(ExportEvent):
    """The job has reached a final state, DONE or not. `wait_seconds` counts from acceptance."""

    job: Job
    poll_count: int
    wait_seconds: float


ExportObserver = Callable[[ExportEvent], Awaitable[None] | None]
"""Called with each event; an awaitable that it returns is awaited before the next step."""
