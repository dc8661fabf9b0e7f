"""The go-live checklist: each check is a function that returns a `Finding`; `inspect` runs them and never raises.

The checks are in the order in which their failures should be fixed.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

from clari_pipeline.config.settings import Settings, read_settings
from clari_pipeline.core.runbook import with_anchor
from clari_pipeline.core.setting_errors import SettingsError
from clari_pipeline.ops.preflight import at_clari, in_warehouse, on_machine
from clari_pipeline.ops.preflight.probe import CannotCheck, Finding, Probe, failed, passed
from clari_pipeline.sync.masking import Mask

_Check = Callable[[Probe], Finding]

_CHECKS: Mapping[str, _Check] = {
    check.__name__: check
    for check in (
        at_clari.key_is_present,
        at_clari.base_url_is_safe,
        at_clari.key_is_accepted,
        at_clari.status_page_is_clear,
        at_clari.clock_is_right,
        at_clari.forecast_ids_are_set,
        at_clari.export_types_are_offered,
        at_clari.quota_is_enough,
        at_clari.exports_may_run,
        at_clari.current_call_answers,
        in_warehouse.warehouse_is_reachable,
        in_warehouse.warehouse_schema_is_current,
        in_warehouse.warehouse_is_writable,
        in_warehouse.no_sandbox_figures,
        in_warehouse.fiscal_calendar_is_right,
        in_warehouse.quarters_are_covered,
        in_warehouse.quarters_are_fresh,
        in_warehouse.products_are_fresh,
        on_machine.landing_is_writable,
        on_machine.disk_has_room,
        on_machine.alerts_have_channels,
        on_machine.own_rules_are_right,
        on_machine.schedule_is_alive,
        on_machine.syncs_follow_the_week,
        on_machine.env_file_is_private,
        on_machine.env_file_is_untracked,
    )
}
_DEEP = "an_export_works"
NAMES = ("settings_are_readable", *_CHECKS, _DEEP)
_OF_SETTING = {
    "CLARI_API_KEY": "key_is_present",
    "CLARI_API_KEY_FILE": "key_is_present",
    "CLARI_BASE_URL": "base_url_is_safe",
    "CLARI_STATUS_URL": "status_page_is_clear",
    "CLARI_TYPES_TO_EXPORT": "export_types_are_offered",
    "CLARI_WAREHOUSE_URL": "warehouse_is_reachable",
}
_OF_FORECASTS = {
    *("forecast_ids_are_set", "export_types_are_offered", "current_call_answers"),
    *("quarters_are_covered", "quarters_are_fresh", "fiscal_calendar_is_right", "syncs_follow_the_week"),
    _DEEP,
}
_NEED_NO_SETTINGS = {"env_file_is_private", "env_file_is_untracked"}


def inspect(
    settings: Settings | None = None,
    *,
    is_sent: bool = False,
    is_deep: bool = False,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    names: Collection[str] = NAMES,
) -> list[Finding]:
    """Run the checks in `names` on these settings, or those that stand; a check that cannot be run has the status FAIL.

    With `is_sent` each alert channel is sent a message; with `is_deep` one export is made, the only thing here that
    counts against Clari's quota.
    """
    try:
        settings = settings or read_settings()
    except SettingsError as error:
        return [result for result in _without_settings(error) if result.name in names]
    mask = Mask(settings)
    probe = Probe(settings, now)
    checks: dict[str, _Check] = dict(_CHECKS)
    if is_sent:
        checks["alerts_have_channels"] = partial(on_machine.alerts_have_channels, is_sent=True)
    if is_deep:
        checks[_DEEP] = at_clari.an_export_works
    found = {"settings_are_readable": passed("each of them")}
    found |= {name: _run(name, check, probe) for name, check in checks.items() if name in names}
    return [_result(name, finding, mask) for name, finding in found.items() if name in names]


def is_well(results: list[Finding]) -> bool:
    """Whether no check failed; warnings do not count."""
    return all(result.status != "FAIL" for result in results)


def _run(name: str, check: _Check, probe: Probe) -> Finding:
    """Run a check; an exception becomes a failed finding."""
    if name in _OF_FORECASTS and not probe.settings.brings_forecasts:
        return passed("not asked for: forecast is not in CLARI_PRODUCTS")
    try:
        return check(probe)
    except CannotCheck as error:
        return failed(f"cannot be looked at: {error}", error.remedy)
    except Exception as error:  # noqa: BLE001 - the next checks are still run
        cause = "".join(str(error).strip().splitlines()[:1]) or type(error).__name__
        return failed(f"cannot be looked at: {cause}", "mend this, then run clari-pipeline preflight again")


def _without_settings(error: SettingsError) -> list[Finding]:
    """The findings where settings are invalid: their own checks fail with the cause, all others as not runnable."""
    faults = error.faults or {"settings": str(error)}
    remedy = f"mend {', '.join(faults)} in .env or the environment (.env.example shows them all)"
    found = {"settings_are_readable": failed(str(error), remedy)}
    causes = {_OF_SETTING[name]: f"{name}: {cause}" for name, cause in faults.items() if name in _OF_SETTING}
    for name, check in _CHECKS.items():
        if name in _NEED_NO_SETTINGS:
            found[name] = _run(name, check, Probe(Settings.model_construct(), now=lambda: datetime.now(UTC)))
        else:
            found[name] = failed(causes.get(name, "cannot be looked at before the settings can be read"), remedy)
    return [_result(name, finding, Mask()) for name, finding in found.items()]


def _result(name: str, finding: Finding, mask: Mask) -> Finding:
    detail, remedy = (" ".join(mask.text(text).split()) for text in (finding.detail, finding.remedy))
    before = remedy.removeprefix("see ")
    remedy = with_anchor(remedy, before if before in NAMES else name) if remedy else ""
    return replace(finding, name=name, detail=detail, remedy=remedy)
