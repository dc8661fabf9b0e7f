"""A temporary PostgreSQL cluster for tests, on loopback, removed when they end."""

import os
import secrets
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote, urlsplit

import psycopg
import pytest
from psycopg import sql
from pydantic import SecretStr

from clari_pipeline.store.opening import open_warehouse
from tests.helpers import prepared

ENCRYPTED = "encrypted_only"
NAMED = "CLARI_TEST_POSTGRES"
_PASSWORD = "se/cret @word"


def programs() -> Path | None:
    """Where initdb and pg_ctl are, the newest first; None where the machine has no PostgreSQL."""
    on_path = shutil.which("initdb")
    if on_path:
        return Path(on_path).parent
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda found: int(found.parts[-3]))
    return installed[-1].parent if installed else None


@contextmanager
def postgres() -> Iterator[str]:
    """The administrator's URL of a new cluster; its collation differs from DuckDB's byte order."""
    if NAMED in os.environ:
        yield os.environ[NAMED]
        return
    with TemporaryDirectory(prefix="postgres-") as name:
        try:
            yield _start(Path(name))
        finally:
            _stop(Path(name))


def shared() -> str:
    """The URL of the administrator of the run's one cluster, which the first worker who asks starts."""
    if NAMED in os.environ:
        return os.environ[NAMED]
    if programs() is None:
        pytest.skip("this machine has no PostgreSQL: make postgres, or name a server in CLARI_TEST_POSTGRES")

    def start(address: Path) -> None:
        folder = prepared.shared_folder() / "postgres"
        folder.mkdir()
        address.write_text(_start(folder))

    return prepared.made_once("postgres-address", start).read_text()


def stop_shared() -> None:
    """Stop the run's one cluster, where it was started; on a server that was named, drop what is this run's alone."""
    if NAMED in os.environ:
        _drop_templates(os.environ[NAMED])
        return
    folder = prepared.shared_folder() / "postgres"
    if (folder / "data/postmaster.pid").exists():
        _stop(folder)


def _drop_templates(server: str) -> None:
    with psycopg.connect(server, autocommit=True) as administrator:
        names = administrator.execute(
            "select datname from pg_database where starts_with(datname, %s)", [_name_of_template("")]
        )
        for (name,) in names.fetchall():
            administrator.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


def _start(folder: Path) -> str:
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres")
    port = _free_port()
    (folder / "password").write_text(_PASSWORD)
    _call(
        folder, "initdb", "-D", f"{folder}/data", "-A", "scram-sha-256", "--pwfile", f"{folder}/password", "-U",
        "clari", "-E", "UTF8", "--no-locale", "--locale-provider=icu", "--icu-locale=en-US", "--no-sync",
    )  # fmt: skip
    # One user who requires TLS, on a server without TLS.
    rules = folder / "data/pg_hba.conf"
    rules.write_text(f"hostnossl all {ENCRYPTED} 127.0.0.1/32 reject\n{rules.read_text()}")
    options = f"-c listen_addresses=127.0.0.1 -p {port} -c unix_socket_directories={folder} -c fsync=off"
    _call(folder, "pg_ctl", "-D", f"{folder}/data", "-o", options, "-l", f"{folder}/log", "-w", "start")
    return f"postgresql://clari:{quote(_PASSWORD, safe='')}@127.0.0.1:{port}/postgres"


def _stop(folder: Path) -> None:
    _call(folder, "pg_ctl", "-D", f"{folder}/data", "-m", "immediate", "-w", "stop")


def _call(folder: Path, program: str, *arguments: str) -> None:
    """Run one of PostgreSQL's programs, as another user where this one is root."""
    bin_folder = programs()
    assert bin_folder is not None
    user = "postgres" if os.geteuid() == 0 else None
    subprocess.run([bin_folder / program, *arguments], check=True, user=user, cwd=folder, stdout=subprocess.DEVNULL)


@contextmanager
def prepared_database(server: str) -> Iterator[str]:
    """The URL of a new database with every table of this release and no row, dropped at the end."""
    with database(server, options=f"template {_template(server)}") as found:
        yield found


@contextmanager
def filled_database(server: str, name: str, fill: Callable[[str], object]) -> Iterator[str]:
    """The URL of a copy of a template database, which `fill` is called with once for all tests of this `name`."""
    template = _name_of_template(name)
    empty = _template(server)
    prepared.made_once(
        f"postgres-{name}", lambda mark: _make_template(server, template, mark, fill, options=f"template {empty}")
    )
    with database(server, options=f"template {template}") as found:
        yield found


def _template(server: str) -> str:
    """The name of the template database with every table and no row."""

    def prepare(url: str) -> None:
        open_warehouse(SecretStr(url), data_dir=prepared.shared_folder(), env=None).prepare()

    name = _name_of_template("empty")
    prepared.made_once("postgres-template", lambda mark: _make_template(server, name, mark, prepare))
    return name


def _name_of_template(name: str) -> str:
    """A name that is unique to this run, as others may use the server."""
    return f"{prepared.shared_folder().name}_{name}".replace("-", "_").lower()


def _make_template(server: str, name: str, mark: Path, fill: Callable[[str], object], *, options: str = "") -> None:
    with psycopg.connect(server, autocommit=True) as administrator:
        administrator.execute(f"drop database if exists {name} with (force)".encode())
        administrator.execute(f"create database {name} {options}".encode())
        fill(urlsplit(server)._replace(path=f"/{name}").geturl())
        # An open connection would block every copy of the template.
        administrator.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", [name])
    mark.touch()


@contextmanager
def database(server: str, *, options: str = "") -> Iterator[str]:
    """The URL of a new database, created with these options and dropped at the end."""
    name = f"clari_{secrets.token_hex(6)}"
    with psycopg.connect(server, autocommit=True) as administrator:
        administrator.execute(f"create database {name} {options}".encode())
        try:
            yield urlsplit(server)._replace(path=f"/{name}").geturl()
        finally:
            administrator.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
