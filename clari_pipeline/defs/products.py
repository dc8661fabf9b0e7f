"""The products beside the forecast as assets: there are only those that `CLARI_PRODUCTS` names, a run each."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import dagster as dg

from clari_pipeline.checks.export_gate import PRODUCT_CHECKS
from clari_pipeline.config.settings import Settings
from clari_pipeline.core.runbook import see
from clari_pipeline.defs.assets import DAILY, EXPORTS_POOL, OWNERS, key, writers
from clari_pipeline.defs.failing import failing, failure, warn
from clari_pipeline.defs.resources import context_resource, exports_resource
from clari_pipeline.defs.schemas import table_schema
from clari_pipeline.store.opening import engine_of
from clari_pipeline.sync.context import Context
from clari_pipeline.sync.products.registry import PRODUCTS
from clari_pipeline.sync.products.results import Brought
from clari_pipeline.sync.products.running import Bringing
from clari_pipeline.sync.publishing import publish
from clari_pipeline.warehouse.statements import Record

JOB = "sync_products"
_DESCRIPTIONS = {
    "api_limits": "One row a look at Clari's limits: how many exports are allowed, and how many are left.",
    "audit_event": "One row an event of Clari's audit log, from the newest known on with an overlap; what Clari has "
    "thrown away meanwhile (it keeps 30 days) is reported as a gap.",
    "audit_actor": "One row somebody behind events of the audit log, as newest known.",
    "activity": "One row a meeting, e-mail or attachment: an export job of the last days, which counts against the "
    "same quota as forecasts. Nothing is deleted because an export stopped showing it.",
    "activity_account": "One row an activity and account.",
    "activity_opportunity": "One row an activity and opportunity.",
    "activity_participant": "One row an activity and person who took part.",
    "opportunity": "One row an opportunity that an activity was ever mapped to, asked for by id, a hundred a call.",
    "opportunity_field": "One row an opportunity and field, its value as text and, where it is a number, as decimal.",
    "opportunity_field_trend": "One row a change of an opportunity's field.",
}
_OF_ALL = ("export_is_readable", "records_are_complete")
_OF_RECORDS = (*_OF_ALL, "moments_are_readable", "parts_are_complete", "window_is_not_empty", "row_counts_reconcile")
_CHECKS = {
    "limits": _OF_ALL,
    "audit": (*_OF_RECORDS, "window_has_no_gap"),
    "activity": (*_OF_RECORDS, "export_is_not_truncated", "records_are_of_the_window"),
    "opportunity": (*_OF_RECORDS, "scores_are_readable", "opportunities_are_known"),
}


def product_assets(settings: Settings, *, engine: str) -> list[dg.AssetsDefinition]:
    """The tables of each product that is named."""
    return [_product(name, engine) for name in settings.other_products]


def tables_of(name: str) -> tuple[str, ...]:
    """A product's tables that are assets."""
    return tuple(table for table in PRODUCTS[name].tables if table in _DESCRIPTIONS)


def sync_products(settings: Settings) -> Any:
    """The job of all products that are named; a run of it is given the assets of one."""
    return dg.define_asset_job(
        JOB,
        selection=dg.AssetSelection.assets(
            *(key(table) for name in settings.other_products for table in tables_of(name))
        ),
        executor_def=dg.in_process_executor,
        tags={"clari/env": settings.env} if settings.env else None,
        description="Bring what Clari has beside forecasts: fetch, land, judge, merge. One run a product.",
    )


def definitions_of(settings: Settings, name: str) -> dg.Definitions:
    """One product and its job, as if no other were named."""
    only = settings.model_copy(update={"products": (name,)})
    return dg.Definitions(
        assets=product_assets(only, engine=engine_of(settings.warehouse_url)),
        jobs=[sync_products(only)],
        resources={"sync_context": context_resource, "exports": exports_resource},
    )


def daily_products_schedule(job: Any, settings: Settings) -> dg.ScheduleDefinition:
    """A run for each product, at `CLARI_SYNC_CRON`; runs that are queued begin in any order, or at once."""

    @dg.schedule(
        name="daily_products_schedule",
        job=job,
        cron_schedule=settings.sync_cron,
        execution_timezone=settings.timezone,
        description="Asks for a run of each product of CLARI_PRODUCTS beside the forecast; activity and opportunity "
        "are one run, in that order.",
    )
    def schedule(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest]:
        for names in _together(settings.other_products):
            yield dg.RunRequest(
                run_key=f"{context.scheduled_execution_time.isoformat()} {','.join(names)}",
                asset_selection=[key(table) for name in names for table in tables_of(name)],
                tags={"clari/product": ",".join(names)},
            )

    return schedule


