"""The asset graph: raw export → tables (a quarter each) → marts."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import dagster as dg

from clari_pipeline.core.runbook import AlertKind, Problem, RunbookSection
from clari_pipeline.defs.boards import board_asset
from clari_pipeline.defs.checks import check_result, check_results, check_specs, evaluation_of
from clari_pipeline.defs.lineage import column_lineage
from clari_pipeline.defs.log import log_observer
from clari_pipeline.defs.metadata import table
from clari_pipeline.defs.partitions import QUARTERS
from clari_pipeline.defs.problems import as_step_failure, log_warnings, observation, step_failure
from clari_pipeline.defs.schemas import table_schema
from clari_pipeline.store.facts import rows_of_quarter
from clari_pipeline.store.mart_registry import MARTS, Mart
from clari_pipeline.sync.context import Context
from clari_pipeline.sync.loading import Loader, has_landed
from clari_pipeline.sync.outcomes import Outcome, outcomes_of, swings_of
from clari_pipeline.sync.publishing import publish
from clari_pipeline.sync.refreshing import Marts, movement_verdicts
from clari_pipeline.warehouse.catalogue import is_view
from clari_pipeline.warehouse.registry import capabilities_of

PREFIX = "clari"
READ_COPY = "read_copy"
QUALITY = "quality_result"
RETENTION = "retention"
VERIFIED = "verified_tables"
TABLES = {
    "forecast_entry": "One row per forecast, period, week, person and field: the newest known call, quota and "
    "closed-won figures. Nothing is deleted because an export stopped showing it.",
    "forecast_user": "One row per forecast and person, as newest known; forecast_user_history holds the versions.",
    "forecast_field": "One row per forecast and field.",
    "time_period": "One row per period: a quarter, a month in one, or a year around it.",
    "time_frame": "One row per period and week.",
}
# A daily sync, and two hours in which it may run late.
DAILY = dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=26), warn_window=timedelta(hours=25))
OWNERS = ["team:data-engineering"]
_MERGED = ("rows_exported", "rows_inserted", "rows_updated", "rows_unchanged", "rows_disappeared")
EXPORTS_POOL = "clari_exports"  # as many runs as the organisation may export at once
WAREHOUSE_POOL = "clari_warehouse"  # a DuckDB file has one writer; a server needs no such pool


def writers_pool(engine: str) -> str | None:
    """The pool of steps that write the warehouse, None on a server. A run holds slots of all its steps' pools."""
    return WAREHOUSE_POOL if capabilities_of(engine).has_one_writer else None


def key(name: str) -> dg.AssetKey:
    """The key of an asset by its name."""
    return dg.AssetKey([PREFIX, name])


def quarter_assets(*, engine: str) -> list[dg.AssetsDefinition]:
    """The assets with a partition a quarter: the raw export, and the tables that it is merged into."""

    @dg.asset(
        key=key("raw_export"),
        partitions_def=QUARTERS,
        group_name="clari",
        kinds={"clari", "json"},
        owners=OWNERS,
        description="The quarter's exports as Clari delivered them: queued, polled with a timeout, landed on disk "
        "and kept for ever, one document per forecast. Clari cannot give an old export again.",
        required_resource_keys={"sync_context", "exports"},
        pool=EXPORTS_POOL,
    )
    def raw_export(context: dg.AssetExecutionContext) -> Iterator[Any]:
        sync: Context = context.resources.sync_context
        with as_step_failure(context.partition_key):
            request_ids = context.resources.exports.wait_for_quarter(context.partition_key, log_observer(context.log))
            outcomes = outcomes_of(sync.warehouse, request_ids)
            failed = [outcome for outcome in outcomes if outcome.export.landing_path is None]
            for outcome in failed:
                context.log.error(outcome.sentence)
            if len(failed) == len(outcomes) and not has_landed(sync.warehouse, context.partition_key):
                for result in check_results(key("forecast_entry"), outcomes):  # merged_tables will be skipped
                    yield evaluation_of(result, context.partition_key)
                _tag(context, outcomes)
                raise _failure(context.partition_key, failed)
            yield dg.MaterializeResult(metadata=_export_metadata(outcomes))

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
                partitions_def=QUARTERS,
                skippable=True,
                metadata={"dagster/column_schema": table_schema(name), "dagster/table_name": f"clari.{name}"},
            )
            for name, description in TABLES.items()
        ],
        check_specs=check_specs(key("forecast_entry"), QUARTERS),
        partitions_def=QUARTERS,
        required_resource_keys={"sync_context", "exports"},
        pool=writers_pool(engine),
    )
    def merged_tables(context: dg.AssetExecutionContext) -> Iterator[Any]:
        """Check and merge the quarter's landed documents. Refused ones stay out, the others are merged."""
        sync: Context = context.resources.sync_context
        with as_step_failure(context.partition_key), sync.warehouse.session() as session:  # the file is opened once
            context.log.info(f"Merging the landed documents of {context.partition_key}")
            merged = Loader(sync).merge_landed(context.partition_key)
            of_run = context.resources.exports.requests(context.partition_key)
            outcomes = outcomes_of(sync.warehouse, dict.fromkeys([*of_run, *merged]))
            counts = {name: session.count(name) for name in TABLES}
            of_quarter = rows_of_quarter(session, context.partition_key)
            swings = len(swings_of(session, outcomes))
        for outcome in outcomes:
            (context.log.error if outcome.is_failure else context.log.info)(outcome.sentence + _counted(outcome))
        _tag(context, outcomes)
        failed = [outcome for outcome in outcomes if outcome.is_failure]
        if not failed and not any(outcome.export.state == "LOADED" for outcome in outcomes):
            context.log.warning(f"nothing of {context.partition_key} was merged")
        elif not failed:
            for name, rows in counts.items():
                yield dg.MaterializeResult(
                    asset_key=key(name),
                    metadata={
                        "dagster/row_count": rows,
                        **({"dagster/partition_row_count": of_quarter[name]} if name in of_quarter else {}),
                        **_export_metadata(outcomes),
                        **{name: _total(outcomes, name) for name in _MERGED},
                        "swings": swings,
                    },
                )
        # After the materialization: Dagster takes a check's result for one of the newest before it.
        yield from check_results(key("forecast_entry"), outcomes)
        if failed:
            raise _failure(context.partition_key, failed)

    return [raw_export, merged_tables]


