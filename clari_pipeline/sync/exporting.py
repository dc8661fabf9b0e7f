"""The first half of the spine: exports are submitted, polled and landed, all quarters at once.

An `ExportRunner` runs them in an event loop of its own, in a thread; the merge takes from it, quarter after quarter,
what has landed. Each step is persisted in the ledger before the next one runs.
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
from clari_pipeline.sync.planning import Plan, afford, plan, resume
from clari_pipeline.sync.recording import Recorder
from clari_pipeline.warehouse import environment

_PASSING = (ClariUnreachable, ServerFault, Redirected, RateLimited, UnexpectedAnswer, AuthFailed)
_Event = TypeVar("_Event", bound=ExportEvent)


class ExportRunner:
    """Runs a plan's exports in the background, as many at once as Clari allows."""

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
            # Off the event loop: the warehouse may be locked by somebody for a while, and polls go on.
            observe=lambda event: asyncio.to_thread(self._tell, event),
            retried=self._tell,
            clock=self._clock,
        )
        self._results: dict[str, Future[str]] = {export.request_id: Future() for export in plan.exports}
        self._results |= {export.request_id: Future() for export in plan.recovered}
        self._quarters = Counter(export.quarter_id for export in (*plan.exports, *plan.recovered))
        self._heard = set(plan.finished.values()) - set(self._quarters)
        self._told: defaultdict[str, SimpleQueue[ExportEvent | None]] = defaultdict(SimpleQueue)
        self._thread = threading.Thread(target=self._run, name="exports", daemon=True)
        self._has_begun = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._all: asyncio.Task[None] | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        self._has_begun.wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._thread.join()

    def stop(self) -> None:
        """Wait for nothing more: whoever takes what has not come gets a `KeyboardInterrupt`."""
        if self._loop is not None and not all(result.done() for result in self._results.values()):
            self._loop.call_soon_threadsafe(self._cancel)

    def _submission_lock(self, request: ExportRequest) -> BaseAsyncFileLock:
        """An exclusive lock for requests of one forecast × quarter.

        Where Clari's answer is lost, the job is found by what was requested: without the lock, two processes could take
        each other's job for their own.
        """
        self._locks.mkdir(parents=True, exist_ok=True)
        name = hashlib.sha256("\n".join(request.adoption_key).encode()).hexdigest()[:24]
        return AsyncFileLock(self._locks / f"{name}.lock", thread_local=False)

    def take(self, quarter_id: str, hear: Callable[[ExportEvent], None] = lambda _event: None) -> list[str]:
        """Wait until every export of a quarter has landed or failed; their request ids.

        Those that only the history wants are not among them, unless the quarter has no others.
        `hear` is told what has happened to them, and what happens meanwhile, in the caller's thread. What came of each
        stands in the ledger. Raises what is no export's own fault: a warehouse that cannot be written, a landing
        folder that is full.
        """
        if quarter_id not in self._heard:
            self._heard.add(quarter_id)
            while (event := self._told[quarter_id].get()) is not None:
                hear(event)
        history, present = (
            [self._results[export.request_id].result() for export in exports if export.quarter_id == quarter_id]
            for exports in (self.plan.recovered, self.plan.exports)
        )
        finished = [request_id for request_id, quarter in self.plan.finished.items() if quarter == quarter_id]
        return (finished + present) or history

    def _run(self) -> None:
        with suppress(asyncio.CancelledError):
            asyncio.run(self._make_all())

    def _cancel(self) -> None:
        if self._all is not None:
            self._all.cancel()

    async def _make_all(self) -> None:
        self._loop, self._all = asyncio.get_running_loop(), asyncio.current_task()
        self._has_begun.set()
        stopped: BaseException = KeyboardInterrupt()
        try:
            async with self._client:
                limits = await self._read_limits()
                beyond = afford(self.plan, limits)
                await asyncio.gather(
                    *(self._make(export) for export in self.plan.recovered),
                    *(
                        self._make(export, no_room=limits if export.request_id in beyond else None)
                        for export in self.plan.exports
                    ),
                )
        except Exception as error:  # noqa: BLE001 - whoever takes a result is told
            stopped = error
        finally:
            for result in self._results.values():
                if not result.done():
                    result.set_exception(stopped)
            for quarter_id in self._quarters:
                self._told[quarter_id].put(None)

    async def _read_limits(self) -> Limits:
        """What the quota leaves, before any of it is used; unknown where Clari does not say."""
        if not self.plan.to_ask:
            return Limits()
        try:
            limits = await self._exporter.limits()
        except ClariError:
            return Limits()  # each export meets with the same, and is reported
        quota = QuotaRead(at=self._clock.now(), limits=limits, planned=self.plan.to_ask)
        await asyncio.to_thread(self._hooks.emit, quota, self._record)
        return limits

    async def _make(self, export: Export, *, no_room: Limits | None = None) -> None:
        result = self._results[export.request_id]
        try:
            if no_room is not None:
                await self._fail(export, _no_room(no_room))
                result.set_result(export.request_id)
            else:
                result.set_result(await self._landed(export))
        except Exception as error:  # noqa: BLE001 - whoever takes the result is told
            result.set_exception(error)
        finally:
            self._quarters[export.quarter_id] -= 1
            if not self._quarters[export.quarter_id]:
                self._told[export.quarter_id].put(None)

    async def _landed(self, export: Export) -> str:
        """Export and land; the request id under which the ledger says what came of it.

        A job that came to nothing is asked for again, `CLARI_MAX_REQUEUES` times; that of an earlier run is not
        counted, and where only the history wants it, it is let go.
        """
        tries_left = self._settings.max_requeues + (export.left_behind is not None)
        while True:
            try:
                job = await self._exporter.make(export)
                await self._land(export, job)
            except JobLost as error:
                await self._fail(export, error)
                if not tries_left or export.is_history:
                    return export.request_id
                tries_left -= 1
                export = export.next_attempt()
                await self._tell_of(export, Requeued, attempt=export.attempt, error=str(error))
            except ClariError as error:
                await self._fail(export, error)
                return export.request_id
            except UNFORESEEN as error:
                odd = f"{export.label}: Clari's answer cannot be used ({unforeseen(error)})"
                await self._fail(export, UnexpectedAnswer(odd))
                return export.request_id
            else:
                return export.request_id

    async def _land(self, export: Export, job: Job) -> None:
        writer = self._landing.writer()
        try:
            came = await self._exporter.fetch(export, job, writer, max_bytes=self._settings.max_result_bytes)
            manifest = await asyncio.to_thread(self._record.manifest, export.request_id, self._clock.now())
            document = writer.keep(
                forecast_id=export.request.forecast_id,
                time_period=export.request.time_period,
                job_id=job.job_id,
                facts=manifest | {IS_WHOLE: came.is_whole},
            )
        except BaseException:
            writer.discard()
            raise
        await self._tell_of(
            export,
            Landed,
            job_id=job.job_id,
            size=document.size,
            sha256=document.sha256,
            landing_path=self._landing.path_of(document),
        )

    async def _fail(self, export: Export, error: ClariError) -> None:
        """Say what became of an export that did not come: over, or put off where Clari may still have its job."""
        if isinstance(error, _PASSING) and (
            isinstance(error, AnswerLost) or await asyncio.to_thread(self._record.has_job, export.request_id)
        ):
            deferred = f"{error}; what is at Clari is fetched by the next sync"
            await self._tell_of(export, Deferred, error=deferred, error_kind=type(error).__name__)
            return
        match error:
            case ExportTimedOut():
                state = "TIMED_OUT"
            case ExportCancelled():
                state = "CANCELLED"
            case _:
                state = "FAILED"
        job = error.job if isinstance(error, JobLost) else None
        await self._tell_of(
            export,
            Failed,
            request=export.request,
            attempt=export.attempt,
            state=state,
            clari_status=job.status if job else None,
            error=str(error),
            error_kind=type(error).__name__,
        )

    async def _tell_of(self, export: Export, kind: type[_Event], **what: Any) -> None:
        event = kind(
            request_id=export.request_id,
            forecast_id=export.request.forecast_id,
            time_period_id=export.quarter_id,
            at=self._clock.now(),
            **what,
        )
        await asyncio.to_thread(self._tell, event)

    def _tell(self, event: ExportEvent) -> None:
        self._hooks.emit(event, self._record)
        self._told[event.time_period_id].put(event)


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
    """A runner of the exports of these quarters, with those that orphaned runs have left of them.

    With `everywhere`, what such runs left of other quarters is fetched, too. While the context is open, the run holds
    its lock. Raises `SettingsError` where there is no key.
    """
    context.settings.required_key()
    fresh = plan(context.settings, quarters, forecasts)
    with ExitStack() as stack:
        with context.warehouse.session() as session, session.lock("planning"):  # nobody else looks who is alive
            environment.claim(session, context.settings.env)
            stack.enter_context(context.runs.alive(run_id))
            work = resume(
                context.warehouse, context.runs, fresh, run_id=run_id, now=context.now(), everywhere=everywhere
            )
        record = Recorder(context.warehouse, run_id)
        runner = ExportRunner(context, run_id=run_id, plan=work, record=record, clock=clock, retry=retry)
        stack.enter_context(context.stop.stops(runner))
        yield stack.enter_context(runner)


def _no_room(limits: Limits) -> QuotaExhausted:
    left = limits.available_monthly_quota
    return QuotaExhausted(
        f"not asked for: {limits.used} of Clari's {limits.monthly_quota} exports are used up in its rolling 30 days, "
        + (f"and the {left} that are left go to what comes before it" if left else "none is left")
        + ": wait until the oldest fall out of them, or ask Clari to raise the quota"
    )
