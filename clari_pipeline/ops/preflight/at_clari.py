"""Checks against Clari's API: key, export types, quota, clock, and one export from end to end."""

import asyncio
import uuid
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from pydantic import SecretStr

from clari_pipeline.clari import AuthFailed, ClariError, StatusPageUnreadable, read_status_page
from clari_pipeline.config.settings import EXPORT_TYPES
from clari_pipeline.core.periods import Quarter
from clari_pipeline.core.setting_errors import SettingsError
from clari_pipeline.ops.preflight.probe import CannotCheck, Finding, Probe, failed, passed, warning
from clari_pipeline.store import ledger
from clari_pipeline.sync.context import Context
from clari_pipeline.sync.exporting import exporting
from clari_pipeline.sync.loading import Loader
from clari_pipeline.sync.outcomes import outcomes_of, requests_of_run
from clari_pipeline.sync.products.quota import syncs_a_month
from clari_pipeline.sync.products.registry import is_exported
from clari_pipeline.sync.refreshing import Marts
from clari_pipeline.warehouse.errors import WarehouseError

_MOST_APART_S = 60
_MOST_NAMED = 3  # incidents or components
_NO_EXPORTS = "of what CLARI_PRODUCTS names nothing is exported by a job"
_TIGHT = 0.8  # share of the quota; the rest is for manual syncs and re-queued exports


def key_is_present(probe: Probe) -> Finding:
    """A key is set, or the file that holds it can be read."""
    settings = probe.settings
    remedy = "create a token in Clari under Settings, API Token, and put it into CLARI_API_KEY"
    if not settings.has_key:
        return failed("CLARI_API_KEY is not set", remedy)
    try:
        settings.required_key()
    except SettingsError as error:
        return failed(str(error).partition(": put the token")[0], remedy.removesuffix("CLARI_API_KEY") + "that file")
    if settings.api_key_file is not None:
        return passed(f"in the file {settings.api_key_file}")
    return passed("in CLARI_API_KEY")


def base_url_is_safe(probe: Probe) -> Finding:
    """The key is sent over https, or to this machine alone."""
    address = probe.settings.base_url
    is_safe = urlsplit(address).scheme == "https"
    return passed(f"{address} is {'encrypted' if is_safe else 'this machine'}")  # settings allow no other


def key_is_accepted(probe: Probe) -> Finding:
    """Clari answers a request for its limits, which needs a valid key."""
    error = probe.answers.error
    if error is None:
        return passed(f"{probe.settings.base_url} knows it")
    if isinstance(error, AuthFailed):
        return failed(str(error), "create a new token in Clari under Settings, API Token, or check CLARI_BASE_URL")
    return failed(str(error), "check CLARI_BASE_URL, and whether this machine reaches it; see status.clari.com")


def status_page_is_clear(probe: Probe) -> Finding:
    """Clari's status page names no incident; a page that cannot be read is a warning."""
    address = probe.settings.status_url
    if address is None:
        return passed("CLARI_STATUS_URL is not set: not looked at")
    try:
        troubles = asyncio.run(read_status_page(address))
    except StatusPageUnreadable as error:
        return warning(
            f"{address} cannot be read: {error}", "open it in a browser and mend the address, or unset CLARI_STATUS_URL"
        )
    if troubles:
        summary = "; ".join(trouble.line(probe.now()) for trouble in troubles[:_MOST_NAMED])
        return warning(summary, "syncs may fail meanwhile: wait until it is over, then run clari-pipeline sync")
    return passed("all operational")


def forecast_ids_are_set(probe: Probe) -> Finding:
    """`CLARI_FORECAST_IDS` is set: Clari has no call that lists forecasts."""
    if probe.settings.forecast_ids:
        return passed(", ".join(probe.settings.forecast_ids))
    return failed(
        "CLARI_FORECAST_IDS is not set",
        "name the forecast ids that stand in the address of Clari's Forecast tab, comma-separated",
    )


def export_types_are_offered(probe: Probe) -> Finding:
    """Clari offers the types in `CLARI_TYPES_TO_EXPORT`, and refused none of them in the last exports."""
    types, asked = probe.answers.types, probe.settings.types_to_export
    if isinstance(types, ClariError):
        raise CannotCheck(f"Clari did not say: {types}", "see key_is_accepted")
    offered = types or EXPORT_TYPES
    source = "Clari offers" if types else "Clari publishes"
    if missing := sorted(set(asked) - set(offered)):
        return failed(
            f"{', '.join(missing)} asked for; {source} {', '.join(offered)}",
            "take them out of CLARI_TYPES_TO_EXPORT, or have Clari turn them on",
        )
    if refused := probe.rows("preflight/types_refused"):
        return warning(
            "Clari has left out "
            + "; ".join(f"{one['types_refused']} of {one['forecast_id']}" for one in refused)
            + ", the last time that it was asked",
            "have Clari turn them on, or take them out of CLARI_TYPES_TO_EXPORT: their columns hold what the call "
            "without a job brings of the newest week (current_call_answers), or stay empty",
        )
    return passed(f"{', '.join(asked)}: {source} them")


