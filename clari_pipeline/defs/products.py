"""Assets, job and schedule of the products beside the forecast that `CLARI_PRODUCTS` names."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import dagster as dg

from clari_pipeline.checks.export_gate import PRODUCT_CHECKS
from clari_pipeline.config.settings import Settings
from clari_pipeline.defs.assets import DAILY, EXPORTS_POOL, OWNERS, key, writers_pool
from clari_pipeline.defs.checks import check_result
from clari_pipeline.defs.origins import is_of_command_line
from clari_pipeline.defs.problems import as_step_failure, log_warnings, observation, step_failure
from clari_pipeline.defs.resources import context_resource, exports_resource
from clari_pipeline.defs.schemas import table_schema
from clari_pipeline.defs.under_way import runs_under_way, unless_under_way
from clari_pipeline.store.opening import engine_of
from clari_pipeline.sync.context import Context
from clari_pipeline.sync.products.registry import PRODUCTS, is_exported
from clari_pipeline.sync.products.results import ProductResult
from clari_pipeline.sync.products.running import ProductRun
from clari_pipeline.sync.publishing import publish

JOB = "sync_products"


def product_assets(settings: Settings, *, engine: str) -> list[dg.AssetsDefinition]:
    """The assets of each product that `CLARI_PRODUCTS` names: one of each of its tables."""
    return [_product(name, engine) for name in settings.other_products]


def sync_products(settings: Settings, *, without: dg.AssetSelection | None = None) -> Any:
    """The job of all products that `CLARI_PRODUCTS` names; a run selects the assets of one, or of two that depend.

    `without` are checks on their tables that another job runs.
    """
    selection = dg.AssetSelection.assets(
        *(key(table) for name in settings.other_products for table in PRODUCTS[name].tables)
    )
    return dg.define_asset_job(
        JOB,
        selection=selection if without is None else selection - without,
        executor_def=dg.in_process_executor,
        tags={"clari/env": settings.env} if settings.env else None,
        description="Bring what Clari has beside forecasts: fetch, land, judge, merge. One run per product.",
    )


def definitions_of(settings: Settings, name: str) -> dg.Definitions:
    """Definitions of one product and its job alone."""
    only = settings.model_copy(update={"products": (name,)})
    return dg.Definitions(
        assets=product_assets(only, engine=engine_of(settings.warehouse_url)),
        jobs=[sync_products(only)],
        resources={"sync_context": context_resource, "exports": exports_resource},
    )


def daily_products_schedule(job: Any, settings: Settings) -> dg.ScheduleDefinition:
    """A run for each product, at `CLARI_SYNC_CRON`, in any order: a product that needs another is in the same run."""

    @dg.schedule(
        name="daily_products_schedule",
        job=job,
        cron_schedule=settings.sync_cron,
        execution_timezone=settings.timezone,
        description="Asks for a run of each product of CLARI_PRODUCTS beside the forecast; one that needs another, as "
        "opportunity needs activity, comes after it in the same run.",
    )
    def schedule(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        stamp, sync = context.scheduled_execution_time.isoformat(), Context.of(settings)
        wanted = {
            ",".join(names): dg.RunRequest(
                run_key=f"{stamp} {','.join(names)}",
                asset_selection=[key(table) for name in names for table in PRODUCTS[name].tables],
                tags={"clari/product": ",".join(names)},
            )
            for names in _runs_of(settings.other_products)
        }
        busy = [run.tags.get("clari/product") for run in runs_under_way(context.instance, sync, JOB)]
        yield from unless_under_way(context, wanted, busy)

    return schedule


def _runs_of(names: Sequence[str]) -> list[list[str]]:
    """The products of each run: one that needs another comes after it in the same run."""
    runs: dict[str, list[str]] = {}
    for name in names:
        needed = PRODUCTS[name].needs
        runs.setdefault(needed if needed and needed in names else name, []).append(name)
    return list(runs.values())


def _product(name: str, engine: str) -> dg.AssetsDefinition:
    spec = PRODUCTS[name]
    first = key(next(iter(spec.tables)))

    @dg.multi_asset(
        name=f"{name}_tables",
        specs=[
            dg.AssetSpec(
                key(table),
                deps=[key(other) for other in spec.reads],
                description=description,
                group_name="products",
                kinds={"clari", engine, "table"},
                owners=OWNERS,
                freshness_policy=DAILY,
                skippable=True,
                metadata={"dagster/column_schema": table_schema(table), "dagster/table_name": f"clari.{table}"},
            )
            for table, description in spec.tables.items()
        ],
        check_specs=[
            dg.AssetCheckSpec(
                check, asset=first, description=PRODUCT_CHECKS[check].explains, blocking=PRODUCT_CHECKS[check].keeps_out
            )
            for check in spec.checks
        ],
        required_resource_keys={"sync_context", "exports"},
        # On a server an exported product takes a slot of the organisation's exports; a file has one writer anyway.
        pool=writers_pool(engine) or (EXPORTS_POOL if is_exported(name) else None),
    )
    def product_tables(context: dg.AssetExecutionContext) -> Iterator[Any]:
        sync: Context = context.resources.sync_context
        with as_step_failure():
            found = ProductRun(sync, name, run_id=context.resources.exports.run_id).run()
            log_warnings(context.log, [*found.unrecorded, *found.warnings])
            if found.unrecorded:
                yield observation(first, found.unrecorded)
            if found.failures:
                yield from _check_results(first, found)
                lines = "; ".join(problem.line for problem in found.failures)
                raise step_failure(replace(found.failures[0], message=lines))
            if not is_of_command_line(context.run.tags):  # else the sync publishes at its end
                log_warnings(context.log, publish(sync.warehouse, sync.places).problems)
            if found.fetches:
                with sync.warehouse.session() as session:
                    counts = {table: session.count(table) for table in spec.tables}
                for table, rows in counts.items():
                    context.log.info(f"{table}: {rows:,} rows")
                    metadata = {"dagster/row_count": rows, **_metadata(found)}
                    yield dg.MaterializeResult(asset_key=key(table), metadata=metadata)
            yield from _check_results(first, found)  # after what they are of, as Dagster takes them for the newest's

    return product_tables


def _check_results(asset: dg.AssetKey, found: ProductResult) -> Iterator[dg.AssetCheckResult]:
    """One result a check, by the verdicts in `export_check` on each window."""
    windows = {fetch.request_id: str(fetch.window_from) for fetch in found.fetches}
    why = "; ".join(failure.message for failure in found.failures) or "there was nothing to ask for"
    for name in PRODUCTS[found.product].checks:
        judged = [
            (windows.get(verdict.request_id, verdict.request_id), verdict)
            for verdict in found.verdicts
            if verdict.check_name == name
        ]
        yield check_result(asset, name, judged, not_evaluated=why)


def _metadata(found: ProductResult) -> dict[str, Any]:
    """Job, window and count of answers of the newest fetch; rows and bytes of all."""
    newest = found.fetches[-1]
    counts = ("rows_exported", "rows_inserted", "rows_updated", "rows_unchanged", "result_bytes")
    return {
        "job_id": str(newest.job_id),
        "window_from": str(newest.window_from),
        "window_to": str(newest.window_to),
        **({"exported_at": dg.MetadataValue.timestamp(newest.exported_at)} if newest.exported_at else {}),
        "answer_count": newest.answer_count,
        "landing_path": str(newest.landing_path),
        **{name: sum(int(getattr(one, name) or 0) for one in found.fetches) for name in counts},
    }
