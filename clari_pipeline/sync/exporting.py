"""Submit, poll, download and land exports, those of all quarters concurrently.

An `ExportRunner` runs them in an event loop in its own thread; the merge waits for one quarter after the other. Each
step is persisted in the ledger before the next one runs.
"""

import asyncio
import hashlib
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from queue import SimpleQueue
from types import TracebackType
from typing import Any, Self, TypeVar

from filelock import AsyncFileLock, BaseAsyncFileLock

from clari_pipeline.clari import (
    AnswerLost,
    AuthFailed,
    ClariError,
    ClariUnreachable,
    Clock,
    Export,
    ExportCancelled,
    Exporter,
    ExportEvent,
    ExportRequest,
    ExportTimedOut,
    Job,
    JobLost,
    Limits,
    QuotaExhausted,
    RateLimited,
    Redirected,
    Retry,
    ServerFault,
    UnexpectedAnswer,
)
from clari_pipeline.core.periods import Quarter
from clari_pipeline.core.runbook import UNFORESEEN, unforeseen
from clari_pipeline.landing import IS_WHOLE, Landing
from clari_pipeline.sync.context import Context, clari_client
from clari_pipeline.sync.events import Deferred, Failed, Landed, QuotaRead, Requeued
from clari_pipeline.sync.planning import Plan, beyond_quota, plan, resume
from clari_pipeline.sync.recording import Recorder
from clari_pipeline.warehouse import environment

_TRANSIENT = (ClariUnreachable, ServerFault, Redirected, RateLimited, UnexpectedAnswer, AuthFailed)
_Event = TypeVar("_Event", bound=ExportEvent)


class ExportRunner:
    """Runs a plan's exports in a background thread, as many concurrently as Clari allows."""

    def __init__(
        self,
        context: Context,
        *,
        run_id: str,
        plan: Plan,
        record: Recorder,
        landing: Landing | None = None,
        clock: Clock | None = None,
        retry: Retry | None = None,
    ) -> None:
        settings = context.settings
        self._settings = settings
        self._landing = landing or context.landing
        self._locks = context.runs.folder / "asking"
        self.run_id = run_id
        self.plan = plan
        self._hooks = context.hooks
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
        self._results: dict[str, Future[str]] = {export.request_id: Future() for export in plan.exports}
        self._results |= {export.request_id: Future() for export in plan.recovered}
        self._pending = Counter(export.quarter_id for export in (*plan.exports, *plan.recovered))
        self._drained = set(plan.finished.values()) - set(self._pending)
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
            self._drained.add(quarter_id)
            while (event := self._events[quarter_id].get()) is not None:
                on_event(event)
        history, present = (
            [self._results[export.request_id].result() for export in exports if export.quarter_id == quarter_id]
            for exports in (self.plan.recovered, self.plan.exports)
        )
        finished = [request_id for request_id, quarter in self.plan.finished.items() if quarter == quarter_id]
        return (finished + present) or history

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
                    *(self._export_one(export) for export in self.plan.recovered),
                    *(
                        self._export_one(export, exhausted=limits if export.request_id in beyond else None)
                        for export in self.plan.exports
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

    async def _export_one(self, export: Export, *, exhausted: Limits | None = None) -> None:
        result = self._results[export.request_id]
        try:
            if exhausted is not None:
                await self._fail(export, _quota_exhausted(exhausted))
                result.set_result(export.request_id)
            else:
                result.set_result(await self._export_and_land(export))
        except Exception as error:  # noqa: BLE001 - raised by `wait_for_quarter`
            result.set_exception(error)
        finally:
            self._pending[export.quarter_id] -= 1
            if not self._pending[export.quarter_id]:
                self._events[export.quarter_id].put(None)

    async def _export_and_land(self, export: Export) -> str:
        """Export and land; returns the request id of the last attempt.

        A lost job is re-queued up to `CLARI_MAX_REQUEUES` times, once more if it was an earlier run's. One that is only
        wanted for the history is never re-queued.
        """
        retries_left = self._settings.max_requeues + (export.left_behind is not None)
        while True:
            try:
                job = await self._exporter.make(export)
                await self._land(export, job)
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
                message = f"{export.label}: Clari's answer cannot be used ({unforeseen(error)})"
                await self._fail(export, UnexpectedAnswer(message))
                return export.request_id
            else:
                return export.request_id

    async def _land(self, export: Export, job: Job) -> None:
        writer = self._landing.writer()
        try:
            download = await self._exporter.fetch(export, job, writer, max_bytes=self._settings.max_result_bytes)
            manifest = await asyncio.to_thread(self._record.manifest, export.request_id, self._clock.now())
            document = writer.keep(
                forecast_id=export.request.forecast_id,
                time_period=export.request.time_period,
                job_id=job.job_id,
                facts=manifest | {IS_WHOLE: download.is_whole},
            )
        except BaseException:
            writer.discard()
            raise
        await self._emit_for(
            export,
            Landed,
            job_id=job.job_id,
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
    clock: Clock | None = None,
    retry: Retry | None = None,
) -> Iterator[ExportRunner]:
    """Plan and run the exports of these quarters, resuming those that orphaned runs left of them.

    With `everywhere`, exports that such runs left of other quarters are resumed, too. While the context is open, the
    run holds its lock. Raises `SettingsError` where there is no key.
    """
    context.settings.required_key()
    fresh = plan(context.settings, quarters, forecasts)
    with ExitStack() as stack:
        with context.warehouse.session() as session, session.lock("planning"):  # no other run resumes meanwhile
            environment.claim(session, context.settings.env)
            stack.enter_context(context.runs.alive(run_id))
            work = resume(
                context.warehouse, context.runs, fresh, run_id=run_id, now=context.now(), everywhere=everywhere
            )
        record = Recorder(context.warehouse, run_id)
        runner = ExportRunner(context, run_id=run_id, plan=work, record=record, clock=clock, retry=retry)
        stack.enter_context(context.stop.stops(runner))
        yield stack.enter_context(runner)


def _quota_exhausted(limits: Limits) -> QuotaExhausted:
    left = limits.available_monthly_quota
    return QuotaExhausted(
        f"not asked for: {limits.used} of Clari's {limits.monthly_quota} exports are used up in its rolling 30 days, "
        + (f"and the {left} that are left go to what comes before it" if left else "none is left")
        + ": wait until the oldest fall out of them, or ask Clari to raise the quota"
    )
