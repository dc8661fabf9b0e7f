"""Relational JSON: whatever the order, the writing and the company it comes in, the same rows."""

import json
from decimal import Decimal
from typing import Any

import pytest

from clari_pipeline.core.periods import FiscalCalendar
from clari_pipeline.documents import MEASURES, DocumentUnreadable
from clari_pipeline.documents.json_shapes import ENTRY_KEYS
from clari_pipeline.documents.rows import ENTRY as SCHEMA
from clari_pipeline.sandbox.company import Company, Order
from clari_pipeline.sandbox.documents import TYPES, Style, in_many_ways, relational
from clari_pipeline.sandbox.quarters import read_quarter
from tests.documents.conftest import TODAY, only, read

ENTRY: dict[str, Any] = {
    "fieldId": "fc:commit",
    "timeFrameId": "W02",
    "timePeriodId": "2026_Q4",
    "userId": "1900:100",
    "scopeId": "1900::MGR",
    "currency": {"code": "USD", "symbol": "$"},
    "forecastValue": 575504.71,
    "isUpdated": True,
    "updatedBy": "1900:100",
    "updatedOn": 1760918098260,
    "quotaValue": 729000,
    "adjustmentValue": -0.5,
    "adjustedBy": "1901:100",
    "adjustedOn": "1760918098261",
    "crmTotal": None,
    "crmClosed": 0,
}
WHOLE: dict[str, Any] = {
    "entries": [ENTRY],
    "fields": [{"fieldId": "fc:commit", "fieldName": "Commit", "fieldType": "FORECAST"}],
    "timePeriods": [
        {
            "timePeriodId": "2026_Q4",
            "type": "QUARTER",
            "label": "Q4 FY 2026",
            "year": "2026",
            "startDate": "2026-10-01",
            "endDate": "2026-12-31",
            "crmId": "0268",
        }
    ],
    "timeFrames": [{"timeFrameId": "W02", "startDate": "2026-10-15", "endDate": "2026-10-21"}],
    "users": [
        {
            "userId": "1900:100",
            "name": 'Maya "Max" O\'Neil, Jr.\n張偉 🚀',
            "email": "maya@northwind.example",
            "crmId": "005",
            "scopeId": "1900::MGR",
            "hierarchyId": "00E2",
            "hierarchyName": "VP",
            "parentHierarchyId": "",
            "parentHierarchyName": "",
        }
    ],
}


def test_every_key_comes_to_its_column():
    document = read(json.dumps(WHOLE))
    assert (document.shape, document.entry_count, document.unknown_keys) == ("relational", 1, {})
    assert only(document, "raw_entry") == {
        "field_id": "fc:commit",
        "time_frame_id": "W02",
        "time_period_id": "2026_Q4",
        "user_id": "1900:100",
        "scope_id": "1900::MGR",
        "currency_code": "USD",
        "forecast_value": Decimal("575504.71"),
        "quota_value": Decimal(729000),
        "adjustment_value": Decimal("-0.5"),
        "crm_total": None,
        "crm_closed": Decimal(0),
        "is_updated": True,
        "updated_by": "1900:100",
        "updated_at": 1760918098260,
        "adjusted_by": "1901:100",
        "adjusted_at": 1760918098261,
    }
    assert document.tables["raw_entry"].schema == SCHEMA
    assert document.unreadable == []
    assert only(document, "raw_user") == {
        "user_id": "1900:100",
        "name": 'Maya "Max" O\'Neil, Jr.\n張偉 🚀',
        "email": "maya@northwind.example",
        "crm_user_id": "005",
        "scope_id": "1900::MGR",
        "role_id": "00E2",
        "role_name": "VP",
        "parent_role_id": None,
        "parent_role_name": None,
    }
    assert only(document, "raw_field") == {"field_id": "fc:commit", "field_name": "Commit", "field_type": "FORECAST"}
    assert only(document, "raw_time_period") == {
        "time_period_id": "2026_Q4",
        "period_type": "QUARTER",
        "label": "Q4 FY 2026",
        "year": "2026",
        "start_date": "2026-10-01",
        "end_date": "2026-12-31",
        "crm_id": "0268",
    }
    assert only(document, "raw_time_frame") == {
        "time_frame_id": "W02",
        "time_period_id": None,
        "start_date": "2026-10-15",
        "end_date": "2026-10-21",
    }
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


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ({"code": "USD", "symbol": "$"}, "USD"), ({"symbol": "€", "code": "EUR", "more": {}}, "EUR"), ("GBP", "GBP"),
        ({"symbol": "$"}, None), ({}, None), ("", None), (None, None),
    ],
)  # fmt: skip
def test_a_currency_is_an_object_or_its_code(written, code):
    document = read(json.dumps({"entries": [{"fieldId": "f", "currency": written}]}))
    assert only(document, "raw_entry")["currency_code"] == code


@pytest.mark.parametrize(
    ("key", "written", "typed"),
    [
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
    ],
)  # fmt: skip
def test_booleans_moments_and_ids_become_what_they_are(key, written, typed):
    document = read(json.dumps({"entries": [{"fieldId": "f", key: written}]}))
    found = only(document, "raw_entry")[ENTRY_KEYS[key]]
    assert (found, type(found)) == (typed, type(typed))


