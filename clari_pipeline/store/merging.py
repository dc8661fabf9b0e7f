"""Stage a document's rows, and merge them into the tables in one transaction; older rows never replace newer ones."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import MAX_PREC, Decimal, localcontext

import pyarrow as pa

from clari_pipeline.core.periods import FiscalCalendar, Quarter
from clari_pipeline.store.facts import LeftOut
from clari_pipeline.store.ledger_rows import ExportRow
from clari_pipeline.warehouse.session import Record, Session, row, rows, run

_TYPES = {  # the export type that fills each column; `forecast_updated` is that of is_updated and who set it when
    "forecast_value": "forecast",
    "forecast_updated": "forecast_updated",
    "quota_value": "quota",
    "adjustment_value": "adjustment",
    "crm_total": "crm_total",
    "crm_closed": "crm_closed",
}
_STAGING = ("stage_user", "stage_period", "stage_contract")  # statements that build the typed staging tables
_KEPT_LISTS = ("stage_user", "stage_field", "stage_time_period", "stage_week", "stage_time_frame")
_LIST_TABLES = ("stage_user", "stage_field", "stage_time_period", "stage_time_frame")
STAGED = ("stage_entry", "stage_shown_week", "stage_contract", *_LIST_TABLES)  # what a merge reads of a document
MERGED = (
    "forecast_entry_history",
    "forecast_entry_sighting",
    "forecast_entry_state",
    "forecast_field",
    "forecast_time_frame",
    "forecast_user",
    "forecast_user_history",
    "forecast_user_sighting",
    "time_frame",
    "time_period",
)
_ROWS_A_WRITE = 160_000  # more than a row group of DuckDB: what is less costs four times as much a row
_Total = tuple[Decimal, int]  # sum and count
_MERGING_LISTS = ("dimensions", "weeks", "week_numbers")
_MERGING = (
    *_MERGING_LISTS,
    "quarter_days",
    "entry_change",
    "forecast_entry",
    "forecast_entry_history",
    "forecast_user_sighting",
)


@dataclass(frozen=True, slots=True)
class Merged:
    """Counts of a merge, in rows of `forecast_entry`; `rows_merged` is counted in the table afterwards."""

    rows_inserted: int
    rows_updated: int
    rows_unchanged: int
    rows_disappeared: int
    rows_merged: int

    @property
    def rows_shown(self) -> int:
        """Rows of the document."""
        return self.rows_inserted + self.rows_updated + self.rows_unchanged


class Staging:
    """This session's `stage_*` tables, emptied; entries of a document are added as they are read.

    The days of the requested quarter are by `calendar` where the document has none.
    """

    def __init__(self, session: Session, quarter: Quarter, calendar: FiscalCalendar) -> None:
        self._session = session
        self._asked = {
            "quarter_id": str(quarter),
            "fiscal_year": str(quarter.year),
            "quarter_start": calendar.first_day(quarter),
            "quarter_end": calendar.last_day(quarter),
        }
        self._waiting: list[pa.Table] = []
        self._rows_waiting = self._rows_staged = 0
        run(session, "documents/stage_begin")

    def take(self, entries: pa.Table) -> None:
        """Add entries of the document, of the schema `documents.rows.ENTRY`."""
        self._waiting.append(entries)
        self._rows_waiting += entries.num_rows
        if self._rows_waiting >= _ROWS_A_WRITE:
            self._write()

    def end(self, lists: Mapping[str, pa.Table]) -> None:
        """Drop exact duplicates among the entries, and write the document's lists, typed, into the other tables."""
        self._write()
        for name, table in lists.items():
            self._session.documents.register(name, table)
        if lists["raw_unreadable"].num_rows:
            run(self._session, "documents/stage_unreadable")
        if row(self._session, "documents/keys_repeat")["keys_repeat"]:
            run(self._session, "documents/drop_duplicates")
        for name in _STAGING:
            run(self._session, f"documents/{name}", **self._asked)
        for name in lists:
            self._session.documents.unregister(name)

    def _write(self) -> None:
        if self._waiting:
            self._session.documents.register("raw_entry", pa.concat_tables(self._waiting))
            run(self._session, "documents/stage_more", before=self._rows_staged)
            self._session.documents.unregister("raw_entry")
            self._rows_staged += self._rows_waiting
            self._waiting, self._rows_waiting = [], 0


