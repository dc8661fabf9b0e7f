"""The go-live checklist: each check is a function that returns a `Finding`; `inspect` runs them and never raises.

The checks are in the order in which their failures should be fixed: a check on which others depend comes before them.
What cannot be checked before another one passes is skipped, so that each cause is reported once.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

from clari_pipeline.config.settings import Settings, read_settings
from clari_pipeline.core.runbook import with_anchor
from clari_pipeline.core.setting_errors import SettingsError
from clari_pipeline.ops.preflight import at_clari, in_warehouse, on_machine
from clari_pipeline.ops.preflight.probe import (
    CannotCheck,
    Finding,
    Probe,
    Status,
    cause_of,
    failed,
    passed,
    readable_settings,
    skipped,
)
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
        on_machine.schedule_is_alive,
        in_warehouse.quarters_are_fresh,
        in_warehouse.products_are_fresh,
        on_machine.landing_is_writable,
        on_machine.disk_has_room,
        on_machine.alerts_have_channels,
        on_machine.own_rules_are_right,
        on_machine.syncs_follow_the_week,
        on_machine.env_file_is_private,
        on_machine.env_file_is_untracked,
    )
}
_DEEP = "an_export_works"
_AGAIN = "mend this, then run clari-pipeline preflight again"
NAMES = ("settings_are_readable", *_CHECKS, _DEEP)
_OF_FORECASTS = {
    *("forecast_ids_are_set", "export_types_are_offered", "current_call_answers"),
    *("quarters_are_covered", "quarters_are_fresh", "fiscal_calendar_is_right", "syncs_follow_the_week"),
    _DEEP,
}
_NEEDS = {
    # In a calendar that is wrong other quarters are missing than those that it names.
    "quarters_are_covered": "fiscal_calendar_is_right",
    "quarters_are_fresh": "fiscal_calendar_is_right",
}
_WITHOUT_SETTINGS = {"env_file_is_private", "env_file_is_untracked"}
_SUMMARY: Mapping[Status, str] = {"PASS": "passed", "WARN": "warnings", "FAIL": "failed", "SKIP": "skipped"}


def inspect(
    settings: Settings | None = None,
    *,
    is_sent: bool = False,
    is_deep: bool = False,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    names: Collection[str] = NAMES,
) -> list[Finding]:
    """Run the checks in `names` on these settings, or those that stand; one that raises an error fails.

    A setting that cannot be read fails `settings_are_readable`, and the checks that read it are skipped. With `is_sent`
    each alert channel is sent a message; with `is_deep` one export is made, the only thing here that counts against
    Clari's quota.
    """
    checks: dict[str, _Check] = {"settings_are_readable": lambda _probe: passed("each of them"), **_CHECKS}
    if is_sent:
        checks["alerts_have_channels"] = partial(on_machine.alerts_have_channels, is_sent=True)
    if is_deep:
        checks[_DEEP] = at_clari.an_export_works
    try:
        settings = settings or read_settings()
        run, mask = _Run(checks, Probe(settings, now)), Mask(settings)
    except SettingsError as error:
        run, mask = _without(error, checks, now), Mask()
    return [_result(name, run.finding(name), mask) for name in checks if name in names]


def is_well(results: list[Finding]) -> bool:
    """Whether no check failed; warnings do not count, nor what was skipped: the check that it waits for has failed."""
    return all(result.status != "FAIL" for result in results)


def summary(results: list[Finding]) -> str:
    """How many checks passed, and how many did not, such as `12 passed, 2 warnings, 1 failed, 3 skipped`."""
    counts = Counter(result.status for result in results)
    words = {**_SUMMARY, "WARN": "warning" if counts["WARN"] == 1 else "warnings"}
    return ", ".join(f"{counts[status]} {words[status]}" for status in _SUMMARY)


class _Run:
    """The findings of one run of the checks, each made when it, or another one that needs it, is first asked for."""

    def __init__(self, checks: Mapping[str, _Check], probe: Probe, found: Mapping[str, Finding] | None = None) -> None:
        self._checks, self._probe = checks, probe
        self._found = dict(found or {})

    def finding(self, name: str) -> Finding:
        """The finding of a check: SKIP where another one that it needs failed or was skipped itself."""
        if name not in self._found:
            self._found[name] = self._made(name)
        return self._found[name]

    def _made(self, name: str) -> Finding:
        """Run a check; an exception becomes a failed finding, unless it refers to a check that did not pass."""
        try:
            if name in _OF_FORECASTS and not self._probe.settings.brings_forecasts:
                return passed("not asked for: forecast is not in CLARI_PRODUCTS")
            if (cause := self._failed(_NEEDS.get(name))) is not None:
                return skipped(cause)
            return self._checks[name](self._probe)
        except CannotCheck as error:
            if (cause := self._failed(cause_of(error))) is not None:
                return skipped(cause)
            return failed(f"cannot be checked: {error}", _AGAIN if cause_of(error) else error.remedy)
        except Exception as error:  # noqa: BLE001 - the next checks are still run
            first = "".join(str(error).strip().splitlines()[:1]) or type(error).__name__
            return failed(f"cannot be checked: {first}", _AGAIN)

    def _failed(self, name: str | None) -> str | None:
        """The name of the check, if it failed; of the one that it waits for, if it was skipped; else None."""
        if name is None or name not in self._checks:
            return None
        found = self.finding(name)
        return cause_of(found) if found.status == "SKIP" else name if found.status == "FAIL" else None


def _without(error: SettingsError, checks: Mapping[str, _Check], now: Callable[[], datetime]) -> _Run:
    """The run where settings are invalid: the checks that read none of these are run."""
    named = ", ".join(error.faults) or "the settings"
    remedy = f"mend {named} in .env or the environment (.env.example shows them all)"
    found = {"settings_are_readable": failed(str(error), remedy)}
    try:
        defaults, readable = readable_settings(error)
    except SettingsError:
        none = {name: skipped("settings_are_readable") for name in checks if name not in _WITHOUT_SETTINGS}
        return _Run(checks, Probe(Settings.model_construct(), now), none | found)
    return _Run(checks, Probe(readable, now, defaults=defaults), found)


def _result(name: str, finding: Finding, mask: Mask) -> Finding:
    detail, remedy = (" ".join(mask.text(text).split()) for text in (finding.detail, finding.remedy))
    cause = cause_of(finding)
    remedy = with_anchor(remedy, cause if cause in NAMES else name) if remedy else ""
    return replace(finding, name=name, detail=detail, remedy=remedy)
