"""Export jobs: their states, limits, and documents."""

import secrets
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from tempfile import SpooledTemporaryFile
from typing import Any
from weakref import finalize

from .answers import ORG_ID

READY = frozenset({"DONE", "COMPLETED"})
FINISHED = READY | {"FAILED", "CANCELLED", "ABORTED"}
LIFETIME = timedelta(days=30)  # how long results are kept, and the window of the quota
MOMENT = 0.000_001  # seconds; the shortest duration of a job
IN_MEMORY = 4_000_000  # bytes; a larger document is kept in a temporary file


class Result:
    """A job's document, kept as long as the job."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._file = SpooledTemporaryFile[bytes](max_size=IN_MEMORY)
        finalize(self, self._file.close)
        for chunk in chunks:
            self._file.write(chunk)
        self.size = self._file.tell()

    def read(self, place: int, length: int) -> bytes:
        """Read `length` bytes from the offset `place`; concurrent readers do not share a position."""
        self._file.seek(place)
        return self._file.read(length)


@dataclass(frozen=True)
class JobBehaviour:
    """How a job runs. It reaches the last state once its duration has passed and its document is written."""

    states: tuple[str, ...] = ("SCHEDULED", "STARTED", "DONE")
    duration_factor: int = 1
    wrapped: bool = True
    truncated: bool = False  # rows are missing
    cells_truncated: bool = False
    expires: int = 0  # n: the results of the first export of a quarter, and of every n-th after it, are expired
    listed_after: float = 0  # seconds until the list of jobs has it
    hidden: bool = False  # its status is 404, though the list has it


@dataclass(frozen=True)
class Export:
    """A snapshot of one accepted export.

    `downloads` counts responses that the connection accepted to the last byte, though the client may not have read
    them; `counted`: it counts against the monthly quota.
    """

    job_id: str
    forecast_id: str
    period_id: str
    status: str
    truncated: bool
    expired: bool
    downloads: int
    counted: bool


@dataclass
class Job:
    """One export. `started` is Clari's `startTime`, which its figures are as of; its progress is read from `clock`."""

    forecast_id: str
    period_id: str
    behaviour: JobBehaviour
    started: datetime
    seconds: float
    clock: Callable[[], float]
    file_type: str = "JSON"
    currency: str = "USD"
    result: "Future[Result]" = field(default_factory=Future)
    earlier: int = 0  # the number of exports of the same forecast and quarter before it
    id: str = field(default_factory=lambda: secrets.token_hex(12))
    downloads: int = 0  # responses begun
    delivered: int = 0  # responses that the connection accepted to the last byte
    born: float = field(init=False)
    _cancelled: str | None = None

    def __post_init__(self) -> None:
        self.seconds = max(self.seconds, MOMENT) * self.behaviour.duration_factor
        self.born = self.clock()

    @property
    def expired(self) -> bool:
        """Whether its results have expired."""
        return bool(self.behaviour.expires) and self.earlier % self.behaviour.expires == 0

    @property
    def status(self) -> str:
        """Its current state."""
        if self._cancelled:
            return self._cancelled
        states = self.behaviour.states
        phase = int((self.clock() - self.born) / self.seconds * (len(states) - 1))
        last = len(states) - 1 if self.result.done() else len(states) - 2
        return states[min(phase, last)]

    @property
    def is_listed(self) -> bool:
        """Whether the list of jobs has it."""
        return self.clock() - self.born >= self.behaviour.listed_after

    def cancel(self) -> bool:
        """Cancel it; returns False where it had already finished."""
        status = self.status
        if status in FINISHED:
            return False
        self._cancelled = "CANCELLED" if status == "SCHEDULED" else "ABORTED"
        return True

    def note_delivery(self) -> None:
        """Count a response that was sent completely."""
        self.delivered += 1

    def seen(self, *, counted: bool) -> Export:
        """A snapshot of the job."""
        return Export(
            job_id=self.id,
            forecast_id=self.forecast_id,
            period_id=self.period_id,
            status=self.status,
            truncated=self.behaviour.truncated or self.behaviour.cells_truncated,
            expired=self.expired,
            downloads=self.delivered,
            counted=counted,
        )

    @property
    def described(self) -> dict[str, Any]:
        """The job as the API returns it; only `fileName` contains forecast and quarter."""
        status = self.status
        ended = self.started + timedelta(seconds=self.seconds) if status in FINISHED else None
        expires = self.started + (timedelta(seconds=-1) if self.expired else LIFETIME)
        stamp = f"{self.started:%Y%m%d_%H%M%S}"
        is_activity = self.forecast_id == "activity"
        name = "activity" if is_activity else f"forecast_{self.forecast_id}_{self.period_id}2915"
        return {
            "jobId": self.id,
            "userId": 1,
            "orgId": ORG_ID,
            "title": "Activity Export" if is_activity else "Forecast Export",
            "module": "ACTIVITY" if is_activity else "FORECAST",
            "startTime": milliseconds(self.started),
            **({"endTime": milliseconds(ended)} if ended else {}),
            "expiredTime": milliseconds(expires),
            "version": 1,
            "fileName": f"clari_export_{name}_{stamp}.{self.file_type.lower()}",
            "fileType": self.file_type,
            "status": status,
            "viewed": False,
            "cellsTruncated": self.behaviour.cells_truncated,
            "rowsTruncated": self.behaviour.truncated,
            "downloads": self.downloads,
            "deliveryStatusMap": {},
            "currency": self.currency,
        }


@dataclass
class JobStore:
    """All jobs of one organisation, and its limits.

    Documents are written by threads while their jobs run; with `write_at_once` before a job is accepted, so that its
    state depends on the clock alone.
    """

    concurrent_limit: int
    monthly_quota: int
    clock: Callable[[], float]
    write_at_once: bool
    by_id: dict[str, Job] = field(default_factory=dict)  # in the order in which they were accepted

    def add(self, job: Job, chunks: Callable[[], Iterable[bytes]]) -> Job:
        """Queue an export with these chunks as its document."""
        job.earlier = self.exports_of(job.forecast_id, job.period_id)
        job.result = self._writers.submit(lambda: Result(chunks()))
        if self.write_at_once:
            wait([job.result])
        job.born = self.clock()
        self.by_id[job.id] = job
        return job

    def exports_of(self, forecast_id: str, period_id: str) -> int:
        """The number of jobs of a forecast and quarter."""
        return sum((job.forecast_id, job.period_id) == (forecast_id, period_id) for job in self.by_id.values())

    def unfinished(self) -> list[Job]:
        """Queued and running jobs: they count against the concurrent limit."""
        return [job for job in self.by_id.values() if job.status not in FINISHED]

    def counted(self, now: datetime) -> list[Job]:
        """Jobs that count against the monthly quota: of the last 30 days, without cancelled ones."""
        cancelled = {"CANCELLED", "ABORTED"}
        return [job for job in self.by_id.values() if job.status not in cancelled and job.started > now - LIFETIME]

    def open(self) -> None:
        """Start the writer threads; existing jobs are kept."""
        self._writers = ThreadPoolExecutor(max_workers=2, thread_name_prefix="sandbox-document")

    def close(self) -> None:
        """Stop the writer threads."""
        self._writers.shutdown(wait=False, cancel_futures=True)


def milliseconds(moment: datetime) -> int:
    """A moment in epoch milliseconds, as Clari sends it."""
    return int(moment.timestamp() * 1000)
