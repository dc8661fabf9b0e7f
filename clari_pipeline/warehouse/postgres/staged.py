"""Staged tables are loaded into PostgreSQL by COPY, over a connection of ADBC's own."""

import secrets
from collections.abc import Iterable
from contextlib import closing
from typing import Any, LiteralString

import adbc_driver_postgresql.dbapi as adbc  # type: ignore[import-untyped]
import duckdb
import psycopg
import pyarrow as pa
from psycopg import sql

_ROWS_AT_ONCE = 60_000
_LOADER_LOCK = 7_114_502  # key of an advisory lock, with a load's number: held while its session lives
_KINDS: dict[pa.DataType, LiteralString] = {
    pa.bool_(): "boolean",
    pa.int32(): "integer",
    pa.int64(): "bigint",
    pa.date32(): "date",
    pa.string(): 'text collate "C"',
}


class Staged:
    """One session's staged tables on the server.

    ADBC cannot write temporary tables of another connection: rows are loaded into unlogged tables of the schema, named
    `<table>_<load number>`, which the session sees as temporary views. The next load drops those of killed processes.
    """

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo
        self._loaded: list[str] = []
        self._numbers: list[int] = []

    def load(self, server: psycopg.Connection[Any], documents: duckdb.DuckDBPyConnection, names: Iterable[str]) -> None:
        """Load these tables, in place of those that the session loaded before under the same names."""
        if not self._numbers:
            _drop_orphaned(server)
        number = secrets.randbits(31)
        server.execute("select pg_advisory_lock(%s, %s)", [_LOADER_LOCK, number])
        self._numbers.append(number)
        named = {name: f"{name}_{number}" for name in names}
        before, self._loaded = self._loaded, [*self._loaded, *named.values()]
        with closing(adbc.connect(self._conninfo)) as loading:
            for name, kept in named.items():
                reader = documents.table(name).to_arrow_reader(_ROWS_AT_ONCE)
                with loading.cursor() as cursor:
                    cursor.execute(_unlogged(kept, reader.schema).as_string())
                    cursor.adbc_ingest(kept, reader, mode="append", db_schema_name="clari")
            loading.commit()
        for name, kept in named.items():
            server.execute(sql.SQL("analyze clari.{}").format(sql.Identifier(kept)))
            server.execute(
                sql.SQL("create or replace temp view {} as select * from clari.{}").format(
                    sql.Identifier(name), sql.Identifier(kept)
                )
            )
        _drop(server, [kept for kept in before if kept.rpartition("_")[0] in named])

    def forget(self, server: psycopg.Connection[Any]) -> None:
        """Drop what this session has loaded."""
        _drop(server, self._loaded)
        self._loaded = []
        for number in self._numbers:
            server.execute("select pg_advisory_unlock(%s, %s)", [_LOADER_LOCK, number])
        self._numbers = []


def _drop_orphaned(server: psycopg.Connection[Any]) -> None:
    """Drop the tables of loads whose lock nobody holds: their process was killed."""
    left = server.execute(
        r"select tablename from pg_tables where schemaname = 'clari' and tableowner = current_user "
        r"and tablename ~ '^stage_[a-z_]+_[0-9]+$'"
    ).fetchall()
    by_number: dict[int, list[str]] = {}
    for (table,) in left:
        by_number.setdefault(int(table.rpartition("_")[2]), []).append(table)
    for number, found in by_number.items():
        if server.execute("select pg_try_advisory_lock(%s, %s)", [_LOADER_LOCK, number]).fetchone() == (True,):
            _drop(server, found)
            server.execute("select pg_advisory_unlock(%s, %s)", [_LOADER_LOCK, number])


def _drop(server: psycopg.Connection[Any], kept: Iterable[str]) -> None:
    for table in kept:
        server.execute(sql.SQL("drop table if exists clari.{} cascade").format(sql.Identifier(table)))


def _unlogged(name: str, schema: pa.Schema) -> sql.Composed:
    columns: list[sql.Composable] = [
        sql.Composed([sql.Identifier(field.name), sql.SQL(" "), _kind(field.type)]) for field in schema
    ]
    # It is analyzed after the load and dropped soon: autovacuum is off.
    return sql.SQL("create unlogged table clari.{} ({}) with (autovacuum_enabled = false)").format(
        sql.Identifier(name), sql.SQL(", ").join(columns)
    )


def _kind(found: pa.DataType) -> sql.Composable:
    if pa.types.is_decimal(found):
        return sql.SQL("numeric({}, {})").format(sql.Literal(found.precision), sql.Literal(found.scale))
    if pa.types.is_timestamp(found):
        return sql.SQL("timestamptz")
    return sql.SQL(_KINDS[found])
