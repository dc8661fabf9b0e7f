"""Snowflake as the warehouse, emulated: its addresses, its errors, what is defined when, and its locks."""

import re
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import snowflake.connector
from pydantic import SecretStr

from clari_pipeline.core.queries import text_of
from clari_pipeline.core.setting_errors import SettingsError
from clari_pipeline.store.opening import open_warehouse
from clari_pipeline.store.work_tables import work_tables
from clari_pipeline.warehouse.dialects import transpiled
from clari_pipeline.warehouse.errors import WarehouseError, WarehouseInterrupted, WarehouseLocked, WarehouseUnwritable
from clari_pipeline.warehouse.session import runs_in_process
from clari_pipeline.warehouse.snowflake.dialect import SNOWFLAKE
from clari_pipeline.warehouse.snowflake.engine import SnowflakeWarehouse
from clari_pipeline.warehouse.snowflake.errors import translate
from clari_pipeline.warehouse.snowflake.session import SnowflakeSession
from clari_pipeline.warehouse.snowflake.url import read_address
from tests.helpers.house import House, document, entry, moment, person
from tests.helpers.runnable import runnable

_PASSWORD = "se/cret"
_DEFINITION = re.compile(r"\s*(create|alter|drop|comment|truncate|grant)\b", re.IGNORECASE)


@pytest.fixture
def warehouse(prepared_snowflake: str, tmp_path: Path) -> Iterator[SnowflakeWarehouse]:
    yield SnowflakeWarehouse(SecretStr(prepared_snowflake), data_dir=tmp_path, work_tables=work_tables, lock_wait_s=0.3)


def test_an_address_is_told_to_the_connector() -> None:
    url = "snowflake://me%40home:se%2Fcret@org-account/Forecasts/CLARI?warehouse=load&role=writer"
    arguments, place = read_address(SecretStr(url))
    assert arguments == {
        "account": "org-account",
        "user": "me@home",
        "password": _PASSWORD,
        "database": "Forecasts",
        "warehouse": "load",
        "role": "writer",
    }
    assert place == "snowflake://org-account/Forecasts"
    assert read_address(SecretStr(url.replace("/CLARI", "")))[0] == arguments


