"""The asset graph: raw export → tables (a quarter each) → marts."""

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

import dagster as dg

from clari_pipeline.core.runbook import Remark, see
from clari_pipeline.defs.boards import board_asset
from clari_pipeline.defs.checks import check_results, check_specs, mart_result
from clari_pipeline.defs.lineage import column_lineage
from clari_pipeline.defs.log import hear_in
from clari_pipeline.defs.schemas import table_schema
from clari_pipeline.store import marts
from clari_pipeline.store.marts import HISTORY, MARTS
from clari_pipeline.sync.outcomes import Outcome
from clari_pipeline.sync.pipeline import Pipeline
from clari_pipeline.warehouse.registry import capabilities_of
from clari_pipeline.warehouse.statements import is_view

PREFIX = "clari"
READ_COPY = "read_copy"
RETENTION = "retention"
TABLES = {
    "forecast_entry": "One row a forecast, period, week, person and field: the newest known call, quota and "
    "closed-won figures. Nothing is deleted because an export stopped showing it.",
    "forecast_user": "One row a forecast and person, as newest known; forecast_user_history holds the versions.",
    "forecast_field": "One row a forecast and field.",
    "time_period": "One row a month or quarter.",
    "time_frame": "One row a period and week.",
}
# A daily sync, and two hours in which it may run late.
DAILY = dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=26), warn_window=timedelta(hours=25))
OWNERS = ["team:data-engineering"]
EXPORTS_POOL = "clari_exports"  # as many runs as the organisation may export at once
WAREHOUSE_POOL = "clari_warehouse"  # a DuckDB file has one writer; a server needs no such pool


def writers(engine: str) -> str | None:
    """The pool of those who write the warehouse, where they take turns. A run holds the pools of all its steps."""
    return WAREHOUSE_POOL if capabilities_of(engine).has_one_writer else None


def key(name: str) -> dg.AssetKey:
    """An asset of this pipeline."""
    return dg.AssetKey([PREFIX, name])


