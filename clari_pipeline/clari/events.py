"""What happens to an export at Clari, emitted to an observer before the next step is taken."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from clari_pipeline.clari.models import ExportRequest, Job


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportEvent:
    """One thing that happened to one export; `request_id` is its row in the ledger."""

    request_id: str
    forecast_id: str
    time_period_id: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitting(ExportEvent):
    """Clari is about to be asked. Emitted before every attempt: the ledger is written ahead."""

    request: ExportRequest
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted(ExportEvent):
    """Clari has accepted the export."""

    job_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopted(ExportEvent):
    """The answer was lost, the job was found. `started_at` is Clari's `startTime`, where it gives one."""

    job_id: str
    started_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TypesRefused(ExportEvent):
    """This organisation may not have these types: the export goes on with those that are left."""

    types: tuple[str, ...]
    types_left: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Polled(ExportEvent):
    """Clari was asked how the job stands. `is_known` is false for a state that its description does not have."""

    job_id: str
    status: str
    is_known: bool
    poll_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Waited(ExportEvent):
    """A wait begins: for the job, for a free slot, or before a retry."""

    seconds: float
    reason: Literal["poll", "slot", "retry"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Retried(ExportEvent):
    """A call that went wrong is retried."""

    call: str
    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled(ExportEvent):
    """The job took too long and was cancelled, which gives its quota back."""

    job_id: str
    wait_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed(ExportEvent):
    """The job has ended, well or not. `wait_seconds` counts from acceptance."""

    job: Job
    poll_count: int
    wait_seconds: float


ExportObserver = Callable[[ExportEvent], Awaitable[None] | None]
"""What it returns is awaited before the next step is taken."""
