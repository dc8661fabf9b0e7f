#!/usr/bin/env bash
# sqlglot 30.22.0 carries statements from DuckDB 2.0.0 to PostgreSQL 16.2 that run without an error in both, and say
# something else there.
#
# | in DuckDB | says | carried, in PostgreSQL |
# | --- | --- | --- |
# | date_diff('day', 1 October 23:00, 2 October 01:00) | 1, a midnight lies between | 0, two hours in days, rounded |
# | date_diff('day', 1 October 01:00, 1 October 14:00) | 0, the same day | 1, thirteen hours in days, rounded |
# | date_diff('month', 31 January, 1 February) | 1, a month begins between | 0, by the age of one day |
# | date_diff('year', 31 December, 1 January) | 1 | 0 |
# | last_value(x ignore nulls) over the rows so far | the last value that is none | null: the words are left out |
# | 7.5 // 2 | 3.75: of decimals it is no whole division | 3, by DIV |
# | substr('abcdef', -2) | 'ef', from the end | 'abcdef', from before the beginning |
# | strftime(moment, '%H.%g') | milliseconds | the letters '%g' |
#
# Expected before it was run: an error, or the same value. What differs is said for one of the eight alone, as a warning
# in Python's log (ignore nulls). Between two dates, not moments, days are counted alike: that form can be relied on.
#
# Who keeps one text of SQL for both engines meets it where weeks, quarters and days to the end of a period are counted.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check duckdb==2.0.0 sqlglot==30.22.0 pgserver==0.1.4
cd "$folder"
venv/bin/python - <<'PYTHON' 2>log || { cat log >&2; exit 1; }
import tempfile

import duckdb
import pgserver
import sqlglot

assert (duckdb.__version__, sqlglot.__version__) == ("2.0.0", "30.22.0")
day, next_day = "timestamp '2026-10-01 {}'", "timestamp '2026-10-02 {}'"
so_far = "over (order by place rows between unbounded preceding and current row)"
cases = [
    (f"select date_diff('day', {day.format('23:00')}, {next_day.format('01:00')})", "1", "0"),
    (f"select date_diff('day', {day.format('01:00')}, {day.format('14:00')})", "0", "1"),
    ("select date_diff('month', date '2026-01-31', date '2026-02-01')", "1", "0"),
    ("select date_diff('year', date '2025-12-31', date '2026-01-01')", "1", "0"),
    (
        f"select v from (select place, last_value(x ignore nulls) {so_far} as v"
        " from (values (5, 1), (null, 2)) as t(x, place)) as n where place = 2",
        "5",
        "",
    ),
    ("select 7.5 // 2", "3.75", "3"),
    ("select substr('abcdef', -2)", "ef", "abcdef"),
    ("select strftime(timestamp '2026-10-01 03:04:05.678', '%H.%g')", "03.678", "03.%g"),
    ("select date_diff('day', date '2026-10-01', date '2026-10-02')", "1", "1"),
]
server = pgserver.get_server(tempfile.mkdtemp(dir="."))
try:
    assert "PostgreSQL 16.2" in server.psql("select version();")
    for statement, in_duckdb, in_postgres in cases:
        (carried,) = sqlglot.transpile(statement, read="duckdb", write="postgres")
        ((found,),) = duckdb.sql(statement).fetchall()
        answer = server.psql(f"copy ({carried}) to stdout;").strip().replace("\\N", "")
        assert (str(found), answer) == (in_duckdb, in_postgres), (statement, carried, found, answer)
finally:
    server.cleanup()
print("as described")
PYTHON
