"""Export jobs: queued within what Clari leaves free, polled to their end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Set
from datetime import UTC, datetime, timedelta
from typing import Literal, Protocol

from clari_pipeline.clari.client import ClariClient
from clari_pipeline.clari.errors import (
    AnswerLost,
    AuthFailed,
    ClariError,
    ExportCancelled,
    ExportJobFailed,
    ExportTimedOut,
    NoSlot,
    QuotaExhausted,
    QuotaOrConcurrencyReached,
)
from clari_pipeline.clari.events import Adopted, Completed, Observer, Polled, Submitted, Submitting, Waited
from clari_pipeline.clari.models import ExportRequest, Job, JobState, Limits

_LONGEST_POLL_S = 30.0
_SLOT_POLL_S = 5.0
_CLOCK_SKEW = timedelta(minutes=2)
_MOST_LOST_ANSWERS = 10
_LOST_ANSWER_WAIT_S = 0.2
_LOOKS_AFTER_S = (0.0, 0.2, 1.0)  # Clari may list a job late


class Clock(Protocol):
    """Time as this room sees it, so that tests can advance it."""

    def now(self) -> datetime:
        """The present moment, aware."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The present moment, UTC."""
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)


class Exporter:
    """Makes exports, many at once in one event loop, never more than Clari leaves free.

    `known_jobs` names the jobs that are somebody's already: a job whose answer was lost is looked for among
    the others, its own left out. `observe` is told of each step before it is taken; what it raises stops the export.
    """

    def __init__(
        self,
        client: ClariClient,
        *,
        export_timeout_s: float = 600,
        slot_timeout_s: float = 1800,
        poll_interval_s: float = 1,
        max_concurrent: int | None = None,
        known_jobs: Callable[[], Set[str]] = frozenset,
        observe: Observer = lambda _event: None,
        clock: Clock | None = None,
    ) -> None:
        self._client = client
        self._export_timeout_s = export_timeout_s
        self._slot_timeout_s = slot_timeout_s
        self._poll_interval_s = poll_interval_s
        self._max_concurrent = max_concurrent
        self._known_jobs = known_jobs
        self._observe = observe
        self._clock = clock or SystemClock()
        self._slots: asyncio.Semaphore | None = None
        self._deciding = asyncio.Lock()
        self._looking = asyncio.Lock()
        self._own: set[str] = set()

    async def export(self, request: ExportRequest, *, request_id: str) -> Job:
        """Queue an export and wait for it; the DONE job. Raises `ClariError`, `ExportFailed` among them."""
        slots = await self._concurrency(request_id)
        async with slots:
            job_id = await self._submit(request, request_id)
            return await self.wait(job_id, request_id=request_id, accepted_at=self._clock.now())

    async def resume(self, request: ExportRequest, *, request_id: str, job_id: str | None, asked_at: datetime) -> Job:
        """Go on with an export that was left behind; the DONE job.

        Without a `job_id` the answer never arrived: the job is looked for, and only then asked for again.
        """
        found = job_id or await self._find_lost(request, asked_at, request_id)
        if found is None:
            return await self.export(request, request_id=request_id)
        if job_id is None:
            self._observe(Adopted(request_id=request_id, at=self._clock.now(), job_id=found))
        return await self.wait(found, request_id=request_id, accepted_at=asked_at)

    async def wait(self, job_id: str, *, request_id: str, accepted_at: datetime) -> Job:
        """Poll a job to its end; the DONE job. `accepted_at` is when the export timeout begins."""
        polls = 0
        while True:
            job = await self._client.job(job_id)
            polls += 1
            waited = (self._clock.now() - accepted_at).total_seconds()
            self._observe(
                Polled(request_id=request_id, at=self._clock.now(), job_id=job_id, status=job.status, poll_count=polls)
            )
            is_late = waited >= self._export_timeout_s
            if job.state.is_end or is_late:
                self._observe(
                    Completed(
                        request_id=request_id, at=self._clock.now(), job=job, poll_count=polls, wait_seconds=waited
                    )
                )
                return self._ended(job, waited)
            pause = min(max(waited / 10, self._poll_interval_s), _LONGEST_POLL_S, self._export_timeout_s - waited)
            await self._pause(request_id, pause, "poll")

    def _ended(self, job: Job, waited: float) -> Job:
        match job.state:
            case JobState.DONE:
                return job
            case JobState.FAILED:
                raise ExportJobFailed(f"job {job.job_id} failed at Clari: run again, or ask Clari's support", job)
            case JobState.CANCELLED | JobState.ABORTED:
                raise ExportCancelled(f"job {job.job_id} was cancelled at Clari ({job.status}): run again", job)
            case _:
                raise ExportTimedOut(
                    f"job {job.job_id} was not done after {waited:.0f} s (last state {job.status or 'none'}): "
                    "run again, or raise CLARI_EXPORT_TIMEOUT_S",
                    job,
                )

    async def _concurrency(self, request_id: str) -> asyncio.Semaphore:
        """How many may run at once, decided when the first export asks."""
        begun = self._clock.now()
        async with self._deciding:
            if self._slots is None:
                free = (await self._wait_for_slot(request_id, since=begun)).available_concurrent_limit
                bounds = [bound for bound in (self._max_concurrent, free) if bound is not None]
                self._slots = asyncio.Semaphore(max(1, min(bounds, default=1)))
            return self._slots

    async def _submit(self, request: ExportRequest, request_id: str) -> str:
        """Queue the export; a job whose answer was lost is looked for before Clari is asked again."""
        lost = 0
        begun = self._clock.now()
        while True:
            self._observe(Submitting(request_id=request_id, at=self._clock.now()))
            try:
                job_id = await self._client.submit_export(request)
            except (AnswerLost, QuotaOrConcurrencyReached) as error:
                is_full = isinstance(error, QuotaOrConcurrencyReached)
                lost += not is_full
                # The job that a lost answer told of may be the very one that now takes up the slot.
                found = await self._find_lost(request, begun, request_id) if lost else None
                if found is not None:
                    self._observe(Adopted(request_id=request_id, at=self._clock.now(), job_id=found))
                    return found
                if is_full:
                    await self._wait_for_slot(request_id, since=begun, is_refused=True)
                elif lost >= _MOST_LOST_ANSWERS:
                    raise
                else:
                    await self._pause(request_id, min(_LOST_ANSWER_WAIT_S * 2**lost, _SLOT_POLL_S), "retry")
                continue
            self._own.add(job_id)
            self._observe(Submitted(request_id=request_id, at=self._clock.now(), job_id=job_id))
            return job_id

    async def _find_lost(self, request: ExportRequest, asked_at: datetime, request_id: str) -> str | None:
        """The job that a lost answer told of."""
        for delay in _LOOKS_AFTER_S:
            if delay:
                await self._pause(request_id, delay, "retry")
            async with self._looking:
                listed = await self._client.jobs()
                taken = self._known_jobs() | self._own
                for job in listed:
                    if job.job_id not in taken and job.is_of(request) and _is_since(job, asked_at):
                        self._own.add(job.job_id)
                        return job.job_id
        return None

    async def _wait_for_slot(self, request_id: str, *, since: datetime, is_refused: bool = False) -> Limits:
        """Wait until Clari leaves a slot free; `QuotaExhausted` at once where no quota is left.

        `since` is when the wait began, which may be longer ago than this call. Where Clari has just refused,
        its limits are believed only after a pause. Where `/admin/limits` itself fails, the limits are unknown
        and one export at a time is tried.
        """
        while True:
            limits = await self._limits()
            if limits.available_monthly_quota is not None and limits.available_monthly_quota <= 0:
                used = len(limits.submitted_job_ids) or limits.monthly_quota
                raise QuotaExhausted(
                    f"no export is left: {used} of {limits.monthly_quota} are used up in Clari's rolling 30 days: "
                    "wait until the oldest fall out of them, or ask Clari to raise the quota"
                )
            is_free = limits.available_concurrent_limit is None or limits.available_concurrent_limit > 0
            if is_free and not is_refused:
                return limits
            is_refused = False
            waited = (self._clock.now() - since).total_seconds()
            if waited >= self._slot_timeout_s:
                raise NoSlot(
                    f"Clari had no free slot for {waited:.0f} s ({limits.concurrent_limit} at once are allowed): "
                    "run again later, or raise CLARI_SLOT_TIMEOUT_S"
                )
            await self._pause(request_id, min(max(waited / 10, self._poll_interval_s), _SLOT_POLL_S), "slot")

    async def _limits(self) -> Limits:
        try:
            return await self._client.limits()
        except AuthFailed as error:
            if error.status != 403:  # 403: the key is good, and may not look at limits
                raise
        except ClariError:
            pass
        return Limits()

    async def _pause(self, request_id: str, seconds: float, reason: Literal["poll", "slot", "retry"]) -> None:
        self._observe(Waited(request_id=request_id, at=self._clock.now(), seconds=seconds, reason=reason))
        await self._clock.sleep(seconds)


def _is_since(job: Job, asked_at: datetime) -> bool:
    """Whether the job may come of a request made then, clocks differing. A job that is queued has no start yet."""
    if job.start_time is None:
        return not job.state.is_end
    return job.start_time >= asked_at - _CLOCK_SKEW
