#!/usr/bin/env bash
# Great Expectations 1.24.1 with pandas 3.1.1 and pyarrow 26.0.1, on a column of Arrow decimals:
# `expect_column_values_to_be_in_set` and `..._to_not_be_in_set` with whole numbers raise inside ("Rescaling Decimal value
# would cause data loss") as soon as one amount has cents, and come back with `success` False and an empty `result`. The
# same numbers written as floats or as `Decimal` are compared as they should be. `expect_column_distinct_values_to_be_in_set`
# and `expect_column_most_common_value_to_be_in_set` take whole numbers, but never find a float in the set equal to its
# decimal: 0.5 is equal, 0.01 is not.
#
# Who says that an amount is one of [0, 100] meets it: the rule is right for years, and red on the first day with a cent.
#
# Expected before it was run: that 0 is in [0] and 0.01 is not, whatever the column's type. Seen: as above.
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

context = gx.get_context(mode="ephemeral")
asset = context.data_sources.add_pandas("frames").add_dataframe_asset("amounts")
whole = asset.add_batch_definition_whole_dataframe("whole")
expectations = gx.expectations


def outcome(kind, values, *amounts):
    """True, False, or "raises" where something was raised inside."""
    column = pd.Series([Decimal(one) for one in amounts], dtype=pd.ArrowDtype(pa.decimal128(18, 4)))
    result = whole.get_batch({"dataframe": pd.DataFrame({"amount": column})}).validate(kind(column="amount", value_set=values))
    raised = any(isinstance(one, dict) and one.get("raised_exception") for one in result.exception_info.values())
    return "raises" if raised else result.success


inside, outside = expectations.ExpectColumnValuesToBeInSet, expectations.ExpectColumnValuesToNotBeInSet
assert outcome(inside, [0, 100], "0", "100") is True
assert outcome(inside, [0, 100], "0", "100.01") == "raises"
assert outcome(outside, [5], "0", "100.01") == "raises"
assert outcome(inside, [0.0, 100.0], "0", "100.01") is False
assert outcome(inside, [Decimal(0), Decimal(100)], "0", "100.01") is False
assert outcome(inside, [0, 100.01], "0", "100.01") is True

distinct = expectations.ExpectColumnDistinctValuesToBeInSet
assert outcome(distinct, [0, 100], "0", "100") is True
assert outcome(distinct, [0, 0.5], "0", "0.5") is True
assert outcome(distinct, [0, 0.01], "0", "0.01") is False
assert outcome(distinct, [0, Decimal("0.01")], "0", "0.01") is True
print("as described")
PYTHON