def quota_is_enough(probe: Probe) -> Finding:
    """The exports of thirty days of the schedule fit into the organisation's quota."""
    a_sync = len(probe.exports) + sum(map(is_exported, probe.settings.products))
    if not a_sync:
        return passed(_NO_EXPORTS)
    limits = probe.limits
    syncs = syncs_a_month(probe.settings, probe.now())
    needed = syncs * a_sync
    need = f"{syncs} syncs of {a_sync} exports are {needed} in 30 days"
    remedy = "sync less often (CLARI_SYNC_CRON), fewer quarters (CLARI_HISTORICAL_PERIODS), or have Clari raise it"
    if limits.monthly_quota is None:
        return warning(f"{need}; Clari does not say how many it allows", "ask Clari for the organisation's quota")
    summary = f"{need}, of {limits.monthly_quota} allowed"
    if needed > limits.monthly_quota:
        return failed(summary, remedy)
    left = limits.available_monthly_quota
    if left is not None and left < a_sync:
        return failed(
            f"{summary}; {left} are left now", "wait until the oldest are 30 days old, or have Clari raise it"
        )
    if needed > _TIGHT * limits.monthly_quota:
        return warning(f"{summary}: little is left for anything else", remedy)
    return passed(summary + ("" if left is None else f"; {left} are left now"))


def exports_may_run(probe: Probe) -> Finding:
    """Clari allows at least one export at a time."""
    if not probe.settings.brings_forecasts and not any(map(is_exported, probe.settings.products)):
        return passed(_NO_EXPORTS)
    allowed = probe.limits.concurrent_limit
    if allowed is None:
        return warning("Clari does not say how many exports may run at once", "ask Clari; one is enough")
    if allowed < 1:
        return failed("no export may run", "have Clari allow one at a time, at least")
    free = probe.limits.available_concurrent_limit
    return passed(f"{allowed} at once" + ("" if free is None else f", {free} of them free now"))


def current_call_answers(probe: Probe) -> Finding:
    """The organisation has the call for the forecast without a job. Notes it in the warehouse, for the next syncs."""
    has_it = probe.has_current_call()
    with suppress(CannotCheck, WarehouseError):  # other checks report the warehouse
        if probe.is_schema_current:
            with probe.context.warehouse.session() as session:
                ledger.note_current_call(session, probe.settings.base_url, has_it=has_it, at=probe.now())
    if has_it:
        return passed(
            "the newest week comes without a job: sync --current, refused types, and when the quota is used up"
        )
    return warning(
        "this organisation has no call for the forecast without a job: sync --current cannot work, types that exports "
        "refuse stay empty, and once the quota is used up nothing comes",
        "nothing, if exports bring all that you need; else have Clari enable its Forecast API, and run this again",
    )


def clock_is_right(probe: Probe) -> Finding:
    """This machine's clock is within a minute of Clari's."""
    ahead_s = probe.answers.ahead_s
    if ahead_s is None:
        error = f": {probe.answers.error}" if probe.answers.error else ""
        raise CannotCheck(f"Clari sent no date{error}", "see key_is_accepted")
    if abs(ahead_s) <= _MOST_APART_S:
        return passed(f"within {_MOST_APART_S} s of Clari's")
    return failed(
        f"this machine is {abs(ahead_s):.0f} s {'ahead of' if ahead_s > 0 else 'behind'} Clari",
        "let it keep time by NTP (timedatectl set-ntp true): what figures are as of, and the schedule, go by it",
    )


def an_export_works(probe: Probe) -> Finding:
    """Export the smallest quarter, and merge it into a temporary warehouse with its marts; no alert is sent.

    It counts against Clari's quota.
    """
    probe.settings.required_key()
    merged = (probe.read(ledger.status) if probe.is_schema_current else None) or ()
    sizes = [(one.rows, one.forecast_id, one.time_period_id) for one in merged if one.rows]
    synced = probe.exports
    sizes = [one for one in sizes if one[1:] in synced]
    forecast, quarter = probe.forecasts[0], min(probe.quarters)  # the default, where none was merged
    if sizes:
        _, forecast, written = min(sizes)
        quarter = Quarter.parse(written)
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
            runner.wait_for_quarter(str(quarter))
            requests = requests_of_run(context.warehouse, runner.run_id)
        Loader(context).merge_landed(str(quarter))
        Marts(context).refresh_all()
        outcome, *_ = outcomes_of(context.warehouse, requests)  # what was brought without a job comes after it
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
