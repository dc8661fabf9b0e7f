"""A warehouse of a release which kept its entries in a table of the view's name: nobody sees a difference."""

import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import psycopg
import pytest

from clari_pipeline.core.periods import Quarter
from clari_pipeline.warehouse.catalogue import is_view, tables
from clari_pipeline.warehouse.dialects import transpiled
from clari_pipeline.warehouse.postgres.dialect import POSTGRES
from clari_pipeline.warehouse.session import text_of
from clari_pipeline.warehouse.snowflake.dialect import SNOWFLAKE
from tests.helpers.house import QUARTER, House, document, entry, moment
from tests.warehouse.conftest import SECRET, as_user

_TABLE = """
create table clari.forecast_entry (
    forecast_id {text} not null, time_period_id {text} not null, time_frame_id {text} not null, user_id {text} not null,
    field_id {text} not null, forecast_value decimal(18,4), quota_value decimal(18,4), adjustment_value decimal(18,4),
    crm_total decimal(18,4), crm_closed decimal(18,4), currency_code {text}, is_updated boolean, updated_by {text},
    updated_at timestamptz, adjusted_by {text}, adjusted_at timestamptz, scope_id {text},
    in_latest_export boolean not null, first_seen_at timestamptz not null, changed_at timestamptz not null,
    last_seen_at timestamptz not null, exported_at timestamptz not null, job_id {text} not null
)
"""
_OURS = {
    *("forecast_entry_state", "forecast_entry_sighting", "newest_document", "merged_total"),
    *("mart_version", "warehouse_version"),
}


def made_earlier(house: House) -> None:
    """As it stood before: one table, of which each row names the export that showed it last."""
    engine = house.context.warehouse.engine
    text = {"duckdb": "varchar", "snowflake": "varchar", "postgres": 'text collate "C"'}[engine]
    for statement in (
        "drop table clari.merged_total",
        "create table clari.held as select * from clari.forecast_entry",
        "alter table clari.held drop column quarter_id",
        "drop view clari.forecast_entry_version",
        "alter table clari.forecast_entry_history drop column quarter_id",
        "alter table clari.time_frame drop column quarter_id",
        "drop view clari.call_submission",
        "drop view clari.forecast_entry",
        "drop table clari.forecast_entry_state",
        "drop table clari.forecast_entry_sighting",
        "drop table clari.forecast_time_frame",
        _TABLE.format(text=text),
        "insert into clari.forecast_entry select * from clari.held",
        "drop table clari.held",
        "comment on table clari.forecast_entry is 'as it was called before'",
        "update clari.warehouse_version set schema_sha256 = 'earlier'",
    ):
        house.execute(statement)
    view = "schema/call_submission"
    dialect = {"postgres": POSTGRES, "snowflake": SNOWFLAKE}.get(engine)
    for statement in [text_of(view)] if dialect is None else transpiled(view, dialect):
        house.execute(statement.replace("%%", "%"))


@pytest.fixture
def url(engine: str, request: pytest.FixtureRequest) -> str | None:
    url: str | None = None
    if engine != "duckdb":
        url = request.getfixturevalue("prepared_database" if engine == "postgres" else "prepared_snowflake")
    return url


def read(house: House) -> dict[str, list[str]]:
    """Every row of what people read."""
    return {
        table: sorted(repr(tuple(row.values())) for row in house.rows(f"select * from clari.{table}"))
        for table in tables()
        if table not in _OURS
    }


def opened_again(folder: Path, url: str | None, *, exports: int = 2) -> House:
    """As another process would, after so many documents."""
    house = House(folder, url=url)
    house.exports = exports
    return house


