"""What an earlier release has made otherwise."""

from __future__ import annotations

from clari_pipeline.warehouse.session import Session
from clari_pipeline.warehouse.statements import row, run


def move_entries(session: Session) -> bool:
    """Give the table of entries the name of the one that keeps them now, where a view shows them; whether it was there.

    Its rows stay as they are: each names the export that showed it last. To be followed by the view.
    """
    is_held = bool(row(session, "schema_entries_held")["held"])
    if is_held:
        run(session, "schema_entries_moved")
    return is_held


def sum_swings(session: Session) -> None:
    """Sum up the comparisons that an earlier release made: each of their calls has its row."""
    run(session, "marts/forecast_swing_summary", job_id=None, baseline=None, every_job=True)


def list_weeks(session: Session) -> None:
    """Give each forecast the weeks that an earlier release kept for all of them, where it has none of a period yet."""
    run(session, "schema_weeks_listed")
