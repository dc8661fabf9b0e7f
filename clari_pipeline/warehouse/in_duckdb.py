"""Statements of `sql/` as DuckDB runs them, in this process."""

import atexit
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from typing import Any

import duckdb

from clari_pipeline.core.queries import text_of

# It guesses that a thousandth of the rows is left after a few joins, and would put the larger side into memory.
_JOINED_AS_WRITTEN = frozenset({"marts/backfilled_weeks"})

_parsed: dict[str, list[tuple[duckdb.Statement, set[str]]]] = {}
atexit.register(_parsed.clear)  # DuckDB complains of statements that outlive it


def run_in_duckdb(connection: duckdb.DuckDBPyConnection, name: str, parameters: dict[str, Any]) -> None:
    """Run a query of `sql/`, statement after statement; the connection holds the last one's result."""
    with _joined_as_written(connection) if name in _JOINED_AS_WRITTEN else nullcontext():
        for statement, wanted in _statements(connection, text_of(name)):
            if wanted:
                connection.execute(statement, {key: parameters[key] for key in wanted})
            else:
                connection.execute(statement)


@contextmanager
def _joined_as_written(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    connection.execute("set disabled_optimizers = 'join_order'")
    try:
        yield
    finally:
        with suppress(duckdb.Error):  # the error before it is the one to report
            connection.execute("reset disabled_optimizers")


def _statements(connection: duckdb.DuckDBPyConnection, text: str) -> list[tuple[duckdb.Statement, set[str]]]:
    """The statements of a text and the parameters that each names; parsed once a process."""
    if text not in _parsed:
        found = connection.extract_statements(text)
        _parsed[text] = [(statement, statement.named_parameters) for statement in found]
    return _parsed[text]
