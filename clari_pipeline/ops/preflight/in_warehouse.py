"""Checks of the warehouse: it can be read and written, and its figures are complete and fresh."""

import json
import os
from datetime import date, timedelta
from pathlib import Path

from clari_pipeline.config.schedule import allowed_hours, stale_before
from clari_pipeline.core.periods import Quarter
from clari_pipeline.ops.freshness import ExportHealth
from clari_pipeline.ops.preflight.probe import CannotCheck, Finding, Probe, failed, passed, warning
from clari_pipeline.store import ledger
from clari_pipeline.sync.calendar_evidence import cause_and_remedy
from clari_pipeline.sync.products.registry import unmet
from clari_pipeline.sync.products.standing import product_freshness
from clari_pipeline.warehouse import environment
from clari_pipeline.warehouse.errors import WarehouseError
from clari_pipeline.warehouse.session import run

_SHOWN = 5
_COVERED = 4  # quarters before the current one that have to be merged
_SYNC = "run clari-pipeline sync"


def warehouse_is_reachable(probe: Probe) -> Finding:
    """The warehouse can be read, and belongs to this `CLARI_ENV`."""
    place = probe.context.warehouse.place
    try:
        is_there = probe.schema_version is not None
    except (CannotCheck, WarehouseError) as error:
        return failed(str(error), "check CLARI_WAREHOUSE_URL, and whether this machine reaches and may read it")
    if not is_there:
        return warning(f"{place} can be had, and nothing was ever written to it", f"{_SYNC} once")
    env = probe.settings.env
    remembered = probe.read(environment.belongs_to) if probe.is_schema_current else None
    if remembered not in {None, env}:
        return failed(
            f"{place} belongs to {remembered}, and CLARI_ENV is {env or 'not set'}",
            f"set CLARI_ENV={remembered}, or name another warehouse in CLARI_WAREHOUSE_URL",
        )
    trial = "; its engine is experimental here" if probe.context.warehouse.kind.capabilities.is_experimental else ""
    return passed(place + (f", of {remembered}" if remembered else "") + trial)


def warehouse_is_writable(probe: Probe) -> Finding:
    """A row can be written; it is rolled back."""
    warehouse = probe.context.warehouse
    if probe.schema_version is None:
        if not warehouse.kind.capabilities.is_file:
            return warning("the tables are not made yet: whether they can be is not known", f"{_SYNC} once")
        folder = folder_of(warehouse.folder)
        if folder.is_dir() and os.access(folder, os.W_OK):
            return passed(f"{warehouse.place} can be made")
        why = "may not be written" if folder.is_dir() else "is no folder"
        return failed(f"{folder} {why}", "give its owner the right, or set CLARI_WAREHOUSE_URL")
    probe.require_current_schema()
    try:
        with warehouse.session() as session:
            session.begin()
            try:
                run(session, "preflight/write_probe")
            finally:
                session.rollback()
    except WarehouseError as error:
        return failed(str(error), "give the pipeline's user the right to write, or set CLARI_WAREHOUSE_URL")
    return passed("a row was written and taken back")


def warehouse_schema_is_current(probe: Probe) -> Finding:
    """The tables have the schema version of this release."""
    if probe.schema_version is None:
        return warning("no tables yet", f"{_SYNC}: it makes them")
    if probe.is_schema_current:
        return passed("as this release defines it")
    return failed(
        "the tables are of another release", f"{_SYNC}, or clari-pipeline replay: either brings them up to date"
    )


def fiscal_calendar_is_right(probe: Probe) -> Finding:
    """The quarters begin at Clari in the months of the settings: by merged documents, and by newer refused ones.

    It fails where the newest of these quarters contradicts the settings, and warns where only an older one does.
    """
    known = {one["quarter_id"]: (one["start_date"], one["end_date"]) for one in probe.rows("calendar/quarters")}
    for one in probe.rows("calendar/contradictions"):
        days = json.loads(one["evidence"])["delivered"]
        first, last = (days[name] and date.fromisoformat(days[name]) for name in ("start_date", "end_date"))
        known[one["time_period_id"]] = first, last
    delivered = {Quarter.parse(quarter_id): days for quarter_id, days in known.items()}
    wrong = [quarter for quarter, days in delivered.items() if probe.calendar.contradicted_by(quarter, *days)]
    if not wrong:
        return passed(f"{len(delivered)} quarters, as documents date them, are where the settings have them")
    newest = max(wrong)
    cause, remedy = cause_and_remedy(newest, *delivered[newest], probe.calendar)
    return (failed if newest == max(delivered) else warning)(cause, remedy)


