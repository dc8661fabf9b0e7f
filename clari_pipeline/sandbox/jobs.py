"""Export jobs: the states they pass through, what they count against, and the documents they leave behind."""

import secrets
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from tempfile import SpooledTemporaryFile
from typing import Any
from weakref import finalize

from .answers import ORG_ID

READY = frozenset({"DONE", "COMPLETED"})
FINISHED = READY | {"FAILED", "CANCELLED", "ABORTED"}
LIFETIME = timedelta(days=30)  # for which results are kept, and over which the monthly quota rolls
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
    truncated: bool = False
    expires: bool = False  # a first job's results are gone at once, the next one's are not


@dataclass
class Job:
    """One export. `started` is Clari's `startTime`, what the figures are as of."""

    forecast_id: str
    period_id: str
    file_type: str
    currency: str
    manner: Manner
    started: datetime
    seconds: float
    result: "Future[Result]"
    expired: bool = False
    id: str = field(default_factory=lambda: secrets.token_hex(12))
    downloads: int = 0
    _born: float = field(default_factory=time.monotonic)
    _cancelled: str | None = None

    @property
    def status(self) -> str:
        """The state it is in now."""
        if self._cancelled:
            return self._cancelled
        states = self.manner.states
        phase = int((time.monotonic() - self._born) / self.seconds * (len(states) - 1))
        last = len(states) - 1 if self.result.done() else len(states) - 2
        return states[min(phase, last)]

    def cancel(self) -> bool:
        """False where it had already finished."""
        status = self.status
        if status in FINISHED:
            return False
        self._cancelled = "CANCELLED" if status == "SCHEDULED" else "ABORTED"
        return True

    @property
    def described(self) -> dict[str, Any]:
        """The job as the API shows it; forecast and quarter stand in the file's name only."""
        status = self.status
        ended = self.started + timedelta(seconds=self.seconds) if status in FINISHED else None
        expires = self.started + (timedelta(seconds=-1) if self.expired else LIFETIME)
        stamp = f"{self.started:%Y%m%d_%H%M%S}"
        return {
            "jobId": self.id,
            "userId": 1,
            "orgId": ORG_ID,
            "title": "Forecast Export",
            "module": "FORECAST",
            "startTime": _milliseconds(self.started),
            "endTime": ended and _milliseconds(ended),
            "expiredTime": _milliseconds(expires),
            "version": 1,
            "fileName": f"clari_export_forecast_{self.forecast_id}_{self.period_id}2915_{stamp}"
            f".{self.file_type.lower()}",
            "fileType": self.file_type,
            "status": status,
            "viewed": False,
            "cellsTruncated": False,
            "rowsTruncated": self.manner.truncated,
            "downloads": self.downloads,
            "deliveryStatusMap": {},
            "currency": self.currency,
        }


class JobBook:
    """All jobs of one organisation, and its limits."""

    def __init__(self, *, concurrent_limit: int, monthly_quota: int) -> None:
        self.concurrent_limit = concurrent_limit
        self.monthly_quota = monthly_quota
        self._jobs: dict[str, Job] = {}

    def add(
        self,
        *,
        forecast_id: str,
        period_id: str,
        file_type: str,
        currency: str,
        manner: Manner,
        started: datetime,
        seconds: float,
        chunks: Callable[[], Iterable[bytes]],
    ) -> Job:
        """Queue an export whose document consists of those chunks; they are made while the job runs."""
        same = [job for job in self._jobs.values() if (job.forecast_id, job.period_id) == (forecast_id, period_id)]
        job = Job(
            forecast_id=forecast_id,
            period_id=period_id,
            file_type=file_type,
            currency=currency,
            manner=manner,
            started=started,
            seconds=max(seconds, 0.000_001) * manner.patience,
            result=self._writers.submit(lambda: Result(chunks())),
            expired=manner.expires and len(same) % 2 == 0,
        )
        self._jobs[job.id] = job
        return job

    def get(self, job_id: str) -> Job | None:
        """The job of that id."""
        return self._jobs.get(job_id)

    def newest_first(self) -> list[Job]:
        """All jobs, finished and cancelled ones included."""
        return list(reversed(self._jobs.values()))

    def unfinished(self) -> list[Job]:
        """Queued and running jobs: they hold the concurrent limit's places."""
        return [job for job in self._jobs.values() if job.status not in FINISHED]

    def counted(self, now: datetime) -> list[Job]:
        """Jobs that count against the monthly quota: those of 30 days, without cancelled ones."""
        cancelled = {"CANCELLED", "ABORTED"}
        return [job for job in self._jobs.values() if job.status not in cancelled and job.started > now - LIFETIME]

    def open(self) -> None:
        """Be ready to write documents; jobs of an earlier time are still known."""
        self._writers = ThreadPoolExecutor(max_workers=2, thread_name_prefix="sandbox-document")

    def close(self) -> None:
        """Write no further documents."""
        self._writers.shutdown(wait=False, cancel_futures=True)


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
