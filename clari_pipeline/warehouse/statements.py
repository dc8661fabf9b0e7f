"""The statements of `sql/`, found by name, run with named parameters."""

from __future__ import annotations

import atexit
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import duckdb

from clari_pipeline.settings import project_file

Connection = duckdb.DuckDBPyConnection
Record = dict[str, Any]


def run(connection: Connection, name: str, **parameters: Any) -> Connection:
    """Run `sql/<name>.sql`, statement after statement; each takes the parameters that it names.

    The connection returned holds the last statement's result.
    """
    if _is_server(connection):
        cursor: Connection = _run_on_server(connection, name, parameters)
        return cursor
    for statement, wanted in _statements(connection, _text(name)):
        if wanted:
            connection.execute(statement, {key: parameters[key] for key in wanted})
        else:
            connection.execute(statement)
    return connection


def _is_server(connection: object) -> bool:
    return not isinstance(connection, duckdb.DuckDBPyConnection)


def _run_on_server(connection: Any, name: str, parameters: Record) -> Any:
    """The same on PostgreSQL; the cursor returned holds the last statement's result."""
    from clari_pipeline.warehouse.dialects import carried  # noqa: PLC0415  sqlglot is there only where it is needed

    cursor = connection.cursor()
    for statement in carried(name, "postgres"):
        cursor.execute(statement, parameters)
    return cursor


def rows(connection: Connection, name: str, **parameters: Any) -> list[Record]:
    """What `sql/<name>.sql` answers, a dictionary a row."""
    answer = run(connection, name, **parameters)
    columns = [column[0] for column in answer.description or ()]
    return [dict(zip(columns, values, strict=True)) for values in answer.fetchall()]


def row(connection: Connection, name: str, **parameters: Any) -> Record:
    """The one row that `sql/<name>.sql` answers."""
    (only,) = rows(connection, name, **parameters)
    return only


def tables() -> list[str]:
    """The tables of the warehouse, as `sql/schema/` names them."""
    return [file.stem for file in _folder("schema") if file.stem != "clari"]


_parsed: dict[str, list[tuple[duckdb.Statement, set[str]]]] = {}
atexit.register(_parsed.clear)  # DuckDB complains of statements that outlive it


def _statements(connection: Connection, text: str) -> list[tuple[duckdb.Statement, set[str]]]:
    """The statements of a text and the parameters that each names; parsed once a process."""
    if text not in _parsed:
        found = connection.extract_statements(text)
        _parsed[text] = [(statement, statement.named_parameters) for statement in found]
    return _parsed[text]


def sha256_of(folder: str) -> str:
    """Which statements this release has in `sql/<folder>/`."""
    return sha256("".join(_text(f"{folder}/{file.stem}") for file in _folder(folder)).encode()).hexdigest()


@cache
def _text(name: str) -> str:
    return (project_file("sql") / f"{name}.sql").read_text(encoding="utf-8")


@cache
def _folder(name: str) -> list[Path]:
    """The common files; those that one engine has for itself carry its name as well, and are none of them."""
    return [file for file in sorted((project_file("sql") / name).glob("*.sql")) if "." not in file.stem]
