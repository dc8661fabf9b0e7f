"""The call, and forecast_vs_quota: each rule of the data model on a document of a few lines.

A document costs as much whatever it holds: where rules do not touch each other, each is a person in the same one.
"""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from tests.helpers.forecast import Forecast, shared_house
from tests.helpers.house import QUARTER, House, Json, document, entry, moment, person


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One warehouse for this module, each test a forecast of its own in it; weeks and periods are those of all."""
    with shared_house(tmp_path_factory.mktemp("calls")) as house:
        yield house


@pytest.fixture
def forecast(shared: House, request: pytest.FixtureRequest) -> Forecast:
    return Forecast(shared, request.node.name)


MOST, NEARLY = "99999999999999.9999", "99999999999999.9998"
AGAINST: dict[str, tuple[Json, Any]] = {
    "adjusted": (entry("adjusted", call=100, adjustment=80, adjusted_by="boss"), None),
    "own": (entry("own", call=100, closed=40, total=90), 200),
    "two quotas": (entry("two quotas", call=100, quota=900), 200),
    "zero": (entry("zero", call=100, closed=40), 0),
    "thirds": (entry("thirds", call=200, closed=100), 300),
    "largest": (entry("largest", call=MOST, closed="0.0001"), NEARLY),
    "long share": (entry("long share", call="999999999999.9999", closed=1), 3),
    "no share": (entry("no share", call="5000000000", closed="5000000000"), "0.0001"),
    "widest gap": (entry("widest gap", call=1, closed=f"-{MOST}"), MOST),
    "beside": (entry("beside", call=50, closed=50), 100),
}
"""The entry of each person, and the quota of a field beside it."""


@pytest.fixture(scope="module")
def against(shared: House) -> Forecast:
    """One document of a quarter's first days."""
    forecast = Forecast(shared, "against")
    entries = [shown for shown, _ in AGAINST.values()]
    entries += [entry(who, field="quota", quota=quota) for who, (_, quota) in AGAINST.items() if quota is not None]
    assert forecast.bring(document(*entries), moment(10, 2)).export.state == "LOADED"
    return forecast


def test_the_submitted_call_is_the_persons_own_whatever_the_manager_says(against: Forecast) -> None:
    row = against.standing("adjusted")
    assert (row["forecast_value"], row["adjustment_value"]) == (100, 80)


def test_a_field_with_no_call_in_the_period_is_no_forecast_field(against: Forecast) -> None:
    """Whatever its type says, a field that nobody calls has no row."""
    rows = against.rows("forecast_vs_quota")
    assert sorted((row["user_id"], row["field_id"]) for row in rows) == [(who, "commit") for who in sorted(AGAINST)]


def test_a_call_stands_against_the_quota_on_its_own_field(against: Forecast) -> None:
    row = against.standing("own")
    assert (row["quota_value"], row["gap_to_quota"], row["crm_total"], row["crm_closed"]) == (200, 160, 90, 40)
    assert (row["attainment_pct"], row["forecast_to_quota_pct"]) == (Decimal("0.2"), Decimal("0.5"))


def test_of_several_fields_with_a_quota_the_one_called_quota_is_taken(against: Forecast) -> None:
    assert against.standing("two quotas")["quota_value"] == 200


def test_nothing_is_divided_by_a_quota_of_zero(against: Forecast) -> None:
    row = against.standing("zero")
    assert (row["attainment_pct"], row["forecast_to_quota_pct"], row["gap_to_quota"]) == (None, None, -40)


def test_percentages_are_fractions_with_six_decimals(against: Forecast) -> None:
    row = against.standing("thirds")
    assert (row["attainment_pct"], row["forecast_to_quota_pct"]) == (Decimal("0.333333"), Decimal("0.666667"))
    types = against.house.rows(
        "select data_type from information_schema.columns "
        "where table_name = 'forecast_vs_quota' and column_name in ('attainment_pct', 'forecast_to_quota_pct')"
    )
    assert {row["data_type"] for row in types} == {"DECIMAL(18,6)"}


def test_the_largest_amounts_are_exact(against: Forecast) -> None:
    """Fourteen digits and four decimals go through no binary fraction."""
    row = against.standing("largest")
    assert row["forecast_value"] == Decimal(MOST)
    assert row["gap_to_quota"] == Decimal("99999999999999.9997")
    assert row["forecast_to_quota_pct"] == 1