def mart_assets(*, engine: str) -> list[dg.AssetsDefinition]:
    """The marts and the board, refreshed after the quarters are merged."""
    made = [_mart(mart, engine) for mart in MARTS.values() if not mart.is_weekly]
    board = board_asset(key("board"), [*map(key, MARTS)], owners=OWNERS, pool=writers_pool(engine))
    return [*made, _history_marts(engine), board]


def _mart_spec(mart: Mart, engine: str) -> dg.AssetSpec:
    """The spec of a mart's asset."""
    lineage = column_lineage(mart, key)
    return dg.AssetSpec(
        key(mart.name),
        deps=[*map(key, mart.reads)],
        description=mart.grain,
        group_name="marts",
        kinds={engine, "view" if is_view(mart.name) else "table"},
        owners=OWNERS,
        freshness_policy=DAILY,
        metadata={
            "dagster/column_schema": table_schema(mart.name),
            "dagster/table_name": f"clari.{mart.name}",
            **({"dagster/column_lineage": lineage} if lineage else {}),
        },
    )


def _mart(mart: Mart, engine: str) -> dg.AssetsDefinition:
    has_coverage_check = mart.name == "forecast_vs_quota"

    @dg.multi_asset(
        name=f"{PREFIX}__{mart.name}",
        specs=[_mart_spec(mart, engine)],
        required_resource_keys={"sync_context"},
        pool=writers_pool(engine),
        check_specs=check_specs(key(mart.name), None) if has_coverage_check else [],
    )
    def refreshed(context: dg.AssetExecutionContext) -> Iterator[Any]:
        sync: Context = context.resources.sync_context
        with as_step_failure(), sync.warehouse.session() as session:
            if mart.has_own_refresh:
                Marts(sync).refresh(mart.name)
            rows = session.count(mart.name)
            verdicts = Marts(sync).judge_coverage() if has_coverage_check else []
        context.log.info(f"{mart.name}: {rows:,} rows")
        yield dg.MaterializeResult(key(mart.name), metadata={"dagster/row_count": rows})
        if has_coverage_check:  # over all forecasts
            yield check_result(key(mart.name), "periods_are_covered", verdicts, not_evaluated=None)

    return refreshed


