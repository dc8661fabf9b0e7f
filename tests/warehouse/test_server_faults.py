"""Whatever happens to a server in the middle of a merge: all of it is kept, or nothing, and the run says what to do."""

import re
import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
import pytest

from clari_pipeline.warehouse.catalogue import is_view, tables
from clari_pipeline.warehouse.errors import WarehouseError
from tests.helpers import postgres_server, prepared
from tests.helpers.house import House, document, entry, moment
from tests.helpers.proxy import wire
from tests.warehouse.test_locks import until

_FIRST = document(entry("ann", call=100), entry("bob", call=7))
_SECOND = document(entry("ann", call=120), entry("cy", call=1))
# By SQLSTATE: what the server says, and what people are told to do.
_FAULTS = {
    "53100": ("could not extend file: No space left on device", "make room there"),
    "53200": ("out of memory", "more memory"),
    "53400": ("temporary file size exceeds temp_file_limit", "raise the limit"),
    "42501": ("permission denied for table forecast_entry_history", "grant the role"),
    "25006": ("cannot execute INSERT in a read-only transaction", "primary"),
    "XX000": ("something unheard of", "the server's log"),
}


@pytest.fixture
def database(server: str) -> Iterator[str]:
    """One export is merged, the next one waits."""
    folder = prepared.shared_folder() / "server-faults"

    def fill(url: str) -> None:
        house = House(folder, url=url)
        house.bring(_FIRST, moment(10, 2))
        house.deliver(_SECOND, moment(10, 3))

    with postgres_server.filled_database(server, "faults", fill) as found:
        yield found


@pytest.fixture
def house(tmp_path: Path, database: str) -> House:
    """On that database, with the documents that it knows of."""
    shutil.copytree(prepared.shared_folder() / "server-faults", tmp_path, dirs_exist_ok=True)
    return House(tmp_path, url=database)


def everything(house: House) -> dict[str, list[Any]]:
    """Every row there is; views show these."""
    with house.held_open():
        return {
            table: sorted(house.rows(f"select * from clari.{table}"), key=repr)
            for table in tables()
            if not is_view(table)
        }


@cache
def as_if_nothing_had_happened() -> list[Any]:
    """The figures that two merges in peace leave behind."""

    def merge(folder: Path) -> None:
        peaceful = House(folder)
        peaceful.bring(_FIRST, moment(10, 2))
        peaceful.bring(_SECOND, moment(10, 3))

    return figures(House(prepared.made_once("server-faults-in-peace", merge)))


def figures(house: House) -> list[Any]:
    return [
        house.rows(
            "select user_id, forecast_value, in_latest_export, job_id from clari.forecast_entry order by user_id"
        ),
        house.rows(
            "select user_id, forecast_value, is_present, valid_from, valid_to from clari.forecast_entry_history "
            "order by user_id, valid_from"
        ),
        house.rows("select user_id, in_latest_export from clari.forecast_user order by user_id"),
        house.rows("select user_id, baseline, change_amount, reason from clari.forecast_swing order by 1, 2"),
        house.rows("select request_id, state, rows_inserted, rows_updated from clari.export_job order by 1"),
        house.rows("select request_id, check_name, passed from clari.export_check order by 1, 2"),
    ]


def break_once(house: House, how: str) -> None:
    """The next row of the history that is written does this, which no later one does."""
    house.execute("create sequence public.faults")
    break_always(house, f"if nextval('public.faults') = 1 then {how}; end if")


def break_always(house: House, how: str) -> None:
    house.execute(
        "create or replace function public.fault() returns trigger language plpgsql as "
        f"$$ begin {how}; return new; end $$"
    )
    house.execute(
        "create trigger fault before insert on clari.forecast_entry_history for each row "
        "execute function public.fault()"
    )


@pytest.mark.parametrize(
    "how",
    [
        "raise exception using errcode = '40P01', message = 'deadlock detected'",
        "raise exception using errcode = '40001', message = 'could not serialize access'",
        "perform pg_terminate_backend(pg_backend_pid())",
    ],
    ids=["deadlock", "serialization failure", "connection lost"],
)
def test_what_passes_is_done_again(house: House, how: str) -> None:
    break_once(house, how)
    house.merge()
    assert figures(house) == as_if_nothing_had_happened()


