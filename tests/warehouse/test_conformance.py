"""The same documents make the same rows, whichever engine keeps them: table by table, and row by row."""

import json
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from clari_pipeline.alerts.raising import Alerts
from clari_pipeline.ops.as_of import show
from clari_pipeline.sandbox import Sandbox
from clari_pipeline.store import ledger
from clari_pipeline.warehouse.catalogue import tables
from clari_pipeline.warehouse.duckdb.engine import describe_tables
from tests.helpers import fake_snowflake, postgres_server
from tests.helpers.house import House, Json, document, entry, moment, person
from tests.helpers.product_documents import ByHand, and_more
from tests.helpers.terminal import Terminal
from tests.helpers.weekly_model import deliver, random_history
from tests.warehouse.test_any_order import Export, arrivals

Elsewhere = Callable[[], AbstractContextManager[str]]
# By what a warehouse or a mart was made, what DuckDB writes as bytes, and an engine's own hashes.
_APART = {"warehouse_version", "newest_document", "mart_version", "mart_part_version", "merged_total"}
# What a run's own ids and moments stand in.
_HEALTH = {"pipeline_health", "pipeline_health_month"}
_LOOKS = {"export_quota", "api_limits"}
_OF_RUNS = _APART | _HEALTH | _LOOKS | {"alert", "alert_delivery", "export_job", "export_check"}

_MERGED_AT = "detected_at"  # of a swing: when its export was merged, there or here


# Every engine but DuckDB, with which each is compared. The emulator of Snowflake is slow: make soak alone runs it.
_ENGINES: dict[str, Callable[[pytest.FixtureRequest], Elsewhere]] = {
    "postgres": lambda request: partial(postgres_server.prepared_database, request.getfixturevalue("server")),
    "snowflake": lambda request: partial(fake_snowflake.prepared_database, request.getfixturevalue("snowflake_server")),
}
_QUICK = sorted(_ENGINES.keys() - {"snowflake"})


@pytest.fixture(params=_QUICK)
def elsewhere(request: pytest.FixtureRequest) -> Elsewhere:
    """Gives the URL of an empty warehouse in an engine, for as long as a context is open."""
    return _ENGINES[request.param](request)


def everything(house: House, *, without: set[str] = _APART) -> dict[str, list[tuple[Any, ...]]]:
    named = [table for table in tables() if table not in without]
    # Those that are empty are found by one statement: each takes the emulator a twentieth of a second.
    counted = " union all ".join(f"select '{table}' as name, count(*) as number from clari.{table}" for table in named)
    filled = {row["name"] for row in house.rows(counted) if row["number"]}
    return {table: _rows(house, table) if table in filled else [] for table in named}


def _rows(house: House, table: str) -> list[tuple[Any, ...]]:
    found = house.rows(f"select * from clari.{table}")
    return sorted((tuple(_plain(name, one[name]) for name in one if name != _MERGED_AT) for one in found), key=repr)


def _plain(name: str, value: Any) -> Any:
    if name == "evidence":  # Snowflake keeps JSON, the others its text
        return sorted(json.loads(value).items())
    return value.astimezone(UTC) if isinstance(value, datetime) else value


def _differing(known: House, other: House, *, without: set[str] = _APART) -> dict[str, tuple[Any, Any]]:
    """Rows of either that the other has not, by table."""
    here, there = everything(known, without=without), everything(other, without=without)
    return {
        table: (
            [row for row in here[table] if row not in there[table]],
            [row for row in there[table] if row not in here[table]],
        )
        for table in here
        if here[table] != there[table]
    }


