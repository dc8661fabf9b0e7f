"""Weeks and quarters as documents give them, held against the settings; a week is its period's, whatever its number."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clari_pipeline.board import read_board
from tests.helpers.csv_lines import csv_line, csv_of
from tests.helpers.each_case import try_each
from tests.helpers.forecast import Forecast, shared_house, verdict
from tests.helpers.house import QUARTER, House, Json, document, entry, moment

MONTHS = (  # timeframe, week, first day, last day, call
    ("October FY 2026", 0, "09/30/2026", "09/30/2026", 10),
    ("October FY 2026", 1, "10/01/2026", "10/07/2026", 11),
    ("October FY 2026", 2, "10/08/2026", "10/14/2026", 12),
    ("October FY 2026", 3, "10/15/2026", "10/31/2026", 14),
    ("November FY 2026", 0, "10/31/2026", "10/31/2026", 20),
    ("November FY 2026", 1, "11/01/2026", "11/07/2026", 21),
    ("November FY 2026", 2, "11/08/2026", "11/14/2026", 22),
    ("November FY 2026", 3, "11/15/2026", "11/30/2026", 23),
)
WEEKS_OF_OCTOBER = {"W00": "2026-09-30", "W01": "2026-10-01", "W02": "2026-10-08", "W03": "2026-10-15"}
WEEKS_OF_NOVEMBER = {"W00": "2026-10-31", "W01": "2026-11-01", "W02": "2026-11-08", "W03": "2026-11-15"}


def csv(*lines: tuple[Any, ...]) -> bytes:
    return csv_of(
        *(csv_line(call, period=period, week=week, days=(first, last)) for period, week, first, last, call in lines)
    )


def of_quarter(*days: str) -> bytes:
    """A CSV of 2026_Q4 with a week a pair of days, of calls of 100, 200 …"""
    pairs = list(zip(days[::2], days[1::2], strict=True))
    return csv(*(("Q4 FY 2026", number, *pair, 100 * (number + 1)) for number, pair in enumerate(pairs)))


def calls(forecast: Forecast) -> dict[str, Any]:
    return forecast.by("time_period_id", "forecast_vs_quota", "forecast_value")


def test_weeks_that_are_numbered_within_months_are_each_their_months(tmp_path: Path) -> None:
    """In any order of lines; of a finished month the call is that of its last week."""
    with shared_house(tmp_path) as house:

        def check(seed: int) -> None:
            lines = list(MONTHS)
            Random(seed).shuffle(lines)
            forecast = Forecast(house, f"shuffled {seed}")
            outcome = forecast.bring(csv(*lines), moment(11, 10))
            assert outcome.export.state == "LOADED"
            assert verdict(outcome, "weeks_touch_their_period").passed
            assert calls(forecast) == {"2026_M10": 14, "2026_M11": 22}
            frames = house.rows("from clari.time_frame order by all")
            for period, days in (("2026_M10", WEEKS_OF_OCTOBER), ("2026_M11", WEEKS_OF_NOVEMBER)):
                weeks = {row["time_frame_id"]: row for row in frames if row["time_period_id"] == period}
                assert {week: str(row["start_date"]) for week, row in weeks.items()} == days
            columns = ("week_number", "weeks_to_end", "is_submitted")
            rows = forecast.by("time_period_id", "forecast_vs_quota", *columns)
            assert rows == {"2026_M10": (4, 0, True), "2026_M11": (3, 2, True)}

        try_each(range(2), check)
        house.refresh("forecast_call_week")
        weekly = Forecast(house, "shuffled 0").rows("forecast_call_week")
        assert {(row["time_period_id"], str(row["week_start_date"]), row["call_value"]) for row in weekly} == {
            ("2026_M10", day, call) for day, call in zip(WEEKS_OF_OCTOBER.values(), (10, 11, 12, 14), strict=True)
        } | {("2026_M11", day, call) for day, call in zip(WEEKS_OF_NOVEMBER.values(), (20, 21, 22), strict=False)}
        later = Forecast(house, "shuffled 1")
        changed = [(*line[:4], 19) if line[1] == 2 else line for line in MONTHS]
        later.bring(csv(*changed), moment(11, 18))
        house.refresh("forecast_call_week")
        moved = {
            (row["time_period_id"], str(row["week_start_date"])): (row["start_value"], row["end_value"])
            for row in later.rows("forecast_movement")
        }
        assert moved["2026_M11", "2026-11-15"] == (22, 23)
        assert (
            house.value("select count(*) from clari.export_check where check_name like '%adds_up' and not passed") == 0
        )


def test_weeks_of_a_list_that_repeats_its_ids_are_told_apart_by_their_days(forecast: Forecast) -> None:
    weeks = [
        ("W01", date(2026, 10, 1)),
        ("W02", date(2026, 10, 8)),
        ("W01", date(2026, 11, 2)),
        ("W02", date(2026, 11, 9)),
    ]
    periods = [
        {"timePeriodId": "nov", "type": "MONTH", "startDate": "2026-11-01", "endDate": "2026-11-30"},
        {"timePeriodId": "oct", "type": "MONTH", "startDate": "2026-10-01", "endDate": "2026-10-31"},
    ]
    shown = [entry(week=week, period=month, call=10 * number) for number, (week, month) in enumerate(
        [("W01", "oct"), ("W02", "oct"), ("W01", "nov"), ("W02", "nov")], 1)]  # fmt: skip
    content = document(*shown, periods=periods)
    content["timeFrames"] = [
        {"timeFrameId": week, "startDate": str(first), "endDate": str(first + timedelta(days=6))}
        for week, first in weeks
    ]
    assert forecast.bring(content, moment(11, 4)).export.state == "LOADED"
    assert calls(forecast) == {"oct": 20, "nov": 30}


def test_two_forecasts_number_the_same_weeks_otherwise(tmp_path: Path) -> None:
    """A week is its forecast's: the id of one is other days in another, whichever was exported last."""
    weekly = {f"W{number:02}": date(2026, 10, 1) + timedelta(weeks=number - 1) for number in range(1, 14)}
    monthly = {
        f"W{number:02}": first for number, first in enumerate((date(2026, month, 1) for month in (10, 11, 12)), 1)
    }
    with shared_house(tmp_path) as house:
        quarter = [{"timePeriodId": QUARTER, "type": "QUARTER", "startDate": "2026-10-01", "endDate": "2026-12-31"}]
        shown = [entry(week=f"W{number:02}", call=number) for number in (1, 2, 3)]
        for day in (3, 4):  # each is exported after the other
            for name, weeks in (("weekly", weekly), ("monthly", monthly))[:: 1 if day == 3 else -1]:
                Forecast(house, name).bring(document(*shown, weeks=weeks, periods=quarter), moment(11, day))
        house.refresh("forecast_call_week")
        for name, call, number, days in (
            ("weekly", 3, 5, {1: "2026-10-01", 2: "2026-10-08", 3: "2026-10-15", 4: "2026-10-22", 5: "2026-10-29"}),
            ("monthly", 2, 2, {1: "2026-10-01", 2: "2026-11-01"}),
        ):
            forecast = Forecast(house, name)
            assert forecast.standing()["forecast_value"] == call, name
            assert forecast.standing()["week_number"] == number, name
            rows = forecast.rows("forecast_call_week")
            assert {row["week_number"]: str(row["week_start_date"]) for row in rows} == days, name
            listed = {row["time_frame_id"]: row["start_date"] for row in forecast.rows("forecast_time_frame")}
            assert listed == (weekly if name == "weekly" else monthly)
        assert house.value("select count(*) from clari.time_frame") == 13


