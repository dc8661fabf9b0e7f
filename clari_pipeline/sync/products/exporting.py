"""Export a product's windows of days, within its share of the quota.

Days that no document has shown whole come first, the newest first. A window that Clari cuts off is halved until a part
comes whole; the remaining windows are then split to that length. The quota that forecasts need is never used.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import date

from clari_pipeline.clari import ClariError, Clock, Export, LeftBehind, Limits, Retry
from clari_pipeline.core.runbook import Problem, RunbookSection
from clari_pipeline.store import fetches
from clari_pipeline.store.ledger import FETCHES
from clari_pipeline.store.ledger_rows import FetchRow
from clari_pipeline.sync.context import Context, clari_client
from clari_pipeline.sync.exporting import ExportRunner
from clari_pipeline.sync.planning import Plan
from clari_pipeline.sync.products.loading import ProductLoader
from clari_pipeline.sync.products.quota import MONTH, QuotaShare, syncs_a_month
from clari_pipeline.sync.products.results import is_cut_off
from clari_pipeline.sync.products.spec import ExportedProduct, Fetch
from clari_pipeline.sync.products.windows import Window
from clari_pipeline.sync.recording import Recorder

_MOST_PARALLEL = 3  # exports, once a window has come whole; CLARI_MAX_CONCURRENT_EXPORTS may set fewer
_MEETS_EVERY_EXPORT = {
    "AuthFailed",
    "ClariDown",
    "ClariUnreachable",
    "NoSlot",
    "NotOptedIn",
    "QuotaExhausted",
    "RateLimited",
    "ServerFault",
}
"""Errors that every other export of the round would raise, too."""


class ExportRounds:
    """Makes the exports of one product in one sync, in rounds of a few windows."""

    def __init__(
        self,
        context: Context,
        product: ExportedProduct,
        loader: ProductLoader,
        *,
        run_id: str,
        clock: Clock | None,
        retry: Retry | None,
    ) -> None:
        self._context = context
        self._product = product
        self._loader = loader
        self._run_id = run_id
        self._clock = clock
        self._retry = retry
        self._quota = QuotaShare(self._limits, self._reserve)

    def make(self, unfinished: list[FetchRow], plan: Sequence[Fetch]) -> list[Problem]:
        """Resume unfinished exports of orphaned runs, and make those of the plan; problems on windows left for later.

        Windows beyond what the quota has left are recorded as one failed fetch.
        """
        exported = self._days_exported()

        def by_urgency(queue: Iterable[Fetch]) -> list[Fetch]:
            return sorted(queue, key=lambda fetch: (not exported.issuperset(fetch.days), fetch.days), reverse=True)

        queue = by_urgency(plan)
        parallel, is_first, was_cut_off, is_known = 1, True, False, False
        while unfinished or queue:
            mine = {Window.of(row) for row in unfinished}
            batch = [fetch for fetch in queue if fetch.days in mine]
            others = [fetch for fetch in queue if fetch not in batch]
            if others:
                remaining = self._quota.remaining(is_first=is_first)
                if not remaining and not unfinished:
                    return self._not_made(others)
                batch += others[: min(parallel, remaining)]
            queue = [fetch for fetch in queue if fetch not in batch]
            self._export(unfinished, batch)
            self._quota.made(len(batch))
            self._loader.merge_landed(self._run_id)
            results = self._results_of(batch)
            if any(fetch.error_kind in _MEETS_EVERY_EXPORT and fetch.state != "LOADED" for fetch in results):
                return []  # each of the others would fail alike
            parts = [part for fetch in results if is_cut_off(fetch) for part in _halves(Window.of(fetch))]
            worked = max((len(Window.of(fetch)) for fetch in results if fetch.state == "LOADED"), default=0)
            if parts:
                parallel, was_cut_off = 1, True
            elif worked:
                parallel = min(_MOST_PARALLEL, self._context.settings.max_concurrent_exports or _MOST_PARALLEL)
            if worked and was_cut_off and not is_known:
                is_known, queue = True, [short for fetch in queue for short in _split(fetch, worked)]
            queue = by_urgency([*parts, *queue])
            unfinished, is_first = [], False
        return []

    def _limits(self) -> Limits:
        async def ask() -> Limits:
            async with clari_client(self._context.settings, self._retry) as client:
                return await client.limits()

        try:
            return asyncio.run(ask())
        except ClariError:
            return Limits()  # each export raises the same error, and reports it

    def _reserve(self) -> int:
        """Exports that forecasts need in 30 days of the schedule, less those of the last 30; at least one sync's."""
        settings, now = self._context.settings, self._context.now()
        if not settings.brings_forecasts:
            return 0
        a_sync = len(settings.forecast_ids) * len(self._context.current_quarters())
        with self._context.warehouse.session() as session:
            lately = fetches.forecasts_since(session, now - MONTH)
        return max(a_sync, a_sync * syncs_a_month(settings, now) - lately)

    def _days_exported(self) -> set[date]:
        with self._context.warehouse.session() as session:
            shown = fetches.windows(session, self._product.name)
        return {day for row in shown if row.is_whole for day in Window.of(row)}

    def _results_of(self, batch: list[Fetch]) -> list[FetchRow]:
        requested = {fetch.days for fetch in batch}
        with self._context.warehouse.session() as session:
            found = fetches.of_run(session, self._run_id, self._product.name)
        return [fetch for fetch in found if fetch.window_from is not None and Window.of(fetch) in requested]

    def _not_made(self, queue: list[Fetch]) -> list[Problem]:
        """Report windows that are not exported now: as a failed fetch if the quota is exhausted, else as a problem."""
        days = Window(min(fetch.days.first for fetch in queue), max(fetch.days.last for fetch in queue))
        exhausted = self._quota.exhausted
        name = self._product.name
        if exhausted is None:
            return [
                Problem(
                    None,
                    None,
                    f"{name}: {self._quota.limit} exports are made of it in this sync, no more; days of "
                    f"{days.first} to {days.last} are asked for by the next",
                    RunbookSection.MORE_NEXT_SYNC,
                )
            ]
        unmade = Fetch.of_days(days)
        with self._context.warehouse.session() as session, session.transaction():
            columns = asdict(unmade) | {"run_id": self._run_id, "product": name, "attempt": 1}
            FETCHES.submitting(
                session, submitted_at=self._context.now(), started_by=self._context.started_by, **columns
            )
            FETCHES.failed(
                session, unmade.request_id, state="FAILED", error=str(exhausted), error_kind=type(exhausted).__name__
            )
        return []

    def _export(self, unfinished: list[FetchRow], batch: list[Fetch]) -> None:
        """Make a round of exports, with the runner, slots and quota of forecasts' exports; resume the unfinished.

        An unfinished export of a planned window replaces a new one. One of another window is downloaded if Clari has
        its job, and never re-queued: the planned windows contain its days.
        """
        planned = [fetch.days for fetch in batch]
        resumed = [
            Export(
                request_id=row.request_id,
                request=self._product.request(Window.of(row)),
                attempt=row.attempt,
                left_behind=LeftBehind(row.job_id, row.submitted_at),
                is_history=Window.of(row) not in planned,
            )
            for row in unfinished
        ]
        fresh = [days for days in planned if days not in map(Window.of, unfinished)]
        exports = [
            *(export for export in resumed if not export.is_history),
            *(Export.planned(self._product.request(days)) for days in fresh),
        ]
        history = [export for export in resumed if export.is_history]
        runner = ExportRunner(
            self._context,
            landing=self._loader.landing,
            run_id=self._run_id,
            plan=Plan(tuple(exports), tuple(history)),
            record=Recorder(
                self._context.warehouse, self._run_id, self._product.name, started_by=self._context.started_by
            ),
            clock=self._clock,
            retry=self._retry,
        )
        with runner, self._context.stop.stops(runner):
            for window in dict.fromkeys(export.quarter_id for export in (*exports, *history)):
                self._context.stop.check()
                runner.wait_for_quarter(window)


def _split(fetch: Fetch, longest: int) -> list[Fetch]:
    """The same days in windows of at most `longest` days."""
    days = fetch.days
    if len(days) <= longest:
        return [fetch]
    return [Fetch.of_days(one) for one in days.split(longest)]


def _halves(days: Window) -> list[Fetch]:
    """Two fetches of half a window each; none for a single day."""
    return [Fetch.of_days(half) for half in days.halves()] if len(days) > 1 else []
