"""A year, quarters and months in one document: each is a period of its own, and no figure of one counts in another.

A year's quota is no sum of its quarters' [community]; ids of weeks repeat in every quarter, and a week that lies in two
quarters is shown by the exports of both [gitlab].
"""

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from itertools import permutations
from pathlib import Path

from clari_pipeline.ops.retention import Retention
from clari_pipeline.warehouse.catalogue import tables
from tests.helpers.each_case import try_each
from tests.helpers.forecast import Forecast, broken
from tests.helpers.house import QUARTER, House, Json, document, entry, moment
from tests.warehouse.test_any_order import TABLES

BEFORE = "2026_Q3"
STRADDLING = "TF:2026-09-28"


def period(name: str, kind: str | None, first: str, last: str) -> Json:
    return {"timePeriodId": name, "type": kind, "startDate": first, "endDate": last}


YEAR = period("2026", "YEAR", "2026-01-01", "2026-12-31")
Q4 = period(QUARTER, "QUARTER", "2026-10-01", "2026-12-31")
Q3 = period(BEFORE, "QUARTER", "2026-07-01", "2026-09-30")
FIRST = "2026_Q1"
MONTHS = {
    "2026_M1": ("2026-01-01", "2026-01-31"),
    "2026_M2": ("2026-02-01", "2026-02-28"),
    "2026_M3": ("2026-03-01", "2026-03-31"),
}
QUOTAS = {"2026": 5000, FIRST: 1000, "2026_M1": 300}


def names_the_year(house: House, table: str) -> bool:
    return any(row.get("time_period_id") == "2026" for row in house.rows(f"from clari.{table}"))


def test_a_year_a_quarter_and_months_are_kept_apart(tmp_path: Path) -> None:
    """Kept with its own figures, which all reconcile; marts are of the quarter and its months, as Clari writes them."""
    house = House(tmp_path, now=moment(1, 21))
    weeks: dict[str, date | None] = {"W01": date(2026, 1, 1), "W02": date(2026, 1, 8)}
    listed = [YEAR, period(FIRST, "QUARTER", "2026-01-01", "2026-03-31")]
    listed += [period(name, "MONTH", *days) for name, days in MONTHS.items()]
    with house.held_open():
        for day, raised in ((9, 0), (20, 900)):  # the call for the year swings
            shown = [entry("boss", call=9, period="2026")]
            for place, (name, quota) in enumerate(QUOTAS.items()):
                call = 100 + place + raised * (name == "2026")
                shown += [entry(week=week, call=call, closed=place, period=name) for week in weeks]
                shown += [entry(week=week, field="quota", quota=quota, period=name) for week in weeks]
            content = document(*shown, weeks=weeks, periods=listed)
            outcome = house.bring(content, moment(1, day), quarter=FIRST)
            assert (outcome.export.state, outcome.export.rows_staged) == ("LOADED", 13)
            assert not broken(outcome).keys() - {"totals_have_one_top"}
            assert outcome.export.document_period_id == "2026,2026_M1,2026_M2,2026_M3,2026_Q1"
        house.refresh_marts()
        quotas = "select distinct time_period_id, quota_value from clari.forecast_entry where field_id = 'quota'"
        assert dict(house.tuples(quotas)) == QUOTAS
        assert house.tuples("select distinct quarter_id from clari.forecast_entry_history") == [(FIRST,)]
        periods = "select time_period_id, quarter_id, period_type from clari.time_period order by 1"
        assert house.tuples(periods) == [
            ("2026", "2026", "YEAR"),
            *((name, FIRST, "MONTH") for name in MONTHS),
            (FIRST, FIRST, "QUARTER"),
        ]
        stands = "select time_period_id, forecast_value, quota_value, crm_closed from clari.forecast_vs_quota"
        assert house.tuples(f"{stands} order by 1") == [("2026_M1", 102, 300, 2), (FIRST, 101, 1000, 1)]
        with_year = {table for table in tables() if names_the_year(house, table)}
    read = {"forecast_entry", "forecast_entry_history", "forecast_entry_version", "forecast_entry_state"}
    assert with_year == read | {"forecast_entry_sighting", "forecast_time_frame", "time_frame", "time_period"}


