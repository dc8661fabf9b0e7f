"""Export jobs: the states they pass through, what they count against, and the documents they leave behind."""

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
LIFETIME = timedelta(days=30)  # for which results are kept, and over which the monthly quota rolls
MOMENT = 0.000_001  # seconds; no job is quicker
IN_MEMORY = 4_000_000  # bytes; a larger document waits on disk, in a file without a name


class Result:
    """A document, for as long as its job is remembered."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._file = SpooledTemporaryFile[bytes](max_size=IN_MEMORY)
        finalize(self, self._file.close)
        for chunk in chunks:
            self._file.write(chunk)
        self.size = self._file.tell()

    def read(self, place: int, length: int) -> bytes:
        """So many bytes from that place on; several readers do not disturb each other."""
        self._file.seek(place)
        return self._file.read(length)


@dataclass(frozen=True)
class Manner:
    """How a job runs. The last state is reached when its time is up and its document is written."""

    states: tuple[str, ...] = ("SCHEDULED", "STARTED", "DONE")
    patience: int = 1  # how many times as long it takes
    wrapped: bool = True
    truncated: bool = False  # rows are missing
    cells_truncated: bool = False
    expires: int = 0  # the results of every so-manieth export of a quarter are gone at once, the first one's too
    listed_after: float = 0  # seconds for which it does not stand in the list of jobs
    hidden: bool = False  # its status is not there, though the list shows it


@dataclass(frozen=True)
class Export:
    """What has become of one accepted export.

    `downloads` counts answers that the connection took to the last byte, though nobody may have read them;
    `counted` says whether it counts against the monthly quota.
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
    """One export. `started` is Clari's `startTime`, what the figures are as of; `clock` (seconds) moves it on."""

    forecast_id: str
    period_id: str
    manner: Manner
    started: datetime
    seconds: float
    clock: Callable[[], float]
    file_type: str = "JSON"
    currency: str = "USD"
    result: "Future[Result]" = field(default_factory=Future)
    earlier: int = 0  # exports of the same forecast and quarter before this one
    id: str = field(default_factory=lambda: secrets.token_hex(12))
    downloads: int = 0  # answers begun
    delivered: int = 0  # answers that the connection took to their last byte
    born: float = field(init=False)
    _cancelled: str | None = None

    def __post_init__(self) -> None:
        self.seconds = max(self.seconds, MOMENT) * self.manner.patience
        self.born = self.clock()

    @property
    def expired(self) -> bool:
        """Whether its results are gone."""
        return bool(self.manner.expires) and self.earlier % self.manner.expires == 0

    @property
    def status(self) -> str:
        """The state it is in now."""
        if self._cancelled:
            return self._cancelled
        states = self.manner.states
        phase = int((self.clock() - self.born) / self.seconds * (len(states) - 1))
        last = len(states) - 1 if self.result.done() else len(states) - 2
        return states[min(phase, last)]

    @property
    def is_listed(self) -> bool:
        """Whether the list of jobs shows it."""
        return self.clock() - self.born >= self.manner.listed_after

    def cancel(self) -> bool:
        """False where it had already finished."""
        status = self.status
        if status in FINISHED:
            return False
        self._cancelled = "CANCELLED" if status == "SCHEDULED" else "ABORTED"
        return True

    def note_delivery(self) -> None:
        """Count an answer that was sent to its end."""
        self.delivered += 1

    def seen(self, *, counted: bool) -> Export:
        """The job as it is now."""
        return Export(
            job_id=self.id,
            forecast_id=self.forecast_id,
            period_id=self.period_id,
            status=self.status,
            truncated=self.manner.truncated or self.manner.cells_truncated,
            expired=self.expired,
            downloads=self.delivered,
            counted=counted,
        )

    @property
    def described(self) -> dict[str, Any]:
        """The job as the API shows it; forecast and quarter stand in the file's name only."""
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
            "cellsTruncated": self.manner.cells_truncated,
            "rowsTruncated": self.manner.truncated,
            "downloads": self.downloads,
            "deliveryStatusMap": {},
            "currency": self.currency,
        }


@dataclass
class JobStore:
    """All jobs of one organisation, and its limits.

    Documents are written by threads while their jobs run; with `write_at_once`, before a job is accepted, so that
    nothing but the clock decides what state it is in.
    """

    concurrent_limit: int
    monthly_quota: int
    clock: Callable[[], float]
    write_at_once: bool
    by_id: dict[str, Job] = field(default_factory=dict)  # in the order in which they were accepted

    def add(self, job: Job, chunks: Callable[[], Iterable[bytes]]) -> Job:
        """Queue an export whose document consists of those chunks."""
        job.earlier = self.exports_of(job.forecast_id, job.period_id)
        job.result = self._writers.submit(lambda: Result(chunks()))
        if self.write_at_once:
            wait([job.result])
        job.born = self.clock()
        self.by_id[job.id] = job
        return job

    def exports_of(self, forecast_id: str, period_id: str) -> int:
        """How many jobs there have been for that forecast and quarter."""
        return sum((job.forecast_id, job.period_id) == (forecast_id, period_id) for job in self.by_id.values())

    def unfinished(self) -> list[Job]:
        """Queued and running jobs: they hold the concurrent limit's places."""
        return [job for job in self.by_id.values() if job.status not in FINISHED]

    def counted(self, now: datetime) -> list[Job]:
        """Jobs that count against the monthly quota: those of 30 days, without cancelled ones."""
        cancelled = {"CANCELLED", "ABORTED"}
        return [job for job in self.by_id.values() if job.status not in cancelled and job.started > now - LIFETIME]

    def open(self) -> None:
        """Be ready to write documents; jobs of an earlier time are still known."""
        self._writers = ThreadPoolExecutor(max_workers=2, thread_name_prefix="sandbox-document")

    def close(self) -> None:
        """Write no further documents."""
        self._writers.shutdown(wait=False, cancel_futures=True)


def milliseconds(moment: datetime) -> int:
    """A moment as Clari writes it."""
    return int(moment.timestamp() * 1000)