def _two_teams() -> Iterator[tuple[Json, datetime, dict[str, Any]]]:
    """Values that change, vanish and come back, partial measures, people who change teams, letters of all kinds."""
    head = person("zoë", role="top", parent=None)
    first = [entry("ann", week, call=100 + n, quota=500, closed=7.25) for n, week in enumerate(("W01", "W02"))]
    odd = entry("o\0d", call=3) | {
        "updatedBy": "\0",
        "updatedOn": 253_402_300_800_000,
        "adjustedOn": 253_402_300_799_999,
    }
    people = [head, person("ann"), person("Bob"), person("o\0d")]
    yield document(*first, odd, entry("Bob", call=0), entry("zoë", call="1000.0001"), people=people), moment(10, 2), {}
    yield (
        document(first[0], entry("ann", "W02", call=151, closed=8), entry("zoë", "W02", call=10), people=people),
        moment(10, 9),
        {},
    )
    partial_types = {"types": ["forecast", "forecast_updated", "quota", "crm_closed"]}
    yield document(*first, entry("Bob", call=12.5, quota=9)), moment(10, 12), partial_types
    moved = [person("Bob", role="new"), person("ann")]
    last = document(entry("Bob", "W02", call=-3), entry("ann", call="99999999999999.9999"), people=moved)
    yield last, moment(10, 20), {}
    yield last, moment(10, 21), {}  # the same once more
    yield document(*first, entry("Bob", call=1)), moment(10, 11), {}  # late
    yield document(entry(week="", call=1)), moment(10, 22), {}  # refused
    # A calculated measure is left out, a long tail rounded.
    yield document(entry("ann", closed="NaN", call="5.00005"), entry("Bob", closed=4)), moment(10, 22, 9), {}
    twice = entry("ann", call=5)
    yield document(twice, twice), moment(10, 23), {}
    yield document(entry("Bob", "W13", closed=-3, call=4, quota=1)), moment(1, 5, year=2027), {}  # the quarter is over
    # A year beside two quarters, in a week of the same id; then it is gone from one.
    of_year = entry("Bob", "W02", quota=9000, period="2026")
    yield document(entry("Bob", "W02", quota=7), of_year), moment(1, 6, year=2027), {}
    before = entry("Bob", "W02", call=8, period="2026_Q3")
    weeks = {"W02": date(2026, 7, 8)}
    for shown, day in (([before, of_year], 7), ([before], 8)):
        listed = [{"timePeriodId": "2026_Q3"}, {"timePeriodId": "2026", "type": "YEAR", "label": f"{day}"}]
        yield document(*shown, weeks=weeks, periods=listed), moment(1, day, year=2027), {"quarter": "2026_Q3"}


# Each that has statements of its own: in order, partial, late, refused, in a long tail, of a quarter that is over, and
# of a year.
_DISTINCT = (0, 1, 2, 5, 6, 7, 9, 10, 11)


def test_every_table_holds_the_same(tmp_path: Path, elsewhere: Elsewhere) -> None:
    """Entries, versions, people, weeks, verdicts, marts, alerts, products: of documents in order, late and refused."""
    every = list(_two_teams())
    known = _hold_the_same(tmp_path, elsewhere, [every[number] for number in _DISTINCT], and_more())
    assert all(everything(known, without=_APART | {"alert_delivery", "quality_result"}).values())


@pytest.mark.soak
@pytest.mark.parametrize("elsewhere", sorted(_ENGINES), indirect=True)
def test_every_table_holds_the_same_of_every_document(tmp_path: Path, elsewhere: Elsewhere) -> None:
    """Those that are the same once more, name people who move or hold an entry twice among them."""
    known = _hold_the_same(tmp_path, elsewhere, _two_teams(), and_more())
    assert all(everything(known, without=_APART | {"alert_delivery"}).values())


def _hold_the_same(
    folder: Path,
    elsewhere: Elsewhere,
    documents: Iterable[tuple[Json, datetime, dict[str, Any]]],
    of_products: Sequence[tuple[str, Any, float]],
) -> House:
    now = moment(10, 24)
    brought = list(documents)
    with elsewhere() as url, ExitStack() as held_open:
        houses = [
            House(folder / "duckdb", now=now, env="dev"),
            House(folder / "elsewhere", url=url, now=now, env="dev"),
        ]
        for house in houses:
            house.context.prepare()
            held_open.enter_context(house.held_open())
            for content, at, request in brought:
                house.bring(content, at, **request)
                Alerts(house.context).raise_alerts(run_id=f"run of {at}")
            house.refresh_marts()
            with house.context.warehouse.session() as session:
                ledger.note_current_call(session, "https://api.clari.com/v4", has_it=True, at=now)
            ByHand(house.context).merge_all(of_products)
        assert _differing(*houses) == {}
    return houses[0]


