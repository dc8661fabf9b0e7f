"""`as-of`: the entries as of a moment, as a table on the terminal, as CSV or as Parquet.

Grain: one row per forecast, period, week, person and field that was known then, including rows that exports had stopped
showing (`is_present` false). A million rows take half a gigabyte of memory.
"""

import csv
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from rich.box import SIMPLE_HEAD
from rich.table import Table

from clari_pipeline.config.settings import Settings
from clari_pipeline.core.periods import Quarter
from clari_pipeline.core.runbook import ExitCode, RunbookSection
from clari_pipeline.core.safe_text import PlainConsole, spreadsheet_cell
from clari_pipeline.core.setting_errors import UsageError
from clari_pipeline.sync.context import Context
from clari_pipeline.sync.log_lines import CommandLog
from clari_pipeline.warehouse.duckdb.engine import arrow_schemas
from clari_pipeline.warehouse.errors import WarehouseMissing
from clari_pipeline.warehouse.session import Session, row, run

Format = Literal["table", "csv", "parquet"]

_ROWS_A_CHUNK = 20_000
_TABLE_ROWS = 1_000
_SUFFIXES: dict[str, Format] = {".csv": "csv", ".parquet": "parquet", ".txt": "table"}
_WIDE = 160  # columns of a terminal that has room for ids beside names
_HEADERS = {
    "forecast_id": "forecast",
    "time_period_id": "period",
    "time_frame_id": "week",
    "user_name": "person",
    "user_id": "person's id",
    "field_name": "field",
    "field_id": "field's id",
    "forecast_value": "call",
    "quota_value": "quota",
    "adjustment_value": "adjusted",
    "crm_total": "total",
    "crm_closed": "closed",
    "currency_code": "in",
    "is_present": "shown",
}
_ID_OF = {"user_name": "user_id", "field_name": "field_id"}

_Rows = Iterator[list[tuple[Any, ...]]]


def query_of(
    session: Session, moment: datetime, *, quarters: Sequence[Quarter], forecasts: Sequence[str], now: datetime
) -> dict[str, Any]:
    """The parameters of the query `marts/as_of`; no quarters or forecasts are all of them.

    Raises `UsageError` for a moment that is ahead of this machine's clock and of every merged export (Clari's clock,
    whose moments they are, may run ahead a little).
    """
    if moment > now:
        newest = row(session, "ledger/newest_merged")["exported_at"]
        if newest is None or moment > newest:
            raise UsageError(
                f"{_shown(moment)} is ahead of this machine's clock, and nothing is known of it yet: name a moment up "
                f"to {_shown(now)}"
            )
    return {
        "as_of": moment,
        "forecasts": list(forecasts),
        "every_forecast": not forecasts,
        "quarters": [str(quarter) for quarter in quarters],
        "every_quarter": not quarters,
    }


def show(
    settings: Settings,
    moment: datetime,
    *,
    quarters: Sequence[Quarter],
    forecasts: Sequence[str],
    form: Format,
    output: Path | None,
) -> int:
    """Write the entries as of a moment to a file or to standard output; returns the exit code.

    Raises `UsageError` where Parquet would be written to a terminal, or for a moment that is ahead of the clock, and
    `WarehouseMissing` where nothing was ever written.
    """
    if form == "parquet" and output is None and sys.stdout.isatty():
        raise UsageError("Parquet is nothing to look at: name a file with --output, or let another program read it")
    context = Context.of(settings)
    warehouse = context.warehouse
    if not warehouse.exists():
        raise WarehouseMissing(
            "there is no warehouse yet: run clari-pipeline sync, or clari-pipeline replay from landed documents"
        )
    table = partial(_table, is_shown=output is None)
    writers: dict[Format, Callable[[list[str], _Rows, Path], int]] = {"table": table, "csv": _csv, "parquet": _parquet}
    with TemporaryDirectory(prefix="clari-as-of-") as folder:
        kept = nullcontext(Path(folder) / "known") if output is None else _replacing(output)
        with kept as file, warehouse.session() as session:
            asked = query_of(session, moment, quarters=quarters, forecasts=forecasts, now=context.now())
            answer = run(session, "marts/as_of", **asked)
            names = [column[0] for column in answer.description or ()]
            chunks: _Rows = iter(lambda: answer.fetchmany(_ROWS_A_CHUNK), [])
            written = writers[form](names, chunks, file)
        if output is None:  # after the session: a slow reader must not keep the warehouse open
            with file.open("rb") as known:
                shutil.copyfileobj(known, sys.stdout.buffer)
            sys.stdout.buffer.flush()
    if not written:
        as_of = _shown(moment)
        CommandLog(settings).say(
            f"nothing of these was known as of {as_of}: see clari-pipeline status for what is loaded"
            if quarters or forecasts
            else f"nothing was known as of {as_of}: no export that was loaded is that old",
            section=RunbookSection.NOTHING_KNOWN,
            level="warning",
        )
    elif form == "table" and written > _TABLE_ROWS:
        CommandLog(settings).say(
            f"the first {_TABLE_ROWS:,} of {written:,} rows: narrow them with --forecast and --period, or use --format",
            level="warning",
        )
    return ExitCode.DONE