@pytest.mark.parametrize("weeks", [{}, dict.fromkeys(("2", "10", "9"))], ids=["not listed", "without days"])
def test_weeks_without_days_go_by_their_ids_as_numbers(forecast: Forecast, weeks: dict[str, date | None]) -> None:
    content = document(*(entry(week=week, call=int(week)) for week in ("9", "10", "2")), weeks=weeks)
    forecast.bring(content, moment(11, 4))
    assert (forecast.standing()["forecast_value"], forecast.standing()["week_number"]) == (10, 3)


def test_a_document_that_lists_no_weeks_takes_no_days_away(forecast: Forecast) -> None:
    """Nor does one that lists the weeks so far alone say that the quarter is over."""
    so_far = {"W01": date(2026, 10, 1), "W02": date(2026, 10, 8)}
    quarter = [{"timePeriodId": QUARTER, "type": "QUARTER", "startDate": "2026-10-01", "endDate": "2026-12-31"}]
    shown = [entry(week=week, call=10) for week in so_far]
    forecast.bring(document(*shown, weeks=so_far, periods=quarter), moment(10, 20))
    assert (forecast.standing()["week_number"], forecast.standing()["weeks_to_end"]) == (2, 11)
    forecast.bring(document(shown[1], weeks={}, periods=quarter), moment(10, 21))
    assert (forecast.standing()["week_number"], forecast.standing()["weeks_to_end"]) == (2, 11)
    assert {str(row["start_date"]) for row in forecast.rows("forecast_time_frame")} == {"2026-10-01", "2026-10-08"}


