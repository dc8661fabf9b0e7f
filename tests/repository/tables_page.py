"""Writes docs/tables.md from what the warehouse's tables say of themselves: `make docs`.

What a row is, what each column is and its type stand in the database alone; here stand their order, and the keys, which
merges uphold and the database, for speed, mostly does not declare.
"""

import tempfile
from pathlib import Path
from typing import NamedTuple

import duckdb

from clari_pipeline.store.marts import MARTS
from clari_pipeline.warehouse.duckdb.engine import DuckWarehouse

PAGE = Path(__file__).resolve().parents[2] / "docs/tables.md"
_CALL = "forecast_id, time_period_id, user_id, field_id"
_WEEK_OF_CALL = "forecast_id, time_period_id, time_frame_id, user_id, field_id"
_MARTS = "Marts"
# Each section: why one would read it; then its tables, each with its key.
SECTIONS: dict[str, tuple[str, dict[str, str]]] = {
    _MARTS: (
        "Made from the tables below after each sync. Begin here.",
        {
            "forecast_vs_quota": _CALL,
            "forecast_swing": f"{_CALL}, baseline, job_id",
            "forecast_swing_summary": "forecast_id, time_period_id, field_id, baseline, job_id",
            "forecast_swing_contribution": f"{_CALL}, baseline, job_id, report_user_id, kind",
            "forecast_call_week": _WEEK_OF_CALL,
            "forecast_movement": _WEEK_OF_CALL,
            "forecast_accuracy": _WEEK_OF_CALL,
            "attainment_pacing": _WEEK_OF_CALL,
            "pipeline_coverage": _WEEK_OF_CALL,
            "call_submission": _WEEK_OF_CALL,
        },
    ),
    "Calls and their history": (
        "What Clari's exports say, and every version of it.",
        {
            "forecast_entry": f"{_WEEK_OF_CALL}, quarter_id",
            "forecast_entry_history": f"{_WEEK_OF_CALL}, quarter_id, valid_from",
            "forecast_entry_version": f"{_WEEK_OF_CALL}, quarter_id, valid_from",
        },
    ),
    "People, fields, periods": (
        "What the ids of the tables above stand for.",
        {
            "forecast_user": "forecast_id, user_id",
            "forecast_user_history": "forecast_id, user_id, valid_from",
            "forecast_field": "forecast_id, field_id",
            "time_period": "time_period_id",
            "time_frame": "time_period_id, time_frame_id, quarter_id",
            "forecast_time_frame": "forecast_id, time_period_id, time_frame_id, quarter_id",
        },
    ),
    "Exports, checks, alerts": (
        "What was asked of Clari, what came of it, and what people were sent.",
        {
            "export_job": "request_id",
            "export_check": "request_id, check_name",
            "merged_total": "forecast_id, quarter_id, table_name, field_id",
            "document_key": "forecast_id, path",
            "document_contract": "forecast_id, contract, path, kind",
            "pipeline_health": "forecast_id, time_period_id, day",
            "pipeline_health_month": "forecast_id, time_period_id",
            "export_quota": "read_at",
            "alert": "alert_key",
            "alert_delivery": "alert_key, channel_id",
        },
    ),
    "Other products of Clari's": (
        "Filled where `CLARI_PRODUCTS` names them: [products.md](products.md).",
        {
            "product_fetch": "request_id",
            "audit_event": "event_id",
            "audit_actor": "actor_id",
            "activity": "activity_id",
            "activity_account": "activity_id, account_id",
            "activity_opportunity": "activity_id, opportunity_id",
            "activity_participant": "activity_id, participant_id",
            "opportunity": "opportunity_id",
            "opportunity_field": "opportunity_id, field_id",
            "opportunity_field_trend": "trend_id",
            "api_limits": "read_at",
        },
    ),
    "The pipeline's own": (
        "How the pipeline knows what it has done. Nothing here is a promise: read the tables above.",
        {
            "organisation": "",
            "current_call": "",
            "warehouse_environment": "",
            "warehouse_version": "",
            "forecast_entry_state": f"{_WEEK_OF_CALL}, quarter_id",
            "forecast_entry_sighting": "forecast_id, time_period_id, known_job_id",
            "forecast_user_sighting": "forecast_id, quarter_id, user_id, first_seen_at",
            "mart_version": "forecast_id, quarter_id",
            "mart_part_version": "mart, forecast_id, quarter_id, part",
            "newest_document": "forecast_id, quarter_id",
        },
    ),
}
_BEGINNING = """\
<!-- Made by `make docs` from the database's own comments: change those, in sql/schema/, and run it. -->
# Tables

Everything is in schema `clari`. `timestamp with time zone` shows in your session's time zone. Amounts are decimals in
the currency that their row names. Shares are fractions: 0.87 is 87 %. Types are DuckDB's; servers have their own names
for them. Each description is the table's or column's own comment, which your SQL tool shows, too.
[The README](../README.md#the-tables) has queries to begin with.

A manager's row is their own call for the whole team: never add people up. A total is the row where `is_top` is true;
where several people are at the top, `CLARI_TOP_USER` says whose row it is. Of the weekly marts, roles are those of the
week. A week that ended before the first export that is held has `is_backfilled`: what that export said of it later.
Nothing was known at its end, so `forecast_movement` begins with the week of the first export.
Marts are of quarters and their months; [a year](reading.md#a-year-beside-its-quarters) is in `forecast_entry`.

| table | one row is |
| --- | --- |
"""


