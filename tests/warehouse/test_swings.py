"""forecast_swing: what has moved, by how much, and whether people must hear of it.

A document costs as much whatever it holds: where cases do not touch each other, each is a person in the same two.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from clari_pipeline.store import alert_rows, marts
from tests.helpers.forecast import Forecast, shared_house
from tests.helpers.house import QUARTER, House, Json, document, entry, moment, person


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One warehouse for this module, each test or table of cases a forecast of its own in it."""
    with shared_house(tmp_path_factory.mktemp("swings")) as house:
        yield house


@pytest.fixture
def forecast(shared: House, request: pytest.FixtureRequest) -> Forecast:
    return Forecast(shared, request.node.name)


def brought(forecast: Forecast, moves: dict[str, tuple[Any, Any]], **request: Any) -> Forecast:
    """Calls of these people on two days that follow each other."""
    for number, day in enumerate((2, 3)):
        content = document(*(entry(who, call=calls[number]) for who, calls in moves.items()))
        forecast.bring(content, moment(10, day), **(request if number else {}))
    return forecast


BEYOND = {
    ("100", "120"): None,
    ("100", "120.0001"): "above_threshold",
    ("10000", "12001"): "above_threshold",
    ("100", "80"): None,
    ("100", "79"): "above_threshold",
    ("-100", "-120"): None,
    ("-100", "-121"): "above_threshold",
    ("100", "100"): None,
    ("0", "5"): "from_zero",
    ("5", "0"): "to_zero",
    ("0", "0"): None,
    ("100", "-1"): "sign_flip",
    ("-1", "100"): "sign_flip",
}
LARGE = {
    "beyond a fifth": ("80000000000000.0000", "96000000000000.0001"),
    "a fifth": ("80000000000000.0005", "96000000000000.0006"),
    "a long share": ("3", "1000000000002.9999"),
    "no share": ("0.0001", "5000000000"),
    "a flip": ("-99999999999999.9999", "99999999999999.9999"),
    "from zero": (0, 5),
    "negative": (-100, -150),
}


@pytest.fixture(scope="module")
def moved(shared: House) -> Forecast:
    """Every case of the tables above in two documents, each a person."""
    return brought(
        Forecast(shared, "moved"), {f"{before} to {after}": (before, after) for before, after in BEYOND} | LARGE
    )


@pytest.mark.parametrize(("before", "after"), BEYOND)
def test_a_call_swings_beyond_twenty_percent(moved: Forecast, before: str, after: str) -> None:
    """20.00 % exactly is none; zero and a changed sign are swings whatever their size."""
    found, reason = moved.swing(f"{before} to {after}"), BEYOND[before, after]
    assert (found["is_swing"], found["reason"]) == (reason is not None, reason)
    assert found["change_amount"] == Decimal(after) - Decimal(before)


def test_a_change_of_one_hundredth_beyond_is_a_swing(moved: Forecast) -> None:
    found = moved.swing("10000 to 12001")
    assert (found["change_pct"], found["is_swing"]) == (Decimal("0.2001"), True)


def test_the_threshold_is_decimal(open_house: Any) -> None:
    """0.1 + 0.2 is a binary matter; a tenth of 0.3 is 0.03."""
    house = open_house(swing_threshold=Decimal("0.1"))
    found = brought(Forecast(house, "north"), {"ann": ("0.3", "0.33")}).swing()
    assert (found["is_swing"], found["threshold"]) == (False, Decimal("0.1"))


def test_the_largest_calls_are_compared_exactly(moved: Forecast) -> None:
    """One ten-thousandth beyond a fifth of fourteen digits and four decimals."""
    found = moved.swing("beyond a fifth")
    assert (found["change_amount"], found["is_swing"]) == (Decimal("16000000000000.0001"), True)
    assert found["change_pct"] == Decimal("0.2")