def test_only_a_period_that_lies_around_the_quarter_is_accepted(forecast: Forecast) -> None:
    """By its days, whatever its type, or by the quarter's fiscal year; another one is refused, and named."""

    def check(case: tuple[Json, str, bool]) -> None:
        other, state, has_entry = case
        name = other["timePeriodId"]
        of_it = [entry(call=7, period=name)] * has_entry
        outcome = forecast.bring(document(entry(call=1), *of_it, periods=[Q4, other]), moment(10, 20))
        assert outcome.export.state == state
        assert name in (outcome.export.document_period_id or "").split(",")
        if state == "REFUSED":
            assert name in broken(outcome)["export_period_matches_request"]["summary"]

    try_each(
        [
            (YEAR, "LOADED", True),
            (YEAR, "LOADED", False),
            ({"timePeriodId": "2026"}, "LOADED", True),
            (period("H2", "HALF_YEAR", "2026-07-01", "2026-12-31"), "LOADED", True),
            (period("FY26-27", None, "2026-01-01", "2027-12-31"), "LOADED", True),
            (period("2025", "YEAR", "2025-01-01", "2025-12-31"), "REFUSED", True),
            (period("2025", "YEAR", "2025-01-01", "2025-12-31"), "REFUSED", False),
            ({"timePeriodId": "2025", "type": "YEAR"}, "REFUSED", True),
            (period("H1", "HALF_YEAR", "2026-01-01", "2026-06-30"), "REFUSED", True),
            (period("Peak", "CUSTOM", "2026-08-15", "2026-10-31"), "REFUSED", True),
            (period("2026_M9", "MONTH", "2026-09-01", "2026-09-30"), "REFUSED", True),
            (period("2026_Q3", "QUARTER", "2026-01-01", "2026-12-31"), "REFUSED", True),
        ],
        check,
    )


def test_weeks_that_only_the_year_has_are_no_weeks_of_the_quarter(tmp_path: Path) -> None:
    """They decide neither the week of the call, nor the quarter's dates, nor the field of its quota."""
    weeks = {f"TF:{first}": first for first in (date(2026, 1, 5) + timedelta(weeks=n) for n in range(52))}
    in_quarter = [week for week, first in weeks.items() if date(2026, 6, 27) <= first <= date(2026, 9, 30)]
    shown = [entry(week=week, call=100, period=BEFORE) for week in in_quarter]
    shown += [entry(week=week, field="best_case", call=7, quota=5000, period="2026") for week in weeks]
    content = document(
        *shown, entry(week=in_quarter[0], field="quota", quota=10, period=BEFORE), weeks=weeks, periods=[YEAR, Q3]
    )
    house = House(tmp_path, now=moment(12, 1))
    with house.held_open():
        outcome = house.bring(content, moment(12, 1), quarter=BEFORE)
        assert (outcome.export.state, outcome.export.call_time_frame_id) == ("LOADED", in_quarter[-1])
        assert not broken(outcome).keys() - {"totals_have_one_top"}
        stands = house.row("select field_id, week_number, quota_value from clari.forecast_vs_quota")
        assert stands == {"field_id": "commit", "week_number": len(in_quarter), "quota_value": 10}
        assert house.value("select count(*) from clari.forecast_entry where time_period_id = '2026'") == len(weeks)


# Of one year, from the exports of two quarters


def of_quarter(name: str, at: datetime, year_quota: int | None, *, who: str = "ann") -> tuple[Json, datetime, str]:
    """A document of a quarter with its year, in W01, which is another week in each quarter, and in a week of both."""
    own, first = (Q4, date(2026, 10, 5)) if name == QUARTER else (Q3, date(2026, 9, 21))
    weeks = {"W01": first, STRADDLING: date(2026, 9, 28)}
    shown = [entry(who, week, "quota", quota=900, period=name) for week in weeks]
    if year_quota is not None:
        shown += [entry(who, week, "quota", quota=year_quota, period="2026") for week in weeks]
    year = YEAR | {"label": f"FY of {name}"}
    return document(*shown, weeks=weeks, periods=[year, own]), at, name


