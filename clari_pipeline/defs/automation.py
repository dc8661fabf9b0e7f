"""Jobs, schedules, and the sensors that refresh the marts and send alerts after runs."""

from collections.abc import Iterator, Sequence
from datetime import UTC
from typing import Any

import dagster as dg

from clari_pipeline.alerts.raising import Alerts
from clari_pipeline.config.settings import Settings, read_settings
from clari_pipeline.core.runbook import AlertKind, Problem
from clari_pipeline.defs.assets import QUALITY, READ_COPY, RETENTION, TABLES, VERIFIED, key
from clari_pipeline.defs.origins import is_of_command_line
from clari_pipeline.defs.partitions import add_quarters, quarters_of_a_sync
from clari_pipeline.defs.problems import log_warnings
from clari_pipeline.defs.products import JOB as PRODUCTS_JOB
from clari_pipeline.defs.resources import IS_CURRENT
from clari_pipeline.defs.under_way import runs_under_way, unless_under_way
from clari_pipeline.store.mart_registry import MARTS
from clari_pipeline.sync.context import Context
from clari_pipeline.sync.products.results import result_of
from clari_pipeline.warehouse.session import Warehouse

_WATCH_INTERVAL_S = 900
SYNC_QUARTER, REFRESH_MARTS = "sync_quarter", "refresh_marts"
APPLY_RETENTION, VERIFY_TABLES = "apply_retention", "verify_tables"
_HOURLY = "15 * * * *"
_MONTHLY = "0 3 1 * *"
_NIGHTLY = "0 2 * * *"
_QUARTER = "dagster/partition"


def jobs(
    settings: Settings, *, board_follows: bool, own_rules: dg.AssetSelection | None = None
) -> tuple[Any, Any, Any]:
    """`sync_quarter`, one run per quarter; `refresh_marts`, after them; `apply_retention`. Each run is one process.

    `board_follows`: `refresh_marts` writes the board, too. `own_rules` are the checks of the user's own rules, which
    `refresh_marts` judges; None where there are none. Runs are tagged with the environment of `CLARI_ENV`, if set.
    """
    tags = {"clari/env": settings.env} if settings.env else None
    quarter: dg.AssetSelection = dg.AssetSelection.assets(key("raw_export"), *map(key, TABLES))
    marts: dg.AssetSelection = dg.AssetSelection.assets(
        *map(key, [*MARTS, READ_COPY, *(["board"] if board_follows else [])])
    )
    if own_rules is not None:
        quarter, marts = quarter - own_rules, marts | dg.AssetSelection.assets(key(QUALITY)) | own_rules
    sync_quarter = dg.define_asset_job(
        SYNC_QUARTER,
        selection=quarter,
        executor_def=dg.in_process_executor,
        tags=tags,
        description="Export one quarter from Clari, judge it, merge it.",
    )
    refresh_marts = dg.define_asset_job(
        REFRESH_MARTS,
        selection=marts,
        executor_def=dg.in_process_executor,
        tags=tags,
        description="Rebuild the marts from the merged tables, then the board and the copy that people read.",
    )
    apply_retention = dg.define_asset_job(
        APPLY_RETENTION,
        selection=dg.AssetSelection.assets(key(RETENTION)),
        executor_def=dg.in_process_executor,
        tags=tags,
        description="Let old quarters leave the tables, and old runs Dagster; landed documents stay.",
    )
    return sync_quarter, refresh_marts, apply_retention


