"""A document's raw rows into the tables: staged, merged in one transaction, older never over newer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import pyarrow as pa

from clari_pipeline.warehouse import ledger
from clari_pipeline.warehouse.statements import Connection, Record, row, rows, run

_TYPES = ("forecast", "forecast_updated", "quota", "adjustment", "crm_total", "crm_closed")
_STAGING = ("helpers", "stage_user", "stage_period")
_MERGING = (
    "dimensions",
    "entry_change",
    "forecast_entry_history",
    "forecast_entry",
    "forecast_user_sighting",
)


@dataclass(frozen=True, slots=True)
class Merged:
    """What a merge did, in rows of `forecast_entry`; `rows_merged` is counted in the table afterwards."""

    rows_inserted: int
    rows_updated: int
    rows_unchanged: int
    rows_disappeared: int
    rows_merged: int

    @property
    def rows_shown(self) -> int:
        """Rows that the document holds."""
        return self.rows_inserted + self.rows_updated + self.rows_unchanged


def begin_staging(connection: Connection) -> None:
    """Make this session's `stage_entry` anew; what stood there before is gone."""
    run(connection, "documents/stage_begin")


def stage_entries(connection: Connection, entries: pa.Table) -> None:
    """More entries of a document, of the schema `documents.ENTRY`."""
    connection.register("raw_entry", entries)
    run(connection, "documents/stage_more")
    connection.unregister("raw_entry")


def end_staging(connection: Connection, lists: Mapping[str, pa.Table]) -> None:
    """Drop exact duplicates among the entries, and type the lists beside them into the other `stage_*` tables."""
    if row(connection, "documents/keys_repeat")["keys_repeat"]:
        run(connection, "documents/drop_duplicates")
    for name, table in lists.items():
        connection.register(name, table)
    for name in _STAGING:
        run(connection, f"documents/{name}")
    run(connection, "documents/keep_unreadable")
    for name in lists:
        connection.unregister(name)


def is_late(connection: Connection, export: Record) -> bool:
    """Whether a newer export of this forecast's quarter has been loaded already."""
    loaded = ledger.exports_of_quarter(connection, export["forecast_id"], export["time_period_id"], ["LOADED"])
    return any(order(other) > order(export) for other in loaded if other["request_id"] != export["request_id"])


def merge(connection: Connection, export: Record) -> Merged:
    """Merge the staged document of an export that is the newest of its forecast's quarter.

    The caller holds the transaction. A measure that was not asked for keeps its value; a row that the export
    could have shown and did not stays, with `in_latest_export` false.
    """
    parameters = _parameters(export)
    for name in _MERGING:
        run(connection, f"merge/{name}", **parameters)
    counts = Merged(**row(connection, "merge/counts", **parameters))
    run(
        connection,
        "ledger/loaded",
        request_id=export["request_id"],
        rows_inserted=counts.rows_inserted,
        rows_updated=counts.rows_updated,
        rows_unchanged=counts.rows_unchanged,
        rows_disappeared=counts.rows_disappeared,
    )
    return counts


def note_loaded(connection: Connection, request_id: str, at: datetime) -> None:
    """Note when an export was merged."""
    run(connection, "ledger/loaded_at", request_id=request_id, loaded_at=at)


def renew_people(connection: Connection, forecast_id: str) -> None:
    """Make the person tables anew from what every quarter's exports showed."""
    run(connection, "merge/forecast_user", forecast_id=forecast_id)


def forget_quarter(connection: Connection, forecast_id: str, quarter_id: str) -> None:
    """Empty a forecast's quarter, to be rebuilt in this same transaction from its landed documents."""
    run(connection, "merge/forget_quarter", forecast_id=forecast_id, quarter_id=quarter_id)


def control_totals(connection: Connection, export: Record) -> dict[tuple[str, str], tuple[Decimal, int]]:
    """Sum and count, by field and measure, of the merged rows that the staged document shows."""
    totals: dict[tuple[str, str], tuple[Decimal, int]] = {}
    for found in rows(connection, "merge/control_totals", **_parameters(export)):
        field = found.pop("field_id")
        for measure in {name.rsplit("_", 1)[0] for name in found}:
            totals[field, measure] = (found[f"{measure}_total"], int(found[f"{measure}_count"]))
    return totals


def order(export: Record) -> tuple[datetime, datetime, str]:
    """What makes one export newer than another: what it is as of, then when it was submitted."""
    return export["exported_at"], export["submitted_at"], export["request_id"]


def _parameters(export: Record) -> Record:
    asked = set((export["types_to_export"] or "").split(","))
    return {
        "forecast_id": export["forecast_id"],
        "quarter_id": export["time_period_id"],
        "job_id": export["job_id"],
        "exported_at": export["exported_at"],
        "submitted_at": export["submitted_at"],
        "scope_id": export["scope_id"],
        "include_historical": export["include_historical"],
        **{f"has_{name}": name in asked for name in _TYPES},
    }