@pytest.mark.parametrize(
    "address",
    [
        "snowflake://account/database/clari",
        "snowflake://me:se/cret@account/database/clari",
        "snowflake://me:se%2Fcret@account",
        "snowflake://me:se%2Fcret@account/database/public",
        "snowflake://me:se%2Fcret@account/database/clari?warehose=load",
        "snowflake://me:se%2Fcret@account/database?protocol=http",
        "snowflake://me:se%2Fcret@account/database?network_timeout=soon",
    ],
)
def test_a_wrong_address_is_one_line_without_the_secret(address: str) -> None:
    with pytest.raises(SettingsError, match=r"^CLARI_WAREHOUSE_URL is no address of Snowflake's: [^\n]+$") as refused:
        read_address(SecretStr(address))
    assert "cret" not in str(refused.value)


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "snowflake.connector", None)
    for name in [name for name in sys.modules if name.startswith("clari_pipeline.warehouse.snowflake.engine")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(SettingsError, match=r"pip install 'clari-pipeline\[snowflake\]'$"):
        open_warehouse(SecretStr("snowflake://me:x@account/database"), data_dir=tmp_path, env=None)


def test_every_table_of_a_session_is_known_before_its_transactions() -> None:
    """Whatever statement makes one; in the transpiled statements themselves nothing is defined but the schema."""
    merging = [name for name in runnable() if not (name.startswith("schema/") or runs_in_process(name))]
    made = {table for name in merging for table in re.findall(r"create or replace temp table (\w+)", text_of(name))}
    assert made <= set(work_tables())
    for name in merging:
        if name not in {"schema_columns", "schema_entries_moved"}:
            assert not [one for one in transpiled(name, SNOWFLAKE) if _DEFINITION.match(one)], name


@pytest.mark.parametrize(
    ("number", "message", "kind", "remedy"),
    [
        (250001, "Incorrect username or password was specified.", WarehouseUnwritable, "check user and password"),
        (250001, "Role 'X' specified in the connect string is not granted", WarehouseUnwritable, "name a role"),
        (606, "No active warehouse selected in the current session.", WarehouseUnwritable, "?warehouse=NAME"),
        (3001, "Insufficient privileges to operate on schema 'CLARI'", WarehouseUnwritable, "grant"),
        (290404, "404 Not Found: post nobody.snowflakecomputing.com", WarehouseUnwritable, "check the account"),
        (625, "Statement '01' has locked table 'TURN'", WarehouseInterrupted, "run again"),
        (630, "Statement reached its statement or warehouse timeout", WarehouseError, "STATEMENT_TIMEOUT"),
        (390111, "Session no longer exists. New login required", WarehouseInterrupted, "run again"),
    ],
)
def test_what_snowflake_says_becomes_one_line(
    number: int, message: str, kind: type[WarehouseError], remedy: str
) -> None:
    error = snowflake.connector.errors.DatabaseError(msg=f"{message}\n", errno=number)
    found = translate(error, "snowflake://account/db", is_connected=number not in {250001, 290404})
    assert type(found) is kind
    assert remedy in str(found)
    assert "\n" not in str(found)


def test_nobody_there_is_said_without_the_secret(tmp_path: Path) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
        url = f"snowflake://me:se%2Fcret@account/database?protocol=http&host=127.0.0.1&port={port}&login_timeout=1"
        warehouse = SnowflakeWarehouse(SecretStr(url), data_dir=tmp_path, work_tables=work_tables, connect_retry_s=0)
        with pytest.raises(WarehouseError, match=r"^warehouse snowflake://account/database: [^\n]+$") as refused:
            warehouse.prepare()
    assert "cret" not in str(refused.value)


def test_a_transaction_is_kept_whole_or_not_at_all(warehouse: SnowflakeWarehouse) -> None:
    assert warehouse.exists()
    with warehouse.session() as session:
        with pytest.raises(ZeroDivisionError), session.transaction():
            session.run("marts/rules_begin", {})
            session.run("schema_is_made", {"schema_sha256": "torn"})
            raise ZeroDivisionError
        assert session.run("schema_made_by", {}).fetchall() != [("torn",)]
        assert session.count("warehouse_version") == 1
    assert warehouse.exists()


def test_whoever_comes_later_waits_for_a_lock(warehouse: SnowflakeWarehouse) -> None:
    """Of the same quarter, or to write; a session that holds a lock may take it again."""
    with warehouse.session() as one, warehouse.session() as other:
        with one.lock("marts"), one.lock("people", "north", shared=True):
            with pytest.raises(WarehouseLocked, match="another process has been at it"), other.lock("alerts"):
                pass
            with other.lock("sending"):
                pass
        with other.lock("alerts"):
            pass


def test_a_lock_that_was_lost_keeps_nothing(warehouse: SnowflakeWarehouse) -> None:
    with warehouse.session() as session:
        assert isinstance(session, SnowflakeSession)
        with pytest.raises(WarehouseInterrupted, match="nothing of it was kept"), session.lock("marts"):
            session.execute("update clari.turn set holder = 'another' where name = 'writing'")
            with session.transaction():
                session.run("schema_is_made", {"schema_sha256": "late"})
        assert session.run("schema_made_by", {}).fetchall() != [("late",)]


@pytest.mark.soak
def test_lists_that_no_statement_can_carry_are_not_kept(prepared_snowflake: str, tmp_path: Path) -> None:
    """The export is merged all the same; its document is read again where it comes again."""
    people = [person(f"person-{number:0200d}") for number in range(1_000)]
    shown = document(entry(people[0]["userId"], call=100), people=people)
    there = House(tmp_path, url=prepared_snowflake)
    assert there.bring(shown, moment(10, 2)).export.state == "LOADED"
    assert there.value("select count(*) from clari.newest_document") == 0
    assert there.bring(shown, moment(10, 3)).export.rows_unchanged == 1
