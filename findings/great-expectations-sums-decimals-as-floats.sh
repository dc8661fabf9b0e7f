#!/usr/bin/env bash
# Great Expectations 1.24.1 with pandas 3.1.1: the sum and the mean of a column of `decimal.Decimal` are floats, and so is
# every bound that is given as a Decimal; the maximum of the column stays one, and is held against such a float.
#
# Who holds a control total against a column of amounts meets it. Bounds that are off by a thousandth pass where pandas'
# own sum is exact (12345678901234.96 of three Decimals); a sum of 9007199254740993.01 and a maximum of
# 9007199254740993.00 are never found equal to themselves; and the mean of 1.10, 2.20 and 3.30 is not 2.20. A result
# written as JSON holds floats for every Decimal, with one line in the log for those that lose digits:
# 12345678901234.5678 becomes 12345678901234.568.
#
# Expected before it was run: the sum that pandas gives, a Decimal, and a text in JSON. Seen: as above.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check great-expectations==1.24.1 pandas==3.1.1
cd "$folder"
venv/bin/python - <<'PYTHON' 2>/dev/null
import os

os.environ["GX_ANALYTICS_ENABLED"] = "false"
from decimal import Decimal

import great_expectations as gx
import pandas as pd

context = gx.get_context(mode="ephemeral")
source = context.data_sources.add_pandas("frames")


def batch(name, *amounts):
    frame = pd.DataFrame({"amount": [Decimal(amount) for amount in amounts]})
    definition = source.add_dataframe_asset(name).add_batch_definition_whole_dataframe("whole")
    return frame.amount, definition.get_batch({"dataframe": frame})


def between(kind, amount):
    return kind(column="amount", min_value=amount, max_value=amount)


total, mean, highest = (
    getattr(gx.expectations, f"ExpectColumn{name}ToBeBetween") for name in ("Sum", "Mean", "Max")
)

amounts, rows = batch("twelve digits", "12345678901234.56", "0.10", "0.30")
assert amounts.sum() == Decimal("12345678901234.96")
assert rows.validate(between(total, amounts.sum() + Decimal("0.001"))).success
assert isinstance(rows.validate(between(total, amounts.sum())).result["observed_value"], float)

amounts, rows = batch("sixteen digits", "9007199254740993.00", "0.01")
assert not rows.validate(between(total, amounts.sum())).success
assert not rows.validate(between(highest, amounts.max())).success

amounts, rows = batch("small", "1.10", "2.20", "3.30")
assert not rows.validate(between(mean, Decimal("2.20"))).success

_, rows = batch("eighteen digits", "12345678901234.5678")
found = rows.validate(between(highest, Decimal("12345678901234.5678")))
assert found.result["observed_value"] == Decimal("12345678901234.5678")
assert repr(found.to_json_dict()["result"]["observed_value"]) == "12345678901234.568"
print("as described")
PYTHON