def test_percentages_of_large_amounts_are_exact(against: Forecast) -> None:
    """A placeholder quota of 3 makes a long quotient; its sixth decimal is right all the same."""
    assert against.standing("long share")["forecast_to_quota_pct"] == Decimal("333333333333.333300")


def test_a_quota_too_small_to_divide_by_does_not_stop_the_mart(against: Forecast) -> None:
    """A share that no DECIMAL(18,6) can hold is none; the other people have theirs."""
    assert against.standing("beside")["attainment_pct"] == Decimal("0.5")
    assert against.standing("no share")["crm_closed"] == 5000000000


def test_a_gap_between_the_largest_amounts_does_not_stop_the_mart(against: Forecast) -> None:
    assert against.standing("widest gap")["quota_value"] == Decimal(MOST)
    assert against.standing("beside")["gap_to_quota"] == 50


SECOND_WEEK: dict[str, list[Json]] = {
    "submitted": [entry("submitted", "W02", call=200)],
    "not yet there": [entry("not yet there", "W01", call=50)],
    "empty": [entry("empty", "W01", call=100, submitted=True), entry("empty", "W02", call=None)],
    "not submitted": [
        entry("not submitted", "W01", call=100, submitted=True),
        entry("not submitted", "W02", call=0, submitted=False),
    ],
    "zero": [entry("zero", "W01", call=100), entry("zero", "W02", call=0, submitted=True)],
    "perhaps": [entry("perhaps", "W01", call=100), entry("perhaps", "W02", call=0)],
    "new quota": [
        entry("new quota", "W02", call=100),
        entry("new quota", "W01", "quota", quota=200),
        entry("new quota", "W02", "quota", quota=250),
    ],
    "old quota": [entry("old quota", "W01", "quota", quota=200), entry("old quota", "W02", call=100)],
}


@pytest.fixture(scope="module")
def second_week(shared: House) -> Forecast:
    """One document of a quarter's second week."""
    forecast = Forecast(shared, "second_week")
    forecast.bring(document(*(shown for entries in SECOND_WEEK.values() for shown in entries)), moment(10, 9))
    return forecast


def test_one_week_of_the_call_holds_for_the_whole_document(second_week: Forecast) -> None:
    """Somebody who has no entry yet in the newest week has submitted nothing there: the earlier call stands."""
    there, absent = second_week.standing("submitted"), second_week.standing("not yet there")
    assert (absent["forecast_value"], absent["is_submitted"]) == (50, False)
    assert (there["is_submitted"], absent["week_number"]) == (True, 2)


@pytest.mark.parametrize("unsubmitted", ["empty", "not submitted"])
def test_where_nothing_was_submitted_the_earlier_weeks_call_stands(second_week: Forecast, unsubmitted: str) -> None:
    row = second_week.standing(unsubmitted)
    assert (row["forecast_value"], row["is_submitted"]) == (100, False)


def test_a_zero_that_was_submitted_is_a_call(second_week: Forecast) -> None:
    row = second_week.standing("zero")
    assert (row["forecast_value"], row["is_submitted"]) == (0, True)


def test_a_zero_of_which_nobody_says_whether_it_was_submitted_is_a_call(second_week: Forecast) -> None:
    """Without the type forecast_updated there is no `isUpdated`; only `false` makes a zero none."""
    assert second_week.standing("perhaps")["forecast_value"] == 0


def test_the_newest_quota_counts(second_week: Forecast) -> None:
    """A quota that was changed in the second week is the one to be held against."""
    assert second_week.standing("new quota")["quota_value"] == 250


def test_a_quota_without_a_newer_one_stays(second_week: Forecast) -> None:
    assert second_week.standing("old quota")["quota_value"] == 200


def test_the_call_is_that_of_the_newest_week_that_has_started(forecast: Forecast) -> None:
    """A week that begins tomorrow holds a plan, not a call."""
    forecast.bring(
        document(entry(week="W01", call=100), entry(week="W02", call=200), entry(week="W03", call=300)), moment(10, 14)
    )
    assert (forecast.standing()["forecast_value"], forecast.standing()["week_number"]) == (200, 2)


def test_a_week_counts_from_its_first_day(forecast: Forecast) -> None:
    forecast.bring(document(entry(week="W01", call=100), entry(week="W02", call=200)), moment(10, 8, 0))
    assert forecast.standing()["forecast_value"] == 200


def test_before_any_week_has_started_the_earliest_counts(forecast: Forecast) -> None:
    """A quarter exported in advance shows its first week, not its last."""
    forecast.bring(document(entry(week="W02", call=200), entry(week="W01", call=100)), moment(9, 20))
    assert (forecast.standing()["forecast_value"], forecast.standing()["week_number"]) == (100, 1)