@contextmanager
def transaction(session: Session, forecast_id: str, quarter_id: str) -> Iterator[None]:
    """A transaction for a merge of a forecast's quarter, under locks: two that write the same rows run in sequence.

    Fields and people belong to a forecast, periods and weeks to a quarter of all forecasts. The shared lock on the
    marts keeps a refresh from seeing half a merge.
    """
    with (
        session.lock("marts", shared=True),
        session.lock("periods", quarter_id),
        session.lock("people", forecast_id),
        session.transaction(),
    ):
        yield


def is_late(export: ExportRow, loaded: Iterable[ExportRow]) -> bool:
    """Whether the export is late: a newer one of the quarter is loaded already."""
    return any(order(other) > order(export) for other in loaded if other.request_id != export.request_id)


def merge(session: Session, export: ExportRow, calendar: FiscalCalendar, left_out: Iterable[LeftOut] = ()) -> Merged:
    """Merge the staged document of an export that is the newest of its forecast's quarter.

    The caller holds the transaction. `calendar` is that of the settings. A measure that was not requested keeps its
    value, and so does one of a field that is `left_out`. A row that the export could have shown and did not is kept,
    with `in_latest_export` false.
    """
    months = zip(("months_start", "months_end"), calendar.by_months(Quarter.parse(export.time_period_id)), strict=True)
    parameters = _parameters(export) | dict(months)
    for column in left_out:
        run(session, "merge/left_out", **parameters | {"field_id": column.field_id, "measure": column.measure})
    for name in _MERGING:
        run(session, f"merge/{name}", **parameters)
    counts = Merged(**row(session, "merge/counts", **parameters))
    run(session, "ledger/loaded", request_id=export.request_id, **asdict(counts))
    return counts


def note_repeated(session: Session, export: ExportRow, known: ExportRow) -> None:
    """Record as merged an export whose document is, byte by byte, that of `known`, the newest loaded one.

    `restore_lists` has to have staged the document's lists. The caller holds the transaction.
    """
    parameters = _parameters(export)
    for name in _MERGING_LISTS:
        run(session, f"merge/{name}", **parameters)
    run(session, "merge/same_document", **parameters, known_job_id=known.job_id)
    run(session, "merge/forecast_user_sighting", **parameters)
    note_unchanged(session, export.request_id, known.rows_staged)


def note_unchanged(session: Session, request_id: str, rows_staged: int | None) -> None:
    """Record an export as merged whose rows were all in the tables already."""
    nothing = dict.fromkeys(("rows_inserted", "rows_updated", "rows_disappeared"), 0)
    run(session, "ledger/loaded", request_id=request_id, rows_unchanged=rows_staged, **nothing)


def keep_contract(session: Session, export: ExportRow, contract: str) -> None:
    """Keep the keys of the staged document, under the fingerprint of its contract."""
    run(session, "merge/contract", forecast_id=export.forecast_id, contract=contract)


def keep_lists(session: Session, export: ExportRow, *, read_by: str) -> None:
    """Keep the staged document's lists (people, fields, periods, weeks), for `restore_lists` by the same reader."""
    parts = []
    for name in _KEPT_LISTS:
        sink = pa.BufferOutputStream()
        table = session.documents.table(name).to_arrow_table()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        part = sink.getvalue().to_pybytes()
        parts += [len(part).to_bytes(8), part]
    lists = b"".join(parts)
    if session.most_bytes is None or len(lists) <= session.most_bytes:  # else it is parsed once more
        run(session, "merge/newest_document", **_parameters(export), read_by=read_by, lists=lists)


