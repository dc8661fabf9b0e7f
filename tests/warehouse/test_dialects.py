"""One set of statements: PostgreSQL takes each of them, and nothing is lost on the way to it or to Snowflake."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, LiteralString, cast

import psycopg
import pytest
import sqlglot
from sqlglot import exp

from clari_pipeline.core.queries import text_for, text_of
from clari_pipeline.store.work_tables import work_tables
from clari_pipeline.warehouse.catalogue import tables
from clari_pipeline.warehouse.dialects import Dialect, transpiled
from clari_pipeline.warehouse.postgres.dialect import POSTGRES
from clari_pipeline.warehouse.session import runs_in_process
from clari_pipeline.warehouse.snowflake.dialect import SNOWFLAKE
from tests.helpers import postgres_server
from tests.helpers.each_case import try_each
from tests.helpers.runnable import runnable

# Documents are read by DuckDB in the process, whatever the warehouse; so are the tables' descriptions.
_IN_PROCESS = {"schema_columns", "schema_descriptions"}
_NAMES = [name for name in runnable() if not runs_in_process(name) and name not in _IN_PROCESS]
_TABLES = [f"schema/{table}" for table in tables()]
# What sqlglot passes on in silence although one of the two does not have it, or rounds it otherwise.
_NOWHERE_ELSE = (exp.TryCast, exp.Struct, exp.ArgMax, exp.ArgMin)
# A function of ours, and hashes of rows: what one of an engine's own is made of no other engine has to know.
_KNOWN = {"fraction", "hash", "hash_record_extended", "row"}

_MOMENT = datetime(2026, 11, 21, 23, 0, tzinfo=UTC)
_GIVEN: dict[str, Any] = {
    "amount": Decimal("0.20"),
    "flag": True,
    "count": 7,
    "day": date(2026, 10, 1),
    "moment": _MOMENT,
    "names": ["one", "two"],
    "weeks": [1, 2],
    "bytes": b"lists",
    "flags": [True, False],
    "jsons": ['{"rows": 1}', "{}"],
    "json": '{"rows": 1}',
}
_KINDS = {
    "amount": "latency_seconds min_amount min_share min_share_of_quota slot_seconds slot_wait_seconds threshold "
    "wait_seconds",
    "flag": "every_field every_forecast every_job every_quarter has_adjustment_value has_crm_closed "
    "has_crm_total has_it has_forecast_updated has_forecast_value has_quota_value include_historical is_alerted "
    "is_backfilled is_passed is_sent is_week_over is_adopted rows_truncated use_adjusted with_entries",
    "count": "answer_count attempt available_concurrent_limit available_monthly_quota concurrent_limit monthly_quota "
    "most poll_count polls rank result_bytes retries retry_count rows_disappeared rows_exported rows_inserted "
    "rows_staged rows_unchanged rows_updated running_jobs runs submitted_jobs",
    "day": "call_day end_date exported_on months_end months_start quarter_end quarter_start today",
    "moment": "after as_of asked_at at checked_at closes_at completed_at created_at delivered_at exported_at "
    "first_export gap_from gap_to landed_at loaded_at newest_export not_before read_at since submitted_at until "
    "window_from window_to",
    "names": "alert_keys check_names entries field_ids fields forecasts job_ids parts periods quarters request_ids "
    "run_ids severities states user_ids weeks",
    "weeks": "muted_in_weeks rep_mutes",
    "bytes": "lists",
    "flags": "passed",
    "jsons": "evidence",
    "json": "evidence_text",
}
_PARAMETERS = {name: _GIVEN[kind] for kind, names in _KINDS.items() for name in names.split()}
_NULLABLE = {
    "call_time_frame_id", "clari_status", "closed", "column_name", "completed_at", "currency", "document_period_id",
    "error", "error_kind", "expectation_type", "field", "gap_from", "gap_to", "is_adopted", "is_alerted",
    "last_error", "min_amount", "min_share_of_quota", "muted_in_weeks", "person", "pipeline",
    "previous_time_frame_id", "quota", "quota_field", "role", "rows_truncated", "scope_id", "submitted_at",
    "table_name", "threshold", "top_user", "types_refused", "wait_seconds", "window_from", "window_to",
}  # fmt: skip
# Tables of the session that a statement finds in place.
_MADE_BY = (
    "marts/forecast_call_begin",
    "marts/rules_begin",
    "marts/quota_field",
    "marts/measure_field",
    "marts/forecast_week",
    "marts/person_shown",
    "merge/entry_change",
    "marts/backfilled_begin",
    "marts/week_person",
    "verify/keep_quarter",
    "verify/keep_people",
)


class _Everything(dict[str, Any]):
    """Values by name: any text where no other kind is said."""

    def __init__(self, *, nulls: bool) -> None:
        super().__init__()
        self._nulls = nulls

    def __missing__(self, name: str) -> Any:
        return None if self._nulls and name in _NULLABLE else _PARAMETERS.get(name, "any text")


@pytest.fixture(scope="module")
def server() -> Iterator[psycopg.Connection[Any]]:
    with (
        postgres_server.database(postgres_server.shared()) as address,
        psycopg.connect(address, options="-c timezone=UTC") as connection,
    ):
        _run(connection, "schema/clari")
        for table in _TABLES:
            _run(connection, table)
        connection.execute(_staged_tables())
        for name in _MADE_BY:
            _run(connection, name)
        connection.commit()
        yield connection
        connection.rollback()


def _run(connection: psycopg.Connection[Any], name: str, *, nulls: bool = False) -> None:
    for statement in transpiled(name, POSTGRES):
        connection.execute(cast(LiteralString, statement), _Everything(nulls=nulls))


def _staged_tables() -> LiteralString:
    """The tables that come from a document, as PostgreSQL types them."""
    text = text_of("documents/stage_begin").replace("create or replace", "create")
    text += """
        create temp table stage_user (
            user_id varchar, name varchar, email varchar, crm_user_id varchar, scope_id varchar, role_id varchar,
            role_name varchar, parent_role_id varchar, parent_role_name varchar, is_top boolean
        );
        create temp table stage_field (field_id varchar, field_name varchar, field_type varchar);
        create temp table stage_time_period (
            time_period_id varchar, period_type varchar, label varchar, year integer, start_date date, end_date date,
            crm_id varchar, is_around boolean
        );
        create temp table stage_week (time_frame_id varchar, start_date date, end_date date);
        create temp table stage_time_frame (
            time_period_id varchar, time_frame_id varchar, start_date date, end_date date
        );
        create temp table stage_shown_week (time_period_id varchar, time_frame_id varchar);
        create temp table stage_contract (
            shape varchar, path varchar, kind varchar, is_always boolean, is_known boolean
        );
    """
    lists = ("user", "field", "time_period", "week", "time_frame")
    text += "".join(f"create temp table kept_stage_{name} as select * from stage_{name};" for name in lists)
    of_products = work_tables().keys() & {f"stage_{table}" for table in tables()}
    for name in sorted(one for one in of_products if f" {one} (" not in text):
        columns = ", ".join(f"{column} {kind}" for column, kind in work_tables()[name])
        text += f"create temp table {name} ({columns});"
    return cast(LiteralString, "".join(one.sql("postgres") + ";" for one in sqlglot.parse(text, read="duckdb") if one))


@pytest.mark.parametrize("dialect", [POSTGRES, SNOWFLAKE], ids=lambda dialect: dialect.name)
def test_every_statement_is_carried(dialect: Dialect) -> None:
    """sqlglot knows how to say it, and reads again what it has said."""

    def judge(name: str) -> None:
        for statement in transpiled(name, dialect):
            said = re.sub(r"%\((\w+)\)s", r":\1", statement).replace("%%", "%")
            (again,) = sqlglot.parse(said, read=dialect.name)
            assert again is not None
            # Functions that the engine is not known to have.
            unknown = {call.name.lower() for call in again.find_all(exp.Anonymous)} - _KNOWN
            assert not unknown, unknown

    try_each(_NAMES, judge)


def test_no_statement_says_what_only_duckdb_has() -> None:
    """Or it would be passed on as it stands, or without its point."""

    def judge(name: str) -> None:
        for statement in sqlglot.parse(text_of(name), read="duckdb"):
            assert statement is not None
            if isinstance(statement, exp.Create) and statement.kind == "MACRO":
                continue  # is not passed on
            only_there = [str(part) for part in statement.find_all(*_NOWHERE_ELSE)]
            stars = statement.find_all(exp.Star)
            only_there += [str(star) for star in stars if star.args.get("replace") or star.args.get("except_")]
            only_there += [str(group) for group in statement.find_all(exp.Group) if group.args.get("all")]
            only_there += [str(order) for order in statement.find_all(exp.Ordered) if order.name.lower() == "all"]
            assert not only_there, only_there

    try_each(_NAMES, judge)


@pytest.mark.parametrize("nulls", [False, True], ids=["given", "null"])
def test_postgres_takes_every_statement(nulls: bool, server: psycopg.Connection[Any]) -> None:
    """It is run there, on empty tables, with a value of its kind for each parameter, and with null where it may be."""

    def judge(name: str) -> None:
        with server.transaction(force_rollback=True):
            if name in {"merge/forecast_entry", "merge/forecast_entry_history", "merge/counts"}:
                _run(server, "merge/entry_change")
            if name == "schema_entries_moved":  # of a warehouse that an earlier release has made
                server.execute("drop view clari.forecast_entry cascade")
                server.execute("alter table clari.forecast_entry_state rename to forecast_entry")
            _run(server, name, nulls=nulls)

    try_each(_NAMES, judge)


def test_postgres_shows_what_every_table_and_column_holds(server: psycopg.Connection[Any]) -> None:
    """Descriptions are carried with the tables, and amounts stay decimal."""
    uncommented = server.execute(
        "select attrelid::regclass, attname from pg_attribute where attnum > 0 and not attisdropped and attrelid in "
        "(select oid from pg_class where relkind = 'r' and relnamespace = 'clari'::regnamespace) "
        "and (col_description(attrelid, attnum) is null or obj_description(attrelid, 'pg_class') is null)"
    ).fetchall()
    assert uncommented == []
    inexact = server.execute(
        "select table_name, column_name from information_schema.columns where table_schema = 'clari' and "
        "data_type in ('real', 'double precision')"
    ).fetchall()
    assert inexact == []


def test_few_statements_are_an_engines_own() -> None:
    """Each stands beside the common one whose work it does; a new one is a decision."""
    own = [(name, engine) for name in runnable() for engine in ("postgres", "snowflake") if text_for(name, engine)]
    assert own == [("ledger/checks_judged", "snowflake"), ("schema/clari", "postgres"), ("schema/clari", "snowflake")]