def test_days_of_a_csv_are_read_strictly(forecast: Forecast) -> None:
    """Two-digit years are of this century; a day before its month, and what is no day, keep the document out."""
    outcome = forecast.bring(of_quarter("10/05/26", "10/11/26", "10/12/26", "10/18/26"), moment(10, 20))
    assert outcome.export.state == "LOADED"
    assert forecast.standing("ann@corp.test", "Commit")["forecast_value"] == 200

    refused = forecast.bring(of_quarter("10/05/2026", "19/10/2026"), moment(10, 21))
    assert refused.export.state == "REFUSED"
    assert all(part in refused.export.error for part in ("end date of W00", "'19/10/2026'", "MM/DD/YYYY"))


def test_a_week_that_is_none_of_its_period_is_never_silent(forecast: Forecast) -> None:
    quarter = "Q4 FY 2026"
    straddling = ((quarter, 0, "09/28/2026", "10/04/2026", 1), (quarter, 9, "12/28/2026", "01/03/2027", 1))
    astray = (
        (quarter, 1, "05/10/2026", "05/16/2026", 1),
        (quarter, 2, "10/12/2026", "10/05/2026", 1),
        (quarter, 3, "10/05/2026", "10/11/2026", 1),
        (quarter, 3, "10/06/2026", "10/12/2026", 1),
        (quarter, 4, "05/10/2026", "11/10/2026", 1),  # the fifth to the eleventh, by whoever writes the day first
    )
    assert verdict(forecast.bring(csv(*straddling), moment(10, 20)), "weeks_touch_their_period").passed
    found = verdict(forecast.bring(csv(*straddling, *astray), moment(10, 21)), "weeks_touch_their_period")
    assert (found.passed, found.severity) == (False, "WARN")
    assert {week["time_frame_id"]: week["fault"] for week in found.evidence["weeks"]} == {
        "W01": "lies outside its period",
        "W02": "ends before it begins",
        "W03": "has several days",
        "W04": "is longer than its period",
    }


def _with_days(first: str, last: str, quarter: str = QUARTER) -> Json:
    listed = {"timePeriodId": quarter, "type": "QUARTER", "startDate": first, "endDate": last}
    return document(entry(period=quarter, call=1), periods=[listed], weeks={"W01": date.fromisoformat(first)})


def test_a_quarter_that_lies_elsewhere_than_the_settings_say_names_the_right_ones(forecast: Forecast) -> None:
    """An error for the current quarter, a warning for others; 4-4-5 weeks contradict nothing."""
    right = {"CLARI_FISCAL_YEAR_START_MONTH": 2, "CLARI_FISCAL_YEAR_NAMED_BY": "end"}
    outcome = forecast.bring(_with_days("2025-11-01", "2026-01-31"), moment(11, 30))
    found = verdict(outcome, "calendar_matches_settings")
    assert (outcome.export.state, found.passed, found.severity) == ("REFUSED", False, "ERROR")
    assert found.evidence["right"] == right
    assert "set CLARI_FISCAL_YEAR_START_MONTH=2" in outcome.export.error
    past = forecast.bring(_with_days("2025-08-01", "2025-10-31", "2026_Q3"), moment(11, 30), quarter="2026_Q3")
    found = verdict(past, "calendar_matches_settings")
    assert (past.export.state, found.passed, found.severity) == ("LOADED", False, "WARN")
    assert found.evidence["right"] == right
    named_by_start = forecast.bring(_with_days("2026-11-01", "2027-01-31"), moment(11, 30)).export.error
    assert "set CLARI_FISCAL_YEAR_START_MONTH=2 and CLARI_FISCAL_YEAR_NAMED_BY=start" in named_by_start
    nowhere = forecast.bring(_with_days("2024-11-01", "2025-01-31"), moment(11, 30)).export.error
    assert "no setting makes it so" in nowhere
    ahead = _with_days("2027-02-01", "2027-04-30", "2027_Q1")  # the same document, before its quarter begins and in it
    for at, state in ((moment(12, 30), "LOADED"), (moment(12, 31), "LOADED"), (moment(1, 3, year=2027), "REFUSED")):
        outcome = forecast.bring(ahead, at, quarter="2027_Q1")
        assert (outcome.export.state, verdict(outcome, "calendar_matches_settings").passed) == (state, False)
    good = forecast.bring(_with_days("2026-09-27", "2026-12-26"), moment(11, 30))
    assert verdict(good, "calendar_matches_settings").passed


