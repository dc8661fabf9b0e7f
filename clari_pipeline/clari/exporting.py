"""The export runner: submits within Clari's concurrency limit, polls jobs to a final state, downloads documents."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Set
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import KW_ONLY, dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Literal, TypeVar

from clari_pipeline.clari import errors, events
from clari_pipeline.clari.bodies import ResultSink
from clari_pipeline.clari.client import ClariClient, Download
from clari_pipeline.clari.clock import Clock, read_date
from clari_pipeline.clari.models import Export, ExportRequest, Job, JobState, Limits
from clari_pipeline.clari.slots import Acceptance, LostAnswers, Slots

_LONGEST_POLL_S = 30.0
_SHORTEST_PAUSE_S = 0.01  # less may vanish in rounding when it is added to the clock's seconds
_SHORTEST_POLL_S = 60.0  # a poll may be retried for so long, though its job has less time left
_SLOT_POLL_S = 5.0
_CLOCKS_DIFFER = timedelta(minutes=2)  # tolerated clock skew where Clari sends no `Date`
_MOMENTS_DIFFER = timedelta(seconds=10)  # where it does: `Date` is cut to the second, and of another server
_LOST_ANSWER_WAIT_S = 0.2
_APPEARS_WITHIN_S = 30.0  # Clari lists a job, and answers its status, so late at most
_MOST_UNSEEN = 3  # status calls in a row that found no job
_FETCHES_AFTER_S = (0.0, 1.0, 4.0)  # attempts: the result may be available a moment after the job is DONE
_Event = TypeVar("_Event", bound=events.ExportEvent)


@dataclass(eq=False)
class Exporter:
    """Runs exports concurrently in one event loop, within Clari's concurrency limit.

    `known_jobs` returns the ids of the jobs in the ledger: a job whose id was lost with the response is looked for
    among the others that Clari lists. `submission_lock` is held from before an export is submitted until its job id is
    known, so that no process adopts another one's job. `observe` is awaited with each event before the next step; an
    exception that it raises stops the export. `retried` is called with each retry of a call. Timeouts are measured by
    the clock's `monotonic`, so that setting the clock changes none.
    """

    client: ClariClient
    _: KW_ONLY
    export_timeout_s: float = 600
    slot_timeout_s: float = 1800
    lost_answer_s: float = _APPEARS_WITHIN_S
    poll_interval_s: float = 1
    max_concurrent: int | None = None
    known_jobs: Callable[[], Awaitable[Set[str]]] | None = None
    submission_lock: Callable[[ExportRequest], AbstractAsyncContextManager[Any]] = lambda _request: nullcontext()
    observe: events.ExportObserver = lambda _event: None
    retried: Callable[[events.Retried], None] = lambda _event: None
    clock: Clock = field(default_factory=Clock)
    _acceptance: Acceptance = field(default_factory=Acceptance, init=False)
    _search_lock: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)
    _own_jobs: set[str] = field(default_factory=set, init=False)
    _hidden_jobs: set[str] = field(default_factory=set, init=False)
    _refused_types: set[str] = field(default_factory=set, init=False)

    def __post_init__(self) -> None:
        def pause(export: Export, seconds: float) -> Awaitable[None]:
            return self._pause(export, seconds, "slot")

        limits = (self.slot_timeout_s, self.poll_interval_s, self.max_concurrent)
        self._slots = Slots(self.client, self.clock, *limits, pause)

    async def limits(self) -> Limits:
        """Clari's limits, all None where it does not report them. Raises `ClariDown` and `AuthFailed`."""
        return await self._slots.limits()

    async def make(self, export: Export) -> Job:
        """Queue an export, or continue one of an orphaned run, and poll its job; returns the DONE job.

        Where the orphaned run has no job id (its response was lost), the job is looked for in Clari's list, and the
        export submitted again only if it is not found. Raises `ClariError`, `JobLost` among them.
        """
        if (left := export.left_behind) is not None:
            ago = self.clock.now() - left.asked_at
            asked = self.clock.monotonic() - max(ago.total_seconds(), 0.0)
            if left.job_id is not None:
                return await self._wait(export, left.job_id, accepted=asked)
            async with self.submission_lock(export.request):
                adopted = await self._find_lost(export, asked, within_s=self.lost_answer_s)
            if adopted is not None:
                return await self._wait(export, adopted, accepted=self.clock.monotonic())
            if export.is_history:
                raise errors.JobForgotten("Clari was asked for it by a run that died, and has no job of it")
        slots = await self._slots.semaphore(export)
        async with slots:
            job_id = await self._submit(export)
            job = await self._wait(export, job_id, accepted=self.clock.monotonic())
            await self._slots.widen(slots)
        return job

    async def fetch(self, export: Export, job: Job, sink: ResultSink, *, max_bytes: int | None = None) -> Download:
        """Download a DONE job's document. Raises `ResultsExpired` where it cannot be had, `ResultTooLarge`, and
        `ClariUnreachable` where it takes longer than `export_timeout_s`.
        """
        client = self._client_for(export)
        async with self._timeout(f"the result of job {job.job_id}"):
            for delay in _FETCHES_AFTER_S:
                if delay:
                    await self._pause(export, delay, "retry")
                try:
                    return await client.download(job.job_id, sink, max_bytes=max_bytes)
                except (errors.JobNotReady, errors.NotFound) as error:
                    refused = error
                    job = await self._job(export, job.job_id)
                    if job.expired_time is not None and job.expired_time <= self._clari_now():
                        break
        raise errors.ResultsExpired(
            f"the result of job {job.job_id} can no longer be had: Clari answered {refused.status}", job
        ) from refused

    async def read_current(self, export: Export, sink: ResultSink, *, max_bytes: int | None = None) -> Download:
        """Download the newest week without a job; a request that Clari refuses for some types is repeated without them.

        Raises `NoCurrentCall` where the organisation does not have the call, `TypeNotSupported` where all types are
        refused, `ResultTooLarge`, and `ClariUnreachable` where it takes longer than `export_timeout_s`.
        """
        request, begun = export.request, self.clock.monotonic()
        await self._emit(export, events.Submitting, request=request, attempt=export.attempt)
        async with self._timeout(f"the newest week of {export.label}"):
            while True:
                try:
                    download = await self._client_for(export).current_forecast(request, sink, max_bytes=max_bytes)
                    break
                except errors.TypeNotSupported as error:
                    named = error.refused(request.types)
                    left = tuple(kind for kind in request.types if kind not in named)
                    if not left or left == request.types:
                        raise
                    request = replace(request, types=left)
                    refused = tuple(kind for kind in export.request.types if kind not in left)
                    await self._emit(export, events.TypesRefused, types=refused, types_left=left)
        as_of, waited = read_date(download.date), self.clock.monotonic() - begun
        await self._emit(export, events.Answered, job_id=export.current_id, as_of=as_of, wait_seconds=waited)
        return download

    @asynccontextmanager
    async def _timeout(self, what: str) -> AsyncIterator[None]:
        """Raise `ClariUnreachable` where the block takes longer than `export_timeout_s`."""
        try:
            async with asyncio.timeout(self.export_timeout_s):
                yield
        except TimeoutError as error:
            raise errors.ClariUnreachable(
                f"{what} has not come within {self.export_timeout_s:g} s: run again, or raise CLARI_EXPORT_TIMEOUT_S"
            ) from error

    async def _wait(self, export: Export, job_id: str, *, accepted: float) -> Job:
        """Poll a job to a final state; the DONE job. The timeout begins at `accepted` (the clock's `monotonic`).

        After the timeout the job is cancelled, which frees its quota, and polled once more: it may be DONE after all.
        After three status calls that found no job, the job is taken from the list of jobs.
        """
        polls = unseen = 0
        late: Job | None = None  # the state in which the timeout found it
        while True:
            try:
                left_s = self.export_timeout_s - (self.clock.monotonic() - accepted)
                left_s = max(left_s, min(self.export_timeout_s, _SHORTEST_POLL_S))
                job = await self._job(export, job_id, within_s=left_s)
                unseen = 0
            except errors.JobForgotten as error:
                unseen += 1
                is_missed, listed = unseen >= _MOST_UNSEEN, None
                if is_missed and not error.is_hidden:
                    listed = await self._listed(export, job_id)
                is_young = self.clock.monotonic() - accepted < _APPEARS_WITHIN_S
                if is_missed and listed is None and not is_young:
                    raise
                job = listed or Job(job_id=job_id)
            answered = self.clock.monotonic()
            waited = answered - accepted
            if job.status:
                polls += 1
                is_known = job.state is not JobState.UNKNOWN
                await self._emit(
                    export, events.Polled, job_id=job_id, status=job.status, is_known=is_known, poll_count=polls
                )
            is_late = waited >= self.export_timeout_s
            if job.state.is_end or late:
                await self._emit(export, events.Completed, job=job, poll_count=polls, wait_seconds=waited)
                return self._ended(job, waited, late=late or (job if is_late else None))
            if is_late:
                late = job
                await self._cancel(export, job_id, waited)
                continue
            wanted = max(waited / 10 if job.status else 0.0, self.poll_interval_s)
            left_s = max(self.export_timeout_s - waited, _SHORTEST_PAUSE_S)
            pause = min(wanted, _LONGEST_POLL_S, left_s)
            spent = self.clock.monotonic() - answered  # by the observer, which writes the ledger
            await self._pause(export, pause - min(spent, pause), "poll")

    async def _cancel(self, export: Export, job_id: str, waited: float) -> None:
        """Cancel a job. A refusal is ignored: the job has ended, or an earlier attempt has cancelled it."""
        try:
            await self._client_for(export).cancel(job_id)
        except (errors.BadRequest, errors.NotFound, errors.AuthFailed) as error:
            if isinstance(error, errors.AuthFailed) and error.status != 403:
                raise
        else:
            self._slots.exhausted = None
            await self._emit(export, events.Cancelled, job_id=job_id, wait_seconds=waited)

    def _ended(self, job: Job, waited: float, *, late: Job | None) -> Job:
        """The job, if it is DONE; else raise its `JobLost`. `late` is its state at the timeout, None before it."""
        match job.state:
            case JobState.DONE:
                return job
            case JobState.FAILED:
                raise errors.ExportJobFailed(
                    f"job {job.job_id} failed at Clari: run again, or ask Clari's support", job
                )
            case JobState.CANCELLED | JobState.ABORTED if late is None:
                raise errors.ExportCancelled(f"job {job.job_id} was cancelled at Clari ({job.status}): run again", job)
            case _:
                raise errors.ExportTimedOut(
                    f"job {job.job_id} was not done after {waited:.0f} s "
                    f"(last state {(late or job).status or 'none'}): run again, or raise CLARI_EXPORT_TIMEOUT_S",
                    job,
                )

    async def _job(self, export: Export, job_id: str, *, within_s: float | None = None) -> Job:
        try:
            return await self._client_for(export).job(job_id, within_s=within_s)
        except (errors.BadRequest, errors.NotFound) as error:
            raise errors.JobForgotten(f"Clari knows of no job {job_id} any more ({error})") from error
        except errors.AuthFailed as error:
            if error.status != 403:
                raise
            message = f"this key may not see job {job_id}, which another one may have made"
            raise errors.JobForgotten(message, is_hidden=True) from error

    async def _listed(self, export: Export, job_id: str) -> Job | None:
        """The job as listed, None where it is not; with an empty status where the list cannot be read."""
        try:
            return next((job for job in await self._client_for(export).jobs() if job.job_id == job_id), None)
        except (errors.AuthFailed, errors.ClariDown):
            raise
        except errors.ClariError:
            return Job(job_id=job_id)

    async def _submit(self, export: Export) -> str:
        """Queue the export; returns the job id. After a lost response its job is looked for before the next attempt."""
        lost, begun = LostAnswers(self._acceptance), self.clock.monotonic()
        while True:
            self._slots.check_quota()
            async with self.submission_lock(export.request):
                if not lost.count:
                    self._acceptance.check(export.request)
                asked = self.clock.monotonic()
                await self._emit(export, events.Submitting, request=export.request, attempt=export.attempt)
                request = await self._without_refused(export)
                try:
                    job_id = await self._client_for(export).submit_export(request)
                except errors.TypeNotSupported as error:
                    refused = set(error.refused(request.types))
                    if not refused or refused == set(request.types):
                        raise
                    self._refused_types |= refused
                    continue
                except (errors.AnswerLost, errors.QuotaOrConcurrencyReached) as error:
                    is_full, is_last = isinstance(error, errors.QuotaOrConcurrencyReached), False
                    if isinstance(error, errors.AnswerLost):
                        is_last = lost.is_last(error, asked=asked, now=self.clock.monotonic())
                    # The job whose id was lost with the answer may be the very one that now takes up the slot.
                    within_s = 0.0 if is_full or is_last else self.lost_answer_s
                    if lost.count and (adopted := await self._find_lost(export, begun, within_s=within_s)):
                        self._acceptance.given_up = 0
                        return adopted
                    if is_last:
                        self._acceptance.given_up += 1
                        self._acceptance.last = error
                        raise
                else:
                    self._own_jobs.add(job_id)
                    self._acceptance.given_up = 0
                    self._slots.waiting_since = None
                    await self._emit(export, events.Submitted, job_id=job_id)
                    return job_id
            if is_full:
                await self._slots.wait(export, is_refused=True)
            else:
                await self._pause(export, min(_LOST_ANSWER_WAIT_S * 2**lost.count, _SLOT_POLL_S), "retry")

    async def _without_refused(self, export: Export) -> ExportRequest:
        """The request without the types that Clari has refused to this run so far; emits `TypesRefused` if any are."""
        types = export.request.types
        left = tuple(kind for kind in types if kind not in self._refused_types)
        if not left or left == types:
            return export.request
        refused = tuple(kind for kind in types if kind in self._refused_types)
        await self._emit(export, events.TypesRefused, types=refused, types_left=left)
        return replace(export.request, types=left)

    async def _find_lost(self, export: Export, asked: float, *, within_s: float) -> str | None:
        """Look for the job of a lost response for `within_s` seconds, as Clari may list it late; returns its id.

        `asked` is when the export was first submitted, by the clock's `monotonic`. Emits `Adopted`. Raises `AnswerLost`
        where the list of jobs cannot be read.
        """
        left, pause = within_s, _LOST_ANSWER_WAIT_S
        while True:
            async with self._search_lock:
                try:
                    found = await self._lost_job(export, asked)
                except errors.ClariError as error:
                    raise errors.AnswerLost(f"whether Clari has queued the export cannot be seen: {error}") from error
                if found is not None:
                    self._own_jobs.add(found.job_id)
                    started_at, apart = found.start_time, self.clock.now() - self._clari_now()
                    if started_at is not None and abs(apart) >= _MOMENTS_DIFFER:
                        started_at += apart  # corrected for the skew of Clari's clock
                    await self._emit(export, events.Adopted, job_id=found.job_id, started_at=started_at)
                    return found.job_id
            if left <= 0:
                return None
            pause = min(pause, left)
            await self._pause(export, pause, "retry")
            left, pause = left - pause, min(2 * pause, _SLOT_POLL_S)

    async def _lost_job(self, export: Export, asked: float) -> Job | None:
        """A listed job that matches the export, began after `asked`, is in no ledger, and is visible to this key."""
        listed = await self._client_for(export).jobs()
        taken = self._own_jobs | self._hidden_jobs | (await self.known_jobs() if self.known_jobs else frozenset())
        ago = timedelta(seconds=self.clock.monotonic() - asked)
        since = self._clari_now() - ago - (_MOMENTS_DIFFER if read_date(self.client.date) else _CLOCKS_DIFFER)
        for job in listed:
            known = job.start_time or job.end_time  # a queued job has no start yet, and some never have one
            is_since = not job.state.is_end if known is None else known >= since
            if job.job_id not in taken and is_since and export.request.matches(job):
                try:
                    await self._job(export, job.job_id)
                except errors.JobForgotten as error:
                    if error.is_hidden:
                        self._hidden_jobs.add(job.job_id)
                else:
                    return job
        return None

    def _clari_now(self) -> datetime:
        """The time by Clari's clock (its newest `Date` header), else by this machine's."""
        return read_date(self.client.date) or self.clock.now()

    async def _pause(self, export: Export, seconds: float, reason: Literal["poll", "slot", "retry"]) -> None:
        await self._emit(export, events.Waited, seconds=seconds, reason=reason)
        await self.clock.sleep(seconds)

    def _client_for(self, export: Export) -> ClariClient:
        """The client, with a hook that emits its retries as this export's."""
        return self.client.with_retry_hook(
            lambda call, cause: self.retried(self._event(export, events.Retried, call=call, cause=cause))
        )

    async def _emit(self, export: Export, kind: type[_Event], **what: Any) -> None:
        pending = self.observe(self._event(export, kind, **what))
        if pending is not None:
            await pending

    def _event(self, export: Export, kind: type[_Event], **what: Any) -> _Event:
        return kind(
            request_id=export.request_id,
            forecast_id=export.request.forecast_id,
            time_period_id=export.request.time_period,
            at=self.clock.now(),
            **what,
        )
