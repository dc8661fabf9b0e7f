"""Submit, poll, download and land exports, those of all quarters concurrently; and the newest weeks without a job.

An `ExportRunner` runs them in an event loop in its own thread; the merge waits for one quarter after the other. Each
step is persisted in the ledger before the next one runs.
"""

import asyncio
import hashlib
import threading
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from functools import partial
from queue import SimpleQueue
from types import TracebackType
from typing import Any, Self, TypeVar

from filelock import AsyncFileLock, BaseAsyncFileLock

from clari_pipeline.checks import export_gate
from clari_pipeline.clari import (
    AnswerLost,
    AuthFailed,
    ClariError,
    ClariUnreachable,
    Clock,
    Download,
    Export,
    ExportCancelled,
    Exporter,
    ExportEvent,
    ExportRequest,
    ExportTimedOut,
    JobLost,
    Limits,
    NoCurrentCall,
    QuotaExhausted,
    RateLimited,
    Redirected,
    Retry,
    ServerFault,
    Source,
    UnexpectedAnswer,
)
from clari_pipeline.core.periods import Quarter
from clari_pipeline.core.runbook import UNFORESEEN, unforeseen
from clari_pipeline.core.setting_errors import UsageError
from clari_pipeline.landing import IS_WHOLE, Landing
from clari_pipeline.store.ledger import has_current_call
from clari_pipeline.sync.context import Context, clari_client
from clari_pipeline.sync.events import Deferred, Failed, Landed, QuotaRead, Requeued, Shared
from clari_pipeline.sync.outcomes import requests_of_run
from clari_pipeline.sync.planning import Claims, Plan, beyond_quota, continue_beside, plan, request_of, resume
from clari_pipeline.sync.recording import Recorder
from clari_pipeline.warehouse import environment

_CURRENT_AT_ONCE = 3  # calls without a job: Clari publishes no limit for them
_TRANSIENT = (ClariUnreachable, ServerFault, Redirected, RateLimited, UnexpectedAnswer, AuthFailed)
_Event = TypeVar("_Event", bound=ExportEvent)


class CurrentCallMissing(UsageError):
    """The organisation is known not to have the call without a job: found before Clari is asked."""


