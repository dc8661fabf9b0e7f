#!/usr/bin/env bash
# pandas 3.1.1 with pyarrow 26.0.1: Arrow decimals of type decimal128(18, 4) are divided exactly to 19 places. Their sums
# by group are exact, too, but of type decimal128(38, 4), and a sum divided or multiplied by another raises "Decimal
# precision out of range [1, 38]: 77". `mean` keeps the four places of the type, and cuts off the rest: the mean of 1, 1
# and 0 is 0.6667, and that of 0.0001, 0, 0 is 0. `sum` divided by a number of rows is exact.
#
# Who computes attainment by team from exact amounts meets it: closed divided by quota works row by row, and raises a group.
# Casting the sums back to decimal128(18, 4) lets them be divided.
#
# Expected before it was run: sums that can be divided, and a mean of more places. Seen: as above.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pandas==3.1.1 pyarrow==26.0.1
cd "$folder"
venv/bin/python - <<'PYTHON'
from decimal import Decimal
from operator import mul, truediv

import pandas as pd
import pyarrow as pa

amount = pd.ArrowDtype(pa.decimal128(18, 4))


def amounts(*texts):
    return pd.Series([Decimal(text) for text in texts], dtype=amount)


teams = pd.DataFrame({"team": ["a", "a", "b"], "closed": amounts("10", "0.01", "5"), "quota": amounts("3", "4", "7")})
assert (teams.closed / teams.quota).tolist()[0] == Decimal("3.3333333333333333333")
sums = teams.groupby("team")[["closed", "quota"]].sum()
assert sums.closed.tolist() == [Decimal("10.0100"), Decimal("5.0000")]
assert sums.closed.dtype == pd.ArrowDtype(pa.decimal128(38, 4))
for operation in (truediv, mul):
    try:
        operation(sums.closed, sums.quota)
        raise AssertionError("no error")
    except pa.ArrowInvalid as error:
        assert "precision out of range [1, 38]: 77" in str(error), error
assert (sums.closed.astype(amount) / sums.quota.astype(amount)).tolist()[0] == Decimal("1.4300000000000000000")

means = [amounts("1", "1", "0").mean(), amounts("0.0001", "0", "0").mean()]
assert means == [Decimal("0.6667"), Decimal(0)], means
assert amounts("1", "1", "0").sum() / 3 == Decimal(2) / 3
print("as described")
PYTHON
