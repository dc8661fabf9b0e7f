#!/usr/bin/env bash
# Great Expectations 1.24.1: an `ExpectationSuite` that is made of dictionaries, as its own JSON files hold them, leaves an
# expectation out whose type it does not know. The constructor raises nothing: it logs an error with a traceback, and
# `validate` says success, 100 %, of what is left. A wrong argument of a known type raises at once, by contrast.
#
# Who writes a suite file by hand and mistypes one name meets it: the rule is never judged, and everything is green.
# `ExpectationConfiguration(...).to_domain_obj()` raises `ExpectationNotFoundError` for the same dictionary.
#
# Expected before it was run: an error from the constructor. Seen: as above.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check great-expectations==1.24.1 pandas==3.1.1
cd "$folder"
venv/bin/python - <<'PYTHON' 2>/dev/null
import os

os.environ["GX_ANALYTICS_ENABLED"] = "false"
import great_expectations as gx
import pandas as pd
from great_expectations.exceptions import ExpectationNotFoundError
from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

mistyped = {"type": "expect_column_values_to_be_unqiue", "kwargs": {"column": "id"}}
counted = {"type": "expect_table_row_count_to_equal", "kwargs": {"value": 2}}
suite = gx.ExpectationSuite(name="calls", expectations=[mistyped, counted])
assert [one.expectation_type for one in suite.expectations] == ["expect_table_row_count_to_equal"]

context = gx.get_context(mode="ephemeral")
asset = context.data_sources.add_pandas("frames").add_dataframe_asset("calls")
rows = asset.add_batch_definition_whole_dataframe("whole").get_batch({"dataframe": pd.DataFrame({"id": [5, 5]})})
result = rows.validate(suite)
assert (result.success, result.statistics["success_percent"], result.statistics["evaluated_expectations"]) == (True, 100, 1)

try:
    ExpectationConfiguration(mistyped["type"], mistyped["kwargs"]).to_domain_obj()
    raise AssertionError("no error")
except ExpectationNotFoundError:
    pass
try:
    gx.ExpectationSuite(name="calls", expectations=[counted | {"kwargs": {"values": 2}}])
    raise AssertionError("no error")
except ValueError as error:
    assert "extra fields not permitted" in str(error)
print("as described")
PYTHON