def test_exactly_a_fifth_of_the_largest_call_is_none(moved: Forecast) -> None:
    assert moved.swing("a fifth")["is_swing"] is False


def test_percentages_of_large_changes_are_exact(moved: Forecast) -> None:
    assert moved.swing("a long share")["change_pct"] == Decimal("333333333333.333300")


def test_a_change_that_no_percentage_can_hold_does_not_stop_the_sync(moved: Forecast) -> None:
    """From a ten-thousandth to five milliard: a swing, its share too large to be written."""
    found = moved.swing("no share")
    assert (found["is_swing"], found["reason"], found["change_amount"]) == (
        True,
        "above_threshold",
        Decimal("4999999999.9999"),
    )


def test_a_flip_between_the_largest_calls_does_not_stop_the_sync(moved: Forecast) -> None:
    """The difference of two amounts of fourteen digits has fifteen."""
    found = moved.swing("a flip")
    assert (found["is_swing"], found["reason"]) == (True, "sign_flip")


def test_from_zero_has_no_percentage(moved: Forecast) -> None:
    assert moved.swing("from zero")["change_pct"] is None


def test_a_negative_call_is_measured_by_its_size(moved: Forecast) -> None:
    assert moved.swing("negative")["change_pct"] == Decimal("-0.5")


def test_every_call_has_a_row_moved_or_not(moved: Forecast) -> None:
    assert len(moved.rows("forecast_swing")) == len(BEYOND) + len(LARGE)


def test_a_change_below_the_least_amount_is_no_swing(open_house: Any) -> None:
    """At least the amount set: the amount itself counts. From zero no less."""
    house = open_house(swing_min_amount=Decimal(50))
    found = brought(Forecast(house, "north"), {"below": ("100", "149"), "at": ("100", "150"), "from zero": (0, 5)})
    assert {who: found.swing(who)["is_swing"] for who in ("below", "at", "from zero")} == {
        "below": False,
        "at": True,
        "from zero": False,
    }


@pytest.fixture(scope="module")
def requested(shared: House) -> Forecast:
    """Five exports, each asked for otherwise than the one before in one respect; bob is shown in euros at last."""
    forecast = Forecast(shared, "requested")
    requests: list[dict[str, Any]] = [{}, {"scope": "east"}]
    requests.append(requests[-1] | {"types": ("crm_closed", "forecast", "quota")})
    requests.append(requests[-1] | {"currency": "EUR"})
    for number, request in enumerate(requests):
        money = "EUR" if "currency" in request else "USD"
        entries = (entry("ann", call=100 * 10**number), entry("bob", call=100 * 10**number, currency=money))
        forecast.bring(document(*entries), moment(10, 2 + number), **request)
    return forecast


def test_another_currency_is_no_swing(forecast: Forecast) -> None:
    forecast.bring(document(entry(call=100, currency="USD")), moment(10, 2))
    forecast.bring(document(entry(call=1000, currency="EUR")), moment(10, 3))
    found = forecast.swing()
    assert (found["is_swing"], found["reason"]) == (False, "currency_changed")


def test_between_two_currencies_there_is_no_change_to_tell(forecast: Forecast) -> None:
    """Each call stands beside its own currency; a yen less a dollar is no amount, and a yen to a dollar no ratio."""
    forecast.bring(document(entry(call=100, currency="USD")), moment(10, 2))
    forecast.bring(document(entry(call=15_000, currency="JPY")), moment(10, 3))
    found = forecast.swing()
    assert (found["previous_value"], found["previous_currency_code"]) == (100, "USD")
    assert (found["current_value"], found["currency_code"]) == (15_000, "JPY")
    assert (found["change_amount"], found["change_pct"]) == (None, None)


@pytest.mark.parametrize(("export", "changed"), [(2, "scope"), (3, "types"), (4, "currency")])
def test_another_request_is_no_swing(requested: Forecast, export: int, changed: str) -> None:
    found = requested.swing(export=export)
    assert (found["is_swing"], found["reason"]) == (False, "request_changed"), changed