class ExportRunner:
    """Runs a plan's exports in a background thread, as many concurrently as Clari allows.

    What a job does not bring is brought without one, as an export of its own, where the organisation has that call: the
    types that Clari refuses to export, and the current quarter once the quota is used up.

    `shared` maps request ids to quarters: exports of other runs that stand for the same ones of this run.
    """

    def __init__(
        self,
        context: Context,
        *,
        run_id: str,
        plan: Plan,
        record: Recorder,
        claims: Claims | None = None,
        current: Quarter | None = None,
        landing: Landing | None = None,
        clock: Clock | None = None,
        retry: Retry | None = None,
    ) -> None:
        settings = context.settings
        self._settings = settings
        self._landing = landing or context.landing
        self._warehouse, self._runs = context.warehouse, context.runs
        self._locks = context.runs.folder / "asking"
        self._claims = claims or Claims(self._locks)
        self.shared: dict[str, str] = {}
        self.run_id = run_id
        self.plan = plan
        self._hooks = context.hooks
        self._current_quarter = str(current)
        self._clock = clock or Clock()
        self._record = record
        self._client = clari_client(settings, replace(retry or Retry(), longest_s=settings.export_timeout_s))
        self._exporter = Exporter(
            self._client,
            export_timeout_s=settings.export_timeout_s,
            slot_timeout_s=settings.slot_timeout_s,
            lost_answer_s=settings.lost_answer_s,
            poll_interval_s=settings.poll_interval_s,
            max_concurrent=settings.max_concurrent_exports,
            known_jobs=lambda: asyncio.to_thread(self._record.known_jobs),
            submission_lock=self._submission_lock,
            # In a thread: the warehouse may be locked for a while, and the event loop goes on polling.
            observe=lambda event: asyncio.to_thread(self._emit, event),
            retried=self._emit,
            clock=self._clock,
        )
        quarters = {**_quarters([*plan.exports, *plan.recovered, *plan.beside]), **plan.finished}
        self._results: dict[str, Future[list[str]]] = {request_id: Future() for request_id in quarters}
        self._pending = Counter(quarters.values())
        self._drained = set[str]()
        self._current_calls = asyncio.Semaphore(_CURRENT_AT_ONCE)
        self._asking = asyncio.Lock()
        self._events: defaultdict[str, SimpleQueue[ExportEvent | None]] = defaultdict(SimpleQueue)
        self._thread = threading.Thread(target=self._run, name="exports", daemon=True)
        self._has_started = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._main_task: asyncio.Task[None] | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        self._has_started.wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._thread.join()

    def stop(self) -> None:
        """Cancel the exports that have not landed: `wait_for_quarter` raises `KeyboardInterrupt` for them."""
        if self._loop is not None and not all(result.done() for result in self._results.values()):
            self._loop.call_soon_threadsafe(self._cancel)

    def _submission_lock(self, request: ExportRequest) -> BaseAsyncFileLock:
        """An exclusive lock for requests of one forecast × quarter.

        Where Clari's answer to a submission is lost, the job is adopted by what was requested: without the lock, two
        processes could adopt each other's.
        """
        self._locks.mkdir(parents=True, exist_ok=True)
        name = hashlib.sha256("\n".join(request.adoption_key).encode()).hexdigest()[:24]
        return AsyncFileLock(self._locks / f"{name}.lock", thread_local=False)

    def wait_for_quarter(
        self, quarter_id: str, on_event: Callable[[ExportEvent], None] = lambda _event: None
    ) -> list[str]:
        """Wait until every export of a quarter has landed or failed; returns their request ids.

        Recovered exports, wanted for the history only, are left out unless the quarter has no others. `on_event` is
        called in this thread with each of their events, past and future, at the first call for a quarter. The outcome
        of each is in the ledger. Raises errors that are not one export's: of the warehouse, of the landing folder.
        """
        if quarter_id not in self._drained:
            export_gate.load()
            self._drained.add(quarter_id)
            while (event := self._events[quarter_id].get()) is not None:
                on_event(event)
        history, present, finished = (
            [
                request_id
                for known, quarter in quarters.items()
                if quarter == quarter_id
                for request_id in self._results[known].result()
            ]
            for quarters in (
                _quarters(self.plan.recovered),
                _quarters([*self.plan.exports, *self.plan.beside]),
                self.plan.finished,
            )
        )
        return (finished + present) or history

    def requests(self, quarter_id: str | None = None) -> list[str]:
        """Request ids of what this run brings, of one quarter if it is named: its own newest attempts, and the shared.

        Some may be under way.
        """
        shared = [request_id for request_id, quarter in self.shared.items() if quarter_id in {None, quarter}]
        return [*requests_of_run(self._warehouse, self.run_id, quarter_id), *shared]

    def _run(self) -> None:
        with suppress(asyncio.CancelledError):
            asyncio.run(self._export_all())

    def _cancel(self) -> None:
        if self._main_task is not None:
            self._main_task.cancel()

    async def _export_all(self) -> None:
        self._loop, self._main_task = asyncio.get_running_loop(), asyncio.current_task()
        self._has_started.set()
        stopped: BaseException = KeyboardInterrupt()
        try:
            async with self._client:
                limits = await self._read_limits()
                beyond = beyond_quota(self.plan, limits)
                await asyncio.gather(
                    *(
                        self._finish(
                            export.request_id,
                            export.quarter_id,
                            partial(self._export_claimed, export, limits if export.request_id in beyond else None),
                        )
                        for export in (*self.plan.recovered, *self.plan.exports)
                    ),
                    *(
                        self._finish(export.request_id, export.quarter_id, partial(self._export_beside, export))
                        for export in self.plan.beside
                    ),
                    *(
                        self._finish(request_id, quarter_id, partial(self._complement, request_id))
                        for request_id, quarter_id in self.plan.finished.items()
                    ),
                )
        except Exception as error:  # noqa: BLE001 - raised by `wait_for_quarter`
            stopped = error
        finally:
            for result in self._results.values():
                if not result.done():
                    result.set_exception(stopped)
            for quarter_id in self._pending:
                self._events[quarter_id].put(None)

    async def _read_limits(self) -> Limits:
        """Clari's limits before the first submission; all None if nothing is to be submitted, or Clari fails."""
        if not self.plan.to_request:
            return Limits()
        try:
            limits = await self._exporter.limits()
        except ClariError:
            return Limits()  # each export raises the same error, and reports it
        quota = QuotaRead(at=self._clock.now(), limits=limits, planned=self.plan.to_request)
        await asyncio.to_thread(self._hooks.emit, quota, self._record)
        return limits

    async def _finish(self, request_id: str, quarter_id: str, work: Callable[[], Awaitable[list[str]]]) -> None:
        """Do one export's `work`, and store the request ids that it returns, or its error, for `wait_for_quarter`."""
        result = self._results[request_id]
        try:
            result.set_result(await work())
        except Exception as error:  # noqa: BLE001 - raised by `wait_for_quarter`
            result.set_exception(error)
        finally:
            self._pending[quarter_id] -= 1
            if not self._pending[quarter_id]:
                self._events[quarter_id].put(None)

    async def _export_claimed(self, export: Export, exhausted: Limits | None) -> list[str]:
        """Make an export whose request is locked for this run; no other run waits for it any longer afterwards."""
        try:
            return await self._export_one(export, exhausted)
        finally:
            self._claims.done(export.request)

    async def _export_beside(self, export: Export) -> list[str]:
        """Wait for the other run that makes the same export, and use its document; without one, make the export."""
        async with self._claims.waiting(export.request):
            found = await asyncio.to_thread(
                continue_beside,
                self._warehouse,
                self._runs,
                export,
                run_id=self.run_id,
                plan=self.plan,
                now=self._clock.now(),
            )
            if isinstance(found, Export):
                return await self._export_one(found, None)
            if found.run_id == self.run_id:  # it was a killed run's
                return await self._complement(found.request_id)
            self.shared[found.request_id] = found.time_period_id
            await self._emit_for(replace(export, request_id=found.request_id), Shared, state=found.state)
            return [found.request_id]

    async def _export_one(self, export: Export, exhausted: Limits | None) -> list[str]:
        """Export and land, or read without a job; returns request ids: its own, and that of its complement, if any."""
        if export.request.source is Source.CURRENT:
            return [await self._read_current(export)]
        if exhausted is not None:
            await self._fail(export, _quota_exhausted(exhausted))
            return await self._complement(export.request_id)
        request_id = await self._export_and_land(export)
        return [request_id] if export.is_history else await self._complement(request_id)

    async def _complement(self, request_id: str) -> list[str]:
        """Bring without a job what an export did not: refused types, or, of the current quarter, all beyond the quota.

        Returns the request id, and that of what was brought, if anything was.
        """
        row = await asyncio.to_thread(self._record.export, request_id)
        if row is None or row.is_current:
            return [request_id]
        asked = request_of(row)
        types: tuple[str, ...] = ()
        if row.error_kind == QuotaExhausted.__name__:
            types = asked.types if row.time_period_id == self._current_quarter else ()
        elif row.landing_path is not None:
            types = tuple(filter(None, (row.types_refused or "").split(",")))
        if not types or not await self._has_current_call(asked.without_job(types)):
            return [request_id]
        return [request_id, await self._read_current(Export.planned(asked.without_job(types)))]

    async def _has_current_call(self, request: ExportRequest) -> bool:
        """Whether the organisation has the call without a job: as remembered, else by asking once, which is remembered.

        An answer that leaves it open counts as no, and is not remembered.
        """
        async with self._asking:
            known = await asyncio.to_thread(self._record.has_current_call, self._settings.base_url)
            if known is None:
                try:
                    known = await self._client.has_current_call(request)
                except ClariError:
                    return False
                await self._note_current_call(has_it=known)
            return known

    async def _note_current_call(self, *, has_it: bool) -> None:
        note, base_url = self._record.note_current_call, self._settings.base_url
        await asyncio.to_thread(note, base_url, self._clock.now(), has_it=has_it)

    async def _read_current(self, export: Export) -> str:
        """Read the newest week without a job, and land it, or note the failure; returns the request id."""
        try:
            async with self._current_calls:
                await self._land(export, export.current_id, partial(self._exporter.read_current, export))
        except NoCurrentCall as missing:
            await self._note_current_call(has_it=False)
            await self._fail(export, missing)
        except ClariError as failed:
            await self._fail(export, failed)
        except UNFORESEEN as error:
            await self._fail(export, _unusable(export, error))
        else:
            await self._note_current_call(has_it=True)
        return export.request_id

    async def _export_and_land(self, export: Export) -> str:
        """Export and land; returns the request id of the last attempt.

        A lost job is re-queued up to `CLARI_MAX_REQUEUES` times, once more if it was an earlier run's. One that is only
        wanted for the history is never re-queued.
        """
        retries_left = self._settings.max_requeues + (export.left_behind is not None)
        while True:
            try:
                job = await self._exporter.make(export)
                await self._land(export, job.job_id, partial(self._exporter.fetch, export, job))
            except JobLost as error:
                await self._fail(export, error)
                if not retries_left or export.is_history:
                    return export.request_id
                retries_left -= 1
                export = export.next_attempt()
                await self._emit_for(export, Requeued, attempt=export.attempt, error=str(error))
            except ClariError as error:
                await self._fail(export, error)
                return export.request_id
            except UNFORESEEN as error:
                await self._fail(export, _unusable(export, error))
                return export.request_id
            else:
                return export.request_id

    async def _land(self, export: Export, job_id: str, fetch: Callable[..., Awaitable[Download]]) -> None:
        """Land the document that `fetch` downloads, given a writer and `max_bytes`."""
        writer = self._landing.writer()
        try:
            download = await fetch(writer, max_bytes=self._settings.max_result_bytes)
            manifest = await asyncio.to_thread(self._record.manifest, export.request_id, self._clock.now())
            document = writer.keep(
                forecast_id=export.request.forecast_id,
                time_period=export.request.time_period,
                job_id=job_id,
                facts=manifest | {IS_WHOLE: download.is_whole},
            )
        except BaseException:
            writer.discard()
            raise
        await self._emit_for(
            export,
            Landed,
            job_id=job_id,
            size=document.size,
            sha256=document.sha256,
            landing_path=self._landing.path_of(document),
        )

    async def _fail(self, export: Export, error: ClariError) -> None:
        """Emit `Deferred` for a transient error where Clari has or may have the job, else `Failed`."""
        if isinstance(error, _TRANSIENT) and (
            isinstance(error, AnswerLost) or await asyncio.to_thread(self._record.has_job, export.request_id)
        ):
            deferred = f"{error}; what is at Clari is fetched by the next sync"
            await self._emit_for(export, Deferred, error=deferred, error_kind=type(error).__name__)
            return
        match error:
            case ExportTimedOut():
                state = "TIMED_OUT"
            case ExportCancelled():
                state = "CANCELLED"
            case _:
                state = "FAILED"
        job = error.job if isinstance(error, JobLost) else None
        await self._emit_for(
            export,
            Failed,
            request=export.request,
            attempt=export.attempt,
            state=state,
            clari_status=job.status if job else None,
            error=str(error),
            error_kind=type(error).__name__,
        )

    async def _emit_for(self, export: Export, kind: type[_Event], **what: Any) -> None:
        event = kind(
            request_id=export.request_id,
            forecast_id=export.request.forecast_id,
            time_period_id=export.quarter_id,
            at=self._clock.now(),
            **what,
        )
        await asyncio.to_thread(self._emit, event)

    def _emit(self, event: ExportEvent) -> None:
        self._hooks.emit(event, self._record)
        self._events[event.time_period_id].put(event)


