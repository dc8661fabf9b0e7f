"""Queries a DuckDB file with whichever DuckDB is installed: the file is the argument, queries by name are JSON on
standard input. Prints DuckDB's version and the rows of each answer, every value as text.
"""

import json
import sys

import duckdb


def answers(file: str, queries: dict[str, str]) -> dict[str, list[list[str | None]]]:
    """The rows of each query's answer, every value as text."""
    with duckdb.connect(file, read_only=True) as connection:
        connection.execute("set timezone = 'UTC'")
        return {
            name: [
                list(row)
                for row in connection.execute(f"select columns(*)::varchar from ({query}) order by all").fetchall()
            ]
            for name, query in queries.items()
        }


if __name__ == "__main__":
    json.dump({"version": duckdb.__version__, "answers": answers(sys.argv[1], json.load(sys.stdin))}, sys.stdout)