def test_a_changed_currency_is_named_before_a_changed_request(requested: Forecast) -> None:
    assert requested.swing("bob", export=4)["reason"] == "currency_changed"


def test_a_quarter_that_ended_more_than_three_days_ago_is_restated(forecast: Forecast) -> None:
    """The quarter ends with the 31st of December: until the 4th at midnight, calls are still calls."""
    moments = [moment(12, 31), *(moment(1, day, hour, year=2027) for day, hour in ((3, 23), (4, 0), (4, 1)))]
    for number, at in enumerate(moments):
        forecast.bring(document(entry(week="W13", call=100 * 2**number)), at)
    found = [forecast.swing(export=export) for export in (2, 3, 4)]
    assert [one["reason"] for one in found] == ["above_threshold", "above_threshold", "restated"]
    assert [one["is_swing"] for one in found] == [True, True, False]


@pytest.fixture(scope="module")
def coming(shared: House) -> Forecast:
    """Three exports: cy comes with the second, bob leaves with it and returns, dee leaves and stays away."""
    forecast = Forecast(shared, "coming")
    for day, shown in ((2, {"bob": 500, "dee": 7}), (3, {"cy": 500}), (4, {"cy": 500, "bob": 500})):
        entries = (entry(who, call=call) for who, call in ({"ann": 100} | shown).items())
        forecast.bring(document(*entries), moment(10, day))
    return forecast


def test_a_person_who_is_new_is_no_swing(coming: Forecast) -> None:
    found = coming.swing("cy")
    assert (found["is_swing"], found["reason"], found["previous_value"], found["current_value"]) == (
        False,
        "new",
        None,
        500,
    )
    assert found["previous_time_frame_id"] is None


def test_a_person_who_has_left_is_no_swing(coming: Forecast) -> None:
    found = coming.swing("bob")
    assert (found["is_swing"], found["reason"], found["previous_value"], found["current_value"]) == (
        False,
        "disappeared",
        500,
        None,
    )


def test_a_person_who_has_left_is_told_once(coming: Forecast) -> None:
    assert [row["job_id"] for row in coming.rows("forecast_swing", user_id="dee")] == [coming.jobs[1]]


def test_a_person_who_returns_is_new(coming: Forecast) -> None:
    assert coming.swing("bob", export=3)["reason"] == "new"


@pytest.fixture(scope="module")
def next_week(shared: House) -> Forecast:
    """The last day of a week, and the first of the next: ann has not submitted yet, bob has."""
    forecast = Forecast(shared, "next_week")
    first = [entry("ann", "W01", call=100, submitted=True), entry("bob", "W01", call=100)]
    following = [entry("ann", "W02", call=0, submitted=False), entry("bob", "W02", call=150)]
    forecast.bring(document(*first), moment(10, 7))
    forecast.bring(document(*first, *following), moment(10, 8))
    return forecast


def test_a_week_without_a_submission_is_no_swing(next_week: Forecast) -> None:
    """In the new week nothing was submitted yet: the earlier call stands and has not moved."""
    found = next_week.swing("ann")
    assert (found["is_swing"], found["reason"], found["current_value"]) == (False, "not_submitted", 100)


def test_a_new_week_is_compared_with_the_week_before(next_week: Forecast) -> None:
    """The calls are compared, each of its own week, and the row names both."""
    found = next_week.swing("bob")
    assert (found["is_swing"], found["change_amount"]) == (True, 50)
    assert (found["previous_time_frame_id"], found["time_frame_id"]) == ("W01", "W02")


def test_the_first_export_of_a_quarter_compares_with_nothing(shared: House, coming: Forecast) -> None:
    """Another quarter and another forecast are no baseline."""
    alone = Forecast(shared, "alone")
    alone.bring(document(entry(call=100, period="2026_Q3")), moment(10, 2), quarter="2026_Q3")
    alone.bring(document(entry(call=500)), moment(10, 5))
    assert alone.rows("forecast_swing") == []
    assert coming.rows("forecast_swing", job_id=coming.jobs[0]) == []


