"""The tables of this release: whether they stand, how they are made, and what earlier releases made otherwise."""

from __future__ import annotations

from collections.abc import Callable

from clari_pipeline.warehouse.session import Session
from clari_pipeline.warehouse.statements import row, rows, run, tables

SCHEMA_VERSION = "2026.12.1"
"""Raised by whoever changes what `sql/schema/` defines: warehouses of another version are brought to this one.

`tests/warehouse/test_schema_version.py` says when. Releases before kept a hash in its place, which is another version.
"""


def is_current(session: Session) -> bool:
    """Whether the tables, which have to be there, are of this version."""
    return rows(session, "schema_made_by") == [{"schema_sha256": SCHEMA_VERSION}]


def make_schema(session: Session, make_table: Callable[[str], None] | None = None) -> bool:
    """Bring the tables to this version; rows stay. Whether the entries were moved, which a view shows from now on.

    `make_table` makes one by its name, in place of its file in `sql/schema/`.
    """
    run(session, "schema/clari")
    are_moved = _move_entries(session)
    for table in tables():
        if make_table is None:
            run(session, f"schema/{table}")
        else:
            make_table(table)
    # The comparisons that an earlier release made are summed up: each of their calls has its row.
    run(session, "marts/forecast_swing_summary", job_id=None, baseline=None, every_job=True)
    # Each forecast gets the weeks that an earlier release kept for all of them, where it has none of a period yet.
    run(session, "schema_weeks_listed")
    run(session, "schema_is_made", schema_sha256=SCHEMA_VERSION)
    return are_moved


def _move_entries(session: Session) -> bool:
    """Rename the table of entries where it has the name of the view that shows them now; whether it had.

    Its rows stay as they are: each names the export that showed it last.
    """
    is_held = bool(row(session, "schema_entries_held")["held"])
    if is_held:
        run(session, "schema_entries_moved")
    return is_held