def _together(names: Sequence[str]) -> list[tuple[str, ...]]:
    """Products by run: opportunity asks for what activity has seen, and so comes after it in the same run."""
    pair = ("activity", "opportunity")
    if not set(pair) <= set(names):
        return [(name,) for name in names]
    return [*((name,) for name in names if name not in pair), pair]


def _product(name: str, engine: str) -> dg.AssetsDefinition:
    first = key(tables_of(name)[0])

    @dg.multi_asset(
        name=f"{name}_tables",
        specs=[
            dg.AssetSpec(
                key(table),
                deps=[key("activity_opportunity")] if name == "opportunity" else [],
                description=_DESCRIPTIONS[table],
                group_name="products",
                kinds={"clari", engine, "table"},
                owners=OWNERS,
                freshness_policy=DAILY,
                skippable=True,
                metadata={"dagster/column_schema": table_schema(table), "dagster/table_name": f"clari.{table}"},
            )
            for table in tables_of(name)
        ],
        check_specs=[
            dg.AssetCheckSpec(
                check, asset=first, description=PRODUCT_CHECKS[check].explains, blocking=PRODUCT_CHECKS[check].keeps_out
            )
            for check in _CHECKS[name]
        ],
        required_resource_keys={"sync_context", "exports"},
        # An export of activity takes one of the organisation's places, too; beside a file's one writer it is alone.
        pool=writers(engine) or (EXPORTS_POOL if name == "activity" else None),
    )
    def product_tables(context: dg.AssetExecutionContext) -> Iterator[Any]:
        sync: Context = context.resources.sync_context
        with failing():
            found = Bringing(sync, name, run_id=context.resources.exports.run_id).bring()
        warn(context.log, found.remarks)
        yield from _check_results(first, found)
        if found.failures:
            lines = "; ".join(problem.line for problem in found.failures)
            raise failure(replace(found.failures[0], message=lines))
        if "clari/sync" not in context.run.tags:  # else the sync does, at its end
            warn(context.log, publish(sync.warehouse, sync.places).problems)
        if not found.fetches:
            return
        with sync.warehouse.session() as session:
            counts = {table: session.count(table) for table in tables_of(name)}
        for table, rows in counts.items():
            yield dg.MaterializeResult(asset_key=key(table), metadata={"dagster/row_count": rows, **_metadata(found)})

    return product_tables


def _check_results(asset: dg.AssetKey, found: Brought) -> Iterator[dg.AssetCheckResult]:
    """What `export_check` holds; a check that was not judged, because nothing came, has no result unless nothing
    was asked for.
    """
    for name in _CHECKS[found.product]:
        verdicts = [verdict for verdict in found.verdicts if verdict["check_name"] == name]
        if not verdicts and found.failures:
            continue
        broken = [verdict for verdict in verdicts if not verdict["passed"]]
        is_error = any(verdict["severity"] == "ERROR" for verdict in broken)
        yield dg.AssetCheckResult(
            asset_key=asset,
            check_name=name,
            passed=not broken,
            severity=dg.AssetCheckSeverity.ERROR if is_error else dg.AssetCheckSeverity.WARN,
            description=_description(name, verdicts, broken),
            metadata={
                str(number): dg.MetadataValue.json(json.loads(json.dumps(verdict["evidence"], default=str)))
                for number, verdict in enumerate(verdicts)
            },
        )


def _description(name: str, verdicts: Sequence[Record], broken: Sequence[Record]) -> str | None:
    if not verdicts:
        return "Not judged: there was nothing to ask for."
    said = [str(verdict["evidence"].get("summary") or PRODUCT_CHECKS[name].explains) for verdict in broken]
    return see("; ".join(said), name) if said else None


def _metadata(found: Brought) -> dict[str, Any]:
    """Of the newest fetch: its job, window and answers; rows of all."""
    newest = found.fetches[-1]
    counts = ("rows_exported", "rows_inserted", "rows_updated", "rows_unchanged", "result_bytes")
    return {
        "job_id": str(newest["job_id"]),
        "window_from": str(newest["window_from"]),
        "window_to": str(newest["window_to"]),
        "exported_at": str(newest["exported_at"]),
        "answer_count": newest["answer_count"],
        "landing_path": str(newest["landing_path"]),
        **{name: _sum(found.fetches, name) for name in counts},
    }


def _sum(found: Sequence[dict[str, Any]], name: str) -> int:
    return sum(int(one[name] or 0) for one in found)