class Column(NamedTuple):
    """A column, and what it says of itself."""

    name: str
    type: str
    comment: str
    is_nullable: bool


class Table(NamedTuple):
    """A table or view, and what it says of itself."""

    comment: str
    is_view: bool
    columns: list[Column]


def described() -> dict[str, Table]:
    """Every table and view of a warehouse that this release makes, by name."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "warehouse.duckdb")
        DuckWarehouse(file).prepare()
        with duckdb.connect(str(file), read_only=True) as connection:
            tables = connection.execute(
                "select table_name, comment, false from duckdb_tables() where schema_name = 'clari' union all "
                "select view_name, comment, true from duckdb_views() where schema_name = 'clari'"
            ).fetchall()
            columns = connection.execute(
                "select table_name, column_name, lower(data_type), comment, is_nullable from duckdb_columns() "
                "where schema_name = 'clari' order by table_name, column_index"
            ).fetchall()
    return {
        name: Table(comment, is_view, [Column(*column) for table, *column in columns if table == name])
        for name, comment, is_view in tables
    }


def keys() -> dict[str, str]:
    """The key of each table that has a place on the page, as its columns with commas between."""
    return {table: key for _, placed in SECTIONS.values() for table, key in placed.items()}


def page() -> str:
    """The page; a mart that has no place in `SECTIONS` comes after the others, any other table at the end."""
    known = described()
    placed = {title: (why, list(tables)) for title, (why, tables) in SECTIONS.items()}
    for table in sorted(known.keys() - keys().keys()):
        placed[_MARTS if table in MARTS else next(reversed(placed))][1].append(table)
    index = [
        f"| [`{table}`](#{table}) | {_cell(known[table].comment.removeprefix('One row').lstrip(': '))} |"
        for _, tables in placed.values()
        for table in tables
    ]
    parts = [
        f"## {title}\n\n{why}\n\n" + "\n".join(_section(table, known[table]) for table in tables)
        for title, (why, tables) in placed.items()
    ]
    return _BEGINNING + "\n".join(index) + "\n\n" + "\n".join(parts)


def _section(name: str, table: Table) -> str:
    key = ", ".join(f"`{column}`" for column in keys().get(name, "").split(", ") if column)
    lines = [
        f"### {name}\n",
        f"{'A view. ' if table.is_view else ''}{table.comment}.{f' Key: {key}.' if key else ''}\n",
        "| column | type | what it is |",
        "| --- | --- | --- |",
        *(f"| `{column.name}` | {column.type} | {_cell(column.comment)} |" for column in table.columns),
    ]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
