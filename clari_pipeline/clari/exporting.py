"""Export jobs: queued within what Clari leaves free, polled to their end, fetched."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Set
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Literal, TypeVar

from clari_pipeline.clari.client import ClariClient, Download, ResultSink
from clari_pipeline.clari.clock import Clock, SystemClock
from clari_pipeline.clari.errors import (
    AnswerLost,
    AuthFailed,
    BadRequest,
    ClariDown,
    ClariError,
    ClariUnreachable,
    ExportCancelled,
    ExportJobFailed,
    ExportTimedOut,
    JobForgotten,
    JobNotReady,
    NotFound,
    QuotaOrConcurrencyReached,
    ResultsExpired,
    TypeNotSupported,
)
from clari_pipeline.clari.events import (
    Adopted,
    Cancelled,
    Completed,
    ExportEvent,
    ExportObserver,
    Polled,
    Retried,
    Submitted,
    Submitting,
    TypesRefused,
    Waited,
)
from clari_pipeline.clari.models import Export, ExportRequest, Job, JobState, Limits
from clari_pipeline.clari.slots import Slots

_LONGEST_POLL_S = 30.0
_SLOT_POLL_S = 5.0
_CLOCK_SKEW = timedelta(minutes=2)
_MOST_LOST_ANSWERS = 10
_PATIENCE_WITH_LOST_ANSWERS = timedelta(seconds=60)
_LOST_ANSWER_WAIT_S = 0.2
_LOOKS_AFTER_S = (0.0, 0.2, 1.0)  # Clari may list a job late
_APPEARS_WITHIN = timedelta(seconds=30)  # a job that Clari has just accepted may not be shown at once
_MOST_UNSEEN = 3
_FETCHES_AFTER_S = (0.0, 1.0, 4.0)  # a job may be DONE a moment before its result is there
_Event = TypeVar("_Event", bound=ExportEvent)


class Exporter:
    """Makes exports, many at once in one event loop, never more than Clari allows.

    `known_jobs` names the jobs that are somebody's already: a job whose answer was lost is looked for among
    the others, its own left out. `asking` is held from before Clari is asked for an export until its job is known,
    so that of two processes none takes the other's job for its own. `observe` is told of each step before the next
    is taken; what it raises stops the export. `retried` is told of calls that are made once more.
    """

    def __init__(
        self,
        client: ClariClient,
        *,
        export_timeout_s: float = 600,
        slot_timeout_s: float = 1800,
        poll_interval_s: float = 1,
        max_concurrent: int | None = None,
        known_jobs: Callable[[], Awaitable[Set[str]]] | None = None,
        asking: Callable[[ExportRequest], AbstractAsyncContextManager[Any]] = lambda _request: nullcontext(),
        observe: ExportObserver = lambda _event: None,
        retried: Callable[[Retried], None] = lambda _event: None,
        clock: Clock | None = None,
    ) -> None:
        self._client = client
        self._export_timeout_s = export_timeout_s
        self._poll_interval_s = poll_interval_s
        self._known_jobs = known_jobs
        self._asking = asking
        self._observe = observe
        self._retried = retried
        self._clock = clock or SystemClock()
        self._slots = Slots(
            client,
            clock=self._clock,
            timeout_s=slot_timeout_s,
            poll_interval_s=poll_interval_s,
            max_concurrent=max_concurrent,
            pause=lambda export, seconds: self._pause(export, seconds, "slot"),
        )
        self._looking = asyncio.Lock()
        self._own: set[str] = set()
        self._refused_types: set[str] = set()

    async def limits(self) -> Limits:
        """What Clari leaves free, all unknown where it does not say. Raises `ClariDown` and `AuthFailed`."""
        return await self._slots.limits()

    async def make(self, export: Export) -> Job:
        """Queue an export, or go on with one that was left behind, and wait for it; the DONE job.

        Where the answer to the one that was left behind never arrived, its job is looked for, and only then asked
        for again. Raises `ClariError`, `JobLost` among them.
        """
        if export.left_behind is None:
            return await self._queue_and_wait(export)
        job_id, asked_at = export.left_behind.job_id, export.left_behind.asked_at
        if job_id is not None:
            return await self._wait(export, job_id, accepted_at=asked_at)
        async with self._asking(export.request):
            adopted = await self._find_lost(export, asked_at)
        if adopted is None and export.is_history:
            raise JobForgotten("Clari was asked for it by a run that died, and has no job of it")
        if adopted is None:
            return await self._queue_and_wait(export)
        return await self._wait(export, adopted, accepted_at=self._clock.now())

    async def fetch(self, export: Export, job: Job, sink: ResultSink, *, max_bytes: int | None = None) -> Download:
        """Download a DONE job's document. Raises `ResultsExpired` where it is no more.

        Raises `ClariUnreachable` where it takes longer than a job may.
        """
        try:
            async with asyncio.timeout(self._export_timeout_s):
                return await self._fetch(export, job, sink, max_bytes)
        except TimeoutError as error:
            raise ClariUnreachable(
                f"the result of job {job.job_id} has not come within {self._export_timeout_s:g} s: "
                "run again, or raise CLARI_EXPORT_TIMEOUT_S"
            ) from error

    async def _fetch(self, export: Export, job: Job, sink: ResultSink, max_bytes: int | None) -> Download:
        client = self._heard(export)
        for delay in _FETCHES_AFTER_S:
            if delay:
                await self._pause(export, delay, "retry")
            try:
                return await client.download(job.job_id, sink, max_bytes=max_bytes)
            except (JobNotReady, NotFound) as error:
                refused = error
                job = await self._job(export, job.job_id)
                if job.expired_time is not None and job.expired_time <= self._clock.now():
                    break
        raise ResultsExpired(
            f"the result of job {job.job_id} can no longer be had: Clari answered {refused.status}", job
        ) from refused

    async def _queue_and_wait(self, export: Export) -> Job:
        slots = await self._slots.taken_by(export)
        async with slots:
            job_id = await self._submit(export)
            job = await self._wait(export, job_id, accepted_at=self._clock.now())
            await self._slots.widen(slots)
        return job

    async def _wait(self, export: Export, job_id: str, *, accepted_at: datetime) -> Job:
        """Poll a job to its end; the DONE job. `accepted_at` is when the export timeout begins.

        A job that takes too long is cancelled, which frees its quota; one that is done all the same is as good as any.
        """
        polls = unseen = 0
        late: Job | None = None  # as it was when it was cancelled
        while True:
            try:
                job = await self._job(export, job_id)
            except JobForgotten:
                unseen += 1
                is_young = self._clock.now() - accepted_at < _APPEARS_WITHIN
                if not is_young and unseen >= _MOST_UNSEEN and not await self._is_listed(export, job_id):
                    raise
                await self._pause(export, self._poll_interval_s, "poll")
                continue
            polls, unseen = polls + 1, 0
            heard_at = self._clock.now()
            waited = (heard_at - accepted_at).total_seconds()
            is_known = job.state is not JobState.UNKNOWN
            await self._tell(export, Polled, job_id=job_id, status=job.status, is_known=is_known, poll_count=polls)
            is_late = waited >= self._export_timeout_s
            if job.state.is_end or late:
                await self._tell(export, Completed, job=job, poll_count=polls, wait_seconds=waited)
                return self._ended(job, waited, late=late or (job if is_late else None))
            if is_late:
                late = job
                await self._cancel(export, job_id, waited)
                continue
            pause = min(max(waited / 10, self._poll_interval_s), _LONGEST_POLL_S, self._export_timeout_s - waited)
            spent = (self._clock.now() - heard_at).total_seconds()  # on writing down what was heard
            await self._pause(export, pause - min(max(spent, 0.0), pause), "poll")

    async def _cancel(self, export: Export, job_id: str, waited: float) -> None:
        """Cancel a job; where Clari says that it cannot, it has ended, or an earlier try has cancelled it."""
        try:
            await self._heard(export).cancel(job_id)
        except (BadRequest, NotFound):
            return
        self._slots.note_cancelled()
        await self._tell(export, Cancelled, job_id=job_id, wait_seconds=waited)

    def _ended(self, job: Job, waited: float, *, late: Job | None) -> Job:
        """The job, if it is DONE. `late` is how it stood when its time was up."""
        match job.state:
            case JobState.DONE:
                return job
            case JobState.FAILED:
                raise ExportJobFailed(f"job {job.job_id} failed at Clari: run again, or ask Clari's support", job)
            case JobState.CANCELLED | JobState.ABORTED if late is None:
                raise ExportCancelled(f"job {job.job_id} was cancelled at Clari ({job.status}): run again", job)
            case _:
                raise ExportTimedOut(
                    f"job {job.job_id} was not done after {waited:.0f} s "
                    f"(last state {(late or job).status or 'none'}): run again, or raise CLARI_EXPORT_TIMEOUT_S",
                    job,
                )

    async def _job(self, export: Export, job_id: str) -> Job:
        try:
            return await self._heard(export).job(job_id)
        except (BadRequest, NotFound) as error:
            raise JobForgotten(f"Clari knows of no job {job_id} any more ({error})") from error
        except AuthFailed as error:
            if error.status != 403:
                raise
            raise JobForgotten(f"this key may not see job {job_id}, which another one may have made") from error

    async def _is_listed(self, export: Export, job_id: str) -> bool:
        """Whether Clari lists a job that it does not show; taken for granted where the list cannot be had."""
        try:
            return job_id in {job.job_id for job in await self._heard(export).jobs()}
        except (AuthFailed, ClariDown):
            raise
        except ClariError:
            return True

    async def _submit(self, export: Export) -> str:
        """Queue the export; a job whose answer was lost is looked for before Clari is asked again."""
        lost = 0
        first_lost_at = begun = self._clock.now()
        while True:
            self._slots.check_quota()
            async with self._asking(export.request):
                await self._tell(export, Submitting, request=export.request, attempt=export.attempt)
                request = await self._without_refused(export)
                try:
                    job_id = await self._heard(export).submit_export(request)
                except TypeNotSupported as error:
                    refused = set(error.refused(request.types))
                    if not refused or refused == set(request.types):
                        raise
                    self._refused_types |= refused
                    continue
                except (AnswerLost, QuotaOrConcurrencyReached) as error:
                    is_full = isinstance(error, QuotaOrConcurrencyReached)
                    first_lost_at = first_lost_at if lost else self._clock.now()
                    lost += not is_full
                    # The job that a lost answer told of may be the very one that now takes up the slot.
                    if lost and (adopted := await self._find_lost(export, begun)):
                        return adopted
                    is_too_long = self._clock.now() - first_lost_at > _PATIENCE_WITH_LOST_ANSWERS
                    if lost >= _MOST_LOST_ANSWERS or (lost and is_too_long and not is_full):
                        raise
                else:
                    self._own.add(job_id)
                    self._slots.note_accepted()
                    await self._tell(export, Submitted, job_id=job_id)
                    return job_id
            if is_full:
                await self._slots.wait(export, is_refused=True)
            else:
                await self._pause(export, min(_LOST_ANSWER_WAIT_S * 2**lost, _SLOT_POLL_S), "retry")

    async def _without_refused(self, export: Export) -> ExportRequest:
        """The request without the types that Clari has refused, this one or an earlier one of this run."""
        types = export.request.types
        left = tuple(kind for kind in types if kind not in self._refused_types)
        if not left or left == types:
            return export.request
        refused = tuple(kind for kind in types if kind in self._refused_types)
        await self._tell(export, TypesRefused, types=refused, types_left=left)
        return replace(export.request, types=left)

    async def _find_lost(self, export: Export, asked_at: datetime) -> str | None:
        """The job that a lost answer told of, now this export's. Raises `AnswerLost` where that cannot be seen."""
        for delay in _LOOKS_AFTER_S:
            if delay:
                await self._pause(export, delay, "retry")
            async with self._looking:
                try:
                    listed = await self._heard(export).jobs()
                except ClariError as error:
                    raise AnswerLost(f"whether Clari has queued the export cannot be seen: {error}") from error
                taken = self._own | (await self._known_jobs() if self._known_jobs else frozenset())
                for job in listed:
                    if job.job_id not in taken and job.is_of(export.request) and _is_since(job, asked_at):
                        self._own.add(job.job_id)
                        await self._tell(export, Adopted, job_id=job.job_id, started_at=job.start_time)
                        return job.job_id
        return None

    async def _pause(self, export: Export, seconds: float, reason: Literal["poll", "slot", "retry"]) -> None:
        await self._tell(export, Waited, seconds=seconds, reason=reason)
        await self._clock.sleep(seconds)

    def _heard(self, export: Export) -> ClariClient:
        """The client, whose repeated calls are told as this export's."""
        return self._client.heard_by(
            lambda call, cause: self._retried(self._event(export, Retried, call=call, cause=cause))
        )

    async def _tell(self, export: Export, kind: type[_Event], **what: Any) -> None:
        told = self._observe(self._event(export, kind, **what))
        if told is not None:
            await told

    def _event(self, export: Export, kind: type[_Event], **what: Any) -> _Event:
        return kind(
            request_id=export.request_id,
            forecast_id=export.request.forecast_id,
            time_period_id=export.request.time_period,
            at=self._clock.now(),
            **what,
        )


def _is_since(job: Job, asked_at: datetime) -> bool:
    """Whether the job may come of a request made then, clocks differing. A job that is queued has no start yet."""
    if job.start_time is None:
        return not job.state.is_end
    return job.start_time >= asked_at - _CLOCK_SKEW
