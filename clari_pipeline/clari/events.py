"""What happens to an export, told to whoever listens before the next step is taken."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from clari_pipeline.clari.models import Job


@dataclass(frozen=True, slots=True, kw_only=True)
class _Event:
    request_id: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitting(_Event):
    """Clari is about to be asked. Told before every try: the ledger is written ahead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted(_Event):
    """Clari has accepted the export."""

    job_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopted(_Event):
    """The answer was lost, the job was found."""

    job_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Polled(_Event):
    """Clari was asked how the job stands."""

    job_id: str
    status: str
    poll_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Waited(_Event):
    """A wait begins: for the job, for a free slot, or before another try."""

    seconds: float
    reason: Literal["poll", "slot", "retry"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed(_Event):
    """The job has ended, well or not. `wait_seconds` counts from acceptance."""

    job: Job
    poll_count: int
    wait_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Landed(_Event):
    """The document is safe on disk; `size` in bytes."""

    size: int


ExportEvent = Submitting | Submitted | Adopted | Polled | Waited | Completed | Landed
Observer = Callable[[ExportEvent], None]