def test_days_of_weeks_contradict_the_settings_where_a_document_has_none_of_its_quarter(forecast: Forecast) -> None:
    """A CSV, say: a whole quarter of weeks a month off, or a few a year off; never one week that went astray."""

    def days(first: date, weeks: int) -> bytes:
        begins = [first + timedelta(weeks=number) for number in range(weeks)]
        return of_quarter(*(f"{day:%m/%d/%Y}" for one in begins for day in (one, one + timedelta(days=6))))

    astray = days(date(2026, 10, 5), 4) + b"\n" + csv(("Q4 FY 2026", 9, "10/05/2099", "10/11/2099", 1)).split(b"\n")[1]
    for content, right in (
        (days(date(2026, 11, 1), 13), {"CLARI_FISCAL_YEAR_START_MONTH": 2, "CLARI_FISCAL_YEAR_NAMED_BY": "start"}),
        (days(date(2025, 11, 2), 13), {"CLARI_FISCAL_YEAR_START_MONTH": 2, "CLARI_FISCAL_YEAR_NAMED_BY": "end"}),
        (days(date(2025, 10, 6), 2), None),
    ):
        found = verdict(forecast.bring(content, moment(11, 20)), "calendar_matches_settings")
        assert (found.passed, found.severity, found.evidence["right"]) == (False, "ERROR", right)
    for content in (days(date(2026, 9, 27), 14), days(date(2026, 9, 25), 12), days(date(2026, 12, 28), 1), astray):
        outcome = forecast.bring(content, moment(11, 20))
        assert verdict(outcome, "calendar_matches_settings").passed
        assert outcome.export.state == "LOADED"


def test_the_organisations_zone_says_which_week_has_begun(tmp_path: Path) -> None:
    at = datetime.fromisoformat("2026-10-19T06:00+11:00")
    weeks = {"W01": date(2026, 10, 12), "W02": date(2026, 10, 19)}
    content = document(entry(week="W01", call=200), entry(week="W02", call=900), weeks=weeks)

    def check(expected: tuple[str, int, date]) -> None:
        zone, call, today = expected
        house = House(tmp_path, warehouse=zone.replace("/", "-"), org_timezone=zone, now=at)
        with house.held_open():
            assert house.bring(content, at).export.state == "LOADED"
            assert house.value("select forecast_value from clari.forecast_vs_quota") == call
            house.refresh("forecast_call_week")
            ends = house.value("select max(as_of) from clari.forecast_call_week where time_frame_id = 'W01'")
        assert ends == at
        assert house.context.today() == today

    try_each([("Australia/Sydney", 900, date(2026, 10, 19)), ("America/Los_Angeles", 200, date(2026, 10, 18))], check)


