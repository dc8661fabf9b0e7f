"""forecast_swing: what has moved, by how much, and whether people must hear of it."""

from decimal import Decimal
from typing import Any

import pytest

from tests.helpers.house import House, document, entry, moment


def swing(house: House, *, who: str = "ann", baseline: str = "sync", export: int = 2) -> dict[str, Any]:
    """The comparison of a person's call in the numbered export."""
    return house.row(
        "from clari.forecast_swing where user_id = $who and baseline = $baseline and job_id like $job",
        who=who,
        baseline=baseline,
        job=f"%-{export}",
    )


def moved(house: House, before: Any, after: Any, **request: Any) -> dict[str, Any]:
    """The comparison of one call on two days that follow each other."""
    house.bring(document(entry(call=before)), moment(10, 2))
    house.bring(document(entry(call=after)), moment(10, 3), **request)
    return swing(house)


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        ("100", "120", None),
        ("100", "120.0001", "above_threshold"),
        ("10000", "12001", "above_threshold"),
        ("100", "80", None),
        ("100", "79", "above_threshold"),
        ("-100", "-120", None),
        ("-100", "-121", "above_threshold"),
        ("100", "100", None),
        ("0", "5", "from_zero"),
        ("5", "0", "to_zero"),
        ("0", "0", None),
        ("100", "-1", "sign_flip"),
        ("-1", "100", "sign_flip"),
    ],
)
def test_a_call_swings_beyond_twenty_percent(house: House, before: str, after: str, reason: str | None) -> None:
    """20.00 % exactly is none; zero and a changed sign are swings whatever their size."""
    found = moved(house, before, after)
    assert (found["is_swing"], found["reason"]) == (reason is not None, reason)
    assert found["change_amount"] == Decimal(after) - Decimal(before)


def test_a_change_of_one_hundredth_beyond_is_a_swing(house: House) -> None:
    found = moved(house, "10000", "12001")
    assert (found["change_pct"], found["is_swing"]) == (Decimal("0.2001"), True)


def test_the_threshold_is_decimal(open_house: Any) -> None:
    """0.1 + 0.2 is a binary matter; a tenth of 0.3 is 0.03."""
    house = open_house(swing_threshold=Decimal("0.1"))
    found = moved(house, "0.3", "0.33")
    assert (found["is_swing"], found["threshold"]) == (False, Decimal("0.1"))


def test_the_largest_calls_are_compared_exactly(house: House) -> None:
    """One ten-thousandth beyond a fifth of fourteen digits and four decimals."""
    found = moved(house, "80000000000000.0000", "96000000000000.0001")
    assert (found["change_amount"], found["is_swing"]) == (Decimal("16000000000000.0001"), True)
    assert found["change_pct"] == Decimal("0.2")


def test_exactly_a_fifth_of_the_largest_call_is_none(house: House) -> None:
    assert moved(house, "80000000000000.0005", "96000000000000.0006")["is_swing"] is False


def test_percentages_of_large_changes_are_exact(house: House) -> None:
    assert moved(house, "3", "1000000000002.9999")["change_pct"] == Decimal("333333333333.333300")


def test_a_change_that_no_percentage_can_hold_does_not_stop_the_sync(house: House) -> None:
    """From a ten-thousandth to five milliard: a swing, its share too large to be written."""
    found = moved(house, "0.0001", "5000000000")
    assert (found["is_swing"], found["reason"], found["change_amount"]) == (
        True,
        "above_threshold",
        Decimal("4999999999.9999"),
    )


def test_a_flip_between_the_largest_calls_does_not_stop_the_sync(house: House) -> None:
    """The difference of two amounts of fourteen digits has fifteen."""
    found = moved(house, "-99999999999999.9999", "99999999999999.9999")
    assert (found["is_swing"], found["reason"]) == (True, "sign_flip")


def test_from_zero_has_no_percentage(house: House) -> None:
    assert moved(house, 0, 5)["change_pct"] is None


def test_a_negative_call_is_measured_by_its_size(house: House) -> None:
    assert moved(house, -100, -150)["change_pct"] == Decimal("-0.5")


@pytest.mark.parametrize(("after", "is_swing"), [("149", False), ("150", True)])
def test_a_change_below_the_least_amount_is_no_swing(open_house: Any, after: str, is_swing: bool) -> None:
    """At least the amount set: the amount itself counts."""
    house = open_house(swing_min_amount=Decimal(50))
    assert moved(house, "100", after)["is_swing"] is is_swing


