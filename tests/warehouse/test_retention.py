"""Quarters that leave the tables: only the old ones, whole, and nothing is lost; on a warehouse of ten quarters."""

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest

from clari_pipeline.cli import app as cli
from clari_pipeline.config.settings import read_settings
from clari_pipeline.core.periods import FiscalCalendar, Quarter
from clari_pipeline.core.setting_errors import SettingsError
from clari_pipeline.defs.graph import build
from clari_pipeline.landing import Landing
from clari_pipeline.ops.retention import Retention
from clari_pipeline.store.mart_registry import MARTS, RetentionRule
from clari_pipeline.sync.context import Context
from clari_pipeline.sync.products.registry import PRODUCTS
from clari_pipeline.warehouse.catalogue import is_view, tables
from tests.helpers import fake_snowflake, postgres_server, prepared
from tests.helpers.house import House, Json, document, entry, person
from tests.helpers.product_documents import ByHand, one_of_each

CALENDAR = FiscalCalendar(1)
NOW = datetime.combine(datetime.now(UTC).date(), datetime.min.time(), UTC)  # the same for all workers
QUARTERS = [CALENDAR.quarter_of(NOW.date()).shifted(-ago) for ago in reversed(range(10))]
OLD, KEPT = QUARTERS[:2], QUARTERS[2:]
# What a run's own ids and moments stand in, or by what a warehouse was made; fields belong to no quarter.
APART = {
    "warehouse_version",
    "newest_document",
    "mart_version",
    "mart_part_version",
    "merged_total",
    "export_job",
    "export_check",
    "forecast_field",
}
# The ledger, and what is made of it.
HEALTH = {mart.name for mart in MARTS.values() if mart.retention is RetentionRule.NEVER}
LEDGER = {"export_job"} | HEALTH
HEALTH |= {"document_contract", "document_key"}


def weeks_of(quarter: Quarter) -> dict[str, date | None]:
    return {f"W{week + 1:02d}": CALENDAR.first_day(quarter) + timedelta(weeks=week) for week in range(3)}


def at(quarter: Quarter, day: int) -> datetime:
    return datetime.combine(CALENDAR.first_day(quarter), datetime.min.time(), UTC) + timedelta(days=day, hours=6)


def shown(quarter: Quarter, *calls: float) -> Json:
    """Calls of two people, and of one who was there in that quarter alone."""
    once = f"guest-{quarter}"
    people = [person("ann", role=f"team-{quarter.number}"), person("bob"), person(once)]
    entries = [
        entry(name, "W01", call=call, quota=500, closed=5, period=str(quarter))
        for name, call in zip(("ann", "bob", once), calls, strict=False)
    ]
    return document(*entries, people=people, weeks=weeks_of(quarter))


def fill(house: House, quarters: Sequence[Quarter]) -> House:
    """An export a quarter; in some a second, which differs, and in the oldest a second forecast beside."""
    for quarter in quarters:
        name = str(quarter)
        house.deliver(shown(quarter, 100, 200, 300), at(quarter, 1), quarter=name)
        if quarter in (*QUARTERS[:2], *QUARTERS[-2:]):
            house.deliver(shown(quarter, 100, 290), at(quarter, 2), quarter=name)
        if quarter in QUARTERS[:2]:
            house.deliver(shown(quarter, 7), at(quarter, 1), quarter=name, forecast="south")
        house.merge(name)
    house.refresh_marts()
    return house


@pytest.fixture
def filled() -> Path:
    """Eight quarters on disk, the same with the two before them, and those after the two have gone; made once."""

    def make(folder: Path) -> None:
        house = House(folder / "eight", now=NOW)
        with house.held_open():
            fill(house, KEPT)
        house = another(folder / "eight", folder / "ten")
        with house.held_open():
            fill(house, OLD)
        retired(another(folder / "ten", folder / "gone"))

    return prepared.made_once("retention", make)


@pytest.fixture
def ten(filled: Path, tmp_path: Path) -> Iterator[House]:
    """Ten quarters, of one's own."""
    house = another(filled / "ten", tmp_path / "data")
    with house.held_open():
        yield house


def another(filled: Path, folder: Path) -> House:
    shutil.copytree(filled, folder)
    house = House(folder, now=NOW)
    house.exports = len(list(filled.glob("landing/*/*/*")))  # those that it lands are others
    return house


