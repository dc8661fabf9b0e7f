"""Relational JSON: whatever the order, the writing and the company it comes in, the same rows."""

import json
from decimal import Decimal
from typing import Any

import pytest

from clari_pipeline.core.periods import FiscalCalendar
from clari_pipeline.documents import MEASURES, DocumentUnreadable
from clari_pipeline.documents.json_shapes import ENTRY_KEYS
from clari_pipeline.documents.rows import ENTRY as SCHEMA
from clari_pipeline.sandbox.documents import TYPES, Style, in_many_ways, relational
from tests.documents.conftest import exported, only, read
from tests.helpers.each_case import try_each

# By Clari's keys: what stands there, our column, and what is read where that is something else.
LISTS: dict[str, dict[str, tuple[Any, ...]]] = {
    "entries": {
        "fieldId": ("fc:commit", "field_id"),
        "timeFrameId": ("W02", "time_frame_id"),
        "timePeriodId": ("2026_Q4", "time_period_id"),
        "userId": ("1900:100", "user_id"),
        "scopeId": ("1900::MGR", "scope_id"),
        "currency": ({"code": "USD", "symbol": "$"}, "currency_code", "USD"),
        "forecastValue": (575504.71, "forecast_value", Decimal("575504.71")),
        "isUpdated": (True, "is_updated"),
        "updatedBy": ("1900:100", "updated_by"),
        "updatedOn": (1760918098260, "updated_at"),
        "quotaValue": (729000, "quota_value"),
        "adjustmentValue": (-0.5, "adjustment_value", Decimal("-0.5")),
        "adjustedBy": ("1901:100", "adjusted_by"),
        "adjustedOn": ("1760918098261", "adjusted_at", 1760918098261),
        "crmTotal": (None, "crm_total"),
        "crmClosed": (0, "crm_closed"),
    },
    "fields": {
        "fieldId": ("fc:commit", "field_id"),
        "fieldName": ("Commit", "field_name"),
        "fieldType": ("FORECAST", "field_type"),
    },
    "timePeriods": {
        "timePeriodId": ("2026_Q4", "time_period_id"),
        "type": ("QUARTER", "period_type"),
        "label": ("Q4 FY 2026", "label"),
        "year": ("2026", "year"),
        "startDate": ("2026-10-01", "start_date"),
        "endDate": ("2026-12-31", "end_date"),
        "crmId": ("0268", "crm_id"),
    },
    "timeFrames": {
        "timeFrameId": ("W02", "time_frame_id"),
        "startDate": ("2026-10-15", "start_date"),
        "endDate": ("2026-10-21", "end_date"),
    },
    "users": {
        "userId": ("1900:100", "user_id"),
        "name": ('Maya "Max" O\'Neil, Jr.\n張偉 🚀', "name"),
        "email": ("maya@northwind.example", "email"),
        "crmId": ("005", "crm_user_id"),
        "scopeId": ("1900::MGR", "scope_id"),
        "hierarchyId": ("00E2", "role_id"),
        "hierarchyName": ("VP", "role_name"),
        "parentHierarchyId": ("", "parent_role_id", None),
        "parentHierarchyName": ("", "parent_role_name", None),
    },
}
TABLES = {"entries": "raw_entry", "fields": "raw_field", "timePeriods": "raw_time_period"}
TABLES |= {"timeFrames": "raw_time_frame", "users": "raw_user"}
WHOLE = {name: [{key: told[0] for key, told in keys.items()}] for name, keys in LISTS.items()}
(ENTRY,) = WHOLE["entries"]


def test_every_key_comes_to_its_column():
    document = read(json.dumps(WHOLE))
    assert (document.shape, document.entry_count, document.unknown_keys) == ("relational", 1, {})
    for name, keys in LISTS.items():
        more = {"time_period_id": None} if name == "timeFrames" else {}
        assert (
            only(document, TABLES[name])
            == {told[1]: told[-1] if told[2:] else told[0] for told in keys.values()} | more
        )
    assert document.tables["raw_entry"].schema == SCHEMA
    assert document.unreadable == []
    assert document.types == {"forecast", "forecast_updated", "quota", "adjustment", "crm_closed"}


def test_keys_may_stand_in_any_order():
    def backwards(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: backwards(value[key]) for key in reversed(value)}
        return [backwards(item) for item in value] if isinstance(value, list) else value

    one, other = read(json.dumps(WHOLE)), read(json.dumps(backwards(WHOLE)))
    assert one.tables == other.tables
    assert one.control_totals == other.control_totals == one.exact_totals == other.exact_totals


