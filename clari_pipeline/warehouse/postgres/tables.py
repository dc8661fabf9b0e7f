"""Migrate the tables of a PostgreSQL: only what is missing or different is changed, as each change locks its table."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from clari_pipeline.core.retrying import retry_context
from clari_pipeline.warehouse.dialects import transpiled
from clari_pipeline.warehouse.errors import WarehouseLocked, WarehouseUnwritable
from clari_pipeline.warehouse.migrations import make_schema
from clari_pipeline.warehouse.postgres.dialect import POSTGRES

if TYPE_CHECKING:
    import psycopg

    from clari_pipeline.warehouse.postgres.engine import PostgresSession

_ATTEMPTS = 3
_TABLE = re.compile(r"CREATE TABLE IF NOT EXISTS clari\.(\w+) ")
_COLUMN = re.compile(r"ALTER TABLE clari\.(\w+) ADD COLUMN IF NOT EXISTS (\w+) ")
_COMMENT = re.compile(r"COMMENT ON \w+ clari\.(\w+)(?:\.(\w+))? IS '(.*)'", re.DOTALL)
_VIEW = re.compile(r"CREATE OR REPLACE VIEW clari\.(\w+) AS ")


def may_be_made(connection: psycopg.Connection[Any]) -> bool:
    """Whether this role may create tables here; a reader's role uses those that exist."""
    allowed = connection.execute(
        "select not pg_is_in_recovery() and coalesce(has_schema_privilege(to_regnamespace('clari')::oid, 'create'), "
        "has_database_privilege(current_database(), 'create'))"
    ).fetchone()
    return allowed == (True,)


def refuse_encoding(connection: psycopg.Connection[Any], place: str) -> None:
    """Raise `WarehouseUnwritable` where the database cannot store every character."""
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise WarehouseUnwritable(
            f"warehouse {place} keeps texts as {encoding}, which does not have every letter: name a database made with "
            "create database ... encoding 'UTF8' template template0"
        )


def make(session: PostgresSession, *, lock_timeout_s: float) -> None:
    """Migrate the tables to this release in one transaction. To be called under the lock `schema`.

    A change that waits for its table blocks all later queries on it, too: hence a short lock timeout, and retries.
    Raises `WarehouseLocked`, which names the session that has a table in use.
    """
    pause = lock_timeout_s / 10
    attempts = retry_context(
        on=WarehouseLocked, attempts=_ATTEMPTS, timeout=None, wait_initial=pause, wait_max=2 * pause, wait_jitter=pause
    )
    try:
        for attempt in attempts:
            with attempt, session.translated(), session.transaction():
                _make(session, lock_timeout_s)
    except WarehouseLocked as error:
        who, remedy = _holder(session.connection)
        raise WarehouseLocked(
            f"warehouse {session.place}: its tables are to be brought to this release, and {who} has one of them in "
            f"use: {remedy}, then run again"
        ) from error


def _make(session: PostgresSession, lock_timeout_s: float) -> None:
    wait_ms = f"{lock_timeout_s * 1000:.0f}"
    session.connection.execute("select set_config('lock_timeout', %s, true)", [wait_ms])
    defined = cache(partial(_Defined.on, session.connection))  # read once `forecast_entry` has been renamed

    def make_table(table: str) -> None:
        for statement in transpiled(f"schema/{table}", POSTGRES):
            if not defined().has(statement):
                session.connection.execute(statement.encode(), {})

    if make_schema(session, make_table):
        _grant_view(session.connection, "forecast_entry", "forecast_entry_state")


def _grant_view(connection: psycopg.Connection[Any], view: str, table: str) -> None:
    """Copy the grants of SELECT on a table, and on its columns, to the view that shows it."""
    grants = connection.execute(
        "select format('grant select %%s on clari.%%I to %%s %%s', columns, %(view)s::text, "
        "case grantee when 0 then 'public' else grantee::regrole::text end, "
        "case when is_grantable then 'with grant option' end) "
        "from (select null as columns, given.* from pg_class, aclexplode(relacl) as given "
        "where oid = to_regclass('clari.' || %(table)s) union all "
        "select format('(%%I)', attname), given.* from pg_attribute, aclexplode(attacl) as given "
        "where attrelid = to_regclass('clari.' || %(table)s)) as given where privilege_type = 'SELECT'",
        {"view": view, "table": table},
    ).fetchall()
    for (grant,) in grants:
        connection.execute(grant.encode())


@dataclass(frozen=True)
class _Defined:
    """Columns and comments that exist already: a statement that changes nothing would take its locks all the same."""

    connection: psycopg.Connection[Any]
    columns: frozenset[tuple[str, str]]
    comments: dict[tuple[str, str | None], str]

    @classmethod
    def on(cls, connection: psycopg.Connection[Any]) -> _Defined:
        found = connection.execute(
            "select relname, attname, col_description(pg_class.oid, attnum), obj_description(pg_class.oid, 'pg_class') "
            "from pg_class inner join pg_attribute on attrelid = pg_class.oid and attnum > 0 and not attisdropped "
            "where relnamespace = 'clari'::regnamespace and relkind in ('r', 'v')"
        ).fetchall()
        comments = {(table, column): comment for table, column, comment, _ in found}
        return cls(
            connection,
            frozenset((table, column) for table, column, _, _ in found),
            comments | {(table, None): comment for table, _, _, comment in found},
        )

    def has(self, statement: str) -> bool:
        """Whether a statement of `sql/schema/` would leave everything as it is."""
        if made := _TABLE.match(statement):
            return any(table == made[1] for table, _ in self.columns)
        if added := _COLUMN.match(statement):
            return (added[1], added[2]) in self.columns
        if comment := _COMMENT.fullmatch(statement):
            return self.comments.get((comment[1], comment[2])) == comment[3].replace("''", "'").replace("%%", "%")
        if shown := _VIEW.match(statement):
            return any(view == shown[1] for view, _ in self.columns) and self._shows(shown[1], statement[shown.end() :])
        return False

    def _shows(self, view: str, query: str) -> bool:
        """Whether a view is defined by this query, compared as the server prints both."""
        self.connection.execute(f"create temp view as_defined as {query}".encode(), {})
        found = self.connection.execute(
            "select pg_get_viewdef(to_regclass('clari.' || %s)) = pg_get_viewdef('pg_temp.as_defined'::regclass)",
            [view],
        ).fetchone()
        self.connection.execute("drop view pg_temp.as_defined")
        return found == (True,)


def _holder(connection: psycopg.Connection[Any]) -> tuple[str, str]:
    """The session that has had a table of the schema in use for the longest time, and what to do about it."""
    found = connection.execute(
        "select pid, coalesce(usename, 'the server itself'), coalesce(application_name, '') from pg_stat_activity "
        "where pid <> pg_backend_pid() and pid in (select pid from pg_locks inner join pg_class on "
        "pg_class.oid = relation where granted and relnamespace = 'clari'::regnamespace and database = "
        "(select oid from pg_database where datname = current_database())) "
        "order by xact_start nulls last, backend_start limit 1"
    ).fetchone()
    if found is None:
        return "another session", "let it end its transaction"
    pid, user, program = found
    program = f", {program}" if program else ""
    return f"session {pid} ({user}{program})", f"let it end its transaction, or select pg_terminate_backend({pid})"
