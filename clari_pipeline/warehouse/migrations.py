"""The tables of this release: whether they stand, how they are made, and what earlier releases made otherwise."""

import re
from collections.abc import Callable
from functools import cache
from hashlib import sha256

from clari_pipeline.core.project import project_file
from clari_pipeline.core.queries import QueryError
from clari_pipeline.warehouse.catalogue import tables
from clari_pipeline.warehouse.session import Session, row, rows, run

_VERSION = re.compile(r"-- version: (\d+)")


@cache
def schema_version() -> str:
    """Which tables this release makes: a hash of the versions that stand in the first lines of `sql/schema/`.

    Warehouses of another version are brought to it. Whoever changes what a file defines raises its version, and no
    other word of the file counts. Releases before kept other things in its place, each of which is another version.
    """
    versions = []
    for file in sorted(project_file("sql/schema").glob("*.sql")):
        with file.open(encoding="utf-8") as lines:
            found = _VERSION.match(next(lines, ""))
        if found is None:
            raise QueryError(f"sql/schema/{file.name} has no version in its first line")
        versions.append(f"{file.stem} {found[1]}")
    return sha256("\n".join(versions).encode()).hexdigest()


def is_current(session: Session) -> bool:
    """Whether the tables, which have to be there, are of this version."""
    return rows(session, "schema_made_by") == [{"schema_sha256": schema_version()}]


def make_schema(session: Session, make_table: Callable[[str], None] | None = None) -> bool:
    """Bring the tables to this version; rows stay. Whether the entries were moved, which a view shows from now on.

    `make_table` makes one by its name, in place of its file in `sql/schema/`.
    """
    run(session, "schema/clari")
    # The table of entries may have the name of the view that shows them now. Its rows stay: each names its export.
    if are_moved := bool(row(session, "schema_entries_held")["held"]):
        run(session, "schema_entries_moved")
    for table in tables():
        if make_table is None:
            run(session, f"schema/{table}")
        else:
            make_table(table)
    # The comparisons that an earlier release made are summed up: each of their calls has its row.
    run(session, "marts/forecast_swing_summary", job_id=None, baseline=None, every_job=True)
    # Each forecast gets the weeks that an earlier release kept for all of them, where it has none of a period yet.
    run(session, "schema_weeks_listed")
    run(session, "schema_is_made", schema_sha256=schema_version())
    return are_moved
