"""What Clari says of the key, the types, the quota and the time."""

from __future__ import annotations

from urllib.parse import urlsplit

from clari_pipeline.clari import AuthFailed
from clari_pipeline.config.settings import EXPORT_TYPES
from clari_pipeline.core.setting_errors import SettingsError
from clari_pipeline.ops.preflight.findings import Finding, NotSeen, doubtful, well, wrong
from clari_pipeline.ops.preflight.look import NO_FORECASTS, Look
from clari_pipeline.sync.products.registry import is_exported

_MOST_APART_S = 60
_NO_EXPORTS = "of what CLARI_PRODUCTS names nothing is exported by a job"
_TIGHT = 0.8  # of the quota: what is done by hand or again has to fit, too


def key_is_present(look: Look) -> Finding:
    """A key is set, or the file that holds it can be read."""
    settings = look.settings
    remedy = "create a token in Clari under Settings, API Token, and put it into CLARI_API_KEY"
    if not settings.has_key:
        return wrong("CLARI_API_KEY is not set", remedy)
    try:
        settings.required_key()
    except SettingsError as error:
        return wrong(str(error).partition(": put the token")[0], remedy.removesuffix("CLARI_API_KEY") + "that file")
    if settings.api_key_file is not None:
        return well(f"in the file {settings.api_key_file}")
    return well("in CLARI_API_KEY")


def base_url_is_safe(look: Look) -> Finding:
    """The key travels encrypted, or does not leave this machine."""
    address = look.settings.base_url
    is_safe = urlsplit(address).scheme == "https"
    return well(f"{address} is {'encrypted' if is_safe else 'this machine'}")  # settings take no other


def key_is_accepted(look: Look) -> Finding:
    """Clari tells its limits to whom it knows."""
    error = look.heard.error
    if error is None:
        return well(f"{look.settings.base_url} knows it")
    if isinstance(error, AuthFailed):
        return wrong(str(error), "create a new token in Clari under Settings, API Token, or check CLARI_BASE_URL")
    return wrong(str(error), "check CLARI_BASE_URL, and whether this machine reaches it; see status.clari.com")


def forecast_ids_are_set(look: Look) -> Finding:
    """Clari has no call that lists them."""
    if not look.settings.brings_forecasts:
        return well(NO_FORECASTS)
    if look.settings.forecast_ids:
        return well(", ".join(look.settings.forecast_ids))
    return wrong(
        "CLARI_FORECAST_IDS is not set",
        "name the forecast ids that stand in the address of Clari's Forecast tab, comma-separated",
    )


def export_types_are_offered(look: Look) -> Finding:
    """Those asked for are among those that Clari offers; and were not refused the last time."""
    if not look.settings.brings_forecasts:
        return well(NO_FORECASTS)
    heard, asked = look.heard, look.settings.types_to_export
    if heard.types_error is not None:
        raise NotSeen(f"Clari did not say: {heard.types_error}", "see key_is_accepted")
    offered = heard.types or EXPORT_TYPES
    source = "Clari offers" if heard.types else "Clari publishes"
    if missing := sorted(set(asked) - set(offered)):
        return wrong(
            f"{', '.join(missing)} asked for; {source} {', '.join(offered)}",
            "take them out of CLARI_TYPES_TO_EXPORT, or have Clari turn them on",
        )
    if refused := look.rows("preflight/types_refused"):
        return doubtful(
            "Clari has left out "
            + "; ".join(f"{one['types_refused']} of {one['forecast_id']}" for one in refused)
            + ", the last time that it was asked",
            "have Clari turn them on, or take them out of CLARI_TYPES_TO_EXPORT: their columns stay empty",
        )
    return well(f"{', '.join(asked)}: {source} them")


def quota_is_enough(look: Look) -> Finding:
    """A month of the schedule fits into the organisation's rolling thirty days."""
    a_sync = len(look.exports) + sum(map(is_exported, look.settings.products))
    if not a_sync:
        return well(_NO_EXPORTS)
    limits = look.limits
    needed = look.syncs_a_month * a_sync
    need = f"{look.syncs_a_month} syncs of {a_sync} exports are {needed} in 30 days"
    remedy = "sync less often (CLARI_SYNC_CRON), fewer quarters (CLARI_HISTORICAL_PERIODS), or have Clari raise it"
    if limits.monthly_quota is None:
        return doubtful(f"{need}; Clari does not say how many it allows", "ask Clari for the organisation's quota")
    told = f"{need}, of {limits.monthly_quota} allowed"
    if needed > limits.monthly_quota:
        return wrong(told, remedy)
    left = limits.available_monthly_quota
    if left is not None and left < a_sync:
        return wrong(f"{told}; {left} are left now", "wait until the oldest are 30 days old, or have Clari raise it")
    if needed > _TIGHT * limits.monthly_quota:
        return doubtful(f"{told}: little is left for anything else", remedy)
    return well(told + ("" if left is None else f"; {left} are left now"))


def exports_may_run(look: Look) -> Finding:
    """At least one export at a time."""
    if not look.settings.brings_forecasts and not any(map(is_exported, look.settings.products)):
        return well(_NO_EXPORTS)
    allowed = look.limits.concurrent_limit
    if allowed is None:
        return doubtful("Clari does not say how many exports may run at once", "ask Clari; one is enough")
    if allowed < 1:
        return wrong("no export may run", "have Clari allow one at a time, at least")
    free = look.limits.available_concurrent_limit
    return well(f"{allowed} at once" + ("" if free is None else f", {free} of them free now"))


def clock_is_right(look: Look) -> Finding:
    """Within a minute of Clari's."""
    ahead_s = look.heard.ahead_s
    if ahead_s is None:
        raise NotSeen(f"Clari told no time{f': {look.heard.error}' if look.heard.error else ''}", "see key_is_accepted")
    if abs(ahead_s) <= _MOST_APART_S:
        return well(f"within {_MOST_APART_S} s of Clari's")
    return wrong(
        f"this machine is {abs(ahead_s):.0f} s {'ahead of' if ahead_s > 0 else 'behind'} Clari",
        "let it keep time by NTP (timedatectl set-ntp true): what figures are as of, and the schedule, go by it",
    )
