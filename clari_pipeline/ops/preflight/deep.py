"""One export, end to end: queued, polled, landed, read, judged, merged, compared. It counts against the quota."""

from __future__ import annotations

import uuid
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import SecretStr

from clari_pipeline.core.periods import Quarter
from clari_pipeline.ops.preflight.findings import Finding, well, wrong
from clari_pipeline.ops.preflight.probe import NO_FORECASTS, Look
from clari_pipeline.store import ledger
from clari_pipeline.sync.context import Context
from clari_pipeline.sync.exporting import exporting
from clari_pipeline.sync.loading import Loader
from clari_pipeline.sync.outcomes import outcomes_of, requests_of_run
from clari_pipeline.sync.refreshing import Marts


def an_export_works(look: Look) -> Finding:
    """The smallest quarter, in a warehouse of its own, which goes afterwards; nobody is alerted."""
    if not look.settings.brings_forecasts:
        return well(NO_FORECASTS)
    look.settings.required_key()
    forecast, quarter = _smallest(look)
    with TemporaryDirectory(prefix="clari-preflight-") as folder:
        own = {
            "data_dir": Path(folder),
            "warehouse_url": SecretStr(f"duckdb:///{folder}/warehouse.duckdb"),
            "alert_urls": None,
            "env": None,
            "log_format": "text",
        }
        context = Context.of(look.settings.model_copy(update=own))
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
    what = f"{forecast} {quarter} (job {export['job_id']})"
    if export["state"] != "LOADED":
        return wrong(
            f"{what} {export['state']}: {export['error']}", "see it with clari-pipeline sync --period " + str(quarter)
        )
    if entries != export["rows_staged"] or not calls:
        return wrong(
            f"{what}: {export['rows_staged']} entries came, {entries} are in the table, {calls} calls in the mart",
            "send clari-pipeline debug-bundle to support",
        )
    return well(f"{what}: {entries:,} entries, {calls:,} calls, {export['wait_seconds'] or 0:.1f} s at Clari")


def _smallest(look: Look) -> tuple[str, Quarter]:
    """The forecast and quarter of the fewest entries, of those that were ever merged; else the oldest of all synced."""
    merged = []
    if look.made_by is not None and look.is_current:
        with look.read_only() as session:
            merged = ledger.status(session) if session is not None else []
    synced = set(look.exports)
    sizes = [
        (one["rows"], one["forecast_id"], one["time_period_id"])
        for one in merged
        if one["rows"] and (one["forecast_id"], one["time_period_id"]) in synced
    ]
    if sizes:
        _, forecast, quarter = min(sizes)
        return forecast, Quarter.parse(quarter)
    return look.forecasts[0], min(look.quarters)