# On the emulator, which is slow, one document by default; in soak the same comes again, before and after.
@pytest.mark.parametrize(
    ("engine", "days"),
    [
        ("duckdb", (9, 10)),
        ("postgres", (9, 10)),
        pytest.param("snowflake", (10,), marks=pytest.mark.soak),
        pytest.param("snowflake", (9, 10), marks=pytest.mark.soak),
    ],
)
def test_its_entries_are_those_of_the_view(tmp_path: Path, engine: str, days: tuple[int, ...], url: str | None) -> None:
    """Then the same document comes, one of a week, and one in which an entry has changed and another is gone."""
    entries = [entry(name, week, call=100) for name in ("ann", "bob") for week in ("W01", "W02")]
    house = House(tmp_path, url=url)
    with house.held_open():
        for day in days:
            house.bring(document(*entries), moment(10, day))
        before = read(house)
        made_earlier(house)
    house = opened_again(tmp_path, url, exports=len(days))
    with house.held_open():
        assert read(house) == before
    state = house.rows("select * from clari.forecast_entry_state")
    assert {row["job_id"] for row in state} == {f"job-north-2026_Q4-{len(days)}"}
    if engine == "snowflake" and len(days) == 1:
        return

    house.bring(document(*entries), moment(10, 11))
    assert house.rows("select * from clari.forecast_entry_state") == state
    newest = "select distinct job_id, last_seen_at from clari.forecast_entry"
    assert house.row(newest) == {"job_id": "job-north-2026_Q4-3", "last_seen_at": moment(10, 11)}
    if engine == "snowflake":
        return
    of_a_week = house.bring(document(entries[1]), moment(10, 12), history=False)
    changed = house.bring(document(*entries[:2], entry("bob", "W01", call=1)), moment(10, 13))
    assert not [verdict for outcome in (of_a_week, changed) for verdict in outcome.verdicts if verdict.is_repaired]
    found = house.rows(
        "select user_id, time_frame_id, job_id, in_latest_export from clari.forecast_entry order by 1, 2"
    )
    assert [(row["user_id"], row["time_frame_id"], row["job_id"][-1], row["in_latest_export"]) for row in found] == [
        ("ann", "W01", "5", True),
        ("ann", "W02", "5", True),
        ("bob", "W01", "5", True),
        ("bob", "W02", "3", False),
    ]


def test_a_partial_document_comes_first(tmp_path: Path) -> None:
    """What it says nothing of goes on naming the export that the earlier release saw."""
    house = House(tmp_path)
    house.bring(document(entry("ann", call=1), entry("bob", call=1)), moment(10, 9))
    made_earlier(house)
    house = opened_again(tmp_path, None)
    for day in (10, 11):
        house.bring(document(entry("ann", call=1)), moment(10, day), scope="east")
    found = house.rows("select user_id, last_seen_at from clari.forecast_entry order by 1")
    assert [row["last_seen_at"] for row in found] == [moment(10, 11), moment(10, 9)]
    house.bring(document(entry("ann", call=1), entry("bob", call=1)), moment(10, 12))
    assert house.value("select min(last_seen_at) from clari.forecast_entry") == moment(10, 12)


def test_it_is_described_as_one_that_is_made_anew(tmp_path: Path) -> None:
    """Names, order, types and words of every column."""
    described = (
        "select table_name, column_name, column_index, data_type, is_nullable, comment from duckdb_columns() "
        "where schema_name = 'clari' order by all"
    )
    house = House(tmp_path)
    house.bring(document(entry(call=1)), moment(10, 9))
    made = house.rows(described)
    made_earlier(house)
    assert opened_again(tmp_path, None).rows(described) == made