def test_unknown_keys_are_counted_at_each_level_and_harm_nothing():
    more = {"x": {"y": [1]}, "forecastvalue": 5}
    strange = {key: [row | more for row in rows] for key, rows in WHOLE.items()} | {"release": 1, "опции": []}
    document = read(json.dumps(strange))
    assert document.tables == read(json.dumps(WHOLE)).tables
    assert document.unknown_keys == {"release": 1, "опции": 1} | {f"{name}.{key}": 1 for name in WHOLE for key in more}
    twice = read(json.dumps({"entries": [ENTRY | {"x": 1}, ENTRY | {"x": 2, "z": None}]}))
    assert twice.unknown_keys == {"entries.x": 2, "entries.z": 0}


def test_booleans_moments_currencies_and_ids_become_what_they_are():
    cases = [
        ("isUpdated", True, True), ("isUpdated", False, False), ("isUpdated", "true", True), ("isUpdated", None, None),
        ("isUpdated", "perhaps", None),
        ("updatedOn", 1760918098260, 1760918098260), ("updatedOn", "1760918098260", 1760918098260),
        ("updatedOn", 1760918098260.5, 1760918098261), ("updatedOn", "yesterday", None), ("adjustedOn", None, None),
        ("updatedOn", 253402300799999, 253402300799999),  # the last of the year 9999
        ("updatedOn", 253402300800000, None), ("updatedOn", 253402300799999.5, None),
        ("updatedOn", -62135596800000, -62135596800000),  # the first of the year 1
        ("updatedOn", -62135596800001, None),
        ("userId", 1900, "1900"), ("userId", "a\0b", "a\ufffdb"), ("scopeId", "\0", "\ufffd"), ("userId", "", None),
        ("timeFrameId", None, None),
        ("currency", {"symbol": "€", "code": "EUR", "more": {}}, "EUR"), ("currency", "GBP", "GBP"),
        ("currency", {"symbol": "$"}, None), ("currency", {}, None), ("currency", "", None), ("currency", None, None),
    ]  # fmt: skip

    def check(case: tuple[str, object, object]) -> None:
        key, written, typed = case
        document = read(json.dumps({"entries": [{"fieldId": "f", key: written}]}))
        found = only(document, "raw_entry")[ENTRY_KEYS[key]]
        assert (found, type(found)) == (typed, type(typed))

    try_each(cases, check)


def test_lists_beside_the_entries_may_be_missing():
    def check(case: tuple[str, str]) -> None:
        missing, how = case
        without = {name: rows for name, rows in WHOLE.items() if name != missing}
        document = read(json.dumps(without | {"absent": {}, "null": {missing: None}, "empty": {missing: []}}[how]))
        assert document.tables["raw_entry"] == read(json.dumps(WHOLE)).tables["raw_entry"]
        if missing != "timePeriods":
            assert document.tables[TABLES[missing]].num_rows == 0
        else:  # a quarter is known by its id
            period = only(document, "raw_time_period")
            days = (period["period_type"], period["start_date"], period["end_date"])
            assert days == ("QUARTER", "2026-10-01", "2026-12-31")

    lists = [name for name in LISTS if name != "entries"]
    try_each([(missing, how) for missing in lists for how in ("absent", "null", "empty")], check)


def test_a_document_without_entries_is_read_as_one():
    document = read(json.dumps(WHOLE | {"entries": []}))
    assert (document.shape, document.entry_count, document.types) == ("relational", 0, set())
    assert document.tables["raw_user"].num_rows == 1


