#!/usr/bin/env bash
# Great Expectations 1.24.1 with pandas 3.1.1 and pyarrow 26.0.1: it makes a float of every bound, whether it was written as a
# number, a `Decimal`, or given by a suite parameter. A float of 0.1 is a little more than 0.1, so in a column of Arrow
# decimals an amount of exactly 0.1 is below a minimum of 0.1, and 0.3 is above a maximum of 0.3. The page of the result shows
# the bound as 0.1. In a column of float64 both pass. A row count is made an integer: `value=Decimal("3.5")` expects 3 rows.
#
# Who sets "at least 0.10" on a column of exact amounts meets it: the one amount at the bound is reported as out of range.
#
# Expected before it was run: that a bound given as `Decimal` is compared as one. Seen: as above.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check great-expectations==1.24.1 pandas==3.1.1 pyarrow==26.0.1
cd "$folder"
venv/bin/python - <<'PYTHON' 2>/dev/null
import os

os.environ["GX_ANALYTICS_ENABLED"] = "false"
from decimal import Decimal

import great_expectations as gx
import pandas as pd
import pyarrow as pa
from great_expectations import expectations as gxe

context = gx.get_context(mode="ephemeral")
asset = context.data_sources.add_pandas("frames").add_dataframe_asset("amounts")
whole = asset.add_batch_definition_whole_dataframe("whole")


def passes(expectation, amounts):
    return whole.get_batch({"dataframe": pd.DataFrame({"amount": amounts})}).validate(expectation).success


exact = pd.Series([Decimal("0.1")], dtype=pd.ArrowDtype(pa.decimal128(18, 4)))
third = pd.Series([Decimal("0.3")], dtype=pd.ArrowDtype(pa.decimal128(18, 4)))
for tenth in (0.1, Decimal("0.1")):
    assert not passes(gxe.ExpectColumnValuesToBeBetween(column="amount", min_value=tenth), exact)
assert not passes(gxe.ExpectColumnValuesToBeBetween(column="amount", max_value=Decimal("0.3")), third)
assert passes(gxe.ExpectColumnValuesToBeBetween(column="amount", min_value=0.1), exact.astype("float64"))
assert passes(gxe.ExpectColumnValuesToBeBetween(column="amount", min_value=Decimal("0.5")), exact + Decimal("0.4"))
assert gxe.ExpectColumnValuesToBeBetween(column="amount", min_value=Decimal("0.1")).configuration.kwargs["min_value"] == 0.1

assert passes(gxe.ExpectTableRowCountToEqual(value=Decimal("3.5")), pd.Series([1, 2, 3]))
print("as described")
PYTHON