@pytest.mark.parametrize("is_heard", [True, False], ids=["kept", "not kept"])
@pytest.mark.parametrize("at", [b"Q\x00\x00\x00\x0bcommit\x00", b"PGCOPY"], ids=["in the commit", "in the loading"])
def test_a_connection_that_is_cut(house: House, tmp_path: Path, database: str, at: bytes, is_heard: bool) -> None:
    """After a commit nobody can say whether it was kept: the ledger tells, and all is merged once in either case."""
    with wire(database) as cut:
        other = House(tmp_path, url=cut.url)
        cut.cut_at, cut.is_heard = at, is_heard
        other.merge()
    assert cut.cuts == 1
    assert figures(house) == as_if_nothing_had_happened()


def test_what_stays_leaves_everything_as_it_was(house: House) -> None:
    """One line names cause and remedy; once it is mended, the document that has waited is merged."""
    before = everything(house)
    wrong = {}
    for state, (said, remedy) in _FAULTS.items():
        break_always(house, f"raise exception using errcode = '{state}', message = '{said}'")
        try:
            house.merge()
            wrong[state] = "it was merged"
        except WarehouseError as error:
            if not re.search(rf"^warehouse postgresql://127[^@]*{said}.*{remedy}.*$", str(error)):
                wrong[state] = str(error)
        house.execute("drop trigger fault on clari.forecast_entry_history")
        if everything(house) != before:
            wrong[f"{state} leaves"] = "other rows"
    assert wrong == {}
    house.merge()
    assert figures(house) == as_if_nothing_had_happened()


def test_a_statement_that_takes_too_long_is_given_up(house: House) -> None:
    """As the server is set: the role, or the database, may have a limit."""
    before = everything(house)
    break_always(house, "perform pg_sleep(60)")
    name = house.value("select current_database()")
    house.execute(f"alter database {name} set statement_timeout = '500ms'")
    with pytest.raises(WarehouseError, match="raise statement_timeout"):
        house.merge()
    house.execute("drop trigger fault on clari.forecast_entry_history")
    house.execute(f"alter database {name} set statement_timeout = 0")
    assert everything(house) == before
    house.merge()
    assert figures(house) == as_if_nothing_had_happened()


@pytest.mark.parametrize("setting", ["idle_in_transaction_session_timeout", "idle_session_timeout"])
def test_a_pause_that_takes_too_long_is_given_up(house: House, database: str, setting: str) -> None:
    """The server ends the session, and says by which of its settings."""
    alive = "select count(*) from pg_stat_activity where pid = %s"
    with (
        psycopg.connect(database, autocommit=True) as watching,
        pytest.raises(WarehouseError, match=rf"^warehouse .*alter role \.\.\. set {setting} = 0"),
        house.context.warehouse.session() as session,
    ):
        pid = session.connection.info.backend_pid  # type: ignore[attr-defined]
        begin = "begin; " if "transaction" in setting else ""
        session.connection.execute(f"{begin}set {setting} = '10ms'")  # type: ignore[attr-defined]
        until(lambda: watching.execute(alive, [pid]).fetchone() == (0,))
        session.count("export_job")


def test_a_connection_that_is_lost_again_and_again_is_given_up(house: House) -> None:
    before = everything(house)
    break_always(house, "perform pg_terminate_backend(pg_backend_pid())")
    with pytest.raises(WarehouseError, match="once the server answers"):
        house.merge()
    assert everything(house) == before


def test_what_a_killed_process_has_loaded_is_swept(house: House) -> None:
    """And nothing of one that is alive: it holds a lock on the number that its tables bear."""
    house.execute("create unlogged table clari.stage_entry_12 (field_id text)")
    house.execute("create unlogged table clari.stage_user_34 (user_id text)")
    with house.context.warehouse.session() as alive:
        alive.connection.execute("select pg_advisory_lock(7114502, 34)")  # type: ignore[attr-defined]
        house.merge()
        left = house.rows("select tablename from pg_tables where schemaname = 'clari' and tablename like 'stage%'")
    assert left == [{"tablename": "stage_user_34"}]