def quarter_assets(quarters: dg.PartitionsDefinition[str], *, engine: str) -> list[dg.AssetsDefinition]:
    """What runs once a quarter: the raw export, and the tables that it is merged into, in a warehouse of an engine."""

    @dg.asset(
        key=key("raw_export"),
        partitions_def=quarters,
        group_name="clari",
        kinds={"clari", "json"},
        owners=OWNERS,
        description="The quarter's exports as Clari delivered them: queued, polled with a timeout, landed on disk "
        "and kept for ever, one document a forecast. Clari cannot give an old export again.",
        required_resource_keys={"pipeline", "exports"},
        pool=EXPORTS_POOL,
    )
    def raw_export(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
        pipeline: Pipeline = context.resources.pipeline
        outcomes = pipeline.outcomes(context.resources.exports.take(context.partition_key, hear_in(context.log)))
        failed = [outcome for outcome in outcomes if outcome.export["landing_path"] is None]
        for outcome in failed:
            context.log.error(outcome.sentence)
        if len(failed) == len(outcomes) and not pipeline.has_landed(context.partition_key):
            raise _failure(context.partition_key, failed)
        return dg.MaterializeResult(metadata=_export_metadata(outcomes))

    @dg.multi_asset(
        name="merged_tables",
        specs=[
            dg.AssetSpec(
                key(name),
                deps=[key("raw_export")],
                description=description,
                group_name="warehouse",
                kinds={engine, "table"},
                owners=OWNERS,
                partitions_def=quarters,
                skippable=True,
                metadata={"dagster/column_schema": table_schema(name), "dagster/table_name": f"clari.{name}"},
            )
            for name, description in TABLES.items()
        ],
        check_specs=check_specs(key("forecast_entry"), quarters),
        partitions_def=quarters,
        required_resource_keys={"pipeline", "exports"},
        pool=writers(engine),
    )
    def merged_tables(context: dg.AssetExecutionContext) -> Iterator[Any]:
        """Judge and merge what has landed of the quarter. What is refused stays out, the others go in."""
        pipeline: Pipeline = context.resources.pipeline
        with pipeline.warehouse.session() as session:  # the file is opened once
            merged = pipeline.merge_landed(context.partition_key)
            of_run = pipeline.requests_of_run(context.resources.exports.run_id, context.partition_key)
            outcomes = pipeline.outcomes(dict.fromkeys([*of_run, *merged]))
            counts = {name: marts.count(session, name) for name in TABLES}
        for outcome in outcomes:
            (context.log.error if outcome.is_failure else context.log.info)(outcome.sentence)
        yield from check_results(key("forecast_entry"), outcomes)
        if failed := [outcome for outcome in outcomes if outcome.is_failure]:
            raise _failure(context.partition_key, failed)
        if not any(outcome.export["state"] == "LOADED" for outcome in outcomes):
            context.log.warning(f"nothing of {context.partition_key} was merged")
            return
        for name, rows in counts.items():
            yield dg.MaterializeResult(
                asset_key=key(name),
                metadata={
                    "dagster/row_count": rows,
                    **_export_metadata(outcomes),
                    "rows_exported": sum(outcome.export["rows_exported"] or 0 for outcome in outcomes),
                },
            )

    return [raw_export, merged_tables]


def mart_assets(*, engine: str) -> list[dg.AssetsDefinition]:
    """What follows once the quarters are through."""
    tables, health = [*map(key, TABLES)], [key("raw_export"), key("forecast_entry")]
    made = [
        _mart("forecast_vs_quota", Pipeline.refresh_forecast_vs_quota, tables, engine),
        _mart("forecast_swing", Pipeline.refresh_forecast_swing, tables, engine),
        _mart("forecast_swing_summary", partial(_counted, "forecast_swing_summary"), [key("forecast_swing")], engine),
        _mart("pipeline_health", Pipeline.refresh_pipeline_health, health, engine),
        _mart("pipeline_health_month", partial(_counted, "pipeline_health_month"), [key("pipeline_health")], engine),
    ]
    board = board_asset(key("board"), [*map(key, MARTS)], owners=OWNERS, pool=writers(engine))
    return [*made, _history_marts(engine), board]


def _mart_metadata(name: str) -> dict[str, Any]:
    """Columns, and where they come from."""
    schema, above = (
        {column.name: column for column in table_schema(table).columns} for table in (name, "forecast_call_week")
    )
    lineage = column_lineage(name, schema, above, key)
    return {
        "dagster/column_schema": table_schema(name),
        "dagster/table_name": f"clari.{name}",
        **({"dagster/column_lineage": lineage} if lineage else {}),
    }


def _counted(mart: str, pipeline: Pipeline) -> int:
    """The rows of a mart that is made with another."""
    with pipeline.warehouse.session() as session:
        return marts.count(session, mart)


def _mart(name: str, refresh: Callable[[Pipeline], int], deps: list[dg.AssetKey], engine: str) -> dg.AssetsDefinition:
    coverage = name == "forecast_vs_quota"

    @dg.asset(
        key=key(name),
        deps=deps,
        group_name="marts",
        kinds={engine, "view" if is_view(name) else "table"},
        owners=OWNERS,
        description=MARTS[name],
        metadata=_mart_metadata(name),
        freshness_policy=DAILY,
        required_resource_keys={"pipeline"},
        pool=writers(engine),
        check_specs=check_specs(key(name), None) if coverage else None,
    )
    def mart(context: dg.AssetExecutionContext) -> Iterator[Any]:
        pipeline: Pipeline = context.resources.pipeline
        with pipeline.warehouse.session():
            rows = refresh(pipeline)
            results = list(coverage_results(key(name), pipeline)) if coverage else []
        yield dg.MaterializeResult(metadata={"dagster/row_count": rows})
        yield from results

    return mart


def read_copy_asset(*, engine: str) -> dg.AssetsDefinition:
    """What follows once the marts are through."""

    @dg.asset(
        key=key(READ_COPY),
        deps=[*map(key, MARTS)],
        group_name="marts",
        kinds={engine, "parquet"},
        owners=OWNERS,
        description="What notebooks and BI tools open, so that they and a sync never wait for each other: each mart as "
        "a Parquet file and, of a DuckDB file, a copy that is only read. Made anew as the last step of each run.",
        freshness_policy=DAILY,
        required_resource_keys={"pipeline"},
        pool=writers(engine),
        output_required=False,
    )
    def read_copy(context: dg.AssetExecutionContext) -> Iterator[Any]:
        pipeline: Pipeline = context.resources.pipeline
        is_new = pipeline.publish()
        if is_new is None:  # the figures are merged: no reason for a red run
            context.log.warning(pipeline.remarks[-1])
            return
        copy = pipeline.places.copy
        yield dg.MaterializeResult(
            metadata={
                "is_new": is_new,
                "marts": dg.MetadataValue.path(pipeline.places.marts),
                **({"copy": dg.MetadataValue.path(copy), "bytes": copy.stat().st_size} if copy.exists() else {}),
            }
        )

    return read_copy


def retention_asset(*, engine: str) -> dg.AssetsDefinition:
    """What lets old quarters go."""

    @dg.asset(
        key=key(RETENTION),
        group_name="operations",
        kinds={engine},
        owners=OWNERS,
        description="Quarters that have left the tables: those beyond CLARI_RETENTION_PERIODS, never the current one "
        "and the seven before it. Their landed documents stay, and replay brings them back.",
        required_resource_keys={"pipeline"},
        pool=writers(engine),
    )
    def apply_retention(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
        from clari_pipeline.ops.retention import forget_verdicts, oldest_kept, retire  # noqa: PLC0415 - once a month

        pipeline: Pipeline = context.resources.pipeline
        found = retire(pipeline)
        for quarter in found:
            said = quarter.obstacle or f"{sum(quarter.rows.values()):,} rows have left the tables"
            (context.log.warning if quarter.obstacle else context.log.info)(f"{quarter.quarter_id}: {said}")
        verdicts = forget_verdicts(pipeline)
        if (found or verdicts) and pipeline.publish() is None:
            context.log.warning(pipeline.remarks[-1])
        if kept := [f"{quarter.quarter_id} stays: {quarter.obstacle}" for quarter in found if quarter.obstacle]:
            raise dg.Failure(description=see("; ".join(kept), Remark.QUARTER_STAYS), allow_retries=False)
        return dg.MaterializeResult(
            metadata={
                "oldest_kept": str(oldest_kept(pipeline)),
                "quarters": ", ".join(quarter.quarter_id for quarter in found),
                "rows": sum(sum(quarter.rows.values()) for quarter in found),
                "verdicts": verdicts,
            }
        )

    return apply_retention


def coverage_results(asset: dg.AssetKey, pipeline: Pipeline) -> Iterator[dg.AssetCheckResult]:
    """`periods_are_covered`, over all forecasts."""
    verdicts = [verdict | {"of": verdict["forecast_id"]} for verdict in pipeline.judge_coverage()]
    yield mart_result(asset, "periods_are_covered", verdicts, is_needed=True)


def _history_marts(engine: str) -> dg.AssetsDefinition:
    """What the history of the calls says, made in one step: most of it are views of one table."""
    movement = key("forecast_movement")

    @dg.multi_asset(
        name="history_marts",
        specs=[
            dg.AssetSpec(
                key(name),
                deps=_history_deps(name),
                description=description,
                group_name="marts",
                kinds={engine, "view" if is_view(name) else "table"},
                owners=OWNERS,
                freshness_policy=DAILY,
                metadata=_mart_metadata(name),
            )
            for name, description in HISTORY.items()
        ],
        required_resource_keys={"pipeline"},
        pool=writers(engine),
        check_specs=check_specs(movement, None),
    )
    def history_marts(context: dg.AssetExecutionContext) -> Iterator[Any]:
        pipeline: Pipeline = context.resources.pipeline
        with pipeline.warehouse.session() as session:
            pipeline.refresh_history()
            counts = {name: marts.count(session, name) for name in HISTORY}
            verdicts = pipeline.movement_verdicts()
        for name, rows in counts.items():
            yield dg.MaterializeResult(asset_key=key(name), metadata={"dagster/row_count": rows})
        yield mart_result(movement, "forecast_movement_adds_up", verdicts, is_needed=False)

    return history_marts


def _history_deps(name: str) -> list[dg.AssetKey]:
    match name:
        case "forecast_call_week":
            return [key(table) for table in TABLES]
        case "call_submission":
            return [key("forecast_call_week"), key("forecast_entry")]
        case "forecast_accuracy" | "attainment_pacing":
            return [key("forecast_call_week"), key("forecast_vs_quota")]
        case _:
            return [key("forecast_call_week")]


def _export_metadata(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Job id, bytes, seconds waited and polls; a table where the quarter has several forecasts."""
    columns = (
        "job_id",
        "state",
        "rows_exported",
        "rows_inserted",
        "rows_updated",
        "wait_seconds",
        "poll_count",
        "retry_count",
        "attempt",
        "types_refused",
        "error",
    )
    exports = [outcome.export for outcome in outcomes]
    table = dg.MetadataValue.table(
        [
            dg.TableRecord({"forecast_id": export["forecast_id"], **{name: _cell(export[name]) for name in columns}})
            for export in exports
        ],
        schema=dg.TableSchema([dg.TableColumn(name) for name in ("forecast_id", *columns)]),
    )
    first = exports[0]
    return {
        "exports": table,
        "job_id": ", ".join(str(export["job_id"]) for export in exports),
        "result_bytes": sum(export["result_bytes"] or 0 for export in exports),
        "wait_seconds": max(float(export["wait_seconds"] or 0) for export in exports),
        "poll_count": sum(export["poll_count"] or 0 for export in exports),
        "exported_at": str(first["exported_at"]),
        "landing_path": ", ".join(str(export["landing_path"]) for export in exports),
    }


def _cell(value: object) -> str | int | None:
    return value if isinstance(value, int | None) else str(value)


def _failure(quarter_id: str, failed: Sequence[Outcome]) -> dg.Failure:
    return dg.Failure(
        description=f"{quarter_id} was not merged. "
        + " | ".join(see(outcome.sentence, outcome.section) for outcome in failed),
        metadata={"exports": _export_metadata(failed)["exports"]},
        allow_retries=False,
    )
