"""When weeks close, whose weeks are whose, and quarters that begin where their documents say."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from clari_pipeline.core.periods import Quarter
from clari_pipeline.ops.freshness import CurrentQuarter
from clari_pipeline.ops.retention import Retention
from clari_pipeline.sync.refreshing import Marts
from tests.helpers.csv_lines import csv_line, csv_of
from tests.helpers.each_case import try_each
from tests.helpers.forecast import Forecast, shared_house, verdict
from tests.helpers.house import QUARTER, House, Json, document, entry

WEEK = "TF:2022-11-30"  # Wednesday to Tuesday [gitlab]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def quarter(name: str, first: str, last: str) -> Json:
    return {"timePeriodId": name, "type": "QUARTER", "startDate": first, "endDate": last}


def weeks_from(first: str, count: int) -> dict[str, date | None]:
    starts = [date.fromisoformat(first) + timedelta(weeks=number) for number in range(count)]
    return {f"TF:{start}": start for start in starts}


def test_weeks_that_straddle_two_quarters_are_each_quarters_own(tmp_path: Path) -> None:
    """[gitlab] Week 1 of a quarter from 1 February begins on 25 January, before it, and is in the old one, too."""
    house = House(tmp_path, fiscal_year_start_month=2, now=at("2022-05-09T12:00"), week_close="00:00")
    shared = "TF:2022-01-25"
    given: dict[str, tuple[str, str, str, int, int]] = {
        "2022_Q4": ("2021-11-01", "2022-01-31", "2021-10-26", 14, 100),
        "2023_Q1": ("2022-02-01", "2022-04-30", "2022-01-25", 14, 7000),
    }
    with house.held_open():
        for name, (first, last, begins, count, amount) in given.items():
            weeks = weeks_from(begins, count)
            for moment, more in ((at(f"{first}T12:00"), 0), (at(f"{last}T12:00") + timedelta(days=8), 1)):
                shown = [
                    entry(week=week, period=name, call=amount + number + more, closed=amount, quota=2 * amount)
                    for number, week in enumerate(weeks)
                ]
                content = document(*shown, weeks=weeks, periods=[quarter(name, first, last)])
                outcome = house.bring(content, moment, quarter=name)
                assert outcome.export.state == "LOADED", outcome.export.error
                assert verdict(outcome, "weeks_touch_their_period").passed
                assert verdict(outcome, "calendar_matches_settings").passed
        house.refresh_marts()
        for mart in ("forecast_call_week", "forecast_movement", "attainment_pacing", "call_submission"):
            rows = house.rows(f"from clari.{mart} where field_id = 'commit'")
            assert {row["time_period_id"] for row in rows} == set(given), mart
            assert all(row["weeks_to_end"] >= 0 for row in rows)
            amounts = {
                (row["time_period_id"], str(row[name])[:1])
                for row in rows
                for name in ("call_value", "start_value", "end_value", "crm_closed", "submitted_value")
                if row.get(name) is not None
            }
            assert amounts == {("2022_Q4", "1"), ("2023_Q1", "7")}, mart
        numbers = house.rows("from clari.forecast_call_week where time_frame_id = $week", week=shared)
        assert {row["time_period_id"]: row["week_number"] for row in numbers} == {"2022_Q4": 14, "2023_Q1": 1}
        ends = house.rows(
            "select week_number, weeks_to_end, week_end_date from clari.forecast_call_week "
            "where time_period_id = '2023_Q1' order by week_number desc limit 1"
        )
        assert ends == [{"week_number": 14, "weeks_to_end": 0, "week_end_date": date(2022, 5, 2)}]


def test_a_week_beside_months_that_nobody_has_entries_of_is_the_quarters(forecast: Forecast) -> None:
    """[gitlab] It ends before the quarter begins, and touches none of the months [spec] beside it."""
    month = {"timePeriodId": "2026_M10", "type": "MONTH", "startDate": "2026-10-01", "endDate": "2026-10-31"}
    shown = [entry(week="TF:2026-10-01", call=1), entry(week="TF:2026-10-01", period="2026_M10", call=2)]
    listed = weeks_from("2026-09-24", 2)
    content = document(*shown, weeks=listed, periods=[quarter(QUARTER, "2026-10-01", "2026-12-31"), month])
    assert forecast.bring(content, at("2026-10-02T12:00")).export.state == "LOADED"
    found = {(row["time_period_id"], row["time_frame_id"]) for row in forecast.rows("forecast_time_frame")}
    assert found == {(QUARTER, "TF:2026-09-24"), (QUARTER, "TF:2026-10-01"), ("2026_M10", "TF:2026-10-01")}


CLOSINGS: dict[str, tuple[list[tuple[str, int]], dict[str, Any], tuple[int, str, bool]]] = {
    "after the close": ([("06T08:30", 1), ("07T08:30", 2), ("07T09:30", 3)], {}, (2, "2022-12-07T08:30", True)),
    "before it alone": (
        [("06T08:30", 1), ("07T06:00", 2), ("08T06:00", 3)], {}, (2, "2022-12-07T07:59:59.999999", True),
    ),
    "not yet": ([("06T08:30", 1), ("07T07:59", 2)], {}, (2, "2022-12-07T07:59", False)),
    "later by setting": ([("06T08:30", 1), ("07T08:30", 2)], {"week_close": "05:00"}, (2, "2022-12-07T08:30", False)),
    "after that": (
        [("07T08:30", 2), ("07T13:00", 3)], {"week_close": "05:00"}, (3, "2022-12-07T13:00", True),
    ),
}  # fmt: skip


def test_a_week_is_as_the_first_export_after_its_close_shows_it(tmp_path: Path) -> None:
    """[gitlab] Its records change until 08:00 UTC of the day after: midnight in California."""

    def check(case: str) -> None:
        exports, given, (call, as_of, is_over) = CLOSINGS[case]
        name = case.replace(" ", "-")
        house = House(tmp_path, warehouse=name, org_timezone="America/Los_Angeles", now=at("2022-12-30T00:00"), **given)
        with house.held_open():
            for day, value in exports:
                late = {"updatedOn": int(at("2022-12-07T10:00").timestamp() * 1000)}
                content = document(
                    entry(week=WEEK, period="2022_Q4", call=value) | late,
                    weeks=weeks_from(WEEK[3:], 2),
                    periods=[quarter("2022_Q4", "2022-10-01", "2022-12-31")],
                )
                house.bring(content, at(f"2022-12-{day}"), quarter="2022_Q4", forecast=name)
            house.refresh_marts()
            found = house.row(f"from clari.forecast_call_week where time_frame_id = '{WEEK}'")
            assert (found["call_value"], found["as_of"], found["is_week_over"]) == (call, at(as_of), is_over)
            is_late = house.value(f"select is_late from clari.call_submission where time_frame_id = '{WEEK}'")
            assert is_late is ("week_close" not in given)

    try_each(CLOSINGS, check)


def test_an_upgraded_warehouse_rebuilds_its_weekly_marts_once_and_reports_it(tmp_path: Path) -> None:
    with shared_house(tmp_path) as house:
        Forecast(house, "north").bring(document(entry(call=1), entry(week="W02", call=2)), at("2026-10-20T12:00"))
        marts = Marts(house.context)
        assert marts.refresh_all() == []
        made = house.snapshot("forecast_call_week")
        # As the release before left it: no close, and a fingerprint without a version.
        house.execute("update clari.forecast_call_week set week_closes_at = null")
        house.execute("update clari.mart_part_version set made_of = repeat('0', 64)")
        (said,) = marts.refresh_all()
        assert said.line.startswith("the weekly marts of 2026_Q4 were rebuilt once")
        assert house.snapshot("forecast_call_week") == made
        assert marts.refresh_all() == []


# A year of 53 weeks from the Sunday nearest to 1 January, in 4-4-5 weeks.
YEAR = {"2026_Q3": ("2026-06-28", "2026-09-26"), "2026_Q4": ("2026-09-27", "2027-01-02")}


@pytest.mark.parametrize(
    ("day", "current", "is_new"), [("2027-01-02", "2026_Q4", False), ("2027-01-03", "2027_Q1", True)]
)
def test_days_of_quarters_in_the_warehouse_decide_which_is_current(
    tmp_path: Path, day: str, current: str, is_new: bool
) -> None:
    """[facts: fiscal years] Sync, gate, freshness and retention go by the days of quarters that documents gave."""
    house = House(tmp_path, historical_periods=1, now=at(f"{day}T12:00"))
    assert str(house.context.current_quarters()[0]) == "2027_Q1"  # by months, where nothing is known
    with house.held_open():
        for name, days in YEAR.items():
            content = document(entry(period=name, call=1), weeks={}, periods=[quarter(name, *days)])
            assert house.bring(content, at(f"{days[1]}T12:00"), quarter=name).export.state == "LOADED"
        context, before = house.context, Quarter.parse(current).shifted(-1)
        assert [str(one) for one in context.current_quarters()] == [current, str(before)]
        calendar = context.fiscal_calendar()
        expected = CurrentQuarter(current, (), is_new)
        assert CurrentQuarter.at(context.now(), context.settings, calendar) == expected
        assert Retention(context).oldest_kept == Quarter.parse(current).shifted(-7)
        # What has just begun may be empty.
        begun = document(weeks={}, periods=[quarter("2027_Q1", "2027-01-03", "2027-04-03")])
        empty = house.bring(begun, context.now(), quarter="2027_Q1")
        assert verdict(empty, "export_is_not_empty").severity == ("WARN" if is_new else "ERROR")
        # A document without days has them from the warehouse: a CSV, of another forecast.
        lines = csv_of(csv_line(1, period="Q4 FY 2026", week=1, days=("10/05/2026", "10/11/2026")))
        assert house.bring(lines, context.now(), forecast="south").export.state == "LOADED"
        known = house.row("from clari.time_period where time_period_id = '2026_Q4'")
        assert (str(known["start_date"]), str(known["end_date"])) == YEAR["2026_Q4"]


def test_days_that_a_document_gives_win_over_those_of_months_in_any_order_of_arrival(tmp_path: Path) -> None:
    """[facts: fiscal years] A CSV gives no days of its period: those of months stand in until a document gives some."""
    given = document(entry(call=1), weeks={}, periods=[quarter(QUARTER, *YEAR[QUARTER])]), at("2026-10-20T12:00")
    csv = csv_of(csv_line(1, period="Q4 FY 2026", week=1, days=("10/05/2026", "10/11/2026"))), at("2026-10-21T12:00")
    found = []
    for order in ((given, csv), (csv, given)):
        house = House(tmp_path / str(len(found)), now=at("2027-01-02T12:00"))
        with house.held_open():
            for forecast, brought in zip(("north", "south"), order, strict=True):
                house.bring(*brought, forecast=forecast)
            for _ in ("as they arrived", "replayed"):
                known = house.row("from clari.time_period")
                found.append((str(known["start_date"]), str(known["end_date"]), str(house.context.current_quarter())))
                house.replay([], [])
    assert set(found) == {(*YEAR[QUARTER], QUARTER)}


def test_a_refused_document_moves_no_quarter(tmp_path: Path) -> None:
    """Nor does a merged document whose days lie months off, as the check only warns for past quarters."""
    house = House(tmp_path, now=at("2026-12-20T12:00"))
    with house.held_open():
        for name, state in ((QUARTER, "REFUSED"), ("2026_Q3", "LOADED")):
            content = document(
                entry(period=name, call=1), weeks={}, periods=[quarter(name, "2026-02-01", "2026-04-30")]
            )
            assert house.bring(content, at("2026-12-20T12:00"), quarter=name).export.state == state
        calendar = house.context.fiscal_calendar()
        for name in (QUARTER, "2026_Q3"):
            assert calendar.first_day(Quarter.parse(name)) == house.context.calendar.first_day(Quarter.parse(name))
