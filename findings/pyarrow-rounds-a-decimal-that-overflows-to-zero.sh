#!/usr/bin/env bash
# pyarrow 26.0.1: where a decimal is rounded up past the precision of its type, the compute functions `round`,
# `round_binary`, `round_to_multiple` and `ceil` raise "Rounded value does not fit" if it is the last value of the array,
# and give 0 without an error if any later value fits. The error of one element is lost when a later one succeeds. A missing
# value after it does not hide the error, a value does. `Series.round` of pandas 3.1.1 on Arrow decimals does the same.
#
# Who rounds a column of amounts to the cent meets it: an amount of 14 digits, 99,999,999,999,999.9999 in a
# decimal128(18, 4), becomes 0.00 in the middle of a column, and raises at its end.
#
# Expected before it was run: an error wherever the value stands, as `cast` gives. Seen: as above.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pandas==3.1.1 pyarrow==26.0.1
cd "$folder"
venv/bin/python - <<'PYTHON'
from decimal import Decimal

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

kind = pa.decimal128(18, 4)
most, small = Decimal("99999999999999.9999"), Decimal("1.5")
functions = {
    "round": lambda amounts: pc.round(amounts, 2),
    "round_binary": lambda amounts: pc.round_binary(amounts, 2),
    "round_to_multiple": lambda amounts: pc.round_to_multiple(amounts, pa.scalar(Decimal("0.0100"), kind)),
    "ceil": pc.ceil,
    "pandas": lambda amounts: pa.array(pd.Series(amounts, dtype=pd.ArrowDtype(kind)).round(2)),
}


def outcome(function, *amounts):
    try:
        return function(pa.array(amounts, kind)).to_pylist()[amounts.index(most)]
    except pa.ArrowInvalid as error:
        assert "does not fit in precision" in str(error), error
        return "raises"


found = {
    name: (outcome(function, most), outcome(function, small, most), outcome(function, most, None), outcome(function, most, small))
    for name, function in functions.items()
}
assert found == dict.fromkeys(functions, ("raises", "raises", "raises", Decimal(0))), found
print("as described")
PYTHON
