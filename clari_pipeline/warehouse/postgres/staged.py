"""Staged tables on their way to PostgreSQL: by COPY, over a connection of ADBC's own."""

from __future__ import annotations

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
_LIFE = 7_114_502  # beside a table's own number: whoever has loaded it is alive
_KINDS: dict[pa.DataType, LiteralString] = {
    pa.bool_(): "boolean",
    pa.int32(): "integer",
    pa.int64(): "bigint",
    pa.date32(): "date",
    pa.string(): 'text collate "C"',
}


class Staged:
    """One session's staged tables on the server.

    ADBC sees no temporary table of another connection: rows stand in unlogged tables of the schema, named after the
    load, which the session sees as temporary views. What a process that was killed has left is swept by the next.
    """

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo
        self._loaded: list[str] = []
        self._alive: list[int] = []

    def bring(
        self, server: psycopg.Connection[Any], documents: duckdb.DuckDBPyConnection, names: Iterable[str]
    ) -> None:
        """Load these tables; those loaded before under the same names are gone from the session."""
        if not self._alive:
            sweep(server)
        number = secrets.randbits(31)
        server.execute("select pg_advisory_lock(%s, %s)", [_LIFE, number])
        self._alive.append(number)
        kept_as = {name: f"{name}_{number}" for name in names}
        before, self._loaded = self._loaded, [*self._loaded, *kept_as.values()]
        with closing(adbc.connect(self._conninfo)) as loading:
            for name, kept in kept_as.items():
                reader = documents.table(name).to_arrow_reader(_ROWS_AT_ONCE)
                with loading.cursor() as cursor:
                    cursor.execute(_unlogged(kept, reader.schema).as_string())
                    cursor.adbc_ingest(kept, reader, mode="append", db_schema_name="clari")
            loading.commit()
        for name, kept in kept_as.items():
            server.execute(sql.SQL("analyze clari.{}").format(sql.Identifier(kept)))
            server.execute(
                sql.SQL("create or replace temp view {} as select * from clari.{}").format(
                    sql.Identifier(name), sql.Identifier(kept)
                )
            )
        _drop(server, [kept for kept in before if kept.rpartition("_")[0] in kept_as])

    def forget(self, server: psycopg.Connection[Any]) -> None:
        """Drop whatever was loaded."""
        _drop(server, self._loaded)
        self._loaded = []
        for number in self._alive:
            server.execute("select pg_advisory_unlock(%s, %s)", [_LIFE, number])
        self._alive = []


def sweep(server: psycopg.Connection[Any]) -> None:
    """Drop what processes that were killed have loaded and left."""
    left = server.execute(
        r"select tablename from pg_tables where schemaname = 'clari' and tableowner = current_user "
        r"and tablename ~ '^stage_[a-z_]+_[0-9]+$'"
    ).fetchall()
    by_number: dict[int, list[str]] = {}
    for (table,) in left:
        by_number.setdefault(int(table.rpartition("_")[2]), []).append(table)
    for number, found in by_number.items():
        if server.execute("select pg_try_advisory_lock(%s, %s)", [_LIFE, number]).fetchone() == (True,):
            _drop(server, found)
            server.execute("select pg_advisory_unlock(%s, %s)", [_LIFE, number])


def _drop(server: psycopg.Connection[Any], kept: Iterable[str]) -> None:
    for table in kept:
        server.execute(sql.SQL("drop table if exists clari.{} cascade").format(sql.Identifier(table)))


def _unlogged(name: str, schema: pa.Schema) -> sql.Composed:
    columns: list[sql.Composable] = [
        sql.Composed([sql.Identifier(field.name), sql.SQL(" "), _kind(field.type)]) for field in schema
    ]
    # It is counted here and gone before long: nothing for the server's own daemon.
    return sql.SQL("create unlogged table clari.{} ({}) with (autovacuum_enabled = false)").format(
        sql.Identifier(name), sql.SQL(", ").join(columns)
    )


def _kind(found: pa.DataType) -> sql.Composable:
    if pa.types.is_decimal(found):
        return sql.SQL("numeric({}, {})").format(sql.Literal(found.precision), sql.Literal(found.scale))
    if pa.types.is_timestamp(found):
        return sql.SQL("timestamptz")
    return sql.SQL(_KINDS[found])