def test_a_refused_export_is_never_a_baseline(forecast: Forecast) -> None:
    forecast.bring(document(entry(call=100)), moment(10, 2))
    refused = forecast.bring(document(entry(call=900)), moment(10, 3), is_truncated=True)
    forecast.bring(document(entry(call=110)), moment(10, 4))
    assert refused.export.state == "REFUSED"
    found = forecast.swing(export=3)
    assert (found["previous_value"], found["previous_job_id"], found["is_swing"]) == (100, forecast.jobs[0], False)
    assert len(forecast.rows("forecast_swing")) == 1


def test_the_week_before_is_the_newest_export_at_least_six_and_a_half_days_older(forecast: Forecast) -> None:
    """Small steps every day add up to a swing within the week."""
    for day, call in ((1, 90), (2, 100), (3, 110), (8, 119), (9, 129)):
        forecast.bring(document(entry(week="W02" if day >= 8 else "W01", call=call)), moment(10, day))
    found = forecast.swing(baseline="week", export=5)
    assert (found["previous_value"], found["is_swing"]) == (100, True)
    assert forecast.swing(export=5)["is_swing"] is False
    assert len(forecast.rows("forecast_swing", baseline="week")) == 2


def test_less_than_six_and_a_half_days_are_no_week(forecast: Forecast) -> None:
    """A weekly schedule jitters by seconds: six and a half days are."""
    forecast.bring(document(entry(call=100)), moment(10, 2, 6))
    forecast.bring(document(entry(call=500)), moment(10, 8, 17))
    assert [row["baseline"] for row in forecast.rows("forecast_swing")] == ["sync"]
    forecast.bring(document(entry(call=500)), moment(10, 8, 18))
    assert forecast.swing(baseline="week", export=3)["previous_value"] == 100


def test_a_late_edit_of_an_older_week_is_history_and_no_swing(forecast: Forecast) -> None:
    forecast.bring(document(entry(week="W01", call=100), entry(week="W02", call=200)), moment(10, 9))
    forecast.bring(document(entry(week="W01", call=900), entry(week="W02", call=200)), moment(10, 10))
    assert (forecast.swing()["is_swing"], forecast.swing()["change_amount"]) == (False, 0)
    assert forecast.row("forecast_entry", time_frame_id="W01")["forecast_value"] == 900


def test_the_adjusted_call_swings_with_the_manager(open_house: Any) -> None:
    forecast = Forecast(open_house(call="adjusted"), "north")
    forecast.bring(document(entry(call=100)), moment(10, 2))
    forecast.bring(document(entry(call=100, adjustment=50, adjusted_by="boss")), moment(10, 3))
    assert (forecast.swing()["current_value"], forecast.swing()["is_swing"]) == (50, True)


def test_a_document_that_comes_late_is_compared_where_it_belongs(forecast: Forecast) -> None:
    """What was compared over its head is compared with it instead."""
    forecast.bring(document(entry(call=100)), moment(10, 2))
    forecast.bring(document(entry(call=200)), moment(10, 4))
    forecast.bring(document(entry(call=190)), moment(10, 3))
    assert (forecast.swing(export=3)["previous_value"], forecast.swing(export=3)["is_swing"]) == (100, True)
    assert (forecast.swing(export=2)["previous_value"], forecast.swing(export=2)["is_swing"]) == (190, False)