def format_of(output: Path | None, form: Format | None = None) -> Format:
    """The format: `form`, else by the file's suffix, else a table.

    Raises `UsageError` for a suffix that names no format or another than `form`: a file holds what its name says.
    """
    if output is None:
        return form or "table"
    named = _SUFFIXES.get(output.suffix.lower())
    if named is None and form is None:
        raise UsageError(
            f"--output {output} does not say what to write: name a file that ends in {', '.join(_SUFFIXES)}, or give "
            "--format as well"
        )
    if named is not None and form not in {None, named}:
        raise UsageError(f"--output {output} is a {named} by its name, and --format says {form}: leave one of them out")
    return form or named or "table"


@contextmanager
def _replacing(output: Path) -> Iterator[Path]:
    """The file to write in the output's place: a part beside it that replaces it once it is whole, or leaves it so.

    What is no regular file, such as /dev/stdout, is written itself.
    """
    whole = output.resolve()
    if whole.exists() and not whole.is_file():
        yield output
        return
    part = whole.with_name(f".{whole.name}.{os.getpid()}.part")
    try:
        yield part
        part.replace(whole)
    finally:
        part.unlink(missing_ok=True)


def _table(names: list[str], chunks: _Rows, output: Path, *, is_shown: bool) -> int:
    """Write the first thousand rows as a table, as wide as the terminal; returns the number of all rows.

    On a narrow terminal a name stands without its id, and an id where there is no name.
    """
    width = shutil.get_terminal_size().columns if is_shown and sys.stdout.isatty() else 240
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    shown = {name: header for name, header in _HEADERS.items() if width >= _WIDE or name not in _ID_OF.values()}
    for name, header in shown.items():
        table.add_column(header, justify="right" if name.endswith(("_value", "_total", "_closed")) else "left")
    places = [(names.index(name), names.index(_ID_OF.get(name, name))) for name in shown]
    written = 0
    for chunk in chunks:
        for values in chunk[: max(0, _TABLE_ROWS - written)]:
            table.add_row(
                *(_cell(values[place] if values[place] is not None else values[other]) for place, other in places)
            )
        written += len(chunk)
    with output.open("w", encoding="utf-8") as stream:
        PlainConsole(file=stream, highlight=False, width=width).print(table)
    return written


def _csv(names: list[str], chunks: _Rows, output: Path) -> int:
    """Write CSV: exact amounts, moments in UTC as ISO 8601, null as empty, formulas escaped; returns the row count."""
    written = 0
    with output.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(names)
        for chunk in chunks:
            writer.writerows([_plain(value) for value in values] for values in chunk)
            written += len(chunk)
    return written


def _parquet(names: list[str], chunks: _Rows, output: Path) -> int:
    """Write Parquet: amounts as decimal(18,4), moments as timestamps in UTC; returns the row count."""
    import pyarrow as pa  # noqa: PLC0415 - a second, which the other forms do not need
    import pyarrow.parquet as pq  # noqa: PLC0415

    known = arrow_schemas()["forecast_entry_version"]
    schema = pa.schema([(name, known.field(name).type if name in known.names else pa.string()) for name in names])
    written = 0
    with output.open("wb") as stream, pq.ParquetWriter(stream, schema) as writer:
        for chunk in chunks:
            columns = [
                pa.array(values, field.type) for values, field in zip(zip(*chunk, strict=True), schema, strict=True)
            ]
            writer.write_table(pa.Table.from_arrays(columns, schema=schema))
            written += len(chunk)
    return written


def _shown(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else value if isinstance(value, str) else f"{value:,.2f}"


def _plain(value: object) -> object:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return spreadsheet_cell(value) if isinstance(value, str) else value
