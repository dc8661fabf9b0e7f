"""Writes docs/tables.md from what the warehouse's tables say of themselves: `make docs`.

What a row is, what each column is and its type stand in the database alone, the keys in `warehouse/catalogue.py`; here
stands their order.
"""

import tempfile
from pathlib import Path
from typing import NamedTuple

import duckdb

from clari_pipeline.store.marts import MARTS
from clari_pipeline.warehouse.catalogue import key_of
from clari_pipeline.warehouse.duckdb.engine import DuckWarehouse

PAGE = Path(__file__).resolve().parents[2] / "docs/tables.md"
_MARTS = "Marts"
# Each section: why one would read it; then its tables.
SECTIONS: dict[str, tuple[str, str]] = {
    _MARTS: (
        "Made from the tables below after each sync. Begin here.",
        "forecast_vs_quota forecast_swing forecast_swing_summary forecast_swing_contribution "
        "forecast_call_week forecast_movement forecast_accuracy attainment_pacing pipeline_coverage "
        "call_submission",
    ),
    "Calls and their history": (
        "What Clari's exports say, and every version of it.",
        "forecast_entry forecast_entry_history forecast_entry_version",
    ),
    "People, fields, periods": (
        "What the ids of the tables above stand for.",
        "forecast_user forecast_user_history forecast_field time_period time_frame forecast_time_frame",
    ),
    "Exports, checks, alerts": (
        "What was asked of Clari, what came of it, and what people were sent.",
        "export_job export_check quality_result merged_total document_key document_contract pipeline_health "
        "pipeline_health_month export_quota alert alert_delivery",
    ),
    "Other products of Clari's": (
        "Filled where `CLARI_PRODUCTS` names them: [products.md](products.md).",
        "product_fetch audit_event audit_actor activity activity_account activity_opportunity "
        "activity_participant opportunity opportunity_field opportunity_field_trend api_limits",
    ),
    "The pipeline's own": (
        "How the pipeline knows what it has done. Nothing here is a promise: read the tables above.",
        "organisation current_call warehouse_environment warehouse_version forecast_entry_state "
        "forecast_entry_sighting forecast_user_sighting mart_version mart_part_version newest_document",
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
    return {table: ", ".join(key_of(table)) for _, placed in SECTIONS.values() for table in placed.split()}


def page() -> str:
    """The page; a mart that has no place in `SECTIONS` comes after the others, any other table at the end."""
    known = described()
    placed = {title: (why, tables.split()) for title, (why, tables) in SECTIONS.items()}
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