BROUGHT = [
    of_quarter(BEFORE, moment(9, 29), 5000),
    of_quarter(QUARTER, moment(10, 6), 5000),
    of_quarter(BEFORE, moment(10, 6), 5100),
    of_quarter(QUARTER, moment(10, 9), None),
    of_quarter(QUARTER, moment(10, 10), 5200),
    of_quarter(QUARTER, moment(10, 11), 5200),  # the same document
]


def bring_all(house: House, order: Iterable[int]) -> House:
    for position in order:
        content, at, quarter = BROUGHT[position]
        house.exports = position  # the same ids, whatever the order
        house.bring(content, at, quarter=quarter)
    return house


def everything(house: House) -> dict[str, list[Json]]:
    return house.snapshot(*TABLES, without={"detected_at"})


def test_the_year_is_the_same_in_whatever_order_quarters_arrive(tmp_path: Path) -> None:
    """Each quarter's exports have versions of their own, without overlap; rebuilt or replayed, the same."""
    house = House(tmp_path, warehouse="orderly")
    with house.held_open():
        bring_all(house, range(len(BROUGHT)))
        expected = everything(house)
        versions = house.tuples(
            "select quarter_id, quota_value, is_present, valid_from, valid_to from clari.forecast_entry_history "
            f"where time_period_id = '2026' and time_frame_id = '{STRADDLING}' order by quarter_id, valid_from"
        )
        assert [(*row[:3], row[3].day, row[4] and row[4].day) for row in versions] == [
            (BEFORE, 5000, True, 29, 6),
            (BEFORE, 5100, True, 6, None),
            (QUARTER, 5000, True, 6, 9),
            (QUARTER, 5000, False, 9, 10),
            (QUARTER, 5200, True, 10, None),
        ]
        newest = "select quarter_id, quota_value, in_latest_export, last_seen_at from clari.forecast_entry"
        assert house.tuples(f"{newest} where time_period_id = '2026' and time_frame_id = 'W01' order by 1") == [
            (BEFORE, 5100, True, moment(10, 6)),
            (QUARTER, 5200, True, moment(10, 11)),
        ]
        first_days = "select quarter_id, start_date from clari.time_frame where time_period_id = '2026' "
        assert house.tuples(f"{first_days} and time_frame_id = 'W01' order by 1") == [
            (BEFORE, date(2026, 9, 21)),
            (QUARTER, date(2026, 10, 5)),
        ]
        assert house.row("from clari.time_period where time_period_id = '2026'")["label"] == f"FY of {QUARTER}"
        house.replay([], [])
        assert everything(house) == expected

    def check(order: tuple[int, ...]) -> None:
        other = House(tmp_path / "-".join(map(str, order)))
        with other.held_open():
            assert everything(bring_all(other, order)) == expected

    every = list(permutations(range(len(BROUGHT))))
    try_each(every[97 :: len(every) // 4], check)


def test_a_years_rows_leave_with_the_quarter_that_showed_them(tmp_path: Path) -> None:
    """The other quarter's stay, and the period itself, until the last of its quarters has gone."""
    house = House(tmp_path, now=moment(12, 30))
    with house.held_open():
        bring_all(house, range(len(BROUGHT)))

    def left(now: datetime) -> dict[str, set[str]]:
        later = House(tmp_path, now=now, retention_periods=8)
        with later.held_open():
            assert [one.obstacle for one in Retention(later.context).retire()] == [None]
            of_year = "from clari.{} where time_period_id = '2026'".format
            return {table: {row["quarter_id"] for row in later.rows(of_year(table))} for table in kept}

    kept = ("forecast_entry", "forecast_entry_history", "forecast_entry_sighting", "time_frame", "time_period")
    assert left(moment(8, 1, year=2028)) == {table: {QUARTER} for table in kept} | {"time_period": {"2026"}}
    assert left(moment(11, 1, year=2028)) == {table: set() for table in kept}
    again = House(tmp_path, now=moment(12, 30))
    again.replay([], [])
    assert names_the_year(again, "forecast_entry"), "landed documents bring it back"