def test_of_two_exports_of_one_moment_the_later_submitted_is_compared(house: House) -> None:
    """Loaded in order or replayed, the swings are the same."""
    house.bring(document(entry(call=100)), moment(10, 2), submitted=moment(10, 2, 1))
    house.bring(document(entry(call=110)), moment(10, 3), submitted=moment(10, 3, 1))
    house.bring(document(entry(call=200)), moment(10, 3), submitted=moment(10, 3, 2))
    compared = "select * exclude (detected_at) from clari.forecast_swing order by all"
    at_once = house.rows(compared)
    house.replay([], [])
    assert house.rows(compared) == at_once
    assert 200 in {row["current_value"] for row in at_once if row["is_swing"]}


def test_a_call_that_did_not_move_has_a_row_in_the_newest_comparison_alone(forecast: Forecast) -> None:
    """How many were compared stands in the summary, for ever."""
    for day, bob in ((2, 100), (3, 110), (4, 110)):
        forecast.bring(document(entry("ann", call=100), entry("bob", call=bob)), moment(10, day))
    _, second, third = forecast.jobs
    assert {(row["job_id"], row["user_id"]) for row in forecast.rows("forecast_swing")} == {
        (second, "bob"),
        (third, "ann"),
        (third, "bob"),
    }
    counted = ("compared", "moved", "swung", "kept", "judged", "sum_before", "sum_after", "currency_code")
    assert {row["job_id"]: tuple(row[name] for name in counted) for row in forecast.rows("forecast_swing_summary")} == {
        second: (2, 1, 0, 1, 2, 200, 210, "USD"),
        third: (2, 0, 0, 0, 2, 210, 210, "USD"),
    }


def test_calls_in_several_currencies_have_no_sum(forecast: Forecast) -> None:
    """An amount never stands under a currency that is not its own."""
    forecast.bring(document(entry("ann", call=100), entry("bob", call=7)), moment(10, 2))
    forecast.bring(document(entry("ann", call=100), entry("bob", call=7, currency="EUR")), moment(10, 3))
    summary = forecast.row("forecast_swing_summary")
    assert (summary["compared"], summary["moved"], summary["judged"]) == (2, 0, 1)
    assert (summary["sum_before"], summary["previous_currency_code"]) == (107, "USD")
    assert (summary["sum_after"], summary["currency_code"]) == (None, None)


def test_what_an_export_brought_is_told_alike_once_a_later_one_is_there(forecast: Forecast) -> None:
    """Whoever hears of it late, since a run was killed: the mass change of so many calls, who is new and who has gone,
    and that the top's call has not changed.
    """
    many = [f"p{number:02d}" for number in range(12)]
    people = [person("boss", parent=None), *(person(who, parent="role-boss") for who in (*many, "new", "gone", "eve"))]

    def shown(call: int, *more: Json) -> Json:
        moving = [entry(who, call=call if number < 6 else Decimal("70.5")) for number, who in enumerate(many)]
        written = [one | {"forecastValue": float(one["forecastValue"])} for one in (*moving, *more)]
        return document(entry("boss", call=1000), entry("eve", call=5), *written, people=people)

    def told() -> tuple[Any, ...]:
        job = forecast.jobs[1]
        with forecast.house.context.warehouse.session() as session:
            where = {"time_period_id": QUARTER, "field_id": "commit"}
            return (
                marts.mass_changes(session, job),
                alert_rows.moved_people(session, job),
                alert_rows.headline(session, job, **where),
            )

    forecast.bring(shown(100, entry("gone", call=3)), moment(10, 2))
    later = shown(200, entry("new", call=4), entry("eve", field="best_case", call=6))
    forecast.bring(later, moment(10, 3))
    at_once = told()
    assert [(mass.compared, mass.swung) for mass in at_once[0]] == [(14, 6)]
    assert {name for names in at_once[1].values() for name in names} == {"New", "Gone"}
    assert (at_once[2]["change"], at_once[2]["baseline"]) == (0, "sync")
    forecast.bring(later, moment(10, 4))
    assert {row["user_id"] for row in forecast.rows("forecast_swing", job_id=forecast.jobs[1])} == {
        *many[:6],
        "new",
        "gone",
        "eve",
    }
    assert told() == at_once