def restore_lists(session: Session, known: ExportRow, *, read_by: str) -> bool:
    """Restage the lists of the newest loaded document; False where this reader has not kept them."""
    found = rows(session, "merge/lists_of_newest", **_parameters(known), read_by=read_by)
    if not found:
        return False
    kept, at = found[0]["lists"], 0
    for name in _KEPT_LISTS:
        size = int.from_bytes(kept[at : at + 8])
        session.documents.register(f"kept_{name}", pa.ipc.open_stream(kept[at + 8 : at + 8 + size]).read_all())
        at += 8 + size
    run(session, "documents/restore_lists")
    for name in _KEPT_LISTS:
        session.documents.unregister(f"kept_{name}")
    session.upload(_LIST_TABLES)
    return True


def note_loaded(session: Session, request_id: str, at: datetime) -> None:
    """Record when an export was merged."""
    run(session, "ledger/loaded_at", request_id=request_id, loaded_at=at)


def rebuild_people(session: Session, forecast_id: str) -> None:
    """Rebuild the person tables from the exports of every quarter."""
    run(session, "merge/forecast_user", forecast_id=forecast_id)


def forget_quarter(session: Session, forecast_id: str, quarter_id: str) -> None:
    """Delete a forecast's quarter, which the caller rebuilds from its landed documents in the same transaction."""
    for name in ("forget_periods", "forget_quarter"):
        run(session, f"merge/{name}", forecast_id=forecast_id, quarter_id=quarter_id)


CONTROL_TOTAL = (
    "field_id",
    "measure",
    "document",
    "staged",
    "merged",
    "document_count",
    "staged_count",
    "merged_count",
    "difference",
    "count_difference",
)
"""The columns of `control_totals`."""


def control_totals(
    session: Session, export: ExportRow, in_document: Mapping[tuple[str, str], _Total], *, has_copies: bool
) -> list[Record]:
    """One row per field and measure: sum and count in the document, in the staging table and in the merged rows.

    `difference` and `count_difference` say how far staging table and merged rows are from the document, together. With
    `has_copies` each row counts as often as the document holds it.
    """
    parameters = _parameters(export)
    merged = rows(session, "merge/control_totals", **parameters)
    if has_copies:
        merged += rows(session, "merge/control_totals_of_copies", **parameters)
    in_table, in_stage = _totals(merged), _totals(rows(session, "documents/staged_totals"))
    nothing = Decimal(0), 0
    found = []
    with localcontext(prec=MAX_PREC):
        for key in sorted(in_document.keys() | in_stage.keys() | in_table.keys(), key=str):
            three = [totals.get(key, nothing) for totals in (in_document, in_stage, in_table)]
            (document, staged, there), counts = zip(*three, strict=True)
            difference = abs(document - staged) + abs(document - there)
            count_difference = abs(counts[0] - counts[1]) + abs(counts[0] - counts[2])
            values = (*key, document, staged, there, *counts, difference, count_difference)
            found.append(dict(zip(CONTROL_TOTAL, values, strict=True)))
    return found


def _totals(found: Iterable[Record]) -> dict[tuple[str, str], _Total]:
    """Sums and counts by field and measure, of rows with a field's `MEASURE_total` and `MEASURE_count`."""
    totals: dict[tuple[str, str], _Total] = {}
    with localcontext(prec=MAX_PREC):
        for one in found:
            field = one.pop("field_id")
            for measure in {name.rsplit("_", 1)[0] for name in one}:
                total, count = totals.get((field, measure), (Decimal(0), 0))
                totals[field, measure] = (total + one[f"{measure}_total"], count + int(one[f"{measure}_count"]))
    return totals


def order(export: ExportRow) -> tuple[datetime, datetime, str]:
    """The sort key by which one export is newer than another: the moment of its figures, then that of its request."""
    return export.as_of, export.submitted_at, export.request_id


def _parameters(export: ExportRow) -> Record:
    has_measures = {f"has_{name}": kind in export.types for name, kind in _TYPES.items()}
    return asdict(export) | {"quarter_id": export.time_period_id} | has_measures