@contextmanager
def exporting(
    context: Context,
    run_id: str,
    quarters: Sequence[Quarter],
    forecasts: Sequence[str],
    *,
    everywhere: bool = False,
    is_current: bool = False,
    current: Quarter | None = None,
    clock: Clock | None = None,
    retry: Retry | None = None,
) -> Iterator[ExportRunner]:
    """Plan and run the exports of these quarters, resuming those that orphaned runs left of them.

    With `everywhere`, exports that such runs left of other quarters are resumed, too. What another living run makes at
    the same time is not made a second time. While the context is open, the run holds its lock. With `is_current` the
    newest weeks are read without jobs, and nothing is resumed. `current` is the quarter whose newest week is read
    without a job once the quota is used up. Raises `SettingsError` where there is no key, `CurrentCallMissing` where
    the call without a job is known not to be there.
    """
    context.settings.required_key()
    fresh = plan(context.settings, quarters, forecasts, is_current=is_current)
    claims = Claims(context.runs.folder / "requests")
    with ExitStack() as stack:
        with context.warehouse.session() as session, session.lock("planning"):  # no other run resumes meanwhile
            environment.claim(session, context.settings.env)
            if is_current and has_current_call(session, context.settings.base_url) is False:
                raise CurrentCallMissing(
                    "--current: this organisation has no call for the forecast without a job, as Clari has shown: "
                    "leave --current out, or have Clari enable it, then run clari-pipeline preflight, which asks again"
                )
            stack.enter_context(context.runs.alive(run_id))
            stack.callback(claims.release)
            work = resume(
                context.warehouse,
                context.runs,
                fresh,
                claims=claims,
                run_id=run_id,
                now=context.now(),
                everywhere=everywhere,
            )
        record = Recorder(context.warehouse, run_id, started_by=context.started_by)
        runner = ExportRunner(
            context, run_id=run_id, plan=work, record=record, claims=claims, current=current, clock=clock, retry=retry
        )
        stack.enter_context(context.stop.stops(runner))
        yield stack.enter_context(runner)


def _quarters(exports: Iterable[Export]) -> dict[str, str]:
    """The quarters of exports, by request id."""
    return {export.request_id: export.quarter_id for export in exports}


def _unusable(export: Export, error: BaseException) -> UnexpectedAnswer:
    return UnexpectedAnswer(f"{export.label}: Clari's answer cannot be used ({unforeseen(error)})")


def _quota_exhausted(limits: Limits) -> QuotaExhausted:
    left = limits.available_monthly_quota
    return QuotaExhausted(
        f"not asked for: {limits.used} of Clari's {limits.monthly_quota} exports are used up in its rolling 30 days, "
        + (f"and the {left} that are left go to what comes before it" if left else "none is left")
        + ": wait until the oldest fall out of them, or ask Clari to raise the quota"
    )
