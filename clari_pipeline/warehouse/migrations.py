"""Create and migrate the tables: the schema version of this release, and what earlier releases stored differently."""

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
    """The schema version of this release: a SHA-256 of the versions in the first lines of the files of `sql/schema/`.

    A warehouse of any other version is migrated. Whoever changes what a file defines raises the version in its first
    line; nothing else in the file counts. What earlier releases stored in its place is another version, too.
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
    """Whether the tables, which have to exist, are of this version."""
    return rows(session, "schema_made_by") == [{"schema_sha256": schema_version()}]


def make_schema(session: Session, make_table: Callable[[str], None] | None = None) -> bool:
    """Migrate the tables to this version; rows stay. Returns whether `forecast_entry` was renamed to make it a view.

    `make_table` creates one table by its name, in place of running its file of `sql/schema/`.
    """
    run(session, "schema/clari")
    # In earlier releases `forecast_entry` was a table: it becomes forecast_entry_state, with the view in its place.
    if are_moved := bool(row(session, "schema_entries_held")["held"]):
        run(session, "schema_entries_moved")
    for table in tables():
        if make_table is None:
            run(session, f"schema/{table}")
        else:
            make_table(table)
    # Summaries of the comparisons of an earlier release, which stored a row for each call.
    run(session, "marts/forecast_swing_summary", job_id=None, baseline=None, every_job=True)
    run(session, "schema_names_filled")
    run(session, "schema_quarters_named")
    # An earlier release stored weeks without their forecast: copy them to each forecast that has none of a period.
    run(session, "schema_weeks_listed")
    run(session, "schema_is_made", schema_sha256=schema_version())
    return are_moved