def test_weeks_without_dates_count_by_their_id(house: House) -> None:
    weeks = {"W02": None, "W10": None, "W01": None}
    house.bring(
        document(entry(week="W10", call=300), entry(week="W01", call=100), entry(week="W02", call=200), weeks=weeks),
        moment(10, 9),
    )
    assert (
        Forecast(house, "north").standing()["forecast_value"],
        Forecast(house, "north").standing()["week_number"],
    ) == (300, 3)


def test_weeks_are_ordered_by_their_days_not_by_their_ids(house: House) -> None:
    weeks = {"a": date(2026, 10, 8), "b": date(2026, 10, 1)}
    house.bring(document(entry(week="a", call=200), entry(week="b", call=100), weeks=weeks), moment(10, 20))
    assert Forecast(house, "north").standing()["forecast_value"] == 200
    found = house.rows("select time_frame_id, week_number from clari.time_frame order by week_number")
    assert [(row["time_frame_id"], row["week_number"]) for row in found] == [("b", 1), ("a", 2)]


def test_the_adjusted_call_is_the_managers_where_there_is_one(open_house: Any) -> None:
    """Clari writes 0 where nobody has adjusted: an adjustment of zero that nobody made is none."""
    forecast = Forecast(open_house(call="adjusted"), "north")
    adjustments: dict[str, dict[str, Any]] = {
        "ann": {"adjustment": 80},
        "bob": {},
        "cy": {"adjustment": 0},
        "dee": {"adjustment": 0, "adjusted_by": "boss"},
    }
    forecast.bring(document(*(entry(who, call=100, **made) for who, made in adjustments.items())), moment(10, 2))
    assert [forecast.standing(who)["forecast_value"] for who in adjustments] == [80, 100, 100, 0]


def _two_quotas() -> dict[str, Any]:
    return document(
        entry(call=100),
        entry(field="plan", quota=200),
        entry(field="stretch", quota=300),
        fields={"commit": "Commit", "plan": "Annual Plan", "stretch": "Stretch Goal"},
    )


def test_where_no_field_is_named_quota_there_is_none(forecast: Forecast) -> None:
    """Better no quota than the wrong one; the gate says so."""
    outcome = forecast.bring(_two_quotas(), moment(10, 2))
    row = forecast.standing()
    assert (row["quota_value"], row["gap_to_quota"], row["attainment_pct"]) == (None, None, None)
    assert "quota_field_is_unambiguous" in {one.check_name for one in outcome.verdicts if not one.passed}


@pytest.mark.parametrize("named", ["stretch", "Stretch Goal"])
def test_the_quota_field_can_be_named_by_id_or_by_name(open_house: Any, named: str) -> None:
    house = open_house(quota_field=named)
    outcome = house.bring(_two_quotas(), moment(10, 2))
    assert Forecast(house, "north").standing()["quota_value"] == 300
    assert "quota_field_is_unambiguous" in {one.check_name for one in outcome.verdicts if one.passed}


def test_a_named_quota_field_that_carries_none_is_told(open_house: Any) -> None:
    outcome = open_house(quota_field="retired").bring(_two_quotas(), moment(10, 2))
    (said,) = (one.evidence for one in outcome.verdicts if one.check_name == "quota_field_is_unambiguous")
    assert said["summary"].endswith(
        "stands on plan, stretch: CLARI_QUOTA_FIELD is retired, which carries none: name the one that counts"
    )


def test_people_no_longer_shown_stay(forecast: Forecast) -> None:
    """Who has left keeps their last call, marked as no longer shown, as of when it was."""
    forecast.bring(document(entry("ann", call=100), entry("bob", call=50)), moment(10, 2))
    forecast.bring(document(entry("ann", call=110)), moment(10, 3))
    bob = forecast.standing("bob")
    assert (bob["forecast_value"], bob["in_latest_export"], bob["as_of"]) == (50, False, moment(10, 2))
    assert (forecast.standing()["in_latest_export"], forecast.standing()["as_of"]) == (True, moment(10, 3))
    assert forecast.row("forecast_user", user_id="bob")["in_latest_export"] is False


