"""A fake Snowflake for tests: fakesnow's HTTP server, used through Snowflake's connector."""

import os
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import fakesnow.server
import pyarrow as pa
import sqlglot
import uvicorn
from fakesnow import arrow, transforms
from fakesnow.cursor import FakeSnowflakeCursor
from fakesnow.instance import FakeSnow
from pydantic import SecretStr
from snowflake.connector import connect
from sqlglot import exp
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from clari_pipeline.core.project import project_file
from clari_pipeline.store.work_tables import work_tables
from clari_pipeline.warehouse.snowflake.engine import SnowflakeWarehouse
from clari_pipeline.warehouse.snowflake.url import read_address
from tests.helpers import prepared

NAMED = "CLARI_TEST_SNOWFLAKE"
_DATABASE = "CLARI_TESTS"  # its file is named after it


class NoServerErrors:
    """ASGI middleware that sends fakesnow's 500 as 200, so that the connector raises its error instead of retrying."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_as_200(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == 500:
                message["status"] = 200
            await send(message)

        await self._app(scope, receive, send_as_200)


_execute = FakeSnowflakeCursor.execute
_moments = arrow.timestamp_to_sf_struct
_as_it_was = transforms.numeric_agg_implicit_cast


def _with_more(cursor: FakeSnowflakeCursor, command: str, *args: Any, **kwargs: Any) -> FakeSnowflakeCursor:
    """Run in fakesnow's DuckDB what fakesnow does not support.

    That is: functions (replaced by DuckDB's macro), some comments, and MERGE in a transaction that has already written,
    which fakesnow would run in another database.
    """
    if "function clari.fraction" in command:
        cursor._duck_conn.execute((project_file("sql") / "schema/clari.sql").read_text(encoding="utf-8"))
        command = "select 'made' as status"
    elif command.startswith(("COMMENT ON", "MERGE INTO")):
        cursor._duck_conn.execute(sqlglot.transpile(command, read="snowflake", write="duckdb")[0])
        command = "select 'made' as status"
    elif "ARRAY_CONTAINS(" in command:
        command = sqlglot.parse_one(command, read="snowflake").transform(_in_json).sql("snowflake")
    return _execute(cursor, command, *args, **kwargs)


def _unchanged(node: exp.Expr) -> exp.Expr:
    """Replaces fakesnow's cast of sums to binary floats, which Snowflake does not do."""
    return node


def _with_nulls(moments: pa.ChunkedArray) -> pa.StructArray:
    """Convert timestamps with nulls, which fakesnow returns as 1970."""
    found = _moments(moments)
    parts = [found.field(number).fill_null(0) for number in range(found.type.num_fields)]
    missing = pa.array(moments.is_null().to_pylist(), pa.bool_())
    return pa.StructArray.from_arrays(parts, fields=list(found.type), mask=missing)


def _in_json(node: exp.Expr) -> exp.Expr:
    """Rewrite ARRAY_CONTAINS: fakesnow's arrays are JSON, which it does not support."""
    return exp.func("JSON_CONTAINS", node.this, node.expression) if isinstance(node, exp.ArrayContains) else node


@contextmanager
def snowflake() -> Iterator[str]:
    """The URL of a server; it has a database only inside `database` or `prepared_database`."""
    if NAMED in os.environ:
        yield os.environ[NAMED]
        return
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    FakeSnowflakeCursor.execute = _with_more
    transforms.numeric_agg_implicit_cast = _unchanged
    arrow.timestamp_to_sf_struct = _with_nulls
    config = uvicorn.Config(NoServerErrors(fakesnow.server.app), host="127.0.0.1", port=port, log_level="critical")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        thread.join(0.02)
    yield f"snowflake://clari:se%2Fcret%20%40word@fakesnow/{_DATABASE}/CLARI?protocol=http&host=127.0.0.1&port={port}"
    server.should_exit = True
    thread.join()
    FakeSnowflakeCursor.execute = _execute
    transforms.numeric_agg_implicit_cast = _as_it_was
    arrow.timestamp_to_sf_struct = _moments


@contextmanager
def database(server: str, *, is_prepared: bool = False) -> Iterator[str]:
    """The URL of an empty database, the server's only one; on a real server (`NAMED`) the schema clari is dropped."""
    if NAMED in os.environ:
        yield from _named()
        return
    template = prepared.made_once("snowflake.db", lambda file: _make_template(server, file)) if is_prepared else None
    with TemporaryDirectory(prefix="snowflake-") as name, _filed(Path(name)):
        if template is not None:
            shutil.copyfile(template, _file(Path(name)))
        yield server


def prepared_database(server: str) -> AbstractContextManager[str]:
    """`database` with all tables of this release, empty."""
    return database(server, is_prepared=True)


def _make_template(server: str, file: Path) -> None:
    """Create all tables once, as a file to copy: creating them for each test would be half of all work on fakesnow."""
    with TemporaryDirectory(prefix="snowflake-") as name:
        with _filed(Path(name)):
            warehouse = SnowflakeWarehouse(SecretStr(server), data_dir=Path(name), work_tables=work_tables)
            assert not warehouse.exists()
            warehouse.prepare()
            assert warehouse.exists()
        shutil.copyfile(_file(Path(name)), file)


@contextmanager
def _filed(folder: Path) -> Iterator[None]:
    """Have fakesnow keep its databases as DuckDB files in that folder."""
    before, emulator = fakesnow.server.shared_fs, FakeSnow(db_path=folder)
    emulator.duck_conn.execute("set threads = 1")  # its tables have a few rows each
    fakesnow.server.shared_fs = emulator
    try:
        yield
    finally:
        fakesnow.server.shared_fs = before
        with suppress(duckdb.Error):
            emulator.duck_conn.execute(f"checkpoint {_DATABASE}")
        emulator.duck_conn.close()


def _file(folder: Path) -> Path:
    return folder / f"{_DATABASE}.db"


def _named() -> Iterator[str]:
    named = os.environ[NAMED]
    arguments, _ = read_address(SecretStr(named))
    with connect(**arguments) as administrator:
        administrator.cursor().execute("drop schema if exists clari")
        yield named
        administrator.cursor().execute("drop schema if exists clari")
