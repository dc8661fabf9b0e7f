#!/usr/bin/env bash
# DuckDB 2.0.0 (Python package `duckdb`): median and quantile_cont of a DECIMAL column are DECIMAL of the column's own
# scale, and what lies between two values is cut off there, towards zero. avg of the same column is a DOUBLE.
#
# Who reports a middle value of amounts meets it: the median of 0.01 and 0.02 is 0.01, of 1.00 and 2.55 it is 1.77 and
# not 1.775 or 1.78. PostgreSQL's percentile_cont gives 1.775 for the same rows, so that one query over two engines
# differs by up to a cent. A cast of the column to a scale of four digits, or to DOUBLE, before the median avoids it.
#
# Expected before it was run: 1.775, or 1.78 (rounded as a cast to DECIMAL(10,2) does). Seen: 1.77. DuckDB 1.2.2 does so too.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check duckdb==2.0.0
cd "$folder"
venv/bin/python - <<'PYTHON'
from decimal import Decimal

import duckdb

assert duckdb.__version__ == "2.0.0"


def one(expression, *amounts):
    rows = ", ".join(f"({amount}::decimal(10, 2))" for amount in amounts)
    return duckdb.sql(f"select {expression} from (values {rows}) t(x)").fetchall()[0][0]


assert one("typeof(median(x))", "1", "2.55") == "DECIMAL(10,2)"
assert one("median(x)", "1", "2.55") == Decimal("1.77")
assert one("median(x)", "-1", "-2.55") == Decimal("-1.77")
assert one("median(x)", "0.01", "0.02") == Decimal("0.01")
assert one("quantile_cont(x, 0.25)", "1", "2.55") == Decimal("1.38")  # 1.3875
assert one("1.775::decimal(10, 2)", "1") == Decimal("1.78")  # a cast rounds
assert one("median(x::decimal(12, 4))", "1", "2.55") == Decimal("1.7750")
assert one("avg(x)", "0.01", "0.02") == 0.015
print("as described")
PYTHON