def everything(house: House, *, without: set[str] = APART) -> dict[str, list[tuple[Any, ...]]]:
    with house.held_open():
        return {
            table: sorted((tuple(row.values()) for row in house.rows(f"select * from clari.{table}")), key=repr)
            for table in tables()
            if table not in without
        }


def retired(house: House) -> list[str]:
    with house.held_open():
        return [found.quarter_id for found in Retention(house.context).retire() if found.obstacle is None]


def test_what_stays_is_what_eight_quarters_alone_would_have_left(ten: House, filled: Path, tmp_path: Path) -> None:
    """Entries, versions, people, their teams, swings, marts: no row more, no row less; then nothing is left to go."""
    before = everything(ten)
    eight = another(filled / "eight", tmp_path / "eight")
    assert retired(ten) == [str(quarter) for quarter in OLD]
    assert retired(ten) == []
    left, fresh = everything(ten), everything(eight)
    for table in HEALTH:
        assert left.pop(table) == before[table]
        fresh.pop(table)
    assert left == fresh
    assert left["forecast_swing"]
    assert left["forecast_movement"]
    keyed = ten.rows(
        "select table_name, min(column_name) as name from duckdb_columns() "
        "where column_name in ('quarter_id', 'time_period_id') and schema_name = 'clari' group by table_name"
    )
    oldest = {
        one["table_name"]: ten.value(f"select min({one['name']}) from clari.{one['table_name']}") for one in keyed
    }
    assert {table for table, quarter in oldest.items() if quarter is not None and quarter < str(KEPT[0])} == LEDGER
    states = ten.rows("select time_period_id, state, count(*) as n from clari.export_job group by all order by all")
    assert {(one["time_period_id"], one["state"]) for one in states} == {
        *((str(quarter), "RETIRED") for quarter in OLD),
        *((str(quarter), "LOADED") for quarter in KEPT),
    }
    assert sum(1 for _ in Landing(ten.context.landing.root)) == sum(one["n"] for one in states) == 16


def test_replay_brings_every_row_back(ten: House, filled: Path, tmp_path: Path) -> None:
    """Of both, and in the ledger."""
    before = everything(ten)
    ledger = "select * exclude (told_at) from clari.export_job order by request_id"
    known = ten.rows(ledger)
    gone = another(filled / "gone", tmp_path / "gone")
    with gone.held_open():
        assert gone.rows(ledger) != known
        gone.replay(OLD, ())
        assert everything(gone) == before
        assert gone.rows(ledger) == known


@pytest.mark.soak
def test_a_sync_of_a_quarter_that_has_gone_sees_all_of_it(filled: Path, tmp_path: Path, ten: House) -> None:
    """As if it had never gone: the forecast's versions, swings and people are those of every export there ever was."""
    gone = another(filled / "gone", tmp_path / "gone")
    with gone.held_open():
        _bring_both(OLD[0], ten, gone, calls=(1, 2), day=5, forecast="north")
        _bring_both(OLD[1], ten, gone, calls=(100, 290), day=5, forecast="north")  # the same once more
        for house in (ten, gone):
            house.refresh_marts()
        for quarter in OLD:
            assert _of_it(gone, quarter, "north") == _of_it(ten, quarter, "north")
        assert retired(gone) == [str(OLD[0]), str(OLD[1])]
        _bring_both(OLD[0], ten, gone, calls=(8,), day=0, forecast="south")  # late, of one of two forecasts
        for house in (ten, gone):
            house.refresh_marts()
        assert _of_it(gone, OLD[0], "south") == _of_it(ten, OLD[0], "south")


def _bring_both(
    quarter: Quarter, stays: House, goes: House, *, calls: tuple[float, ...], day: int, forecast: str
) -> None:
    for house in (stays, goes):
        outcome = house.bring(shown(quarter, *calls), at(quarter, day), quarter=str(quarter), forecast=forecast)
        assert outcome.export.state == "LOADED"
    seen = f"select user_id from clari.forecast_user where forecast_id = '{forecast}' and user_id like 'guest-%'"
    guests = {row["user_id"] for row in goes.rows(seen)}
    sighted = _of_it(goes, quarter, forecast)["forecast_user_sighting"]
    assert (f"guest-{quarter}" in guests) == any("guest" in row for row in sighted)


