"""A server that cannot be used as it is set is found before Clari is asked: one line, exit code 2, and no password."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import filterfalse
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from clari_pipeline.sandbox import Sandbox
from clari_pipeline.warehouse.catalogue import is_view, tables
from tests.helpers import postgres_server
from tests.helpers.house import House, document, entry, moment
from tests.helpers.proxy import wire
from tests.helpers.terminal import Answer, Terminal
from tests.warehouse.conftest import SECRET, as_user


def test_the_writer_needs_no_more_than_its_schema(tmp_path: Path, roles: Callable[[str], str]) -> None:
    """All of it is done by that role, which may make nothing elsewhere."""
    house = House(tmp_path, url=roles("clari_writer"))
    house.context.prepare()
    house.bring(document(entry(call=100)), moment(10, 2))
    house.bring(document(entry(call=200)), moment(10, 3))
    house.refresh_marts()
    assert house.value("select forecast_value from clari.forecast_vs_quota") == 200
    for forbidden in ("create schema elsewhere", "create table public.mine (one int)", "create role another"):
        with psycopg.connect(roles("clari_writer")) as writer, pytest.raises(psycopg.errors.InsufficientPrivilege):
            writer.execute(forbidden.encode())


def test_the_reader_reads_everything_and_changes_nothing(tmp_path: Path, roles: Callable[[str], str]) -> None:
    House(tmp_path, url=roles("clari_writer")).context.prepare()
    with psycopg.connect(roles("clari_reader"), autocommit=True) as reader:
        for view in filter(is_view, tables()):
            reader.execute(f"select * from clari.{view}".encode())
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                reader.execute(f"drop view clari.{view}".encode())
            # Some could be written by nobody at all, which the server says first.
            with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.ObjectNotInPrerequisiteState)):
                reader.execute(f"delete from clari.{view}".encode())
        for table in filterfalse(is_view, tables()):
            reader.execute(f"select * from clari.{table}".encode())
            for change in (
                f"delete from clari.{table}",
                f"insert into clari.{table} select * from clari.{table}",
                f"truncate clari.{table}",
                f"drop table clari.{table}",
                f"alter table clari.{table} add column mine int",
            ):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    reader.execute(change.encode())
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            reader.execute("create table clari.mine (one int)")


_WAYS = ("datestyle = 'German, DMY'", "intervalstyle = 'sql_standard'", "timezone = 'Asia/Kolkata'")


@pytest.mark.parametrize("ways", [_WAYS, *(pytest.param((one,), marks=pytest.mark.soak) for one in _WAYS)], ids=str)
def test_a_database_with_ways_of_its_own(ways: tuple[str, ...], tmp_path: Path, database: str) -> None:
    """What it writes for people stays as it is; the pipeline reads moments as they were."""
    with psycopg.connect(database, autocommit=True) as administrator:
        for setting in ways:
            administrator.execute(f"alter database {administrator.info.dbname} set {setting}".encode())
    house = House(tmp_path, url=database)
    house.context.prepare()
    house.bring(document(entry(call=100)), moment(10, 2))
    house.refresh_marts()
    assert house.value("select as_of from clari.forecast_vs_quota") == moment(10, 2)


def test_a_machine_that_vanishes_is_missed_within_a_minute(tmp_path: Path, prepared_database: str) -> None:
    """By the server, which gives its locks to others then; the address and the role may say otherwise."""
    own = f"{prepared_database}?options=-c%20tcp_keepalives_idle%3D77"
    for url, expected in ((prepared_database, ["3", "30", "10"]), (own, ["3", "77", "10"])):
        found = House(tmp_path, url=url).rows("select setting from pg_settings where name ~ '^tcp_keep' order by name")
        assert [one["setting"] for one in found] == expected


@contextmanager
def _bent(database: str, bend: Callable[[bytes], bytes]) -> Iterator[str]:
    """A server that answers otherwise."""
    with wire(database) as bent:
        bent.bend = bend
        yield bent.url


@contextmanager
def _without_authorities(database: str) -> Iterator[str]:
    """It says that it speaks TLS."""
    with _bent(database, lambda data: b"S" if data == b"N" else data) as url:
        yield f"{url.partition('?')[0]}?sslmode=verify-full"


def _old(data: bytes) -> bytes:
    return data.replace(b"server_version\x001", b"server_version\x000")


def _elsewhere(database: str, **parts: str) -> AbstractContextManager[str]:
    return nullcontext(urlsplit(database)._replace(**parts).geturl())


Place = Callable[[str], AbstractContextManager[str]]
# By what is wrong: where the tests' database is then, the exit code, and the remedy.
_WRONG: dict[str, tuple[Place, int, str]] = {
    "password": (lambda url: nullcontext(as_user(url, "clari", SECRET)), 2, "check user and password"),
    "database": (lambda url: _elsewhere(url, path="/elsewhere"), 2, "create the database"),
    "nobody there": (lambda url: _elsewhere(url, netloc=f"clari:{SECRET}@127.0.0.1:1"), 1, "see that it runs"),
    "too old": (lambda url: _bent(url, _old), 2, "update the server to 15"),
    "no TLS": (lambda url: nullcontext(f"{url}?sslmode=require"), 1, "sslmode"),
    "no authorities": (_without_authorities, 1, "sslrootcert=/etc/ssl/certs/ca-certificates.crt names"),
    "torn": (lambda url: nullcontext(url.replace("127.0.0.1", f"{SECRET}/x@127.0.0.1")), 2, "percent-encoded"),
}


@pytest.mark.parametrize("what", _WRONG)
def test_a_wrong_address_is_one_line(
    what: str, terminal: Terminal, sandbox: Sandbox, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, code, remedy = _WRONG[what]
    monkeypatch.setenv("HOME", str(terminal.folder))  # where libpq looks for authorities
    with make(database) as url:
        monkeypatch.setenv("CLARI_WAREHOUSE_URL", url)
        asked_before = len(sandbox.jobs)
        is_one_line(terminal("sync"), code, remedy)
        assert len(sandbox.jobs) == asked_before
        is_one_line(terminal("status"), code, remedy)


def test_a_server_that_wants_encryption_says_so(
    terminal: Terminal, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is no matter of the password then."""
    if postgres_server.NAMED in os.environ:
        pytest.skip("a server that was named has no such user")
    monkeypatch.setenv("CLARI_WAREHOUSE_URL", as_user(database, postgres_server.ENCRYPTED, SECRET))
    is_one_line(terminal("status"), 2, "sslmode=require")


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_a_database_without_every_letter_is_found_before_clari_is_asked(
    encoding: str, terminal: Terminal, sandbox: Sandbox, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = f"encoding '{encoding}' locale_provider libc locale 'C' template template0"
    with postgres_server.database(server, options=options) as url:
        monkeypatch.setenv("CLARI_WAREHOUSE_URL", url)
        asked_before = len(sandbox.jobs)
        is_one_line(terminal("sync"), 2, "encoding 'UTF8' template template0")
        assert len(sandbox.jobs) == asked_before
        with psycopg.connect(url) as connection:
            assert connection.execute("select to_regnamespace('clari')").fetchone() == (None,)


def is_one_line(answer: Answer, code: int, remedy: str) -> None:
    assert (answer.code, len(answer.err.strip().splitlines())) == (code, 1), answer.err
    assert remedy in answer.err
    for secret in (SECRET, "cret", "@127"):
        assert secret not in answer.err


def test_an_extra_that_is_not_installed_is_named(tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['psycopg'] = None; from clari_pipeline.cli.app import run; sys.exit(run(['status']))"
    )
    url = f"postgresql://clari:{SECRET}@localhost/warehouse"
    answer = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"CLARI_WAREHOUSE_URL": url, "DAGSTER_HOME": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (answer.returncode, answer.stderr.count("\n")) == (2, 1)
    assert "pip install 'clari-pipeline[postgres]'" in answer.stderr
    assert SECRET not in answer.stderr


def test_the_address_is_shown_without_its_password(
    terminal: Terminal, prepared_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sync, its log in Dagster, and every command after it."""
    monkeypatch.setenv("CLARI_WAREHOUSE_URL", prepared_database)
    answers = [
        terminal.with_dagster("sync", "--last", "1"),
        *(terminal(*words) for words in (["status"], ["replay"], ["alerts", "list"])),
    ]
    assert [answer.code for answer in answers] == [0] * len(answers)
    said = "".join(answer.out + answer.err for answer in answers)
    assert "postgresql://127.0.0.1" in said
    shown = said.encode() + b"".join(
        file.read_bytes() for file in terminal.folder.rglob("*") if file.is_file() and file.suffix != ".zst"
    )
    for secret in (b"se%2Fcret", b"se/cret"):
        assert secret not in shown


def test_the_sandbox_keeps_to_its_own_file(terminal: Terminal, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its figures never reach the server, whatever the settings say."""
    monkeypatch.setenv("CLARI_WAREHOUSE_URL", database)
    assert terminal("sync", "--sandbox", "--last", "1").code == 0
    with psycopg.connect(database) as connection:
        assert connection.execute("select to_regnamespace('clari')").fetchone() == (None,)
    assert (terminal.folder / "data/sandbox/warehouse.duckdb").exists()
