"""The entries as they stood at a moment, for a terminal, as CSV or as Parquet.

Grain: one row a forecast, period, week, person and field that was known then, those included that exports had stopped
showing (`is_present` false). A million of them take half a gigabyte.
"""

from __future__ import annotations

import csv
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from rich.box import SIMPLE_HEAD
from rich.table import Table

from clari_pipeline.config.settings import Settings
from clari_pipeline.core.periods import Quarter
from clari_pipeline.core.runbook import ExitCode, Remark
from clari_pipeline.core.safe_text import PlainConsole, spreadsheet_cell
from clari_pipeline.core.setting_errors import UsageError
from clari_pipeline.sync.context import Context
from clari_pipeline.sync.log_lines import CommandLog
from clari_pipeline.warehouse.duckdb.engine import describe_tables
from clari_pipeline.warehouse.errors import WarehouseMissing
from clari_pipeline.warehouse.statements import run

Format = Literal["table", "csv", "parquet"]

_AT_ONCE = 20_000
_MOST_SHOWN = 1_000
_SHOWN = {
    "forecast_id": "forecast",
    "time_period_id": "period",
    "time_frame_id": "week",
    "user_id": "person",
    "field_id": "field",
    "forecast_value": "call",
    "quota_value": "quota",
    "adjustment_value": "adjusted",
    "crm_total": "total",
    "crm_closed": "closed",
    "currency_code": "in",
    "is_present": "shown",
}

_Rows = Iterator[list[tuple[Any, ...]]]
_Writer = Callable[[list[str], _Rows, Path], int]


def show(
    settings: Settings,
    moment: datetime,
    *,
    quarters: Sequence[Quarter],
    forecasts: Sequence[str],
    form: Format,
    output: Path | None,
) -> int:
    """Write what was known at a moment to a file or to standard output; the exit code.

    Raises `UsageError` where Parquet would go to a terminal, `WarehouseMissing` where nothing was ever written.
    """
    if form == "parquet" and output is None and sys.stdout.isatty():
        raise UsageError("Parquet is nothing to look at: name a file with --output, or let another program read it")
    warehouse = Context.of(settings).warehouse
    if not warehouse.exists():
        raise WarehouseMissing(
            "there is no warehouse yet: run clari-pipeline sync, or clari-pipeline replay from landed documents"
        )
    writers: dict[Format, _Writer] = {"table": partial(_table, width=_width(output)), "csv": _csv, "parquet": _parquet}
    with TemporaryDirectory(prefix="clari-as-of-") as folder:
        file = output or Path(folder) / "known"
        with warehouse.session() as session:
            answer = run(
                session,
                "marts/as_of",
                as_of=moment,
                forecasts=list(forecasts),
                every_forecast=not forecasts,
                quarters=[str(quarter) for quarter in quarters],
                every_quarter=not quarters,
            )
            names = [column[0] for column in answer.description or ()]
            chunks: _Rows = iter(lambda: answer.fetchmany(_AT_ONCE), [])
            written = writers[form](names, chunks, file)
        if output is None:  # whoever reads it may take hours, and the warehouse is not kept open for that
            with file.open("rb") as known:
                shutil.copyfileobj(known, sys.stdout.buffer)
            sys.stdout.buffer.flush()
    if not written:
        as_of = f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
        CommandLog(settings).say(
            f"nothing of these was known as of {as_of}: see clari-pipeline status for what is loaded"
            if quarters or forecasts
            else f"nothing was known as of {as_of}: no export that was loaded is that old",
            section=Remark.NOTHING_KNOWN,
        )
    elif form == "table" and written > _MOST_SHOWN:
        CommandLog(settings).say(
            f"the first {_MOST_SHOWN:,} of {written:,} rows: narrow them with --forecast and --period, or use --format"
        )
    return ExitCode.DONE


def format_of(output: Path | None) -> Format:
    """What a file of that name is expected to hold: a table, unless it is called .csv or .parquet."""
    match output.suffix.lower() if output else "":
        case ".csv":
            return "csv"
        case ".parquet":
            return "parquet"
        case _:
            return "table"


def _width(output: Path | None) -> int:
    """Characters in a line: of the terminal, and wide where nobody looks on."""
    return shutil.get_terminal_size().columns if output is None and sys.stdout.isatty() else 240


def _table(names: list[str], chunks: _Rows, output: Path, *, width: int) -> int:
    """The figures alone, the first thousand rows; how many there are."""
    table = Table(box=SIMPLE_HEAD)
    for name, header in _SHOWN.items():
        table.add_column(header, justify="right" if name.endswith(("_value", "_total", "_closed")) else "left")
    places = [names.index(name) for name in _SHOWN]
    written = 0
    for chunk in chunks:
        for values in chunk[: max(0, _MOST_SHOWN - written)]:
            table.add_row(*(_cell(values[place]) for place in places))
        written += len(chunk)
    with output.open("w", encoding="utf-8") as stream:
        PlainConsole(file=stream, highlight=False, width=width).print(table)
    return written


def _csv(names: list[str], chunks: _Rows, output: Path) -> int:
    """Amounts exact, moments in UTC as ISO 8601, true and false; what is null is empty. No text is a formula."""
    written = 0
    with output.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(names)
        for chunk in chunks:
            writer.writerows([_plain(value) for value in values] for values in chunk)
            written += len(chunk)
    return written


def _parquet(names: list[str], chunks: _Rows, output: Path) -> int:
    """Typed as the tables are: amounts as decimals, moments in UTC."""
    import pyarrow as pa  # noqa: PLC0415 - a second, which the other forms do not need
    import pyarrow.parquet as pq  # noqa: PLC0415

    kinds = {name: kind for name, kind, _ in describe_tables()["forecast_entry_history"]}
    types = {
        "decimal(18,4)": pa.decimal128(18, 4),
        "varchar": pa.string(),
        "boolean": pa.bool_(),
        "timestamp with time zone": pa.timestamp("us", tz="UTC"),
    }
    schema = pa.schema([(name, types[kinds[name]]) for name in names])
    written = 0
    with output.open("wb") as stream, pq.ParquetWriter(stream, schema) as writer:
        for chunk in chunks:
            columns = [
                pa.array(values, field.type) for values, field in zip(zip(*chunk, strict=True), schema, strict=True)
            ]
            writer.write_table(pa.Table.from_arrays(columns, schema=schema))
            written += len(chunk)
    return written


def _cell(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case str():
            return value
        case _:
            return f"{value:,.2f}"


def _plain(value: object) -> object:
    match value:
        case bool():
            return "true" if value else "false"
        case datetime():
            return value.astimezone(UTC).isoformat()
        case str():
            return spreadsheet_cell(value)
        case _:
            return value