def read_copy_asset(*, engine: str, has_rules: bool) -> dg.AssetsDefinition:
    """The asset of the readers' copy and the Parquet files, published after the marts are refreshed.

    `has_rules`: after the user's own rules are judged, too.
    """

    @dg.asset(
        key=key(READ_COPY),
        deps=[*map(key, [*MARTS, *([QUALITY] if has_rules else [])])],
        group_name="marts",
        kinds={engine, "parquet"},
        owners=OWNERS,
        description="What notebooks and BI tools open, so that they and a sync never wait for each other: each mart as "
        "a Parquet file and, of a DuckDB file, a copy that is only read. Made anew as the last step of each run.",
        freshness_policy=DAILY,
        required_resource_keys={"sync_context"},
        pool=writers_pool(engine),
        output_required=False,
    )
    def read_copy(context: dg.AssetExecutionContext) -> Iterator[Any]:
        sync: Context = context.resources.sync_context
        with as_step_failure():
            published = publish(sync.warehouse, sync.places)
            if published.problems:
                yield observation(key(READ_COPY), published.problems)
                log_warnings(context.log, published.problems)
            if not published.is_done:  # what is merged stays: the run must not fail for it
                return
            copy = sync.places.copy
            context.log.info(f"Published for readers: {sync.places.marts}" if published.is_new else "Nothing is new")
            yield dg.MaterializeResult(
                metadata={
                    "is_new": published.is_new,
                    "marts": dg.MetadataValue.path(sync.places.marts),
                    **({"copy": dg.MetadataValue.path(copy), "bytes": copy.stat().st_size} if copy.exists() else {}),
                }
            )

    return read_copy


