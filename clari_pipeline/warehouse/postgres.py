"""A PostgreSQL server as the warehouse: sessions as DuckDB's have them, documents by bulk load."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from hashlib import sha256
from typing import Any, LiteralString, cast

import adbc_driver_postgresql.dbapi as adbc  # type: ignore[import-untyped]
import psycopg
import pyarrow as pa
from psycopg import sql

from clari_pipeline.warehouse.dialects import carried
from clari_pipeline.warehouse.statements import Connection, rows, run, sha256_of, tables

_ROWS_AT_ONCE = 60_000
_ONE_SCHEMA_AT_A_TIME = 7_114_502_183
_KINDS: dict[pa.DataType, LiteralString] = {
    pa.bool_(): "boolean",
    pa.int32(): "integer",
    pa.int64(): "bigint",
    pa.date32(): "date",
    pa.string(): 'text collate "C"',
}


class PostgresWarehouse:
    """One schema `clari` on a server. Safe to use from several threads: each session is a connection of its own."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._is_prepared = False

    def exists(self) -> bool:
        """Whether anything was ever written."""
        with self._connect() as connection:
            return _has_tables(connection)

    @contextmanager
    def session(self) -> Iterator[Connection]:
        """A connection of one's own, its times in UTC; each statement is kept as it ends."""
        with self._connect() as connection:
            connection.autocommit = True
            self._prepare(connection)
            yield cast(Connection, connection)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A session whose work is kept as a whole, or not at all."""
        with self.session() as connection, cast(psycopg.Connection[Any], connection).transaction():
            yield connection

    @contextmanager
    def staged(self, connection: Connection, document: Connection, names: Iterable[str]) -> Iterator[None]:
        """These tables of a document, read by DuckDB, under their names in this session, by COPY; gone afterwards.

        ADBC is a connection of its own and sees no temporary table of another: the rows stand in unlogged tables of
        the schema, named after this session, which sees them as temporary views.
        """
        server = cast(psycopg.Connection[Any], connection)
        kept_as = {name: f"{name}_{server.info.backend_pid}" for name in names}
        try:
            with closing(adbc.connect(self._address)) as loading:
                for name, kept in kept_as.items():
                    reader = document.table(name).to_arrow_reader(_ROWS_AT_ONCE)
                    with loading.cursor() as cursor:
                        for statement in _unlogged(kept, reader.schema):
                            cursor.execute(statement.as_string())
                        cursor.adbc_ingest(kept, reader, mode="append", db_schema_name="clari")
                        cursor.execute(sql.SQL("analyze clari.{}").format(sql.Identifier(kept)).as_string())
                loading.commit()
            for name, kept in kept_as.items():
                view = sql.SQL("create or replace temp view {} as select * from clari.{}")
                server.execute(view.format(sql.Identifier(name), sql.Identifier(kept)))
            yield
        finally:
            for kept in kept_as.values():
                server.execute(sql.SQL("drop table if exists clari.{} cascade").format(sql.Identifier(kept)))

    def _connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(self._address, options="-c timezone=UTC")

    def _prepare(self, connection: psycopg.Connection[Any]) -> None:
        if self._is_prepared:
            return
        with connection.transaction():
            connection.execute("select pg_advisory_xact_lock(%s)", [_ONE_SCHEMA_AT_A_TIME])
            known = cast(Connection, connection)
            if not _has_tables(connection) or rows(known, "schema_made_by") != [{"schema_sha256": _made_of()}]:
                run(known, "schema/clari")
                for table in tables():
                    run(known, f"schema/{table}")
                run(known, "schema_is_made", schema_sha256=_made_of())
        self._is_prepared = True


def _has_tables(connection: psycopg.Connection[Any]) -> bool:
    return connection.execute("select to_regclass('clari.warehouse_version')").fetchone() != (None,)


def _made_of() -> str:
    """Which tables this release makes there, its own functions included."""
    return sha256("".join((sha256_of("schema"), *carried("schema/clari", "postgres"))).encode()).hexdigest()


def _unlogged(name: str, schema: pa.Schema) -> Iterator[sql.Composed]:
    columns: list[sql.Composable] = [
        sql.Composed([sql.Identifier(field.name), sql.SQL(" "), _kind(field.type)]) for field in schema
    ]
    yield sql.SQL("drop table if exists clari.{} cascade").format(sql.Identifier(name))
    yield sql.SQL("create unlogged table clari.{} ({})").format(sql.Identifier(name), sql.SQL(", ").join(columns))


def _kind(found: pa.DataType) -> sql.Composable:
    if pa.types.is_decimal(found):
        return sql.SQL("numeric({}, {})").format(sql.Literal(found.precision), sql.Literal(found.scale))
    if pa.types.is_timestamp(found):
        return sql.SQL("timestamptz")
    return sql.SQL(_KINDS[found])