def _of_it(house: House, quarter: Quarter, forecast: str) -> dict[str, list[str]]:
    """Rows of a forecast's quarter."""
    found = {
        table: house.rows(
            f"select * from clari.{table} where forecast_id = '{forecast}' and {column} like '{quarter}%'"
        )
        for table, column in (
            ("forecast_entry", "time_period_id"),
            ("forecast_entry_history", "time_period_id"),
            ("forecast_swing", "time_period_id"),
            ("forecast_swing_summary", "time_period_id"),
            ("forecast_swing_contribution", "time_period_id"),
            ("forecast_vs_quota", "time_period_id"),
            ("forecast_user_sighting", "quarter_id"),
        )
    }
    assert found["forecast_vs_quota"]
    return {table: sorted(map(repr, rows)) for table, rows in found.items()}


def test_products_beside_the_forecast_are_kept(ten: House) -> None:
    """However old: they are of no quarter, and Clari may not have them any more."""
    ByHand(ten.context).merge_all((name, content, -24 * 1000) for name, content, _ in one_of_each())
    names = [*(table for product in PRODUCTS.values() for table in product.staged), "export_quota", "product_fetch"]
    before = {name: ten.rows(f"select * from clari.{name} order by all") for name in names}
    assert all(before.values())
    assert len(retired(ten)) == len(OLD)
    assert {name: ten.rows(f"select * from clari.{name} order by all") for name in names} == before


def test_verdicts_that_passed_go_once_they_are_old(ten: House, tmp_path: Path) -> None:
    """Never those of a quarter's newest export, nor any that failed, nor one of an export that was refused."""
    context = House(tmp_path / "data", now=NOW, verdict_days=400).context
    judged = "select request_id, check_name, passed from clari.export_check order by all"
    exports = ten.rows("from clari.export_job")
    newest = {
        (one["forecast_id"], one["time_period_id"]): one["request_id"]
        for one in sorted(exports, key=lambda one: one["exported_at"])
    }
    long_ago = {one["request_id"] for one in exports if one["exported_at"] < NOW - timedelta(days=400)}
    old = long_ago - set(newest.values())
    assert len(old) == 2
    (failed, refused) = sorted(old)
    ten.execute(
        f"update clari.export_check set passed = false where request_id = '{failed}' and check_name like 'export_is%'"
    )
    ten.execute(f"update clari.export_job set state = 'REFUSED' where request_id = '{refused}'")
    before = ten.rows(judged)
    told = Retention(context).old_verdicts()
    assert Retention(context).forget_verdicts() == told > 10
    assert ten.rows(judged) == [row for row in before if row["request_id"] != failed or not row["passed"]]
    assert {row["check_name"] for row in ten.rows(judged) if row["request_id"] == failed} >= {"export_is_readable"}
    assert (Retention(context).old_verdicts(), Retention(context).forget_verdicts()) == (0, 0)


def test_a_quarter_goes_whole_or_not_at_all(ten: House) -> None:
    """What fails in its last step leaves it as it was, and those before it gone."""
    before = everything(ten)
    ten.execute("alter table clari.forecast_user_history rename to aside")
    with pytest.raises(duckdb.CatalogException):
        Retention(ten.context).retire()
    ten.execute("alter table clari.aside rename to forecast_user_history")
    assert everything(ten) == before


def test_what_could_not_be_brought_back_stays(ten: House) -> None:
    """A quarter whose landed document is lost is named; the others go."""
    (path,) = [
        row["landing_path"]
        for row in ten.rows(f"select landing_path from clari.export_job where time_period_id = '{OLD[1]}'")
        if "south" in row["landing_path"]
    ]
    (ten.context.landing.root / path / "document.zst").unlink()
    found = {one.quarter_id: one.obstacle for one in Retention(ten.context).retire()}
    assert f"{path} is not there: restore it from a backup" in str(found.pop(str(OLD[1])))
    assert found == {str(quarter): None for quarter in OLD if quarter != OLD[1]}
    assert ten.value(f"select count(*) from clari.forecast_entry where time_period_id = '{OLD[1]}'") > 0


def test_how_many_stay_is_a_setting_and_never_fewer_than_eight(tmp_path: Path) -> None:
    """A quarter that each sync brings anew is not taken away each month."""

    def oldest(**given: Any) -> Quarter:
        return Retention(Context.of(read_settings(data_dir=tmp_path, **given), now=lambda: NOW)).oldest_kept

    assert oldest() == KEPT[0]
    assert oldest(retention_periods=10) == QUARTERS[0]
    assert oldest(historical_periods=8) == QUARTERS[1]
    with pytest.raises(SettingsError, match=r"CLARI_RETENTION_PERIODS: .*write 8 or more"):
        read_settings(retention_periods=7)