def retention_asset(*, engine: str) -> dg.AssetsDefinition:
    """The asset that deletes the rows of quarters beyond `CLARI_RETENTION_PERIODS`, and old runs."""

    @dg.asset(
        key=key(RETENTION),
        group_name="operations",
        kinds={engine},
        owners=OWNERS,
        description="Quarters that have left the tables: those beyond CLARI_RETENTION_PERIODS, never the current one "
        "and the seven before it. Their landed documents stay, and replay brings them back. Runs older than "
        "CLARI_RUN_RETENTION_DAYS leave Dagster, but for the newest of each quarter.",
        required_resource_keys={"sync_context"},
        pool=writers_pool(engine),
    )
    def apply_retention(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
        from clari_pipeline.defs.run_retention import RunRetention  # noqa: PLC0415 - once a month
        from clari_pipeline.ops.retention import Retention  # noqa: PLC0415

        sync: Context = context.resources.sync_context
        with as_step_failure():
            retention = Retention(sync)
            found = retention.retire()
            for quarter in found:
                message = quarter.obstacle or f"{sum(quarter.rows.values()):,} rows have left the tables"
                (context.log.warning if quarter.obstacle else context.log.info)(f"{quarter.quarter_id}: {message}")
            verdicts = retention.forget_verdicts()
            runs = RunRetention(context.instance, sync.settings, sync.now()).delete()
            context.log.info(f"{verdicts:,} verdicts and {runs:,} runs have been deleted")
            if found or verdicts:
                log_warnings(context.log, publish(sync.warehouse, sync.places).problems)
            if kept := [f"{quarter.quarter_id} stays: {quarter.obstacle}" for quarter in found if quarter.obstacle]:
                raise step_failure(Problem(AlertKind.RUN_FAILED, None, "; ".join(kept), RunbookSection.QUARTER_STAYS))
            return dg.MaterializeResult(
                metadata={
                    "oldest_kept": str(retention.oldest_kept),
                    "quarters": ", ".join(quarter.quarter_id for quarter in found),
                    "rows": sum(sum(quarter.rows.values()) for quarter in found),
                    "verdicts": verdicts,
                    "runs": runs,
                }
            )

    return apply_retention


def verified_tables_asset(*, engine: str) -> dg.AssetsDefinition:
    """The asset that compares every quarter in the tables with its landed documents, and repairs nothing."""

    @dg.asset(
        key=key(VERIFIED),
        group_name="operations",
        kinds={engine},
        owners=OWNERS,
        description="Every quarter in the tables, compared row by row with its landed documents. It fails where they "
        "differ, or a document is missing: clari-pipeline verify --repair rebuilds the quarter.",
        required_resource_keys={"sync_context"},
        pool=writers_pool(engine),
    )
    def verified_tables(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
        from clari_pipeline.sync.verifying import Verification  # noqa: PLC0415 - once a day

        sync: Context = context.resources.sync_context
        with as_step_failure():
            found = Verification(sync).verify(on_verified=lambda one: context.log.info(one.finding))
            for one in found:
                for line in one.lines:
                    context.log.error(f"{one.label}: {line}")
            columns = ("forecast", "quarter", "verdict", "documents", "rows_differing")
            table = dg.MetadataValue.table(
                [
                    dg.TableRecord(
                        {
                            "forecast": one.forecast_id,
                            "quarter": one.quarter_id or "people",
                            "verdict": one.verdict.value,
                            "documents": one.documents,
                            "rows_differing": one.keys_differing,
                        }
                    )
                    for one in found
                ],
                schema=dg.TableSchema([dg.TableColumn(name) for name in columns]),
            )
            if problems := [one.problem for one in found if one.is_failure]:
                message = "; ".join(problem.message for problem in problems)
                failure = Problem(AlertKind.RUN_FAILED, None, message, problems[0].section, subject=VERIFIED)
                raise step_failure(failure, metadata={"verified": table})
            return dg.MaterializeResult(
                metadata={
                    "verified": table,
                    "quarters": sum(one.quarter_id is not None for one in found),
                    "documents": sum(one.documents for one in found),
                    "rows_differing": sum(one.keys_differing for one in found),
                }
            )

    return verified_tables


def _history_marts(engine: str) -> dg.AssetsDefinition:
    """The weekly marts, refreshed in one step: most of them are views of one table."""
    weekly, movement = [mart for mart in MARTS.values() if mart.is_weekly], key("forecast_movement")

    @dg.multi_asset(
        name="history_marts",
        specs=[_mart_spec(mart, engine) for mart in weekly],
        required_resource_keys={"sync_context"},
        pool=writers_pool(engine),
        check_specs=check_specs(movement, None),
    )
    def history_marts(context: dg.AssetExecutionContext) -> Iterator[Any]:
        sync: Context = context.resources.sync_context
        with as_step_failure(), sync.warehouse.session() as session:
            problems = [found for mart in weekly if mart.has_own_refresh for found in Marts(sync).refresh(mart.name)]
            counts = {mart.name: session.count(mart.name) for mart in weekly}
            verdicts = movement_verdicts(session)
        if problems:
            yield observation(key("forecast_call_week"), problems)
            log_warnings(context.log, problems)
        for name, rows in counts.items():
            context.log.info(f"{name}: {rows:,} rows")
            yield dg.MaterializeResult(asset_key=key(name), metadata={"dagster/row_count": rows})
        yield check_result(movement, "forecast_movement_adds_up", verdicts, not_evaluated="no quarter is merged")

    return history_marts


def _export_metadata(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """A table of the quarter's exports, one row per forecast, and their job ids; sums of bytes, polls and retries."""
    exports = [outcome.export for outcome in outcomes]
    moments = [export.exported_at for export in exports if export.exported_at]
    return {
        "exports": table(
            [
                {
                    "forecast": export.forecast_id,
                    "state": export.state,
                    "rows": export.rows_exported,
                    "new": export.rows_inserted,
                    "changed": export.rows_updated,
                    "waited": f"{export.wait_seconds or 0:.1f} s",
                    "without a job": export.is_current or None,
                    "types refused": export.types_refused,
                    "error": export.error,
                }
                for export in exports
            ]
        ),
        "job_id": ", ".join(export.job_id for export in exports if export.job_id),
        **{name: _total(outcomes, name) for name in ("result_bytes", "poll_count", "retry_count")},
        "wait_seconds": max(float(export.wait_seconds or 0) for export in exports),
        **({"exported_at": dg.MetadataValue.timestamp(min(moments))} if moments else {}),
        "landing_path": ", ".join(export.landing_path for export in exports if export.landing_path),
    }


def _tag(context: dg.AssetExecutionContext, outcomes: Sequence[Outcome]) -> None:
    """Tag the run with its quarter, and with what became of its exports: `merged`, `unchanged`, `refused`, `failed`."""
    words = {
        "LOADED": "merged" if _total(outcomes, "rows_inserted") + _total(outcomes, "rows_updated") else "unchanged",
        "REFUSED": "refused",
    }
    said = ", ".join(
        dict.fromkeys(words.get(state, "failed") for state in sorted({outcome.export.state for outcome in outcomes}))
    )
    context.instance.add_run_tags(
        context.run.run_id, {"clari/quarter": context.partition_key, "clari/outcome": said or "nothing new"}
    )


def _counted(outcome: Outcome) -> str:
    """The rows of a merged export, as the end of its sentence."""
    export = outcome.export
    if export.state != "LOADED":
        return ""
    counts = {"new": export.rows_inserted, "changed": export.rows_updated}
    return f": {export.rows_exported or 0:,} rows, " + ", ".join(
        f"{rows or 0:,} {name}" for name, rows in counts.items()
    )


def _total(outcomes: Sequence[Outcome], name: str) -> int:
    """The sum of a count of the ledger over exports."""
    return sum(getattr(outcome.export, name) or 0 for outcome in outcomes)


def _failure(quarter_id: str, failed: Sequence[Outcome]) -> dg.Failure:
    problems = [outcome.problem for outcome in failed]
    message = f"{quarter_id} was not merged. " + " | ".join(problem.line for problem in problems)
    return step_failure(
        Problem(AlertKind.RUN_FAILED, quarter_id, message, problems[0].section),
        metadata={"exports": _export_metadata(failed)["exports"]},
    )
