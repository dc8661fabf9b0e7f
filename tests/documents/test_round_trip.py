"""Whatever the entries are, and however their JSON is written, they are read back exactly."""

import json
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from clari_pipeline.documents import MEASURES
from clari_pipeline.documents.json_shapes import ENTRY_KEYS
from tests.documents.conftest import read

KEYS = {key: ENTRY_KEYS[key] for key in ("fieldId", "timeFrameId", "timePeriodId", "userId", "scopeId")}
AMOUNTS = {key: column for key, column in ENTRY_KEYS.items() if column in MEASURES and key != "aggregationTotal"}
# A NUL is read as another character: see test_relational.py.
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)
amounts = st.decimals(-(10**14) + 1, 10**14 - 1, places=4) | st.decimals(-(10**6), 10**6, places=2)
entries = st.fixed_dictionaries(
    {"fieldId": texts},
    optional={name: st.none() | texts for name in KEYS if name != "fieldId"}
    | {name: st.none() | amounts for name in AMOUNTS}
    | {"isUpdated": st.booleans(), "updatedOn": st.integers(0, 2**44), "currency": st.none() | texts},
)


def _short(amount: Decimal) -> str:
    text = format(amount, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


WRITINGS: list[Callable[[Decimal], str]] = ["{:f}".format, '"{:f}"'.format, "{:E}".format, _short]


def written(draw: st.DrawFn, value: Any) -> str:
    """JSON of a value with keys in some order, blanks somewhere and numbers in some writing."""
    blank = draw(st.sampled_from(["", " ", "\n\t"]))
    match value:
        case dict():
            pairs = draw(st.permutations(list(value.items())))
            inner = f",{blank}".join(f"{json.dumps(key)}{blank}:{blank}{written(draw, each)}" for key, each in pairs)
            return f"{{{blank}{inner}{blank}}}"
        case list():
            return f"[{blank}" + f"{blank},".join(written(draw, each) for each in value) + "]"
        case Decimal():
            return draw(st.sampled_from(WRITINGS))(value)
        case _:
            return json.dumps(value, ensure_ascii=draw(st.booleans()))


@st.composite
def documents(draw: st.DrawFn) -> tuple[list[dict[str, Any]], str]:
    rows = draw(st.lists(entries, max_size=5))
    lists = {name: [] for name in draw(st.sets(st.sampled_from(["users", "fields", "timeFrames"])))}
    more = {"x_unknown": draw(st.none() | texts)} if draw(st.booleans()) else {}
    return rows, written(draw, {"entries": rows} | lists | more)


@settings(deadline=None)
@given(documents())
def test_entries_are_read_back_exactly(drawn):
    rows, text = drawn
    document = read(text)
    assert document.entry_count == len(rows)
    columns = KEYS | AMOUNTS | {"isUpdated": "is_updated", "updatedOn": "updated_at", "currency": "currency_code"}
    sums: Counter[tuple[str, str]] = Counter()
    for row, found in zip(rows, document.tables["raw_entry"].to_pylist(), strict=True):
        assert {column: found[column] for column in columns.values()} == {
            column: row.get(key) for key, column in columns.items()
        }
        assert found["is_updated"] is row.get("isUpdated")
        for key, column in AMOUNTS.items():
            if row.get(key) is not None:
                sums[row["fieldId"], column] += row[key]
    assert document.unreadable == []
    assert {place: control.total for place, control in document.exact_totals.items()} == sums