@pytest.mark.soak
def test_any_sequence_of_documents_leaves_the_same_rows(server: str) -> None:
    """In any order of arrival, partial and late ones among them, and replayed."""

    @settings(
        max_examples=2,
        deadline=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(arrivals())
    def run(arrived: tuple[list[Export], list[int]]) -> None:
        _compare(*arrived, partial(postgres_server.prepared_database, server))

    run()


def _compare(made: list[Export], arriving: Sequence[int], elsewhere: Elsewhere) -> None:
    with tempfile.TemporaryDirectory() as name, elsewhere() as url, ExitStack() as held_open:
        folder = Path(name)
        landing = House(folder, warehouse="landing")
        houses = [House(folder), House(folder, url=url)]
        for house in (landing, *houses):
            held_open.enter_context(house.held_open())
        folders = []
        for one in made:
            request_id = landing.deliver(
                one.written,
                one.at,
                forecast=one.forecast,
                quarter=one.quarter,
                types=one.types,
                scope=one.scope,
                history=one.history,
                submitted=one.submitted,
            )
            folders.append(landing.context.landing.root / landing.outcome(request_id).export.landing_path)
        for house in houses:
            for position in arriving:
                house.know(folders[position])
                house.merge(made[position].quarter)
            house.refresh_marts()
        assert _differing(*houses) == {}
        for house in houses:
            house.replay([], [])
        assert _differing(*houses) == {}


def test_a_sync_leaves_the_same_rows(
    terminal: Terminal, sandbox: Sandbox, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole job, once with Dagster, exports from the sandbox; DuckDB merges the same documents by replay."""
    with elsewhere() as url:
        monkeypatch.setenv("CLARI_WAREHOUSE_URL", url)
        assert terminal("sync", "--last", "1").code == 0
        sandbox.scenario = "swings"
        synced = terminal.with_dagster("sync", "--last", "1", "--json")
        assert (synced.code, synced.document["swings"] > 0) == (0, True), synced.err
        status = terminal("status", "--json").document
        monkeypatch.delenv("CLARI_WAREHOUSE_URL")
        assert terminal("replay").code == 0
        houses = [House(terminal.folder / "data"), House(terminal.folder / "data", url=url)]
        assert _differing(*houses, without=_OF_RUNS) == {}
        assert [one["rows"] for one in status["exports"]] == [
            one["rows"] for one in terminal("status", "--json").document["exports"]
        ]


@pytest.mark.parametrize("elsewhere", ["postgres"], indirect=True)
def test_tables_are_described_and_typed_alike(tmp_path: Path, elsewhere: Elsewhere) -> None:
    """Every description is in the database itself, and amounts are decimals of as many digits."""
    with elsewhere() as url:
        house = House(tmp_path, url=url)
        found = house.rows(
            "select table_name, column_name, data_type, numeric_precision, numeric_scale, "
            "col_description(format('clari.%I', table_name)::regclass, ordinal_position) as comment "
            "from information_schema.columns where table_schema = 'clari'"
        )
    there = {(one["table_name"], one["column_name"]): one for one in found}
    for table, columns in describe_tables().items():
        for name, kind, comment in columns:
            one = there.pop((table, name))
            assert one["comment"] == comment, (table, name)
            if kind.startswith("decimal"):
                assert kind == f"decimal({one['numeric_precision']},{one['numeric_scale']})", (table, name)
    assert not there


@pytest.mark.soak
@pytest.mark.parametrize(("seed", "most"), [(311, {"most": 2}), (21, {})])
def test_random_histories_make_the_same_weekly_marts(
    tmp_path: Path, elsewhere: Elsewhere, capfdbinary: Any, seed: int, most: dict[str, int]
) -> None:
    """Teams that change, silence, overrides, late documents; and the same is told as of any moment."""
    history = random_history(Random(seed), **most)
    order = list(range(len(history.exports)))
    Random(seed).shuffle(order)
    with elsewhere() as url:
        houses = [House(tmp_path / "duckdb"), House(tmp_path / "elsewhere", url=url)]
        for house in houses:
            with house.held_open():
                deliver(house, history, order)
            house.refresh_marts()
        known = everything(houses[0])
        for table in (
            "forecast_call_week",
            "forecast_movement",
            "forecast_accuracy",
            "attainment_pacing",
            "pipeline_coverage",
            "call_submission",
        ):
            assert known[table]
        assert _differing(*houses, without=_OF_RUNS) == {}
        for export in history.exports:
            told = []
            for house in houses:
                capfdbinary.readouterr()
                show(house.context.settings, export.at, quarters=(), forecasts=(), form="csv", output=None)
                told.append(capfdbinary.readouterr().out)
            assert len(told[0].splitlines()) > 1
            assert told[1:] == told[:-1]
