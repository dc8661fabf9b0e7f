"""Whatever the entries are, and however their JSON is written, they are read back exactly."""

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.documents.conftest import read

KEYS = {
    "fieldId": "field_id",
    "timeFrameId": "time_frame_id",
    "timePeriodId": "time_period_id",
    "userId": "user_id",
    "scopeId": "scope_id",
}
AMOUNTS = {
    "forecastValue": "forecast_value",
    "quotaValue": "quota_value",
    "adjustmentValue": "adjustment_value",
    "crmTotal": "crm_total",
    "crmClosed": "crm_closed",
}
# A NUL is read as another character: see test_relational.py.
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)
amounts = st.decimals(-(10**14) + 1, 10**14 - 1, places=4) | st.decimals(-(10**6), 10**6, places=2)
entries = st.fixed_dictionaries(
    {"fieldId": texts},
    optional={name: st.none() | texts for name in KEYS if name != "fieldId"}
    | {name: st.none() | amounts for name in AMOUNTS}
    | {"isUpdated": st.booleans(), "updatedOn": st.integers(0, 2**44), "currency": st.none() | texts},
)


def _quoted(amount: Decimal) -> str:
    return f'"{amount:f}"'


def _scientific(amount: Decimal) -> str:
    return format(amount, "E")


def _short(amount: Decimal) -> str:
    text = format(amount, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


WRITINGS: list[Callable[[Decimal], str]] = [lambda amount: format(amount, "f"), _quoted, _scientific, _short]


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
    for row, found in zip(rows, document.tables["raw_entry"].to_pylist(), strict=True):
        for key, column in KEYS.items():
            assert found[column] == row.get(key)
        for key, column in AMOUNTS.items():
            assert found[column] == row.get(key)
        assert found["is_updated"] is row.get("isUpdated")
        assert found["updated_at"] == row.get("updatedOn")
        assert found["currency_code"] == row.get("currency")
    sums: dict[tuple[str, str], Decimal] = {}
    for row in rows:
        for key, column in AMOUNTS.items():
            if row.get(key) is not None:
                place = (row["fieldId"], column)
                sums[place] = sums.get(place, Decimal(0)) + row[key]
    assert document.unreadable == []
    assert {place: control.total for place, control in document.exact_totals.items()} == sums