def test_a_small_amount_from_zero_is_no_swing_either(open_house: Any) -> None:
    assert moved(open_house(swing_min_amount=Decimal(50)), 0, 5)["is_swing"] is False


def test_another_currency_is_no_swing(house: House) -> None:
    house.bring(document(entry(call=100, currency="USD")), moment(10, 2))
    house.bring(document(entry(call=1000, currency="EUR")), moment(10, 3))
    assert (swing(house)["is_swing"], swing(house)["reason"]) == (False, "currency_changed")


@pytest.mark.parametrize(
    "request_", [{"scope": "east"}, {"currency": "EUR"}, {"types": ("crm_closed", "forecast", "quota")}]
)
def test_another_request_is_no_swing(house: House, request_: dict[str, Any]) -> None:
    found = moved(house, 100, 1000, **request_)
    assert (found["is_swing"], found["reason"]) == (False, "request_changed")


def test_a_changed_currency_is_named_before_a_changed_request(house: House) -> None:
    house.bring(document(entry(call=100, currency="USD")), moment(10, 2))
    house.bring(document(entry(call=1000, currency="EUR")), moment(10, 3), currency="EUR")
    assert swing(house)["reason"] == "currency_changed"


@pytest.mark.parametrize(
    ("day", "hour", "reason"), [(3, 23, "above_threshold"), (4, 0, "above_threshold"), (4, 1, "restated")]
)
def test_a_quarter_that_ended_more_than_three_days_ago_is_restated(
    house: House, day: int, hour: int, reason: str
) -> None:
    """The quarter ends with the 31st of December: until the 4th at midnight, calls are still calls."""
    house.bring(document(entry(week="W13", call=100)), moment(12, 31))
    house.bring(document(entry(week="W13", call=200)), moment(1, day, hour, year=2027))
    assert (swing(house)["reason"], swing(house)["is_swing"]) == (reason, reason != "restated")


def test_a_person_who_is_new_is_no_swing(house: House) -> None:
    house.bring(document(entry("ann", call=100)), moment(10, 2))
    house.bring(document(entry("ann", call=100), entry("bob", call=500)), moment(10, 3))
    found = swing(house, who="bob")
    assert (found["is_swing"], found["reason"], found["previous_value"], found["current_value"]) == (
        False,
        "new",
        None,
        500,
    )
    assert found["previous_time_frame_id"] is None


def test_a_person_who_has_left_is_no_swing(house: House) -> None:
    house.bring(document(entry("ann", call=100), entry("bob", call=500)), moment(10, 2))
    house.bring(document(entry("ann", call=100)), moment(10, 3))
    found = swing(house, who="bob")
    assert (found["is_swing"], found["reason"], found["previous_value"], found["current_value"]) == (
        False,
        "disappeared",
        500,
        None,
    )


def test_a_person_who_has_left_is_told_once(house: House) -> None:
    house.bring(document(entry("ann", call=100), entry("bob", call=500)), moment(10, 2))
    for day in (3, 4):
        house.bring(document(entry("ann", call=100)), moment(10, day))
    assert house.value("select count(*) from clari.forecast_swing where user_id = 'bob'") == 1


def test_a_person_who_returns_is_new(house: House) -> None:
    both = document(entry("ann", call=100), entry("bob", call=500))
    for day, content in ((2, both), (3, document(entry("ann", call=100))), (4, both)):
        house.bring(content, moment(10, day))
    assert swing(house, who="bob", export=3)["reason"] == "new"


def test_a_week_without_a_submission_is_no_swing(house: House) -> None:
    """In the new week nothing was submitted yet: the earlier call stands and has not moved."""
    house.bring(document(entry(week="W01", call=100, submitted=True)), moment(10, 7))
    house.bring(
        document(entry(week="W01", call=100, submitted=True), entry(week="W02", call=0, submitted=False)),
        moment(10, 8),
    )
    found = swing(house)
    assert (found["is_swing"], found["reason"], found["current_value"]) == (False, "not_submitted", 100)


def test_a_new_week_is_compared_with_the_week_before(house: House) -> None:
    """The calls are compared, each of its own week, and the row names both."""
    house.bring(document(entry(week="W01", call=100)), moment(10, 7))
    house.bring(document(entry(week="W01", call=100), entry(week="W02", call=150)), moment(10, 8))
    found = swing(house)
    assert (found["is_swing"], found["change_amount"]) == (True, 50)
    assert (found["previous_time_frame_id"], found["time_frame_id"]) == ("W01", "W02")


