"""Windows of a product exported, and never more of them than that may cost.

Days that never came are the first, of them the newest. A window that is cut off is gone into at once, down to
what works; the windows that are left are then asked for at that length. The quota that forecasts need is left alone.
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

_AT_ONCE = 3  # of windows whose length works, unless CLARI_MAX_CONCURRENT_EXPORTS says less
_MEETS_ALL = {
    "AuthFailed",
    "ClariDown",
    "ClariUnreachable",
    "NoSlot",
    "NotOptedIn",
    "QuotaExhausted",
    "RateLimited",
    "ServerFault",
}


class ExportRounds:
    """The exports of one product in one sync."""

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

    def make(self, left: list[FetchRow], plan: Sequence[Fetch]) -> list[Problem]:
        """Go on with what was left behind, and make the exports of the plan; what people must know of those not made.

        What the quota has no room for is written down as one fetch that failed.
        """
        seen = self._days_seen()

        def by_urgency(queue: Iterable[Fetch]) -> list[Fetch]:
            return sorted(queue, key=lambda fetch: (not seen.issuperset(fetch.days), fetch.days), reverse=True)

        queue = by_urgency(plan)
        at_once, is_first, was_cut_off, is_known = 1, True, False, False
        while left or queue:
            mine = {Window.of(row) for row in left}
            batch = [fetch for fetch in queue if fetch.days in mine]
            others = [fetch for fetch in queue if fetch not in batch]
            if others:
                room = self._quota.room(is_first=is_first)
                if not room and not left:
                    return self._not_made(others)
                batch += others[: min(at_once, room)]
            queue = [fetch for fetch in queue if fetch not in batch]
            self._export(left, batch)
            self._quota.made(len(batch))
            self._loader.merge_landed(self._run_id)
            came = self._came_of(batch)
            if any(fetch.error_kind in _MEETS_ALL and fetch.state != "LOADED" for fetch in came):
                return []  # each of the others would meet with the same
            parts = [part for fetch in came if is_cut_off(fetch) for part in _halves(Window.of(fetch))]
            worked = max((len(Window.of(fetch)) for fetch in came if fetch.state == "LOADED"), default=0)
            if parts:
                at_once, was_cut_off = 1, True
            elif worked:
                at_once = min(_AT_ONCE, self._context.settings.max_concurrent_exports or _AT_ONCE)
            if worked and was_cut_off and not is_known:
                is_known, queue = True, [short for fetch in queue for short in _cut(fetch, worked)]
            queue = by_urgency([*parts, *queue])
            left, is_first = [], False
        return []

    def _limits(self) -> Limits:
        async def ask() -> Limits:
            async with clari_client(self._context.settings, self._retry) as client:
                return await client.limits()

        try:
            return asyncio.run(ask())
        except ClariError:
            return Limits()  # each export meets with the same, and is reported

    def _reserve(self) -> int:
        """What forecasts need in a month of the schedule, less what falls out of it meanwhile: a sync's at least."""
        settings, now = self._context.settings, self._context.now()
        if not settings.brings_forecasts:
            return 0
        a_sync = len(settings.forecast_ids) * len(self._context.current_quarters())
        with self._context.warehouse.session() as session:
            lately = fetches.forecasts_since(session, now - MONTH)
        return max(a_sync, a_sync * syncs_a_month(settings, now) - lately)

    def _days_seen(self) -> set[date]:
        with self._context.warehouse.session() as session:
            shown = fetches.windows(session, self._product.name)
        return {day for row in shown if row.is_whole for day in Window.of(row)}

    def _came_of(self, batch: list[Fetch]) -> list[FetchRow]:
        asked = {fetch.days for fetch in batch}
        with self._context.warehouse.session() as session:
            found = fetches.of_run(session, self._run_id, self._product.name)
        return [fetch for fetch in found if fetch.window_from is not None and Window.of(fetch) in asked]

    def _not_made(self, queue: list[Fetch]) -> list[Problem]:
        """Say of which days nothing is asked for now: a failure where the quota has no room, else a remark."""
        days = Window(min(fetch.days.first for fetch in queue), max(fetch.days.last for fetch in queue))
        trouble = self._quota.trouble
        name = self._product.name
        if trouble is None:
            return [
                Problem(
                    None,
                    None,
                    f"{name}: {self._quota.most} exports are made of it in this sync, no more; days of "
                    f"{days.first} to {days.last} are asked for by the next",
                    RunbookSection.MORE_NEXT_SYNC,
                )
            ]
        unmade = Fetch.of_days(days)
        with self._context.warehouse.session() as session, session.transaction():
            asked = asdict(unmade) | {"run_id": self._run_id, "product": name, "attempt": 1}
            FETCHES.submitting(session, submitted_at=self._context.now(), **asked)
            FETCHES.failed(
                session, unmade.request_id, state="FAILED", error=str(trouble), error_kind=type(trouble).__name__
            )
        return []

    def _export(self, left: list[FetchRow], batch: list[Fetch]) -> None:
        """Make the exports as forecasts' are made: the same runner, slots and quota. What was left is gone on with.

        What was left of the same days takes the place of asking anew; of other days it is fetched if Clari has a job of
        it, and is not asked for again: the days that are planned now hold them.
        """
        planned = [fetch.days for fetch in batch]
        continued = [
            Export(
                request_id=row.request_id,
                request=self._product.request(Window.of(row)),
                attempt=row.attempt,
                left_behind=LeftBehind(row.job_id, row.submitted_at),
                is_history=Window.of(row) not in planned,
            )
            for row in left
        ]
        anew = [days for days in planned if days not in map(Window.of, left)]
        exports = [
            *(export for export in continued if not export.is_history),
            *(Export.planned(self._product.request(days)) for days in anew),
        ]
        history = [export for export in continued if export.is_history]
        runner = ExportRunner(
            self._context,
            landing=self._loader.landing,
            run_id=self._run_id,
            plan=Plan(tuple(exports), tuple(history)),
            record=Recorder(self._context.warehouse, self._run_id, self._product.name),
            clock=self._clock,
            retry=self._retry,
        )
        with runner, self._context.stop.stops(runner):
            for window in dict.fromkeys(export.quarter_id for export in (*exports, *history)):
                self._context.stop.check()
                runner.take(window)


def _cut(fetch: Fetch, longest: int) -> list[Fetch]:
    """The same days in windows no longer than that."""
    days = fetch.days
    if len(days) <= longest:
        return [fetch]
    return [Fetch.of_days(one) for one in days.cut(longest)]


def _halves(days: Window) -> list[Fetch]:
    """What Clari has cut off, to be asked for in two; nothing of a single day."""
    return [Fetch.of_days(half) for half in days.halves()] if len(days) > 1 else []
