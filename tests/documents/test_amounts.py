"""Amounts are exact or none, and what is none is named; control totals are exact, or differ so that it is seen."""

import json
from decimal import Decimal

import pytest

from tests.documents.conftest import Read, only, read


def amount(written: str, key: str = "forecastValue") -> Read:
    """A document of one entry whose amount is written just so."""
    return read(f'{{"entries": [{{"fieldId": "f", "{key}": {written}}}]}}')


@pytest.mark.parametrize(
    ("written", "exact"),
    [
        ("1200000", "1200000"), ("1200000.0", "1200000.0"), ("1.2E6", "1200000"), ("1.2e+6", "1200000"),
        ('"1200000.00"', "1200000.00"), ('"1.2E6"', "1200000"), ("-0.5", "-0.5"), ("1e-4", "0.0001"), ("1.00000", "1"),
        ("12E-1", "1.2"), ("0e4000", "0"), ("0", "0"), ("-0.0", "0"), ("99999999999999.9999", "99999999999999.9999"),
        ("-99999999999999.9999", "-99999999999999.9999"), ("90071992547409.93", "90071992547409.93"), ('" 7 "', "7"),
        ('"+7"', "7"), ("0.1", "0.1"),
    ],
)  # fmt: skip
def test_an_amount_is_exact_however_it_is_written(written, exact):
    document = amount(written)
    assert only(document, "raw_entry")["forecast_value"] == Decimal(exact)
    assert (document.unreadable, document.rounded.counts) == ([], {})
    ((key, control),) = document.exact_totals.items()
    assert (key, control.total, control.count) == (("f", "forecast_value"), Decimal(exact), 1)


@pytest.mark.parametrize(
    "written",
    [
        "9007199254740993", "100000000000000", "99999999999999.99995", "12345678901234567890123456789.123456789",
        '"12,5oo"', '"NaN"', '"Infinity"', '"-Infinity"', "1e400", "1e-99999999999999999999", '"1_000"', '"1e0x2"',
        '"1e+-2"', '"１"', "true", '{"amount": 1.50}', "[1]",
    ],
)  # fmt: skip
def test_what_is_no_amount_is_none_and_named_as_it_is_written(written):
    document = amount(written)
    assert only(document, "raw_entry")["forecast_value"] is None
    named = {'{"amount": 1.50}': '{"amount": "1.50"}', "[1]": '["1"]'}.get(written, written.strip('"'))
    key = dict.fromkeys(("time_frame_id", "time_period_id", "user_id"))
    assert only(document, "raw_unreadable") == {"field_id": "f", "measure": "forecast_value", "written": named, **key}
    assert document.exact_totals == {}


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("178406.46000000002", "178406.4600"), ("0.30000000000000004", "0.3"), ("0.00005", "0"), ("0.00015", "0.0002"),
        ("-0.00025", "-0.0002"), ("-0.000250000000000000000000000001", "-0.0003"), ("5.551115123125783e-17", "0"),
        ("99999999999999.99994", "99999999999999.9999"), ('"1.23456"', "1.2346"),
    ],
)  # fmt: skip
def test_more_than_four_decimals_are_rounded_half_to_even_and_counted(written, kept):
    document = amount(written)
    assert only(document, "raw_entry")["forecast_value"] == Decimal(kept)
    assert document.unreadable == []
    assert document.rounded.counts == {("f", "forecast_value"): 1}
    assert document.rounded.most == abs(Decimal(json.loads(written, parse_float=str)) - Decimal(kept))
    assert document.exact_totals["f", "forecast_value"].total == Decimal(kept)


@pytest.mark.parametrize("written", ['""', "null", '" "'])
def test_no_amount_is_none_and_nothing_is_wrong(written):
    document = amount(written)
    assert only(document, "raw_entry")["forecast_value"] is None
    assert document.unreadable == []
    assert document.exact_totals == {}


@pytest.mark.parametrize(
    ("written", "total"),
    [
        ("1.2E6", 1200000), ('"1200000.00"', 1200000), ("9999999999.9999", Decimal("9999999999.9999")),
        ("0.1", Decimal("0.1")), ("99999999999999.9999", None), ('"12,5oo"', None), ('"NaN"', None),
        ('"-Infinity"', None), ("1e400", None), ('"1_000"', None), ("true", None),
    ],
)  # fmt: skip
def test_totals_of_the_fast_count_are_right_or_visibly_not(written, total):
    """Where DuckDB's count is not that of the entries it must differ from it, so that it is taken anew."""
    document = amount(written)
    assert (document.control_totals == document.exact_totals) is (total is not None)
    if total is not None:
        assert document.control_totals["f", "forecast_value"].total == total


def test_control_totals_are_exact_and_apart_by_field_and_measure():
    entries = [
        {"fieldId": field, "forecastValue": value, "crmClosed": "0.0001"}
        for field in ("a", "b", None)
        for value in ("99999999999999.9999", "-0.0001", "0.1", "0.2")
    ]
    document = read(json.dumps({"entries": entries}))
    assert {key: (total.total, total.count) for key, total in document.exact_totals.items()} == {
        (field, measure): found
        for field in ("a", "b", None)
        for measure, found in (
            ("forecast_value", (Decimal("100000000000000.2998"), 4)),
            ("crm_closed", (Decimal("0.0004"), 4)),
        )
    }


@pytest.mark.parametrize(("older", "newer", "crm_total"), [
    (..., 6, 6), (5, ..., 5), (5, 6, 6), (5, None, 5), (None, 6, 6), (5, 0, 0), (5, "", 5), (None, None, None),
])  # fmt: skip
@pytest.mark.parametrize("is_older_first", [True, False])
def test_the_older_name_of_the_crm_total_is_read_where_the_newer_says_nothing(older, newer, crm_total, is_older_first):
    pairs = [("aggregationTotal", older), ("crmTotal", newer)][:: 1 if is_older_first else -1]
    entry = {key: value for key, value in pairs if value is not ...}
    document = read(json.dumps({"entries": [{"fieldId": "f"} | entry]}))
    assert only(document, "raw_entry")["crm_total"] == crm_total
    found = document.exact_totals.get(("f", "crm_total"))
    assert (None if found is None else found.total) == crm_total
    assert document.unknown_keys == {}