def test_what_is_no_document_is_refused_with_the_place():
    one = '{"entries": [{"fieldId": "f", %s}]}'
    cases: dict[str | bytes, str] = {
        **dict.fromkeys(("{}", '{"users": []}', '{"entries": null}', '{"entries": {}}'), "entries is no list"),
        '{"entries": "none"}': "entries is no list",
        '{"entries": [{"fieldId": "f"}, 3]}': r"entries\[1\] is no object",
        '{"entries": [null]}': r"entries\[0\] is no object",
        '{"entries": [], "users": {}}': "users is no list",
        '{"entries": [], "users": ["x"]}': r"users\[0\] is no object",
        **dict.fromkeys(("[]", '[{"entries": []}]'), "no JSON object"),
        one % '"updatedOn": NaN': "NaN is no JSON",
        **{one % f'"updatedOn": {number}': "Infinity is no JSON" for number in ("-Infinity", "Infinity")},
        one % '"forecastValue": 012': "not JSON",
        **dict.fromkeys(('{"entries": [{"fieldId": "f"', '{"entries": []} {"entries": []}'), "not JSON"),
        one % '"forecastValue": 1, "forecastValue": 2': "'forecastValue' stands twice",
        '{"entries": [], "users": [], "entries": []}': "'entries' stands twice",
        **dict.fromkeys((one % '"userId": "\\ud800"', one % '"\\udc00x": 1'), "half a character"),
        **dict.fromkeys(("", " \r\n\t", "\ufeff"), "no bytes"),
        **dict.fromkeys(("<html><body>Sign in</body></html>", "\ufeff \n<!DOCTYPE html>"), "a web page"),
        '{"entries": [{"fieldId": "é"}]}'.encode("latin-1"): r"not UTF-8: .* at byte",
        '{"entries": []}'.encode("utf-16"): r"not UTF-8: .* at byte",
        b'{"entries": [{"fieldId": "\xed\xa0\x80"}]}': r"not UTF-8: .* at byte",
        b"\xff\xfe\x00\x01": r"not UTF-8: .* at byte",
        b'{"entries": [{"fieldId": "f\xc3': r"not UTF-8: .* at byte",
    }

    def check(text: str | bytes) -> None:
        with pytest.raises(DocumentUnreadable, match=cases[text]) as refused:
            read(text)
        assert len(str(refused.value).splitlines()) == 1

    try_each(cases, check)


def test_a_document_cut_anywhere_is_refused():
    """One that has every list, text, number and level in few bytes; test_fast_reader.py cuts others."""
    whole = '{"entries":[{"fieldId":"é","x":[1.5,{}]}],"users":[{"name":null}],"x":{}}'.encode()
    assert read(whole).entry_count == 1
    for end in range(len(whole)):
        with pytest.raises(DocumentUnreadable):
            read(whole[:end])


def test_a_byte_order_mark_and_blanks_before_the_document_are_no_harm():
    for before in (b"\xef\xbb\xbf", b"\xef\xbb\xbf\r\n  ", b"\n\t ", b" " * 9000):
        assert read(before + json.dumps(WHOLE).encode()).tables == read(json.dumps(WHOLE)).tables


@pytest.mark.parametrize("place", ["x", "userId"])
def test_deep_nesting_is_read_or_refused_and_nothing_else(place):
    """At every depth around the one at which Python's own recursion ends, and far beyond."""

    def is_read(depth: int) -> bool:
        try:
            assert read(f'{{"entries": [{{"{place}": {"[" * depth}{"]" * depth}, "fieldId": 1}}]}}').entry_count == 1
        except DocumentUnreadable as error:
            assert "nested too deeply" in str(error)
            return False
        return True

    low, high = 850, 200_000
    assert is_read(low)
    assert not is_read(high)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if is_read(middle) else (low, middle)
    for depth in range(low - 20, high + 20):
        is_read(depth)


def test_the_same_quarter_in_many_number_writings_has_the_same_amounts():
    def written(style: Style) -> str:
        return "".join(relational(exported(people=12), TYPES, style))

    plain, odd = read(written(Style())), read(written(Style(in_many_ways)))
    assert plain.content != odd.content
    assert plain.entry_count == odd.entry_count > 200
    assert plain.exact_totals == odd.exact_totals == plain.control_totals == odd.control_totals
    assert plain.types == TYPES
    assert plain.unreadable == odd.unreadable == []
    for measure in MEASURES:
        amounts = plain.tables["raw_entry"][measure].to_pylist()
        assert any(amounts)
        assert amounts == odd.tables["raw_entry"][measure].to_pylist()


def test_a_period_that_only_entries_name_is_listed():
    cases = {
        ("2026_Q4", 1): ("2026-10-01", "2026-12-31"),
        ("2026_Q1", 2): ("2025-02-01", "2025-04-30"),
        **dict.fromkeys((("9999_Q4", 1), ("0000_Q1", 1), ("2026_M10", 1)), (None, None)),
    }

    def check(case: tuple[str, int]) -> None:
        period, start_month = case
        entries = [{"fieldId": "f", "timePeriodId": period}, {"fieldId": "f", "timePeriodId": None}]
        row = only(read(json.dumps({"entries": entries}), FiscalCalendar(start_month)), "raw_time_period")
        assert (row["time_period_id"], row["start_date"], row["end_date"]) == (period, *cases[case])

    try_each(cases, check)
