"""Amounts are exact or none, and what is none is named; control totals are exact, or differ so that it is seen."""

import json
from decimal import Decimal

from tests.documents.conftest import Read, only, read
from tests.helpers.each_case import try_each

# An amount as it is written, and what it is.
EXACT = {
    "1200000": "1200000", "1200000.0": "1200000.0", "1.2E6": "1200000", "1.2e+6": "1200000",
    '"1200000.00"': "1200000.00", '"1.2E6"': "1200000", "-0.5": "-0.5", "1e-4": "0.0001", "1.00000": "1",
    "12E-1": "1.2", "0e4000": "0", "0": "0", "-0.0": "0", "99999999999999.9999": "99999999999999.9999",
    "-99999999999999.9999": "-99999999999999.9999", "90071992547409.93": "90071992547409.93", '" 7 "': "7",
    '"+7"': "7", "0.1": "0.1",
}  # fmt: skip
ROUNDED = {
    "178406.46000000002": "178406.4600", "0.30000000000000004": "0.3", "0.00005": "0", "0.00015": "0.0002",
    "-0.00025": "-0.0002", "-0.000250000000000000000000000001": "-0.0003", "5.551115123125783e-17": "0",
    "99999999999999.99994": "99999999999999.9999", '"1.23456"': "1.2346",
}  # fmt: skip
NONE = (
    "9007199254740993", "100000000000000", "99999999999999.99995", "12345678901234567890123456789.123456789",
    '"12,5oo"', '"NaN"', '"Infinity"', '"-Infinity"', "1e400", "1e-99999999999999999999", '"1_000"', '"1e0x2"',
    '"1e+-2"', '"１"', "true", '{"amount": 1.50}', "[1]",
)  # fmt: skip
EMPTY = ('""', "null", '" "')


def amount(written: str) -> Read:
    """A document of one entry whose amount is written just so."""
    return read(f'{{"entries": [{{"fieldId": "f", "forecastValue": {written}}}]}}')


def test_an_amount_is_exact_or_rounded_to_four_decimals_half_to_even_and_counted():
    def check(written: str) -> None:
        document = amount(written)
        exact = Decimal((EXACT | ROUNDED)[written])
        assert only(document, "raw_entry")["forecast_value"] == exact
        assert document.unreadable == []
        ((key, control),) = document.exact_totals.items()
        assert (key, control.total, control.count) == (("f", "forecast_value"), exact, 1)
        if written in ROUNDED:
            assert document.rounded.counts == {("f", "forecast_value"): 1}
            assert document.rounded.most == abs(Decimal(json.loads(written, parse_float=str)) - exact)
        else:
            assert document.rounded.counts == {}

    try_each([*EXACT, *ROUNDED], check)


def test_what_is_no_amount_is_none_and_named_as_it_is_written():
    def check(written: str) -> None:
        document = amount(written)
        assert only(document, "raw_entry")["forecast_value"] is None
        assert document.exact_totals == {}
        if written in EMPTY:  # nothing is wrong
            assert document.unreadable == []
            return
        named = {'{"amount": 1.50}': '{"amount": "1.50"}', "[1]": '["1"]'}.get(written, written.strip('"'))
        keys = dict.fromkeys(("time_frame_id", "time_period_id", "user_id")) | {"field_id": "f"}
        assert only(document, "raw_unreadable") == keys | {"measure": "forecast_value", "written": named}

    try_each([*NONE, *EMPTY], check)


def test_an_amount_of_too_many_digits_is_none_beside_others_too():
    """It rounds to 10^15, which Arrow's widest amount has no digits for: beside others Arrow makes 0 of it."""
    entries = ", ".join(
        f'{{"fieldId": "f", "forecastValue": {written}}}' for written in ("999999999999999.99999", "1.5")
    )
    document = read(f'{{"entries": [{entries}]}}')
    assert [row["forecast_value"] for row in document.tables["raw_entry"].to_pylist()] == [None, Decimal("1.5")]
    assert len(document.unreadable) == 1


def test_totals_of_the_fast_count_are_right_or_visibly_not():
    """Where DuckDB's count is not that of the entries it must differ from it, so that it is taken anew."""
    right = {"1.2E6": 1200000, '"1200000.00"': 1200000, "9999999999.9999": Decimal("9999999999.9999")}
    right["0.1"] = Decimal("0.1")
    wrong = ("99999999999999.9999", '"12,5oo"', '"NaN"', '"-Infinity"', "1e400", '"1_000"', "true")

    def check(written: str) -> None:
        document = amount(written)
        assert (document.control_totals == document.exact_totals) is (written in right)
        if written in right:
            assert document.control_totals["f", "forecast_value"].total == right[written]

    try_each([*right, *wrong], check)


def test_control_totals_are_exact_and_apart_by_field_and_measure():
    entries = [
        {"fieldId": field, "forecastValue": value, "crmClosed": "0.0001"}
        for field in ("a", "b", None)
        for value in ("99999999999999.9999", "-0.0001", "0.1", "0.2")
    ]
    document = read(json.dumps({"entries": entries}))
    sums = {"forecast_value": (Decimal("100000000000000.2998"), 4), "crm_closed": (Decimal("0.0004"), 4)}
    assert {key: (total.total, total.count) for key, total in document.exact_totals.items()} == {
        (field, measure): found for field in ("a", "b", None) for measure, found in sums.items()
    }


def test_the_older_name_of_the_crm_total_is_read_where_the_newer_says_nothing():
    """In whichever order the two stand: ... is a name that is absent."""

    def check(case: tuple[object, object, object]) -> None:
        older, newer, crm_total = case
        pairs = [(key, value) for key, value in (("aggregationTotal", older), ("crmTotal", newer)) if value is not ...]
        for ordered in (pairs, pairs[::-1]):
            document = read(json.dumps({"entries": [{"fieldId": "f"} | dict(ordered)]}))
            assert only(document, "raw_entry")["crm_total"] == crm_total
            found = document.exact_totals.get(("f", "crm_total"))
            assert (None if found is None else found.total) == crm_total
            assert document.unknown_keys == {}

    absent = [(..., 6, 6), (5, ..., 5)]
    try_each([*absent, (5, 6, 6), (5, None, 5), (None, 6, 6), (5, 0, 0), (5, "", 5), (None, None, None)], check)
