"""Opens a DuckDB file with whichever DuckDB it finds, and asks it: the file as an argument, queries by name as JSON on
standard input. Prints DuckDB's version and the rows of each answer, every value as text.
"""

import json
import sys

import duckdb

connection = duckdb.connect(sys.argv[1], read_only=True)
connection.execute("set timezone = 'UTC'")
answers = {
    name: connection.execute(f"select columns(*)::varchar from ({query}) order by all").fetchall()
    for name, query in json.load(sys.stdin).items()
}
json.dump({"version": duckdb.__version__, "answers": answers}, sys.stdout)
