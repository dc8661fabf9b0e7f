"""Who reads a warehouse that another release writes, and who comes to own one that another role has made."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from clari_pipeline.warehouse.catalogue import tables
from tests.helpers import postgres_server
from tests.helpers.house import House, document, entry, moment
from tests.helpers.terminal import Terminal
from tests.warehouse.conftest import ROLES, SECRET, as_user
from tests.warehouse.test_server_settings import is_one_line

_READING = (
    ("status", "--json"),
    ("alerts", "list"),
    ("as-of", "2026-12-01", "--format", "csv"),
    ("board",),
    ("quality",),
)


@pytest.fixture
def reader(
    tmp_path: Path, roles: Callable[[str], str], database: str, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], None]:
    """The terminal is the reader's, the tables the writer's of another release; does what that one has done to them."""
    House(tmp_path / "writer", url=roles("clari_writer")).bring(document(entry(call=100)), moment(10, 2))
    monkeypatch.setenv("CLARI_WAREHOUSE_URL", roles("clari_reader"))

    def change(how: str) -> None:
        with psycopg.connect(database, autocommit=True) as administrator:
            administrator.execute("update clari.warehouse_version set schema_sha256 = 'another'")
            administrator.execute(how.encode())

    return change


def test_the_reader_reads_tables_of_another_release(reader: Callable[[str], None], terminal: Terminal) -> None:
    """Which have all that is read, and more: to read takes no right to make anything. A sync is not for that role."""
    reader("alter table clari.alert add column of_tomorrow text")
    for words in _READING:
        answer = terminal(*words)
        assert answer.code == 0, answer.err
    assert terminal("status", "--json").document["exports"][0]["state"] == "LOADED"
    is_one_line(terminal("sync"), 2, "may not write schema clari")


def test_the_reader_is_told_of_another_release(reader: Callable[[str], None], terminal: Terminal) -> None:
    """Where something that is read is not there: no grant would help."""
    for how in ("alter table clari.alert rename title to heading", "drop table clari.alert"):
        reader(how)
        answer = terminal("alerts", "list")
        (line,) = answer.err.strip().splitlines()
        assert answer.code != 0, how
        assert "another release" in line, how
        assert "grant" not in line, how


_OWNERS = (
    "select distinct relowner::regrole::text from pg_class where relnamespace = 'clari'::regnamespace "
    "union select nspowner::regrole::text from pg_namespace where nspname = 'clari' "
    "union select proowner::regrole::text from pg_proc where pronamespace = 'clari'::regnamespace"
)


def _give_roles(url: str, *, by_psql: bool = False) -> None:
    """Run the file, as its first lines say or by the driver."""
    if by_psql:
        program = shutil.which("psql")
        if program is None:
            pytest.skip("this machine has no psql")
        words = [program, url, "--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1", "--file", str(ROLES)]
        done = subprocess.run(words, capture_output=True, text=True, check=False, env=os.environ)
        assert (done.returncode, "ERROR" in done.stderr) == (0, False), done.stderr
    else:
        with psycopg.connect(url, autocommit=True) as administrator:
            administrator.execute(ROLES.read_bytes())


@pytest.mark.parametrize("by_psql", [True, pytest.param(False, marks=pytest.mark.soak)], ids=["psql", "driver"])
def test_what_an_administrator_has_made_becomes_the_writers(
    tmp_path: Path, roles: Callable[[str], str], server: str, by_psql: bool
) -> None:
    """In a second database, too, whose roles are there already; the file may be run again and again."""
    with postgres_server.prepared_database(server) as url:
        House(tmp_path, url=url).bring(document(entry(call=100)), moment(10, 2))
        for _ in range(2):
            _give_roles(url, by_psql=by_psql)
        with psycopg.connect(url) as administrator:
            assert administrator.execute(_OWNERS).fetchall() == [("clari_writer",)]
            administrator.execute("update clari.warehouse_version set schema_sha256 = 'another'")
            administrator.execute("alter table clari.alert drop column detail")
        house = House(tmp_path, url=as_user(url, "clari_writer", SECRET))
        house.bring(document(entry(call=200)), moment(10, 3), forecast="south")
        found = house.rows("select forecast_value from clari.forecast_vs_quota order by forecast_id")
        assert [one["forecast_value"] for one in found] == [100, 200]
        with psycopg.connect(as_user(url, "clari_reader", SECRET)) as reader:
            for table in tables():
                reader.execute(f"select * from clari.{table}".encode())


def test_an_administrator_need_not_be_a_superuser(server: str) -> None:
    """As clouds have it: one who makes roles and owns the database."""
    with psycopg.connect(server, autocommit=True) as superuser:
        superuser.execute("select pg_advisory_lock(1)")  # roles are the whole server's
        superuser.execute(f"create role cloud login createrole password '{SECRET}'".encode())
        try:
            with postgres_server.database(server, options="owner cloud") as url:
                for _ in range(2):
                    _give_roles(as_user(url, "cloud", SECRET))
                with psycopg.connect(url) as administrator:
                    assert administrator.execute(_OWNERS).fetchall() == [("clari_writer",)]
        finally:
            superuser.execute("drop role if exists clari_writer, clari_reader, cloud")