def test_the_first_export_of_a_quarter_compares_with_nothing(house: House) -> None:
    house.bring(document(entry(call=100)), moment(10, 2))
    assert house.rows("from clari.forecast_swing") == []


def test_another_quarter_or_forecast_is_no_baseline(house: House) -> None:
    house.bring(document(entry(call=100, period="2026_Q3")), moment(10, 2), quarter="2026_Q3")
    house.bring(document(entry(call=100)), moment(10, 2), forecast="south")
    house.bring(document(entry(call=500)), moment(10, 3))
    assert house.rows("from clari.forecast_swing") == []


def test_every_call_has_a_row_moved_or_not(house: House) -> None:
    for day in (2, 3):
        house.bring(document(entry("ann", call=100), entry("bob", call=day)), moment(10, day))
    assert house.value("select count(*) from clari.forecast_swing") == 2


def test_a_refused_export_is_never_a_baseline(house: House) -> None:
    house.bring(document(entry(call=100)), moment(10, 2))
    refused = house.bring(document(entry(call=900)), moment(10, 3), is_truncated=True)
    house.bring(document(entry(call=110)), moment(10, 4))
    assert refused.export["state"] == "REFUSED"
    found = swing(house, export=3)
    assert (found["previous_value"], found["previous_job_id"], found["is_swing"]) == (100, "job-north-2026_Q4-1", False)
    assert house.value("select count(*) from clari.forecast_swing") == 1


def test_the_week_before_is_the_newest_export_at_least_seven_days_older(house: House) -> None:
    """Small steps every day add up to a swing within the week."""
    for day, call in ((1, 90), (2, 100), (3, 110), (8, 119), (9, 129)):
        house.bring(document(entry(week="W02" if day >= 8 else "W01", call=call)), moment(10, day))
    found = swing(house, baseline="week", export=5)
    assert (found["previous_value"], found["is_swing"]) == (100, True)
    assert swing(house, export=5)["is_swing"] is False
    assert house.value("select count(*) from clari.forecast_swing where baseline = 'week'") == 2


def test_six_days_and_twenty_three_hours_are_no_week(house: House) -> None:
    house.bring(document(entry(call=100)), moment(10, 2, 6))
    house.bring(document(entry(call=500)), moment(10, 9, 5))
    assert [row["baseline"] for row in house.rows("from clari.forecast_swing")] == ["sync"]


def test_a_late_edit_of_an_older_week_is_history_and_no_swing(house: House) -> None:
    house.bring(document(entry(week="W01", call=100), entry(week="W02", call=200)), moment(10, 9))
    house.bring(document(entry(week="W01", call=900), entry(week="W02", call=200)), moment(10, 10))
    assert (swing(house)["is_swing"], swing(house)["change_amount"]) == (False, 0)
    assert house.value("select forecast_value from clari.forecast_entry where time_frame_id = 'W01'") == 900


def test_the_adjusted_call_swings_with_the_manager(open_house: Any) -> None:
    house = open_house(call="adjusted")
    house.bring(document(entry(call=100)), moment(10, 2))
    house.bring(document(entry(call=100, adjustment=50, adjusted_by="boss")), moment(10, 3))
    assert (swing(house)["current_value"], swing(house)["is_swing"]) == (50, True)


def test_a_document_that_comes_late_is_compared_where_it_belongs(house: House) -> None:
    """What was compared over its head is compared with it instead."""
    house.bring(document(entry(call=100)), moment(10, 2))
    house.bring(document(entry(call=200)), moment(10, 4))
    house.bring(document(entry(call=190)), moment(10, 3))
    assert (swing(house, export=3)["previous_value"], swing(house, export=3)["is_swing"]) == (100, True)
    assert (swing(house, export=2)["previous_value"], swing(house, export=2)["is_swing"]) == (190, False)


def test_of_two_exports_of_one_moment_the_later_submitted_is_compared(house: House) -> None:
    """Loaded in order or replayed, the swings are the same."""
    house.bring(document(entry(call=100)), moment(10, 2), submitted=moment(10, 2, 1))
    house.bring(document(entry(call=110)), moment(10, 3), submitted=moment(10, 3, 1))
    house.bring(document(entry(call=200)), moment(10, 3), submitted=moment(10, 3, 2))
    compared = "select * exclude (detected_at) from clari.forecast_swing order by all"
    at_once = house.rows(compared)
    house.pipeline.replay([], [])
    assert house.rows(compared) == at_once
    assert 200 in {row["current_value"] for row in at_once if row["is_swing"]}
