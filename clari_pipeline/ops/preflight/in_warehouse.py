"""Whether the warehouse can be used, and whether what people read in it is whole and fresh."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from pathlib import Path

from clari_pipeline.ops.preflight.findings import Finding, NotSeen, doubtful, well, wrong
from clari_pipeline.ops.preflight.look import NO_FORECASTS, Look
from clari_pipeline.store import ledger
from clari_pipeline.sync.products.registry import unmet
from clari_pipeline.sync.products.standing import standings
from clari_pipeline.warehouse import environment
from clari_pipeline.warehouse.errors import WarehouseError
from clari_pipeline.warehouse.statements import run

_SHOWN = 5
_SYNC = "run clari-pipeline sync"


def warehouse_is_reachable(look: Look) -> Finding:
    """It can be read, and belongs to this environment."""
    place = look.context.warehouse.place
    try:
        is_there = look.made_by is not None
    except (NotSeen, WarehouseError) as error:
        return wrong(str(error), "check CLARI_WAREHOUSE_URL, and whether this machine reaches and may read it")
    if not is_there:
        return doubtful(f"{place} can be had, and nothing was ever written to it", f"{_SYNC} once")
    env = look.settings.env
    remembered = None
    if look.is_current:
        with look.read_only() as session:
            remembered = environment.belongs_to(session) if session is not None else None
    if remembered not in {None, env}:
        return wrong(
            f"{place} belongs to {remembered}, and CLARI_ENV is {env or 'not set'}",
            f"set CLARI_ENV={remembered}, or name another warehouse in CLARI_WAREHOUSE_URL",
        )
    trial = "; its engine is experimental here" if look.context.warehouse.kind.capabilities.is_experimental else ""
    return well(place + (f", of {remembered}" if remembered else "") + trial)


def warehouse_is_writable(look: Look) -> Finding:
    """A row is written and taken back."""
    warehouse = look.context.warehouse
    if look.made_by is None:
        if not warehouse.kind.capabilities.is_file:
            return doubtful("the tables are not made yet: whether they can be is not known", f"{_SYNC} once")
        folder = folder_of(warehouse.folder)
        if folder.is_dir() and os.access(folder, os.W_OK):
            return well(f"{warehouse.place} can be made")
        why = "may not be written" if folder.is_dir() else "is no folder"
        return wrong(f"{folder} {why}", "give its owner the right, or set CLARI_WAREHOUSE_URL")
    if not look.is_current:
        raise NotSeen("the tables are not as this release defines them", "see warehouse_schema_is_current")
    try:
        with warehouse.session() as session:
            session.begin()
            try:
                run(session, "preflight/write_probe")
            finally:
                session.rollback()
    except WarehouseError as error:
        return wrong(str(error), "give the pipeline's user the right to write, or set CLARI_WAREHOUSE_URL")
    return well("a row was written and taken back")


def warehouse_schema_is_current(look: Look) -> Finding:
    """The tables are those that this release writes."""
    if look.made_by is None:
        return doubtful("no tables yet", f"{_SYNC}: it makes them")
    if look.is_current:
        return well("as this release defines it")
    return wrong(
        "the tables are of another release", f"{_SYNC}, or clari-pipeline replay: either brings them up to date"
    )


def quarters_are_covered(look: Look) -> Finding:
    """The current quarter and the four before it are in the tables, of every forecast."""
    if not look.settings.brings_forecasts:
        return well(NO_FORECASTS)
    have: set[tuple[str, str]] = set()
    if look.made_by is not None:
        with _current(look).read_only() as session:
            loaded = ledger.status(session) if session is not None else []
        have = {(one["forecast_id"], one["time_period_id"]) for one in loaded if one["exported_at"] is not None}
    wanted = [(forecast, str(quarter)) for forecast in look.forecasts for quarter in look.past_quarters]
    missing = [one for one in wanted if one not in have]
    if not missing:
        return well(f"{look.past_quarters[-1]} to {look.past_quarters[0]}, {len(wanted)} of them")
    calendar, current = look.context.calendar, look.past_quarters[0]
    begun = calendar.first_day(current)
    is_new = calendar.day_of(look.now()) < begun + timedelta(days=look.settings.quarter_grace_days)
    told = f"{_listed(missing)} never merged"
    if is_new and {quarter for _, quarter in missing} == {str(current)}:
        return doubtful(f"{told}; it began on {begun}", "Clari may have nothing for it yet: look again in some days")
    return wrong(told, f"clari-pipeline sync --last {len(look.past_quarters)}")


def quarters_are_fresh(look: Look) -> Finding:
    """What each sync exports is not older than `CLARI_MAX_AGE_HOURS`."""
    if not look.settings.brings_forecasts:
        return well(NO_FORECASTS)
    newest: dict[tuple[str, str], datetime] = {}
    if look.made_by is not None:
        with _current(look).read_only() as session:
            found = ledger.health_exports(session) if session is not None else []
        newest = {
            (one["forecast_id"], one["time_period_id"]): one["exported_at"] for one in found if one["exported_at"]
        }
    # What was never merged is said by the line before.
    synced = look.exports
    if not any(one in newest for one in synced):
        return wrong("no sync has merged anything that is synced now", _SYNC)
    oldest_allowed = look.now() - timedelta(hours=look.settings.max_age_hours)
    stale = [one for one in synced if one in newest and newest[one] < oldest_allowed]
    hours = f"{look.settings.max_age_hours:g} hours"
    if stale:
        return wrong(f"{_listed(stale)} older than {hours}", f"{_SYNC}, and see schedule_is_alive")
    return well(f"none older than {hours}")


def products_are_fresh(look: Look) -> Finding:
    """What is brought beside the forecast is not older than `CLARI_MAX_AGE_HOURS`."""
    named = look.settings.other_products
    if not named:
        return well("CLARI_PRODUCTS names none beside the forecast")
    found = standings(None, named)
    if look.made_by is not None:
        with _current(look).read_only() as session:
            found = standings(session, named)
    for spec in unmet(named):
        return wrong(
            f"{spec.name} is never asked for without {spec.needs}, which says which there are",
            f"add {spec.needs} to CLARI_PRODUCTS",
        )
    if missing := [one.product for one in found if one.exported_at is None]:
        return wrong(f"{', '.join(missing)} never merged", _SYNC)
    max_age = timedelta(hours=look.settings.max_age_hours)
    hours = f"{look.settings.max_age_hours:g} hours"
    if stale := [one.product for one in found if not one.is_fresh(look.now(), max_age)]:
        return wrong(f"{', '.join(stale)} older than {hours}", f"{_SYNC}, and see schedule_is_alive")
    return well(f"{', '.join(named)}: none older than {hours}")


def no_sandbox_figures(look: Look) -> Finding:
    """Nobody who works for the sandbox's company stands in it."""
    if look.made_by is None:
        return well("nothing is in it")
    if found := look.rows("preflight/invented_people"):
        people = ", ".join(f"{one['people']} people of {one['forecast_id']}" for one in found)
        return wrong(
            f"{people} have addresses in .example, as the sandbox's have",
            "begin with an empty warehouse and landing folder: set CLARI_WAREHOUSE_URL and CLARI_DATA_DIR",
        )
    return well("no invented people")


def _current(look: Look) -> Look:
    if not look.is_current:
        raise NotSeen("the tables are not as this release defines them", "see warehouse_schema_is_current")
    return look


def _listed(exports: list[tuple[str, str]]) -> str:
    more = f" and {len(exports) - _SHOWN} more" if len(exports) > _SHOWN else ""
    return ", ".join(" ".join(one) for one in exports[:_SHOWN]) + more


def folder_of(path: Path) -> Path:
    """The path itself, or what is nearest above it, that is there."""
    return next(parent for parent in path.resolve().joinpath("x").parents if parent.exists())
