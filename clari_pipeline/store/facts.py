"""Facts of a staged document for the gate, and its differences from earlier exports: counts and the offending keys."""

from __future__ import annotations

from datetime import date
from typing import Any

from clari_pipeline.warehouse.session import Session
from clari_pipeline.warehouse.statements import Record, row, rows, run

Facts = dict[str, Any]


def of_staged_document(session: Session, today: date) -> Facts:
    """Counts, delivered periods, week of the call, weeks outside their period, and up to twenty offenders of each kind.

    `today` is the organisation's day on which the document was exported.
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
    """The newest loaded export before this one with the same scope, types and history."""
    return next(iter(rows(session, "quality/previous_export", **export, quarter_id=export["time_period_id"])), None)


def currencies_changed(session: Session, export: Record) -> list[Record]:
    """Pairs of different currencies, known and delivered, with the number of entries of each."""
    return rows(session, "quality/currencies_changed", forecast_id=export["forecast_id"])


def people_shared(session: Session) -> list[Record]:
    """People who have several user ids in the document, by CRM id, else by email."""
    return rows(session, "documents/people_shared")


def people_invented(session: Session) -> int:
    """How many people of the document have an address in `.example`, as a sandbox's have."""
    found: int = row(session, "documents/people_invented")["people"]
    return found


def tops(session: Session) -> list[Record]:
    """People of the document at the top of the hierarchy."""
    return rows(session, "documents/tops")


def tops_known(session: Session, export: Record) -> list[Record]:
    """People at the top of the hierarchy by the quarter's exports up to this one's moment, at most twenty.

    Leaves this session's `person_shown` in place, as of that moment.
    """
    which = {"forecast_id": export["forecast_id"], "quarter_id": export["time_period_id"]}
    run(session, "marts/person_shown", **which, as_of=export["exported_at"])
    return rows(session, "quality/tops_known")


def quota_ambiguous(session: Session) -> list[Record]:
    """Periods with a quota on several fields of which the settings name none; reads this session's `quota_field`."""
    return rows(session, "quality/quota_ambiguous")