def test_who_could_read_the_table_reads_the_view(
    tmp_path: Path, roles: Callable[[str], str], server: str, database: str
) -> None:
    """The documented reader, one who was let see the table by hand, and one who was let see two columns."""
    house = House(tmp_path, url=roles("clari_writer"))
    house.bring(document(entry(call=100)), moment(10, 9))
    made_earlier(house)
    with psycopg.connect(server, autocommit=True) as superuser:
        for role in ("by_hand", "of two"):
            superuser.execute(f"create role \"{role}\" login password '{SECRET}'".encode())
    try:
        with psycopg.connect(database, autocommit=True) as administrator:
            administrator.execute('grant usage on schema clari to by_hand, "of two"')
            administrator.execute("grant select on clari.forecast_entry to by_hand")
            administrator.execute('grant select (user_id, forecast_value) on clari.forecast_entry to "of two"')
        opened_again(tmp_path, roles("clari_writer")).bring(document(entry(call=100)), moment(10, 10))
        for role in ("clari_reader", "by_hand"):
            assert _asked(as_user(database, role, SECRET), "select job_id from clari.forecast_entry") == [
                ("job-north-2026_Q4-3",)
            ]
        two = as_user(database, "of%20two", SECRET)
        assert _asked(two, "select user_id, forecast_value from clari.forecast_entry") == [("ann", 100)]
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            _asked(two, "select job_id from clari.forecast_entry")
    finally:
        with psycopg.connect(database, autocommit=True) as administrator:
            for role in ("by_hand", "of two"):
                administrator.execute(f'drop owned by "{role}" cascade'.encode())
                administrator.execute(f'drop role "{role}"'.encode())


def _asked(url: str, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as reader:
        return reader.execute(query.encode()).fetchall()


def test_a_view_is_made_after_what_it_shows() -> None:
    names = tables()
    assert [name for name in names if is_view(name)] == names[-sum(map(is_view, names)) :]
    assert names.index("forecast_entry") < names.index("call_submission")


def test_its_comparisons_are_summed_up_before_what_did_not_move_goes(tmp_path: Path) -> None:
    """Every compared call had a row then: none is compared again, and each comparison says how many there were."""

    def bring(house: House, day: int, call: int) -> None:
        house.bring(document(entry("ann", call=5), entry("bob", call=call)), moment(10, day))

    house = House(tmp_path / "earlier")
    for day, call in ((2, 100), (3, 150)):
        bring(house, day, call)
    shutil.copytree(tmp_path / "earlier", tmp_path / "fresh")
    house.execute("drop table clari.forecast_swing_summary")
    house.execute("update clari.warehouse_version set schema_sha256 = 'earlier'")
    house = opened_again(tmp_path / "earlier", None)
    before = house.rows("select * from clari.forecast_swing")
    house.refresh("forecast_swing")
    assert house.rows("select * from clari.forecast_swing") == before

    fresh = opened_again(tmp_path / "fresh", None)
    for each in (house, fresh):
        bring(each, 4, 160)
    compared = ("forecast_swing", "forecast_swing_summary")
    found = house.snapshot(*compared, without={"detected_at"})
    assert found == fresh.snapshot(*compared, without={"detected_at"})
    assert [len(found[table]) for table in compared] == [3, 2]


def test_its_weeks_become_each_forecasts(tmp_path: Path) -> None:
    """Weeks stood once for all forecasts; the next merge or replay of a forecast gives it its own days."""
    mine = {"W01": date(2026, 10, 1), "W02": date(2026, 10, 8)}
    others = {"W01": date(2026, 10, 1), "W02": date(2026, 11, 1), "W03": date(2026, 12, 1)}
    house = House(tmp_path)
    shown = [entry("ann", week, call=int(week[2:])) for week in mine]
    house.bring(document(*shown, weeks=mine), moment(10, 9))
    house.bring(document(*shown, weeks=others), moment(10, 10), forecast="south")
    listed = "select * from clari.forecast_time_frame order by forecast_id, time_frame_id"
    before = house.rows(listed)
    house.execute("drop table clari.forecast_time_frame")
    house.execute("update clari.warehouse_version set schema_sha256 = 'earlier'")
    house = opened_again(tmp_path, None)
    days = [(row["forecast_id"], row["time_frame_id"], row["start_date"].month) for row in house.rows(listed)]
    weeks = (("W01", 10), ("W02", 11), ("W03", 12))
    assert days == [(name, *week) for name in ("north", "south") for week in weeks]
    house.replay([Quarter.parse(QUARTER)], ["north"])
    assert house.rows(listed) == before