def daily_sync_schedule(sync_quarter: Any, settings: Settings) -> dg.ScheduleDefinition:
    """A run for the current quarter and each before it, at `CLARI_SYNC_CRON` in `CLARI_TIMEZONE`.

    The current quarter is that of the organisation's day (`CLARI_ORG_TIMEZONE`), by the quarters' days in the
    warehouse. While that cannot be read, the settings alone decide, so that no sync is left out.
    """

    @dg.schedule(
        name="daily_sync_schedule",
        job=sync_quarter,
        cron_schedule=settings.sync_cron,
        execution_timezone=settings.timezone,
        description="Asks for a run of each quarter that is synced: the current one first.",
    )
    def schedule(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        if not settings.brings_forecasts:
            yield dg.SkipReason("forecast is not in CLARI_PRODUCTS: daily_products_schedule brings what is")
            return
        sync = Context.of(settings)
        quarters = quarters_of_a_sync(sync, context.scheduled_execution_time)
        add_quarters(context.instance, sync, quarters)
        stamp = context.scheduled_execution_time.astimezone(UTC).isoformat()
        # A run of the newest week alone does not bring what this one does.
        runs = runs_under_way(context.instance, sync, SYNC_QUARTER)
        busy = [run.tags.get(_QUARTER) for run in runs if IS_CURRENT not in run.tags]
        wanted = {
            quarter: dg.RunRequest(run_key=f"{stamp} {quarter}", partition_key=quarter, tags={"clari/quarter": quarter})
            for quarter in map(str, quarters)
        }
        yield from unless_under_way(context, wanted, busy)

    return schedule


def hourly_current_schedule(sync_quarter: Any, settings: Settings) -> dg.ScheduleDefinition:
    """A run for the newest week of the current quarter, without an export job; stopped until somebody starts it."""

    @dg.schedule(
        name="hourly_current_schedule",
        job=sync_quarter,
        cron_schedule=_HOURLY,
        execution_timezone=settings.timezone,
        default_status=dg.DefaultScheduleStatus.STOPPED,
        description="Brings the newest week of the current quarter by Clari's call without a job, which counts against "
        "no quota: swings are found within the hour. Whether this organisation has the call, preflight finds out.",
    )
    def schedule(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        if not settings.brings_forecasts:
            yield dg.SkipReason("forecast is not in CLARI_PRODUCTS")
            return
        sync = Context.of(settings)
        (current, *_) = quarters_of_a_sync(sync, context.scheduled_execution_time)
        add_quarters(context.instance, sync, [current])
        quarter, stamp = str(current), context.scheduled_execution_time.astimezone(UTC).isoformat()
        request = dg.RunRequest(
            run_key=f"{stamp} {quarter} current",
            partition_key=quarter,
            tags={IS_CURRENT: "true", "clari/quarter": quarter},
        )
        busy = [run.tags.get(_QUARTER) for run in runs_under_way(context.instance, sync, SYNC_QUARTER)]
        yield from unless_under_way(context, {quarter: request}, busy)

    return schedule


def monthly_retention_schedule(apply_retention: Any, settings: Settings) -> dg.ScheduleDefinition:
    """`apply_retention` on the first of a month, in `CLARI_TIMEZONE`; stopped until somebody starts it in Dagster."""
    return dg.ScheduleDefinition(
        name="monthly_retention_schedule",
        job=apply_retention,
        cron_schedule=_MONTHLY,
        execution_timezone=settings.timezone,
        default_status=dg.DefaultScheduleStatus.STOPPED,
        description="Lets quarters beyond CLARI_RETENTION_PERIODS leave the tables, and old runs leave Dagster.",
    )


def verify_tables_job(settings: Settings) -> Any:
    """`verify_tables`: a run of one process, tagged as the others."""
    return dg.define_asset_job(
        VERIFY_TABLES,
        selection=dg.AssetSelection.assets(key(VERIFIED)),
        executor_def=dg.in_process_executor,
        tags={"clari/env": settings.env} if settings.env else None,
        description="Compare the tables with the landed documents; nothing is changed.",
    )


def daily_verify_schedule(verify_tables: Any, settings: Settings) -> dg.ScheduleDefinition:
    """`verify_tables` each night, in `CLARI_TIMEZONE`; stopped until somebody starts it: it reads every document."""
    return dg.ScheduleDefinition(
        name="daily_verify_schedule",
        job=verify_tables,
        cron_schedule=_NIGHTLY,
        execution_timezone=settings.timezone,
        default_status=dg.DefaultScheduleStatus.STOPPED,
        description="Compares every quarter in the tables with its landed documents, and fails where they differ.",
    )


def sensors(sync_quarter: Any, refresh_marts: Any, apply_retention: Any, *more: Any) -> Sequence[dg.SensorDefinition]:
    """Sensors that refresh the marts after the last run of `sync_quarter`, successful or not, and those that alert."""

    def request(context: dg.RunStatusSensorContext) -> dg.RunRequest | dg.SkipReason:
        if is_of_command_line(context.dagster_run.tags):
            return dg.SkipReason("the command line refreshes the marts itself")
        if waiting := runs_under_way(context.instance, Context.of(read_settings()), SYNC_QUARTER):
            return dg.SkipReason(f"{len(waiting)} quarters are still to come")
        # One run key for quarters that ended between two ticks of the sensor: they need one refresh, not one each.
        (newest, *_) = context.instance.get_runs(dg.RunsFilter(job_name=sync_quarter.name), limit=1)
        return dg.RunRequest(run_key=f"after {newest.run_id}")

    @dg.sensor(
        name="quarters_watch",
        minimum_interval_seconds=_WATCH_INTERVAL_S,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Offers as partitions the quarters that a sync asks for, and those that the ledger has: a quarter "
        "that begins needs no reload.",
    )
    def quarters_watch(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        add_quarters(context.instance, Context.of(read_settings()))
        return dg.SkipReason("The partitions are up to date")

    return [
        quarters_watch,
        *_alert_sensors([sync_quarter, refresh_marts], [apply_retention, *more]),
        *(
            dg.run_status_sensor(
                name=f"marts_follow_{name}",
                run_status=status,
                monitored_jobs=[sync_quarter],
                request_job=refresh_marts,
                default_status=dg.DefaultSensorStatus.RUNNING,
                description=f"Refreshes the marts once the last quarter has {name}.",
            )(request)
            for name, status in (
                ("succeeded", dg.DagsterRunStatus.SUCCESS),
                ("failed", dg.DagsterRunStatus.FAILURE),
            )
        ),
    ]


def _failures_of_products(warehouse: Warehouse, settings: Settings, run: dg.DagsterRun) -> list[Problem]:
    """Why a run's products were not merged, by the ledger; empty where the ledger has no failure of them."""
    names = run.tags.get("clari/product", ",".join(settings.other_products)).split(",")
    results = [result_of(warehouse, settings, name, run_id=run.run_id) for name in names if name]
    return [failure for result in results for failure in result.failures]


def _run_failure(event: dg.DagsterEvent, run: dg.DagsterRun) -> Problem:
    quarter_id = run.tags.get("dagster/partition")
    subject = quarter_id or run.job_name
    message = f"{subject}: {event.message or 'failed'}"
    return Problem(AlertKind.RUN_FAILED, quarter_id, message, AlertKind.RUN_FAILED, subject=subject)


def _alert_sensors(found: Sequence[Any], others: Sequence[Any]) -> Iterator[dg.SensorDefinition]:
    """Sensors that write and send the alerts of a run of the daemon, and of stale quarters where nothing runs.

    `found` are the jobs whose success may have found something.
    """

    def notify(context: dg.RunStatusSensorContext) -> dg.SkipReason:
        run = context.dagster_run
        if is_of_command_line(run.tags):
            return dg.SkipReason("the command line notifies people itself")
        sync, failures = Context.of(read_settings()), list[Problem]()
        if context.dagster_event.event_type == dg.DagsterEventType.RUN_FAILURE:
            failures = _failures_of_products(sync.warehouse, sync.settings, run) if run.job_name == PRODUCTS_JOB else []
            failures = failures or [_run_failure(context.dagster_event, run)]
        quarter_id = run.tags.get("dagster/partition")
        sent = Alerts(sync).notify_of_run(run.run_id, quarter_id=quarter_id, failures=failures)
        log_warnings(context.log, sent.problems)
        return dg.SkipReason(f"{sent.alerts} alerts sent")

    for name, status, jobs in (
        ("success", dg.DagsterRunStatus.SUCCESS, found),
        ("failure", dg.DagsterRunStatus.FAILURE, [*found, *others]),
    ):
        yield dg.run_status_sensor(
            name=f"alerts_after_{name}",
            run_status=status,
            monitored_jobs=jobs,
            default_status=dg.DefaultSensorStatus.RUNNING,
            description=f"Sends the alerts of a run that ended in {name}.",
        )(notify)

    @dg.sensor(
        name="freshness_watch",
        minimum_interval_seconds=_WATCH_INTERVAL_S,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Notifies people of quarters whose figures have gone stale, even where nothing runs at all.",
    )
    def freshness_watch(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        sync = Context.of(read_settings())
        under_way = runs_under_way(context.instance, sync, SYNC_QUARTER)
        if under_way or not sync.warehouse.exists():
            return dg.SkipReason(f"{len(under_way)} quarters are under way" if under_way else "nothing was ever synced")
        sent = Alerts(sync).notify_of_stale_quarters()
        log_warnings(context.log, sent.problems)
        return dg.SkipReason(f"{sent.alerts} alerts sent")

    yield freshness_watch
