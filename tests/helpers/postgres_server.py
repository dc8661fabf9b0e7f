"""A PostgreSQL of the tests' own: in a temporary folder, on loopback, gone when they end."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote, urlsplit

import psycopg
from psycopg import sql

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
    """The URL of a server's administrator; its locale is not the byte order that DuckDB sorts by."""
    if NAMED in os.environ:
        yield os.environ[NAMED]
        return
    bin_folder = programs()
    assert bin_folder is not None
    # PostgreSQL does not run as root.
    user = "postgres" if os.geteuid() == 0 else None
    with TemporaryDirectory(prefix="postgres-") as name:
        folder = Path(name)
        if user:
            shutil.chown(folder, user)
        port = _free_port()

        def call(program: str, *arguments: str) -> None:
            subprocess.run(
                [bin_folder / program, *arguments], check=True, user=user, cwd=folder, stdout=subprocess.DEVNULL
            )

        (folder / "password").write_text(_PASSWORD)
        call(
            "initdb", "-D", f"{folder}/data", "-A", "scram-sha-256", "--pwfile", f"{folder}/password", "-U", "clari",
            "-E", "UTF8", "--no-locale", "--locale-provider=icu", "--icu-locale=en-US",
        )  # fmt: skip
        # One user who has to come encrypted, to a server that takes nobody encrypted.
        rules = folder / "data/pg_hba.conf"
        rules.write_text(f"hostnossl all {ENCRYPTED} 127.0.0.1/32 reject\n{rules.read_text()}")
        options = f"-c listen_addresses=127.0.0.1 -p {port} -c unix_socket_directories={folder} -c fsync=off"
        call("pg_ctl", "-D", f"{folder}/data", "-o", options, "-l", f"{folder}/log", "-w", "start")
        try:
            yield f"postgresql://clari:{quote(_PASSWORD, safe='')}@127.0.0.1:{port}/postgres"
        finally:
            call("pg_ctl", "-D", f"{folder}/data", "-m", "immediate", "-w", "stop")


@contextmanager
def database(server: str, *, options: str = "") -> Iterator[str]:
    """The URL of a new database there, made with these options, which goes again."""
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
