"""The order of a sync: export, land, judge, merge, compare, refresh the marts, judge own rules, publish, notify.

No other module defines it. The command line calls `run_sync`; Dagster's daemon runs the same steps as jobs of its
own, in the order that its sensors keep.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

from clari_pipeline.config.settings import Settings
from clari_pipeline.core.periods import Quarter
from clari_pipeline.core.runbook import Problem
from clari_pipeline.store import quality_results
from clari_pipeline.store.marts import Swing
from clari_pipeline.store.quality_results import QualityResult
from clari_pipeline.sync.context import Context
from clari_pipeline.sync.exporting import ExportRunner, exporting
from clari_pipeline.sync.outcomes import Outcome, outcomes_of, swings_of
from clari_pipeline.sync.planning import Plan, by_urgency
from clari_pipeline.sync.products.results import ProductResult
from clari_pipeline.sync.publishing import Published, publish


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncRequest:
    """What one sync exports: the forecasts of these quarters, then these products, under one run id.

    `current` is the quarter that contains today. With `is_current` the sync brings only the newest week of each
    quarter, without jobs. `tags` are set on its Dagster runs.
    """

    run_id: str
    current: Quarter
    quarters: Sequence[Quarter] = ()
    forecasts: Sequence[str] = ()
    products: Sequence[str] = ()
    is_current: bool = False
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class QuarterResult:
    """The outcomes of a quarter's exports, and the problem that ended its run early, if any."""

    outcomes: list[Outcome]
    problem: Problem | None = None

    @property
    def own_problem(self) -> Problem | None:
        """The problem, unless a failed export's ledger row holds the error already."""
        is_explained = any(outcome.is_failure and outcome.export.error for outcome in self.outcomes)
        return None if is_explained else self.problem


@dataclass(frozen=True, slots=True)
class MartsResult:
    """What was published, and the problem that ended the refresh early, if any."""

    published: Published = field(default_factory=Published)
    problem: Problem | None = None


class Steps(Protocol):
    """Runs the steps of one sync, each blocking until it ends: as Dagster runs, or in this process."""

    def sync_quarter(self, quarter: Quarter) -> QuarterResult:
        """Wait until one quarter's exports have landed, then judge and merge them."""
        ...

    def refresh_marts(self) -> MartsResult:
        """Refresh the marts, judge the user's own rules on the tables, and publish the marts to readers."""
        ...

    def sync_product(self, product: str) -> ProductResult:
        """Fetch, land, judge and merge one product other than the forecast."""
        ...


MakeSteps = Callable[[Context, ExportRunner, Sequence[Quarter], Mapping[str, str]], Steps]
"""Builds the steps from the context, the runner that lands the exports, their quarters, and tags for Dagster runs."""

OpenSteps = Callable[[Settings], AbstractContextManager[MakeSteps]]
"""Opens what the steps need, before the first request to Clari."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncResult:
    """What a sync or a replay did.

    `failures` are of the run itself; those of an export are in its `Outcome`. `warnings` stopped nothing.
    `expectations` is what was judged of the user's own rules. `killed` are the ids of earlier runs that were found
    orphaned. `shared` are request ids of exports that another sync made at the same time. Times are UTC.
    """

    run_id: str
    started_at: datetime
    finished_at: datetime
    outcomes: Sequence[Outcome] = ()
    swings: Sequence[Swing] = ()
    products: Sequence[ProductResult] = ()
    quarters: Sequence[Quarter] = ()
    failures: Sequence[Problem] = ()
    warnings: Sequence[Problem] = ()
    expectations: Sequence[QualityResult] = ()
    killed: frozenset[str] = frozenset()
    shared: frozenset[str] = frozenset()


def run_sync(
    context: Context,
    request: SyncRequest,
    open_steps: OpenSteps,
    *,
    on_plan: Callable[[Plan, int], None] = lambda _plan, _products: None,
) -> SyncResult:
    """Export, merge and publish what is requested; a quarter that fails does not stop the others.

    `on_plan` is called with the plan, and the number of products that follow, before the first export lands. The
    caller notifies people of the result. Raises what stops a sync as a whole: settings, a warehouse or a landing folder
    that cannot be written, `KeyboardInterrupt`.
    """
    with_forecasts = bool(request.quarters)
    quarters = by_urgency(request.quarters, current=request.current)
    failures: list[Problem] = []
    warnings: list[Problem] = []
    products: list[ProductResult] = []
    outcomes: list[Outcome] = []
    started_at = context.now()
    with (
        open_steps(context.settings) as make_steps,
        exporting(
            context,
            request.run_id,
            quarters,
            request.forecasts,
            everywhere=with_forecasts,
            is_current=request.is_current,
            current=request.current,
        ) as runner,
    ):
        on_plan(runner.plan, len(request.products))
        quarters += [quarter for quarter in runner.plan.recovered_quarters if quarter not in quarters]
        steps = make_steps(context, runner, quarters, request.tags)
        for quarter in quarters:
            context.stop.check()
            if (problem := steps.sync_quarter(quarter).own_problem) is not None:
                failures.append(replace(problem, quarter=str(quarter), message=f"{quarter}: {problem.message}"))
        context.stop.check()
        with context.warehouse.kept_open():
            if with_forecasts:
                marts = steps.refresh_marts()
                warnings += marts.published.problems
                if marts.problem is not None:
                    message = f"marts: {marts.problem.message}"
                    failures.append(replace(marts.problem, message=message, subject="marts"))
            outcomes = outcomes_of(context.warehouse, runner.requests())
        for name in request.products:  # outside of `kept_open`: these wait for Clari
            context.stop.check()
            products.append(result := steps.sync_product(name))
            failures += result.failures
            warnings += [*result.unrecorded, *result.warnings]
    if products:
        warnings += publish(context.warehouse, context.places).problems
    with context.warehouse.session() as session:
        swings = swings_of(session, outcomes)
        expectations = quality_results.of_run(session, request.run_id)
    return SyncResult(
        run_id=request.run_id,
        started_at=started_at,
        finished_at=context.now(),
        outcomes=outcomes,
        swings=swings,
        products=products,
        quarters=quarters,
        failures=failures,
        warnings=warnings,
        expectations=expectations,
        killed=runner.plan.killed,
        shared=frozenset(runner.shared),
    )