# From the command line and in Dagster


@pytest.fixture
def typed(filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    """The settings of whoever types commands, and what has been made of ten quarters."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CLARI_DATA_DIR", "data")
    return another(filled / "ten", tmp_path / "data")


def test_a_dry_run_says_which_rows_would_go_and_takes_none(typed: House, capsys: pytest.CaptureFixture[str]) -> None:
    """As many of each table as go without it."""
    before = everything(typed, without=set())
    assert cli.run(["retention", "--dry-run", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert everything(typed, without=set()) == before
    assert (said["oldest_kept"], [one["quarter_id"] for one in said["quarters"]]) == (str(KEPT[0]), [*map(str, OLD)])
    assert said["quarters"][0]["exports"] == 3
    assert cli.run(["retention", "--dry-run"]) == 0
    assert f"{OLD[0]}: " in (out := capsys.readouterr().out)
    assert " rows would leave the tables (" in out
    assert ", forecast_entry 4, " in out

    assert cli.run(["retention"]) == 0
    assert f"{OLD[-1]}: " in (out := capsys.readouterr().out)
    assert "have left the tables" in out
    after = everything(typed, without=set())
    gone = {table: len(before[table]) - len(after[table]) for table in before}
    counted = dict.fromkeys(said["quarters"][0]["rows"], 0)
    for quarter in said["quarters"]:
        for table, count in quarter["rows"].items():
            counted[table] += count
    assert {table: gone[table] for table in counted} == counted
    not_counted = {table for table, count in gone.items() if count and not is_view(table)} - set(counted)
    # What is in forecast_entry_state is counted as that which shows it.
    assert not_counted == {"forecast_user", "forecast_user_history", "forecast_entry_state", "merged_total"}
    copy = typed.context.settings.copy_file
    with duckdb.connect(copy, read_only=True) as published:
        assert published.sql("select min(quarter_id) from clari.time_period").fetchall() == [(str(KEPT[0]),)]
    assert cli.run(["retention"]) == 0
    assert f"No quarter is older than {KEPT[0]}" in capsys.readouterr().out


def test_dagster_does_the_same_where_it_is_turned_on(
    typed: House, dagster_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An asset, and a monthly schedule that is shipped stopped."""
    shutil.copytree(dagster_home, tmp_path / "home")
    defs = build(read_settings())
    schedule = defs.resolve_schedule_def("monthly_retention_schedule")
    assert (schedule.default_status, schedule.cron_schedule) == (dg.DefaultScheduleStatus.STOPPED, "0 3 1 * *")
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    with dg.DagsterInstance.get() as instance:
        result = defs.resolve_job_def("apply_retention").execute_in_process(instance=instance)
    (made,) = result.asset_materializations_for_node("clari__retention")
    assert made.metadata["quarters"].value == ", ".join(map(str, OLD))
    assert made.metadata["oldest_kept"].value == str(KEPT[0])
    assert Retention(typed.context).old_quarters() == []


# Elsewhere


@pytest.fixture(params=["postgres", pytest.param("snowflake", marks=pytest.mark.soak)])
def elsewhere(request: pytest.FixtureRequest) -> Iterator[Callable[[], AbstractContextManager[str]]]:
    if request.param == "snowflake":
        yield partial(fake_snowflake.prepared_database, request.getfixturevalue("snowflake_server"))
    else:
        yield partial(postgres_server.prepared_database, request.getfixturevalue("server"))


def test_a_server_lets_the_same_rows_go(tmp_path: Path, elsewhere: Callable[[], AbstractContextManager[str]]) -> None:
    """Of two quarters, one of which goes."""
    quarters = [OLD[0], KEPT[0]]
    with elsewhere() as url:
        houses = [House(tmp_path / "here", now=NOW), House(tmp_path / "there", url=url, now=NOW)]
        for house in houses:
            with house.held_open():
                fill(house, quarters)
            assert retired(house) == [str(quarters[0])]
        assert _in_utc(houses[1]) == _in_utc(houses[0])


def _in_utc(house: House) -> dict[str, list[str]]:
    with house.held_open():
        found = everything(house, without=APART | HEALTH)
    return {
        table: sorted(
            repr([value.astimezone(UTC) if isinstance(value, datetime) else value for value in row]) for row in rows
        )
        for table, rows in found.items()
    }
