"""`connect`, and `Clari`: what a notebook asks."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, date, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Self

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import SecretStr

from clari_pipeline.config.settings import Settings, of_sandbox, read_settings
from clari_pipeline.core.periods import Quarter
from clari_pipeline.core.runbook import PipelineError
from clari_pipeline.documents.rows import UNREADABLE, why_unreadable
from clari_pipeline.frames.delivered import delivered_frame
from clari_pipeline.landing import Landing, LandingError
from clari_pipeline.ops.as_of import query_of
from clari_pipeline.store.mart_registry import MARTS
from clari_pipeline.store.opening import open_warehouse
from clari_pipeline.warehouse.catalogue import key_of
from clari_pipeline.warehouse.duckdb.engine import arrow_schemas
from clari_pipeline.warehouse.errors import WarehouseError, WarehouseMissing
from clari_pipeline.warehouse.registry import engine_of
from clari_pipeline.warehouse.session import Session, Warehouse, rows

_OPENINGS = 3  # of the copy, each of which may meet a sync that replaces it
_DUCKDB = "duckdb:///"


class FrameError(PipelineError):
    """A call of `Clari` cannot be answered: a name that is none, a filter that does not fit, a closed connection."""


def connect(*, sandbox: bool = False, data_dir: str | Path | None = None, warehouse_url: str | None = None) -> Clari:
    """Open the warehouse for reading, by the settings in the environment and `.env`, as the command line reads them.

    No API key is needed. `sandbox` reads what `--sandbox` has synced; `data_dir` names another folder than
    `CLARI_DATA_DIR`, with the copy for readers in it; `warehouse_url` another server than `CLARI_WAREHOUSE_URL`.

    Raises `SettingsError` for wrong settings and `DriverMissing`; nothing is opened yet.
    """
    given: dict[str, Any] = {}
    if data_dir is not None:
        given["data_dir"] = Path(data_dir)
        given["warehouse_url"] = SecretStr(f"{_DUCKDB}{Path(data_dir) / 'warehouse.duckdb'}")
    if warehouse_url is not None:
        if sandbox or warehouse_url.startswith(_DUCKDB):
            raise FrameError(
                "warehouse_url names a server, and the sandbox's warehouse is a file, as is every DuckDB warehouse: "
                "give data_dir, the folder with warehouse-read.duckdb in it, or sandbox=True"
            )
        given["warehouse_url"] = SecretStr(warehouse_url)
    settings = read_settings(**given)
    return Clari(settings.model_copy(update=of_sandbox(settings)) if sandbox else settings)


class Clari:
    """The warehouse as pandas frames, read only. Made by `connect`.

    A DuckDB warehouse is read from the copy that each sync publishes (`data/warehouse-read.duckdb`), a server by
    itself. **Each call opens the newest state, reads it as of one moment and closes it**: an object that is kept open
    for hours follows the syncs, waits for none and blocks none; two calls may see two states, one `sql` sees one.

    Frames have Arrow dtypes: amounts `decimal128`, exact; moments `timestamp[us, tz=UTC]`; dates `date32`; texts
    `string`, whole numbers `int32` or `int64`, and `bool`, all of them nullable. The errors of its methods are
    `PipelineError`s of one line: `FrameError`, `WarehouseMissing` where nothing was synced yet, `WarehouseError` where
    the warehouse cannot be read.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._landing = Landing(settings.landing_dir.absolute())
        self._warehouse = _readable(settings)
        self._is_closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Clari: {self._warehouse.place}{', closed' * self._is_closed}>"

    def close(self) -> None:
        """End it: later calls raise `FrameError`. Between two calls nothing is open in any case."""
        self._is_closed = True

    def tables(self) -> pd.DataFrame:
        """Every table, mart and view: `table`, and `grain`, its comment in the database. Marts first."""
        known = arrow_schemas()
        named = [*MARTS, *sorted(known.keys() - MARTS.keys())]
        grains = [(known[table].metadata or {}).get(b"description", b"").decode() for table in named]
        return _frame(pa.table({"table": named, "grain": grains}))

    def frame(
        self,
        table: str,
        *,
        quarter: str | None = None,
        forecast: str | None = None,
        columns: Sequence[str] | None = None,
    ) -> pd.DataFrame:
        """A table, mart or view of `tables()`, in the order of its key; all columns, or those named.

        `quarter` (`2026_Q4`) keeps its rows and those of the months in it, and where the table has `quarter_id` of the
        periods around it, such as a year. `forecast` keeps those of one forecast. A million rows of 24 columns take a
        gigabyte. Raises `FrameError` for a name that is none, or a filter that the table has no column for, and
        `UnknownPeriod`.
        """
        known = arrow_schemas()
        schema = known[_known(table, known, what="table", listed="clari.tables()")]
        query, asked = "frames/rows", {}
        if quarter is not None:
            asked = {"quarter_id": str(Quarter.parse(quarter))}
            if "quarter_id" in schema.names:
                query = "frames/rows_of_quarter"
            elif "time_period_id" in schema.names:
                query = "frames/rows_of_period"
            else:
                raise FrameError(f"{table} has no quarters: leave quarter out")
        if forecast is not None and "forecast_id" not in schema.names:
            raise FrameError(f"{table} has no forecasts: leave forecast out")
        with self._session() as session:
            found = session.read_arrow(f"{query}@{table}", asked)
        if forecast is not None:
            found = found.filter(pc.equal(found["forecast_id"], forecast))
        if key := [name for name in key_of(table) if name in found.column_names]:
            found = found.sort_by([(name, "ascending") for name in key])
        if columns is not None:
            listed = f"clari.frame({table!r}).columns"
            found = found.select([_known(name, found.column_names, what="column", listed=listed) for name in columns])
        return _frame(found)

    def as_of(
        self, moment: datetime | date | str, *, quarter: str | None = None, forecast: str | None = None
    ) -> pd.DataFrame:
        """Every entry as it stood at a moment, as `clari-pipeline as-of` writes it; `is_present` says what was shown.

        `moment` is a datetime, or a text in ISO 8601: without a zone it is UTC, a day alone begins in
        `CLARI_ORG_TIMEZONE`. Raises `UsageError` for a moment that is ahead of the clock, `FrameError` for none.
        """
        text = moment.isoformat(timespec="microseconds") if isinstance(moment, datetime) else str(moment)
        try:
            then = self._settings.calendar.moment(text)
        except (ValueError, OverflowError):
            raise FrameError(f"{moment!r} is no moment: write 2026-10-31T09:00:00+00:00") from None
        quarters = [Quarter.parse(quarter)] if quarter is not None else []
        forecasts = [forecast] if forecast is not None else []
        with self._session() as session:
            asked = query_of(session, then, quarters=quarters, forecasts=forecasts, now=datetime.now(UTC))
            return _frame(session.read_arrow("marts/as_of", asked))

    def landed(
        self, quarter: str | None = None, forecast: str | None = None, *, job_id: str | None = None
    ) -> pd.DataFrame:
        """The raw document of an export: the newest of a quarter and forecast, whatever became of it, or that of a job.

        JSON, relational or flat: one row per entry, one column per key of Clari (`currency.code` of a nested one).
        CSV: one row per line, its columns as text, and beside them `amount` and `currency` of Data Value. Numbers are
        decimals by the digits that are written; nothing is merged, rounded or left out. `frame.attrs` has the export's
        `forecast_id`, `time_period_id`, `job_id`, `exported_at`, `source` and `state`.

        Documents lie in `CLARI_DATA_DIR` of the machine that syncs. A million entries take a minute. Raises
        `FrameError` where none is known or it is unreadable, `LandingError` where its file is missing or damaged.
        """
        if (quarter is None) == (job_id is None):
            raise FrameError("name a document: quarter and forecast, or job_id")
        wanted = str(Quarter.parse(quarter)) if quarter is not None else ""
        with self._session() as session:
            found = rows(
                session,
                "ledger/newest_landed",
                job_id=job_id or "",
                quarter_id=wanted,
                forecast_id=forecast or "",
                every_forecast=forecast is None,
            )
        if not found:
            raise FrameError(
                f"no document has landed of {job_id or ' of '.join(filter(None, (wanted, forecast)))}: "
                "clari.frame('export_job') lists every export"
            )
        if len(found) > 1:
            named = ", ".join(one["forecast_id"] for one in found)
            raise FrameError(f"documents of several forecasts have landed of {wanted}: name one of {named}")
        export = found[0]
        path = export.pop("landing_path")
        try:
            frame = delivered_frame(self._landing.find(path))
        except LandingError:
            raise
        except UNREADABLE as error:
            raise FrameError(f"landed document {self._landing.root / path}: {why_unreadable(error)}") from error
        frame.attrs.update(export)
        return frame

    def sql(self, text: str) -> pd.DataFrame:
        """The rows of one SELECT, in the warehouse's own dialect (tables are `clari.forecast_entry` and so on).

        Types are as of `frame`; a value that SQL computes as a float is one, as `avg` in DuckDB. Raises `QueryRefused`
        for anything else than one SELECT, and for what the engine rejects.
        """
        with self._session() as session:
            return _frame(session.ask(text))

    @contextmanager
    def _session(self) -> Iterator[Session]:
        """A read-only session on the newest state. Raises `WarehouseMissing` where there is none."""
        if self._is_closed:
            raise FrameError("this connection is closed: connect() again")
        with ExitStack() as opened:
            session = self._opened(opened)
            if session is None:
                raise WarehouseMissing(
                    f"there is nothing to read yet at {self._warehouse.place}: run clari-pipeline sync first"
                )
            yield session

    def _opened(self, stack: ExitStack) -> Session | None:
        """Open it, again where a sync has replaced the copy between two of DuckDB's readings of it."""
        for _ in range(_OPENINGS - 1):
            before = self._warehouse.change_token()
            try:
                return stack.enter_context(self._warehouse.read_only())
            except WarehouseError:
                if before == self._warehouse.change_token():
                    raise
        return stack.enter_context(self._warehouse.read_only())


def _readable(settings: Settings) -> Warehouse:
    """The warehouse that readers open: the published copy, or a server."""
    url = settings.warehouse_url
    if engine_of(url).capabilities.is_copied:
        url = SecretStr(f"{_DUCKDB}{settings.copy_file.absolute()}")
    return open_warehouse(url, data_dir=settings.data_dir.absolute(), env=settings.env)


def _frame(table: pa.Table) -> pd.DataFrame:
    found: pd.DataFrame = table.to_pandas(types_mapper=pd.ArrowDtype)
    return found


def _known(name: str, names: Collection[str], *, what: str, listed: str) -> str:
    """The name, if it is one of these. Raises `FrameError` with the likeliest one."""
    if name in names:
        return name
    close = get_close_matches(str(name), names, 1, cutoff=0.5)
    hint = f"did you mean {close[0]}? " if close else ""
    raise FrameError(f"there is no {what} {name}: {hint}{listed} lists them")
