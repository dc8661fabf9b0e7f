"""Data Docs as an asset with a job of its own: no sync, and no refresh of the marts, takes the time that it takes."""

from typing import Any

import dagster as dg

from clari_pipeline.defs.origins import is_of_command_line
from clari_pipeline.defs.problems import as_step_failure
from clari_pipeline.sync.context import Context

_NAME = "data_docs"
JOB = _NAME


def data_docs_asset(prefix: str, *, owners: list[str], pool: str | None) -> dg.AssetsDefinition:
    """The asset of the site, made from the verdicts that the tables and the marts have."""

    @dg.asset(
        key=dg.AssetKey([prefix, _NAME]),
        deps=[dg.AssetKey([prefix, name]) for name in ("forecast_entry", "forecast_vs_quota")],
        group_name="operations",
        kinds={"html", "greatexpectations"},
        owners=owners,
        description="One HTML page per export that was judged, Great Expectations' Data Docs of the newest runs "
        "(CLARI_DATA_DOCS_RUNS): each check in words, what it found, and the rows that failed. The first page is "
        "`data_docs/index.html` in CLARI_DATA_DIR; it needs no network.",
        required_resource_keys={"sync_context"},
        pool=pool,
    )
    def data_docs(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
        from clari_pipeline.ops.quality import write_data_docs  # noqa: PLC0415 - nobody else waits for its import

        sync: Context = context.resources.sync_context
        with as_step_failure():
            page, batches = write_data_docs(sync.warehouse, sync.settings)
        context.log.info(f"{batches:,} results written to {page}")
        return dg.MaterializeResult(metadata={"path": dg.MetadataValue.path(page.absolute()), "results": batches})

    return data_docs


def data_docs_job(prefix: str, *, env: str | None) -> Any:
    """The job `data_docs`, of that asset alone; its runs are tagged with the environment, if there is one."""
    return dg.define_asset_job(
        JOB,
        selection=dg.AssetSelection.assets(dg.AssetKey([prefix, _NAME])),
        executor_def=dg.in_process_executor,
        tags={"clari/env": env} if env else None,
        description="Write Great Expectations' Data Docs of the newest runs.",
    )


def data_docs_sensor(refresh_marts: Any, data_docs: Any) -> dg.SensorDefinition:
    """Requests `data_docs` once the marts are refreshed; the command line has `clari-pipeline quality` for it."""

    @dg.run_status_sensor(
        name="data_docs_follow_the_marts",
        run_status=dg.DagsterRunStatus.SUCCESS,
        monitored_jobs=[refresh_marts],
        request_job=data_docs,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Writes Data Docs once the marts are refreshed.",
    )
    def follow(context: dg.RunStatusSensorContext) -> dg.RunRequest | dg.SkipReason:
        if is_of_command_line(context.dagster_run.tags):
            return dg.SkipReason("the command line leaves it to clari-pipeline quality")
        return dg.RunRequest(run_key=f"after {context.dagster_run.run_id}")

    return follow