def test_the_organisations_zone_says_which_day_it_is_in_every_mart(tmp_path: Path) -> None:
    """Whether a quarter is finished and a call late, the day of an export, and which quarter the board opens."""
    at = datetime.fromisoformat("2026-12-31T22:00+00:00")  # in Sydney the quarter is over
    quarter = {"timePeriodId": QUARTER, "type": "QUARTER", "startDate": "2026-10-01", "endDate": "2026-12-31"}
    late = entry(week="W01", call=200, closed=180) | {"updatedOn": 1792332000000}  # 2026-10-18T14:00Z
    content = document(late, weeks={"W01": date(2026, 10, 12), "W02": date(2026, 10, 19)}, periods=[quarter])

    def check(expected: tuple[str, bool, date]) -> None:
        zone, is_over, today = expected
        house = House(tmp_path, warehouse=f"marts-{zone.replace('/', '-')}", org_timezone=zone)
        with house.held_open():
            house.bring(content, at)
            house.refresh_marts()
            submission = house.row("from clari.call_submission where time_frame_id = 'W01'")
            assert submission["is_late"] is is_over
            assert bool(house.value("select count(*) from clari.forecast_accuracy")) is is_over
            pacing = house.rows("select final_closed from clari.attainment_pacing")
            assert {row["final_closed"] for row in pacing} == {180 if is_over else None}
            assert house.value("select day from clari.pipeline_health") == today
            with house.context.warehouse.session() as session:
                assert [view.is_current for view in read_board(session).views] == [not is_over]

    try_each(
        [("Australia/Sydney", True, date(2027, 1, 1)), ("America/Los_Angeles", False, date(2026, 12, 31))],
        check,
    )


listed_weeks = st.lists(
    st.tuples(st.integers(-20, 110), st.integers(0, 10), st.sampled_from(["2026_M10", "2026_M11"]), st.integers(1, 99)),
    min_size=1,
    max_size=8,
    unique_by=(lambda week: (week[0], week[2])),
)


@settings(max_examples=6, deadline=None)
@given(listed_weeks, st.integers(0, 91), st.randoms(use_true_random=False))
def test_the_call_is_that_of_each_months_newest_begun_week(
    tmp_path_factory: pytest.TempPathFactory, weeks: list[tuple[int, int, str, int]], exported: int, chance: Random
) -> None:
    """Against a model that knows days alone: ids are numbers within the month, in any order."""
    first = date(2026, 10, 1)
    lines: list[tuple[Any, ...]] = []
    model: dict[str, list[tuple[date, int]]] = {}
    for month, label in (("2026_M10", "October FY 2026"), ("2026_M11", "November FY 2026")):
        for number, (day, length, _, call) in enumerate(sorted(week for week in weeks if week[2] == month)):
            begins = first + timedelta(days=day)
            ends = begins + timedelta(days=length)
            lines.append((label, number, f"{begins:%m/%d/%Y}", f"{ends:%m/%d/%Y}", call))
            model.setdefault(month, []).append((begins, call))
    chance.shuffle(lines)
    today = first + timedelta(days=exported)
    known = {begins for of_month in model.values() for begins, _ in of_month}
    newest = max((begins for begins in known if begins <= today), default=min(known))
    expected = {
        month: max(begun)[1]
        for month, of_month in model.items()
        if (begun := [week for week in of_month if week[0] <= newest])
    }
    with shared_house(tmp_path_factory.mktemp("model")) as house:
        forecast = Forecast(house, "north")
        forecast.bring(csv(*lines), datetime(today.year, today.month, today.day, 12, tzinfo=UTC))
        assert {period: call for period, call in calls(forecast).items() if call is not None} == expected


def test_a_day_before_its_month_is_refused_where_only_so_weeks_are_weeks(forecast: Forecast) -> None:
    """No day above 12 proves it: 5 to 11 November; by starts alone 5 and 12 November. One that may be both is read."""
    quarter = "Q4 FY 2026"
    for weeks in (
        [(quarter, 5, "05/11/2026", "11/11/2026", 1)],
        [(quarter, 5, "05/11/2026", "", 1), (quarter, 6, "12/11/2026", "", 1)],
        [("November FY 2026", 5, "5/11/26", "11/11/26", 1), ("December FY 2026", 6, "03/12/2026", "09/12/2026", 1)],
    ):
        refused = forecast.bring(csv(*weeks), moment(11, 20))
        assert refused.export.state == "REFUSED"
        assert "day before the month" in refused.export.error and weeks[0][2] in refused.export.error
    for weeks in (
        [(quarter, 5, "11/05/2026", "11/11/2026", 1)],
        [(quarter, 5, "10/10/2026", "10/10/2026", 1)],
        [(quarter, 5, "12/10/2026", "", 1)],
    ):
        assert forecast.bring(csv(*weeks), moment(11, 21)).export.state == "LOADED"