def quarters_are_covered(probe: Probe) -> Finding:
    """The current quarter and the four before it are in the tables, of every forecast."""
    loaded = probe.read(ledger.status) or ()
    have = {(one.forecast_id, one.time_period_id) for one in loaded if one.exported_at is not None}
    calendar = probe.calendar
    today = calendar.day_of(probe.now())
    quarters = list(calendar.around(today, before=_COVERED, after=0))
    wanted = [(forecast, str(quarter)) for forecast in probe.forecasts for quarter in quarters]
    missing = [one for one in wanted if one not in have]
    if not missing:
        return passed(f"{quarters[-1]} to {quarters[0]}, {len(wanted)} of them")
    begun = calendar.first_day(quarters[0])
    is_new = today < begun + timedelta(days=probe.settings.quarter_grace_days)
    summary = f"{_listed(missing)} never merged"
    if is_new and {quarter for _, quarter in missing} == {str(quarters[0])}:
        return warning(f"{summary}; it began on {begun}", "Clari may have nothing for it yet: look again in some days")
    return failed(summary, f"clari-pipeline sync --last {len(quarters)}")


def quarters_are_fresh(probe: Probe) -> Finding:
    """The quarters that each sync exports are not stale by the schedule, or by `CLARI_MAX_AGE_HOURS`."""
    newest = {
        (one.forecast_id, one.time_period_id): one.exported_at
        for one in probe.read(ExportHealth.all) or ()
        if one.exported_at is not None
    }
    # quarters_are_covered reports what was never merged.
    synced = probe.exports
    if not any(one in newest for one in synced):
        raise CannotCheck("no sync has merged anything that is synced now", "see quarters_are_covered")
    oldest_allowed = stale_before(probe.settings, probe.now())
    stale = [one for one in synced if one in newest and newest[one] < oldest_allowed]
    hours = f"{allowed_hours(probe.settings, probe.now()):g} hours"
    if stale:
        return failed(f"{_listed(stale)} older than {hours}", f"{_SYNC}, and see schedule_is_alive")
    return passed(f"none older than {hours}")


def products_are_fresh(probe: Probe) -> Finding:
    """Products other than the forecast are not stale by the schedule, or by `CLARI_MAX_AGE_HOURS`."""
    named = probe.settings.other_products
    if not named:
        return passed("CLARI_PRODUCTS names none beside the forecast")
    found = probe.read(lambda session: product_freshness(session, named)) or product_freshness(None, named)
    for spec in unmet(named):
        return failed(
            f"{spec.name} is never asked for without {spec.needs}, which says which there are",
            f"add {spec.needs} to CLARI_PRODUCTS",
        )
    if missing := [one.product for one in found if one.exported_at is None]:
        return failed(f"{', '.join(missing)} never merged", _SYNC)
    oldest_allowed = stale_before(probe.settings, probe.now())
    hours = f"{allowed_hours(probe.settings, probe.now()):g} hours"
    if stale := [one.product for one in found if not one.is_fresh(oldest_allowed)]:
        return failed(f"{', '.join(stale)} older than {hours}", f"{_SYNC}, and see schedule_is_alive")
    return passed(f"{', '.join(named)}: none older than {hours}")


def no_sandbox_figures(probe: Probe) -> Finding:
    """The warehouse holds no person of the sandbox's company: nobody with an address in `.example`."""
    if probe.schema_version is None:
        return passed("nothing is in it")
    if found := probe.rows("preflight/invented_people"):
        people = ", ".join(f"{one['people']} people of {one['forecast_id']}" for one in found)
        return failed(
            f"{people} have addresses in .example, as the sandbox's have",
            "begin with an empty warehouse and landing folder: set CLARI_WAREHOUSE_URL and CLARI_DATA_DIR",
        )
    return passed("no invented people")


def _listed(exports: list[tuple[str, str]]) -> str:
    more = f" and {len(exports) - _SHOWN} more" if len(exports) > _SHOWN else ""
    return ", ".join(" ".join(one) for one in exports[:_SHOWN]) + more


def folder_of(path: Path) -> Path:
    """The path where it exists, else its nearest existing parent."""
    return next(parent for parent in path.resolve().joinpath("x").parents if parent.exists())
