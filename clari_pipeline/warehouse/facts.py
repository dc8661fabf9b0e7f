"""What a staged document holds, and how it differs from what is known: counts and the offending keys themselves."""

from __future__ import annotations

from typing import Any

from clari_pipeline.warehouse.statements import Connection, Record, row, rows

Facts = dict[str, Any]


def of_staged_document(connection: Connection, export: Record) -> Facts:
    """Counts, delivered periods, week of the call, and up to twenty offenders of each kind."""
    found = row(connection, "quality/document_facts")
    return found | {
        "call_time_frame_id": call_week(connection, export),
        "rows_written": int(found["rows_written"]),
        "periods": rows(connection, "quality/periods_delivered"),
        "entries_without_key": rows(connection, "quality/entries_without_key") if found["null_keys"] else [],
        "entries_in_conflict": rows(connection, "quality/entries_in_conflict") if found["conflicting_keys"] else [],
        "amounts_unreadable": rows(connection, "quality/amounts_unreadable") if found["unreadable_amounts"] else [],
    }


def call_week(connection: Connection, export: Record) -> str | None:
    """The week of the call, among the weeks that are staged."""
    found: str | None = row(connection, "quality/call_week", exported_at=export["exported_at"])["call_time_frame_id"]
    return found


def previous_export(connection: Connection, export: Record) -> Record | None:
    """The newest loaded export before this one that was asked for in the same way."""
    found = rows(
        connection,
        "quality/previous_export",
        forecast_id=export["forecast_id"],
        quarter_id=export["time_period_id"],
        exported_at=export["exported_at"],
        scope_id=export["scope_id"],
        include_historical=export["include_historical"],
        types_to_export=export["types_to_export"],
    )
    return found[0] if found else None


def currencies_changed(connection: Connection, export: Record) -> list[Record]:
    """Pairs of currencies, known and delivered, that differ, with their number of entries."""
    return rows(connection, "quality/currencies_changed", forecast_id=export["forecast_id"])


def people_shared(connection: Connection) -> list[Record]:
    """CRM people whom the document shows under several user ids."""
    return rows(connection, "quality/people_shared")


def tops(connection: Connection) -> list[Record]:
    """People of the document at the top of the hierarchy."""
    return rows(connection, "quality/tops")


def quota_ambiguous(connection: Connection) -> list[Record]:
    """Periods whose quota stands on several fields, none of them named; needs `quota_field`."""
    return rows(connection, "quality/quota_ambiguous")
