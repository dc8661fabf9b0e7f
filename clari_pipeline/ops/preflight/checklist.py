"""The lines of the checklist, in the order in which they are worth mending."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from clari_pipeline.config.settings import Settings, read_settings
from clari_pipeline.core.runbook import see
from clari_pipeline.core.setting_errors import SettingsError
from clari_pipeline.ops.preflight import at_clari, deep, in_warehouse, on_machine
from clari_pipeline.ops.preflight.findings import Finding, NotSeen, Status, wrong
from clari_pipeline.ops.preflight.probe import Look
from clari_pipeline.sync.masking import Mask

_Check = Callable[[Look], Finding]

_CHECKS: Mapping[str, _Check] = {
    check.__name__: check
    for check in (
        at_clari.key_is_present,
        at_clari.base_url_is_safe,
        at_clari.key_is_accepted,
        at_clari.clock_is_right,
        at_clari.forecast_ids_are_set,
        at_clari.export_types_are_offered,
        at_clari.quota_is_enough,
        at_clari.exports_may_run,
        in_warehouse.warehouse_is_reachable,
        in_warehouse.warehouse_schema_is_current,
        in_warehouse.warehouse_is_writable,
        in_warehouse.no_sandbox_figures,
        in_warehouse.quarters_are_covered,
        in_warehouse.quarters_are_fresh,
        in_warehouse.products_are_fresh,
        on_machine.landing_is_writable,
        on_machine.disk_has_room,
        on_machine.alerts_have_channels,
        on_machine.schedule_is_alive,
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
    "CLARI_TYPES_TO_EXPORT": "export_types_are_offered",
    "CLARI_WAREHOUSE_URL": "warehouse_is_reachable",
}
_NEED_NO_SETTINGS = {"env_file_is_private", "env_file_is_untracked"}


@dataclass(frozen=True, slots=True)
class Result:
    """One line. `remedy` is empty where nothing is to be done."""

    name: str
    status: Status
    detail: str
    remedy: str


def inspect(
    *,
    is_sent: bool = False,
    is_deep: bool = False,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    names: Collection[str] = NAMES,
) -> list[Result]:
    """The lines of the checklist, of the settings as they stand. Raises nothing: what cannot be looked at fails.

    With `is_sent` each alert channel is sent a message; with `is_deep` one export is made, the only thing here that
    counts against Clari's quota. Where some lines are named, only those are checked.
    """
    try:
        settings = read_settings()
    except SettingsError as error:
        return [result for result in _without_settings(error) if result.name in names]
    mask = Mask(settings)
    look = Look(settings, now)
    checks: dict[str, _Check] = dict(_CHECKS)
    if is_sent:
        checks["alerts_have_channels"] = on_machine.alerts_reach_people
    if is_deep:
        checks[_DEEP] = deep.an_export_works
    found = {"settings_are_readable": Finding("PASS", "each of them")}
    found |= {name: _seen(check, look) for name, check in checks.items() if name in names}
    return [_result(name, finding, mask) for name, finding in found.items() if name in names]


def is_well(results: list[Result]) -> bool:
    """Whether nothing is to be mended before this goes live."""
    return all(result.status != "FAIL" for result in results)


def _seen(check: _Check, look: Look) -> Finding:
    """What the check finds; whatever goes wrong in it is what it finds."""
    try:
        return check(look)
    except NotSeen as unseen:
        return wrong(f"cannot be looked at: {unseen}", unseen.remedy)
    except Exception as error:  # noqa: BLE001 - the checklist goes on to the next line
        return wrong(f"cannot be looked at: {_first_line(error)}", "mend this, then run clari-pipeline preflight again")


def _without_settings(error: SettingsError) -> list[Result]:
    """The lines of what is wrong say so; the others cannot be looked at."""
    faults = error.faults or {"settings": str(error)}
    remedy = f"mend {', '.join(faults)} in .env or the environment (.env.example shows them all)"
    found = {"settings_are_readable": wrong(str(error), remedy)}
    told = {_OF_SETTING[name]: f"{name}: {said}" for name, said in faults.items() if name in _OF_SETTING}
    for name, check in _CHECKS.items():
        if name in _NEED_NO_SETTINGS:
            found[name] = _seen(check, Look(Settings.model_construct(), now=lambda: datetime.now(UTC)))
        else:
            found[name] = wrong(told.get(name, "cannot be looked at before the settings can be read"), remedy)
    return [_result(name, finding, Mask()) for name, finding in found.items()]


def _result(name: str, finding: Finding, mask: Mask) -> Result:
    detail, remedy = (" ".join(mask.text(text).split()) for text in (finding.detail, finding.remedy))
    before = remedy.removeprefix("see ")
    remedy = see(remedy, before if before in NAMES else name) if remedy else ""
    return Result(name, finding.status, detail, remedy)


def _first_line(error: Exception) -> str:
    first = "".join(str(error).strip().splitlines()[:1])
    return first or type(error).__name__
