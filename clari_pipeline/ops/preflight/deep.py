"""Make one export end to end: queue, poll, land, read, check, merge, compare. It counts against Clari's quota."""

from __future__ import annotations

import uuid
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import SecretStr

from clari_pipeline.core.periods import Quarter
from clari_pipeline.ops.preflight.findings import Finding, failed, passed
from clari_pipeline.ops.preflight.probe import NO_FORECASTS, Probe
from clari_pipeline.store import ledger
from clari_pipeline.sync.context import Context
from clari_pipeline.sync.exporting import exporting
from clari_pipeline.sync.loading import Loader
from clari_pipeline.sync.outcomes import outcomes_of, requests_of_run
from clari_pipeline.sync.refreshing import Marts


def an_export_works(probe: Probe) -> Finding:
    """Sync the smallest quarter into a temporary warehouse, which is deleted afterwards; no alert is sent."""
    if not probe.settings.brings_forecasts:
        return passed(NO_FORECASTS)
    probe.settings.required_key()
    forecast, quarter = _smallest(probe)
    with TemporaryDirectory(prefix="clari-preflight-") as folder:
        own = {
            "data_dir": Path(folder),
            "warehouse_url": SecretStr(f"duckdb:///{folder}/warehouse.duckdb"),
            "alert_urls": None,
            "env": None,
            "log_format": "text",
        }
        context = Context.of(probe.settings.model_copy(update=own))
        context.prepare()
        with exporting(context, uuid.uuid4().hex, [quarter], [forecast]) as runner:
            runner.take(str(quarter))
            requests = requests_of_run(context.warehouse, runner.run_id)
        Loader(context).merge_landed(str(quarter))
        Marts(context).refresh_all()
        (outcome,) = outcomes_of(context.warehouse, requests)
        export = outcome.export
        with context.warehouse.session() as session:
            entries, calls = session.count("forecast_entry"), session.count("forecast_vs_quota")
    what = f"{forecast} {quarter} (job {export.job_id})"
    if export.state != "LOADED":
        return failed(
            f"{what} {export.state}: {export.error}", "see it with clari-pipeline sync --period " + str(quarter)
        )
    if entries != export.rows_staged or not calls:
        return failed(
            f"{what}: {export.rows_staged} entries came, {entries} are in the table, {calls} calls in the mart",
            "send clari-pipeline debug-bundle to support",
        )
    return passed(f"{what}: {entries:,} entries, {calls:,} calls, {export.wait_seconds or 0:.1f} s at Clari")


def _smallest(probe: Probe) -> tuple[str, Quarter]:
    """Forecast and quarter with the fewest merged entries; the oldest quarter of a sync where none was merged."""
    merged = (probe.read(ledger.status) if probe.is_schema_current else None) or ()
    synced = set(probe.exports)
    sizes = [
        (one.rows, one.forecast_id, one.time_period_id)
        for one in merged
        if one.rows and (one.forecast_id, one.time_period_id) in synced
    ]
    if sizes:
        _, forecast, quarter = min(sizes)
        return forecast, Quarter.parse(quarter)
    return probe.forecasts[0], min(probe.quarters)