def test_who_returns_is_shown_again(forecast: Forecast) -> None:
    both = document(entry("ann", call=100), entry("bob", call=50))
    forecast.bring(both, moment(10, 2))
    forecast.bring(document(entry("ann", call=100)), moment(10, 3))
    forecast.bring(both, moment(10, 4))
    assert forecast.standing("bob")["in_latest_export"] is True
    versions = sorted(forecast.rows("forecast_entry_history", user_id="bob"), key=lambda one: one["valid_from"])
    assert [(one["is_present"], one["valid_to"]) for one in versions] == [
        (True, moment(10, 3)),
        (False, moment(10, 4)),
        (True, None),
    ]


def test_a_managers_row_is_their_own_call(forecast: Forecast) -> None:
    """Nothing is summed over the hierarchy: the team's calls do not add up to the manager's."""
    people = [person("ann", role="vp", parent=None), person("bob", parent="vp"), person("cy", parent="vp")]
    forecast.bring(
        document(entry("ann", call=100), entry("bob", call=70), entry("cy", call=60), people=people), moment(10, 2)
    )
    found = sorted(forecast.rows("forecast_vs_quota"), key=lambda row: row["user_id"])
    assert [(row["user_id"], row["forecast_value"], row["is_top"]) for row in found] == [
        ("ann", 100, True),
        ("bob", 70, False),
        ("cy", 60, False),
    ]


def test_nothing_is_summed_over_forecasts(shared: House) -> None:
    calls = {"added north": 100, "added south": 40}
    forecasts = [Forecast(shared, name) for name in calls]
    for forecast in forecasts:
        forecast.bring(document(entry(call=calls[forecast.name])), moment(10, 2))
    assert {one.name: [row["forecast_value"] for row in one.rows("forecast_vs_quota")] for one in forecasts} == {
        "added north": [100],
        "added south": [40],
    }


def test_of_several_at_the_top_the_named_one_is_the_total(open_house: Any) -> None:
    """An integration user beside the top manager is no total."""
    people = [person("ann", role="cro", parent=None), person("bot", role="integration", parent=None)]
    content = document(entry("ann", call=100), entry("bot", call=0), people=people)
    for top_user in ("ann", "ann@example.com", "Ann"):
        house = open_house(top_user=top_user, warehouse=f"top-{top_user}")
        house.bring(content, moment(10, 2))
        assert (
            Forecast(house, "north").standing("ann")["is_top"],
            Forecast(house, "north").standing("bot")["is_top"],
        ) == (True, False)


def test_where_several_are_top_and_none_is_named_there_is_no_total(forecast: Forecast) -> None:
    people = [person("ann", role="cro", parent=None), person("bot", role="integration", parent=None)]
    forecast.bring(document(entry("ann", call=100), entry("bot", call=0), people=people), moment(10, 2))
    totals = forecast.rows("forecast_vs_quota", is_top=True)
    assert len(totals) != 1, "one of two would be taken for the total"


def test_a_measure_that_was_not_asked_for_keeps_its_value(forecast: Forecast) -> None:
    forecast.bring(document(entry(call=100, closed=40, total=70)), moment(10, 2))
    forecast.bring(document(entry(call=110)), moment(10, 3), types=("forecast",))
    assert (forecast.standing()["forecast_value"], forecast.standing()["crm_closed"]) == (110, 40)


def test_a_measure_that_was_asked_for_and_came_empty_is_null(forecast: Forecast) -> None:
    forecast.bring(document(entry(call=100, closed=40)), moment(10, 2))
    forecast.bring(document(entry(call=100, closed=None)), moment(10, 3))
    assert forecast.standing()["crm_closed"] is None


def test_an_older_document_does_not_change_the_newest_calls(forecast: Forecast) -> None:
    forecast.bring(document(entry(call=120)), moment(10, 3))
    forecast.bring(document(entry(call=100)), moment(10, 2))
    assert (forecast.standing()["forecast_value"], forecast.standing()["as_of"]) == (120, moment(10, 3))


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


def test_the_weeks_left_are_counted_to_the_quarters_end(forecast: Forecast) -> None:
    forecast.bring(document(entry(week="W12", call=100)), moment(12, 18))
    assert forecast.standing()["weeks_to_end"] == 1


def test_a_refused_quarter_leaves_no_calls_behind(house: House) -> None:
    """A document that was good and is judged anew as none takes its calls with it."""
    request_id = house.bring(document(entry(call=100)), moment(10, 20)).export.request_id
    house.execute(f"update clari.export_job set rows_truncated = true where request_id = '{request_id}'")
    house.replay([], [])
    assert house.outcome(request_id).export.state == "REFUSED"
    assert house.rows("from clari.forecast_entry") == []
    assert house.rows("from clari.forecast_vs_quota") == []
