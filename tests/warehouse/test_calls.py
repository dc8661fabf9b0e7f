"""The call, and forecast_vs_quota: each rule of the data model on a document of a few lines."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from tests.helpers.house import QUARTER, House, document, entry, moment, person


def standing(house: House, who: str = "ann", field: str = "commit") -> dict[str, Any]:
    """The row of a person and field in forecast_vs_quota."""
    return house.row(
        "from clari.forecast_vs_quota where user_id = $who and field_id = $field and time_period_id = $quarter",
        who=who,
        field=field,
        quarter=QUARTER,
    )


def test_the_call_is_that_of_the_newest_week_that_has_started(house: House) -> None:
    """A week that begins tomorrow holds a plan, not a call."""
    house.bring(
        document(entry(week="W01", call=100), entry(week="W02", call=200), entry(week="W03", call=300)), moment(10, 14)
    )
    assert (standing(house)["forecast_value"], standing(house)["week_number"]) == (200, 2)


def test_a_week_counts_from_its_first_day(house: House) -> None:
    house.bring(document(entry(week="W01", call=100), entry(week="W02", call=200)), moment(10, 8, 0))
    assert standing(house)["forecast_value"] == 200


def test_before_any_week_has_started_the_earliest_counts(house: House) -> None:
    """A quarter exported in advance shows its first week, not its last."""
    house.bring(document(entry(week="W02", call=200), entry(week="W01", call=100)), moment(9, 20))
    assert (standing(house)["forecast_value"], standing(house)["week_number"]) == (100, 1)


def test_weeks_without_dates_count_by_their_id(house: House) -> None:
    weeks = {"W02": None, "W10": None, "W01": None}
    house.bring(
        document(entry(week="W10", call=300), entry(week="W01", call=100), entry(week="W02", call=200), weeks=weeks),
        moment(10, 9),
    )
    assert (standing(house)["forecast_value"], standing(house)["week_number"]) == (300, 3)


def test_weeks_are_ordered_by_their_days_not_by_their_ids(house: House) -> None:
    weeks = {"a": date(2026, 10, 8), "b": date(2026, 10, 1)}
    house.bring(document(entry(week="a", call=200), entry(week="b", call=100), weeks=weeks), moment(10, 20))
    assert standing(house)["forecast_value"] == 200
    found = house.rows("select time_frame_id, week_number from clari.time_frame order by week_number")
    assert [(row["time_frame_id"], row["week_number"]) for row in found] == [("b", 1), ("a", 2)]


def test_one_week_of_the_call_holds_for_the_whole_document(house: House) -> None:
    """Somebody who has no entry yet in the newest week has submitted nothing there: the earlier call stands."""
    house.bring(document(entry("ann", "W02", call=200), entry("bob", "W01", call=50)), moment(10, 9))
    assert (standing(house, "bob")["forecast_value"], standing(house, "bob")["is_submitted"]) == (50, False)
    assert (standing(house, "ann")["is_submitted"], standing(house, "bob")["week_number"]) == (True, 2)


@pytest.mark.parametrize("unsubmitted", [{"call": None}, {"call": 0, "submitted": False}])
def test_where_nothing_was_submitted_the_earlier_weeks_call_stands(house: House, unsubmitted: dict[str, Any]) -> None:
    house.bring(document(entry(week="W01", call=100, submitted=True), entry(week="W02", **unsubmitted)), moment(10, 9))
    assert (standing(house)["forecast_value"], standing(house)["is_submitted"]) == (100, False)


def test_a_zero_that_was_submitted_is_a_call(house: House) -> None:
    house.bring(document(entry(week="W01", call=100), entry(week="W02", call=0, submitted=True)), moment(10, 9))
    assert (standing(house)["forecast_value"], standing(house)["is_submitted"]) == (0, True)


def test_a_zero_of_which_nobody_says_whether_it_was_submitted_is_a_call(house: House) -> None:
    """Without the type forecast_updated there is no `isUpdated`; only `false` makes a zero none."""
    house.bring(document(entry(week="W01", call=100), entry(week="W02", call=0)), moment(10, 9))
    assert standing(house)["forecast_value"] == 0


def test_the_submitted_call_is_the_persons_own_whatever_the_manager_says(house: House) -> None:
    house.bring(document(entry(call=100, adjustment=80, adjusted_by="boss")), moment(10, 2))
    assert (standing(house)["forecast_value"], standing(house)["adjustment_value"]) == (100, 80)


def test_the_adjusted_call_is_the_managers_where_there_is_one(open_house: Any) -> None:
    house = open_house(call="adjusted")
    house.bring(document(entry("ann", call=100, adjustment=80), entry("bob", call=100)), moment(10, 2))
    assert [standing(house, who)["forecast_value"] for who in ("ann", "bob")] == [80, 100]


def test_an_adjustment_of_zero_that_nobody_made_is_none(open_house: Any) -> None:
    """Clari writes 0 where nobody has adjusted."""
    house = open_house(call="adjusted")
    house.bring(
        document(entry("ann", call=100, adjustment=0), entry("bob", call=100, adjustment=0, adjusted_by="boss")),
        moment(10, 2),
    )
    assert [standing(house, who)["forecast_value"] for who in ("ann", "bob")] == [100, 0]


def test_a_field_with_no_call_in_the_period_is_no_forecast_field(house: House) -> None:
    """Whatever its type says, a field that nobody calls has no row."""
    house.bring(document(entry(call=100), entry(field="quota", quota=500)), moment(10, 2))
    assert [row["field_id"] for row in house.rows("from clari.forecast_vs_quota")] == ["commit"]


def test_a_call_stands_against_the_quota_on_its_own_field(house: House) -> None:
    house.bring(document(entry(call=100, closed=40, total=90), entry(field="quota", quota=200)), moment(10, 2))
    row = standing(house)
    assert (row["quota_value"], row["gap_to_quota"], row["crm_total"], row["crm_closed"]) == (200, 160, 90, 40)
    assert (row["attainment_pct"], row["forecast_to_quota_pct"]) == (Decimal("0.2"), Decimal("0.5"))


def test_the_newest_quota_counts(house: House) -> None:
    """A quota that was changed in the second week is the one to be held against."""
    house.bring(
        document(
            entry(week="W02", call=100),
            entry(week="W01", field="quota", quota=200),
            entry(week="W02", field="quota", quota=250),
        ),
        moment(10, 9),
    )
    assert standing(house)["quota_value"] == 250


def test_a_quota_without_a_newer_one_stays(house: House) -> None:
    house.bring(document(entry(week="W01", field="quota", quota=200), entry(week="W02", call=100)), moment(10, 9))
    assert standing(house)["quota_value"] == 200


def test_of_several_fields_with_a_quota_the_one_called_quota_is_taken(house: House) -> None:
    house.bring(document(entry(call=100, quota=900), entry(field="quota", quota=200)), moment(10, 2))
    assert standing(house)["quota_value"] == 200


def _two_quotas() -> dict[str, Any]:
    return document(
        entry(call=100),
        entry(field="plan", quota=200),
        entry(field="stretch", quota=300),
        fields={"commit": "Commit", "plan": "Annual Plan", "stretch": "Stretch Goal"},
    )


def test_where_no_field_is_named_quota_there_is_none(house: House) -> None:
    """Better no quota than the wrong one; the gate says so."""
    outcome = house.bring(_two_quotas(), moment(10, 2))
    row = standing(house)
    assert (row["quota_value"], row["gap_to_quota"], row["attainment_pct"]) == (None, None, None)
    assert "quota_field_is_unambiguous" in {one["check_name"] for one in outcome.verdicts if not one["passed"]}


@pytest.mark.parametrize("named", ["stretch", "Stretch Goal"])
def test_the_quota_field_can_be_named_by_id_or_by_name(open_house: Any, named: str) -> None:
    house = open_house(quota_field=named)
    outcome = house.bring(_two_quotas(), moment(10, 2))
    assert standing(house)["quota_value"] == 300
    assert "quota_field_is_unambiguous" in {one["check_name"] for one in outcome.verdicts if one["passed"]}


def test_nothing_is_divided_by_a_quota_of_zero(house: House) -> None:
    house.bring(document(entry(call=100, closed=40), entry(field="quota", quota=0)), moment(10, 2))
    row = standing(house)
    assert (row["attainment_pct"], row["forecast_to_quota_pct"], row["gap_to_quota"]) == (None, None, -40)


def test_percentages_are_fractions_with_six_decimals(house: House) -> None:
    house.bring(document(entry(call=200, closed=100), entry(field="quota", quota=300)), moment(10, 2))
    row = standing(house)
    assert (row["attainment_pct"], row["forecast_to_quota_pct"]) == (Decimal("0.333333"), Decimal("0.666667"))
    types = house.rows(
        "select data_type from information_schema.columns "
        "where table_name = 'forecast_vs_quota' and column_name in ('attainment_pct', 'forecast_to_quota_pct')"
    )
    assert {row["data_type"] for row in types} == {"DECIMAL(18,6)"}


def test_the_largest_amounts_are_exact(house: House) -> None:
    """Fourteen digits and four decimals go through no binary fraction."""
    house.bring(
        document(entry(call="99999999999999.9999", closed="0.0001"), entry(field="quota", quota="99999999999999.9998")),
        moment(10, 2),
    )
    row = standing(house)
    assert row["forecast_value"] == Decimal("99999999999999.9999")
    assert row["gap_to_quota"] == Decimal("99999999999999.9997")
    assert row["forecast_to_quota_pct"] == 1


def test_percentages_of_large_amounts_are_exact(house: House) -> None:
    """A placeholder quota of 3 makes a long quotient; its sixth decimal is right all the same."""
    house.bring(document(entry(call="999999999999.9999", closed=1), entry(field="quota", quota=3)), moment(10, 2))
    assert standing(house)["forecast_to_quota_pct"] == Decimal("333333333333.333300")


def test_a_quota_too_small_to_divide_by_does_not_stop_the_mart(house: House) -> None:
    """A share that no DECIMAL(18,6) can hold is none; the other people have theirs."""
    house.bring(
        document(
            entry("ann", call="5000000000", closed="5000000000"),
            entry("ann", field="quota", quota="0.0001"),
            entry("bob", call=50, closed=50),
            entry("bob", field="quota", quota=100),
        ),
        moment(10, 2),
    )
    assert standing(house, "bob")["attainment_pct"] == Decimal("0.5")
    assert standing(house, "ann")["crm_closed"] == 5000000000


def test_a_gap_between_the_largest_amounts_does_not_stop_the_mart(house: House) -> None:
    house.bring(
        document(
            entry("ann", call=1, closed="-99999999999999.9999"),
            entry("ann", field="quota", quota="99999999999999.9999"),
            entry("bob", call=50, closed=50),
            entry("bob", field="quota", quota=100),
        ),
        moment(10, 2),
    )
    assert standing(house, "bob")["gap_to_quota"] == 50


def test_people_no_longer_shown_stay(house: House) -> None:
    """Who has left keeps their last call, marked as no longer shown, as of when it was."""
    house.bring(document(entry("ann", call=100), entry("bob", call=50)), moment(10, 2))
    house.bring(document(entry("ann", call=110)), moment(10, 3))
    bob = standing(house, "bob")
    assert (bob["forecast_value"], bob["in_latest_export"], bob["as_of"]) == (50, False, moment(10, 2))
    assert (standing(house)["in_latest_export"], standing(house)["as_of"]) == (True, moment(10, 3))
    assert house.value("select in_latest_export from clari.forecast_user where user_id = 'bob'") is False


def test_who_returns_is_shown_again(house: House) -> None:
    both = document(entry("ann", call=100), entry("bob", call=50))
    house.bring(both, moment(10, 2))
    house.bring(document(entry("ann", call=100)), moment(10, 3))
    house.bring(both, moment(10, 4))
    assert standing(house, "bob")["in_latest_export"] is True
    versions = house.rows("from clari.forecast_entry_history where user_id = 'bob' order by valid_from")
    assert [(one["is_present"], one["valid_to"]) for one in versions] == [
        (True, moment(10, 3)),
        (False, moment(10, 4)),
        (True, None),
    ]


def test_a_managers_row_is_their_own_call(house: House) -> None:
    """Nothing is summed over the hierarchy: the team's calls do not add up to the manager's."""
    people = [person("ann", role="vp", parent=None), person("bob", parent="vp"), person("cy", parent="vp")]
    house.bring(
        document(entry("ann", call=100), entry("bob", call=70), entry("cy", call=60), people=people), moment(10, 2)
    )
    found = house.rows("select user_id, forecast_value, is_top from clari.forecast_vs_quota order by user_id")
    assert [tuple(row.values()) for row in found] == [("ann", 100, True), ("bob", 70, False), ("cy", 60, False)]


def test_nothing_is_summed_over_forecasts(house: House) -> None:
    for forecast, call in (("north", 100), ("south", 40)):
        house.bring(document(entry(call=call)), moment(10, 2), forecast=forecast)
    found = house.rows("select forecast_id, forecast_value from clari.forecast_vs_quota order by forecast_id")
    assert [tuple(row.values()) for row in found] == [("north", 100), ("south", 40)]


def test_of_several_at_the_top_the_named_one_is_the_total(open_house: Any) -> None:
    """An integration user beside the top manager is no total."""
    people = [person("ann", role="cro", parent=None), person("bot", role="integration", parent=None)]
    content = document(entry("ann", call=100), entry("bot", call=0), people=people)
    for top_user in ("ann", "ann@example.com", "Ann"):
        house = open_house(top_user=top_user, warehouse=f"top-{top_user}")
        house.bring(content, moment(10, 2))
        assert (standing(house, "ann")["is_top"], standing(house, "bot")["is_top"]) == (True, False)


def test_where_several_are_top_and_none_is_named_there_is_no_total(house: House) -> None:
    people = [person("ann", role="cro", parent=None), person("bot", role="integration", parent=None)]
    house.bring(document(entry("ann", call=100), entry("bot", call=0), people=people), moment(10, 2))
    totals = house.rows("select user_id from clari.forecast_vs_quota where is_top")
    assert len(totals) != 1, "one of two would be taken for the total"


def test_a_measure_that_was_not_asked_for_keeps_its_value(house: House) -> None:
    house.bring(document(entry(call=100, closed=40, total=70)), moment(10, 2))
    house.bring(document(entry(call=110)), moment(10, 3), types=("forecast",))
    assert (standing(house)["forecast_value"], standing(house)["crm_closed"]) == (110, 40)


def test_a_measure_that_was_asked_for_and_came_empty_is_null(house: House) -> None:
    house.bring(document(entry(call=100, closed=40)), moment(10, 2))
    house.bring(document(entry(call=100, closed=None)), moment(10, 3))
    assert standing(house)["crm_closed"] is None


def test_an_older_document_does_not_change_the_newest_calls(house: House) -> None:
    house.bring(document(entry(call=120)), moment(10, 3))
    house.bring(document(entry(call=100)), moment(10, 2))
    assert (standing(house)["forecast_value"], standing(house)["as_of"]) == (120, moment(10, 3))


def test_months_inside_the_quarter_have_calls_of_their_own(house: House) -> None:
    """Monthly tabs deliver months; each stands against its own quota."""
    month = {"type": "MONTH", "timePeriodId": "oct", "startDate": "2026-10-01", "endDate": "2026-10-31"}
    house.bring(
        document(
            entry(period="oct", call=30), entry(period="oct", field="quota", quota=60), entry(call=100), periods=[
                month, {"timePeriodId": QUARTER}
            ],
        ),
        moment(10, 2),
    )  # fmt: skip
    found = house.rows("select time_period_id, forecast_value, quota_value from clari.forecast_vs_quota order by all")
    assert [tuple(row.values()) for row in found] == [(QUARTER, 100, None), ("oct", 30, 60)]


def test_the_weeks_left_are_counted_to_the_quarters_end(house: House) -> None:
    house.bring(document(entry(week="W12", call=100)), moment(12, 18))
    assert standing(house)["weeks_to_end"] == 1


def test_a_refused_quarter_leaves_no_calls_behind(house: House) -> None:
    """A document that was good and is judged anew as none takes its calls with it."""
    request_id = house.bring(document(entry(call=100)), moment(10, 20)).export["request_id"]
    house.execute(f"update clari.export_job set rows_truncated = true where request_id = '{request_id}'")
    house.pipeline.replay([], [])
    assert house.outcome(request_id).export["state"] == "REFUSED"
    assert house.rows("from clari.forecast_entry") == []
    assert house.rows("from clari.forecast_vs_quota") == []