@pytest.mark.parametrize("missing", ["fields", "timePeriods", "timeFrames", "users"])
@pytest.mark.parametrize("how", ["absent", "null", "empty"])
def test_lists_beside_the_entries_may_be_missing(missing, how):
    whole = {name: rows for name, rows in WHOLE.items() if name != missing}
    if how != "absent":
        whole[missing] = None if how == "null" else []
    document = read(json.dumps(whole))
    assert document.tables["raw_entry"] == read(json.dumps(WHOLE)).tables["raw_entry"]
    table = {"fields": "raw_field", "timeFrames": "raw_time_frame", "users": "raw_user"}.get(missing)
    if table:
        assert document.tables[table].num_rows == 0
    else:  # a quarter is known by its id
        period = only(document, "raw_time_period")
        assert (period["period_type"], period["start_date"], period["end_date"]) == (
            "QUARTER", "2026-10-01", "2026-12-31",
        )  # fmt: skip


def test_a_document_without_entries_is_read_as_one():
    document = read(json.dumps(WHOLE | {"entries": []}))
    assert (document.shape, document.entry_count, document.types) == ("relational", 0, set())
    assert document.tables["raw_user"].num_rows == 1


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("{}", "entries is no list"),
        ('{"users": []}', "entries is no list"),
        ('{"entries": null}', "entries is no list"),
        ('{"entries": {}}', "entries is no list"),
        ('{"entries": "none"}', "entries is no list"),
        ('{"entries": [{"fieldId": "f"}, 3]}', r"entries\[1\] is no object"),
        ('{"entries": [null]}', r"entries\[0\] is no object"),
        ('{"entries": [], "users": {}}', "users is no list"),
        ('{"entries": [], "users": ["x"]}', r"users\[0\] is no object"),
        ("[]", "no JSON object"),
        ('[{"entries": []}]', "no JSON object"),
        ('{"entries": [{"fieldId": "f", "updatedOn": NaN}]}', "NaN is no JSON"),
        ('{"entries": [{"fieldId": "f", "updatedOn": -Infinity}]}', "Infinity is no JSON"),
        ('{"entries": [{"fieldId": "f", "updatedOn": Infinity}]}', "Infinity is no JSON"),
        ('{"entries": [{"fieldId": "f", "forecastValue": 012}]}', "not JSON"),
        ('{"entries": [{"fieldId": "f"', "not JSON"),
        ('{"entries": []} {"entries": []}', "not JSON"),
        ('{"entries": [{"fieldId": "f", "forecastValue": 1, "forecastValue": 2}]}', "'forecastValue' stands twice"),
        ('{"entries": [], "users": [], "entries": []}', "'entries' stands twice"),
        ('{"entries": [{"fieldId": "f", "userId": "\\ud800"}]}', "half a character"),
        ('{"entries": [{"fieldId": "f", "\\udc00x": 1}]}', "half a character"),
        ("", "no bytes"),
        (" \r\n\t", "no bytes"),
        ("\ufeff", "no bytes"),
        ("<html><body>Sign in</body></html>", "a web page"),
        ("\ufeff \n<!DOCTYPE html>", "a web page"),
    ],
)
def test_what_is_no_document_is_refused_with_the_place(text, where):
    with pytest.raises(DocumentUnreadable, match=where) as refused:
        read(text)
    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize(
    "content",
    [
        '{"entries": [{"fieldId": "é"}]}'.encode("latin-1"),
        '{"entries": []}'.encode("utf-16"),
        b'{"entries": [{"fieldId": "\xed\xa0\x80"}]}',
        b"\xff\xfe\x00\x01",
        b'{"entries": [{"fieldId": "f\xc3',
    ],
)
def test_what_is_not_utf8_is_refused(content):
    with pytest.raises(DocumentUnreadable, match=r"not UTF-8: .* at byte"):
        read(content)


def test_a_document_cut_anywhere_is_refused():
    whole = json.dumps(WHOLE).encode()
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
    refused = []
    for depth in (*range(850, 1010), 200_000):
        try:
            assert read(f'{{"entries": [{{"{place}": {"[" * depth}{"]" * depth}, "fieldId": 1}}]}}').entry_count == 1
        except DocumentUnreadable as error:
            assert "nested too deeply" in str(error)
            refused.append(depth)
    assert refused[-1:] == [200_000]
    assert 850 not in refused


def written_by_sandbox(style: Style) -> bytes:
    quarter = read_quarter("2026_Q4", 1)
    document = Company(seed=7, people=12).export(Order("total_new", quarter, TODAY))
    return "".join(relational(document, TYPES, style)).encode()


def test_the_same_quarter_in_many_number_writings_has_the_same_amounts():
    plain, odd = read(written_by_sandbox(Style())), read(written_by_sandbox(Style(in_many_ways)))
    assert plain.content != odd.content
    assert plain.entry_count == odd.entry_count > 200
    assert plain.exact_totals == odd.exact_totals == plain.control_totals == odd.control_totals
    assert plain.types == TYPES
    assert plain.unreadable == odd.unreadable == []
    for measure in MEASURES:
        amounts = plain.tables["raw_entry"][measure].to_pylist()
        assert any(amounts)
        assert amounts == odd.tables["raw_entry"][measure].to_pylist()


@pytest.mark.parametrize(
    ("period", "start_month", "days"),
    [
        ("2026_Q4", 1, ("2026-10-01", "2026-12-31")),
        ("2026_Q1", 2, ("2025-02-01", "2025-04-30")),
        ("9999_Q4", 1, (None, None)),
        ("0000_Q1", 1, (None, None)),
        ("2026_M10", 1, (None, None)),
    ],
)
def test_a_period_that_only_entries_name_is_listed(period, start_month, days):
    text = json.dumps({"entries": [{"fieldId": "f", "timePeriodId": period}, {"fieldId": "f", "timePeriodId": None}]})
    document = read(text, FiscalCalendar(start_month))
    row = only(document, "raw_time_period")
    assert (row["time_period_id"], row["start_date"], row["end_date"]) == (period, *days)
