"""What a staged document holds, and how it differs from what is known: counts and the offending keys themselves."""

from __future__ import annotations

from datetime import date
from typing import Any

from clari_pipeline.warehouse.session import Session
from clari_pipeline.warehouse.statements import Record, row, rows, run

Facts = dict[str, Any]


def of_staged_document(session: Session, today: date) -> Facts:
    """Counts, delivered periods, week of the call, weeks that are none of their period's, up to twenty offenders of
    each other kind. `today` is the organisation's day on which the document was exported.
    """
    found = row(session, "documents/document_facts")
    return found | {
        "call_time_frame_id": call_week(session, today),
        "rows_written": int(found["rows_written"]),
        "periods": rows(session, "documents/periods_delivered"),
        "weeks_span": row(session, "documents/weeks_span"),
        **row(session, "documents/quota_fields"),
        "weeks_astray": rows(session, "documents/weeks_astray"),
        "entries_without_key": rows(session, "documents/entries_without_key") if found["null_keys"] else [],
        "entries_in_conflict": rows(session, "documents/entries_in_conflict") if found["conflicting_keys"] else [],
        "amounts_unreadable": rows(session, "documents/amounts_unreadable") if found["unreadable_amounts"] else [],
        "cells_left_out": int(found["cells_left_out"]),
        "measures_left_out": rows(session, "documents/measures_left_out") if found["cells_left_out"] else [],
    }


def call_week(session: Session, today: date) -> str | None:
    """The week of the call on a day, among the weeks that are staged."""
    found: str | None = row(session, "documents/call_week", today=today)["call_time_frame_id"]
    return found


def previous_export(session: Session, export: Record) -> Record | None:
    """The newest loaded export before this one that was asked for in the same way."""
    found = rows(
        session,
        "quality/previous_export",
        forecast_id=export["forecast_id"],
        quarter_id=export["time_period_id"],
        exported_at=export["exported_at"],
        scope_id=export["scope_id"],
        include_historical=export["include_historical"],
        types_to_export=export["types_to_export"],
    )
    return found[0] if found else None


def currencies_changed(session: Session, export: Record) -> list[Record]:
    """Pairs of currencies, known and delivered, that differ, with their number of entries."""
    return rows(session, "quality/currencies_changed", forecast_id=export["forecast_id"])


def people_shared(session: Session) -> list[Record]:
    """People, by their CRM id or else their email, whom the document shows under several user ids."""
    return rows(session, "documents/people_shared")


def people_invented(session: Session) -> int:
    """People of the document who are a sandbox's."""
    found: int = row(session, "documents/people_invented")["people"]
    return found


def tops(session: Session) -> list[Record]:
    """People of the document at the top of the hierarchy."""
    return rows(session, "documents/tops")


def tops_known(session: Session, export: Record) -> list[Record]:
    """People at the top as the quarter's exports had shown them by this one's moment, up to twenty.

    Leaves this session's `person_shown` in place, as of that moment.
    """
    which = {"forecast_id": export["forecast_id"], "quarter_id": export["time_period_id"]}
    run(session, "marts/person_shown", **which, as_of=export["exported_at"])
    return rows(session, "quality/tops_known")


def quota_ambiguous(session: Session) -> list[Record]:
    """Periods whose quota stands on several fields, none of them named; needs `quota_field`."""
    return rows(session, "quality/quota_ambiguous")
