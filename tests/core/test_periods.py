"""Fiscal quarters and months: every calendar, every day, every name that Clari gives them."""

import calendar
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from clari_pipeline.core.periods import FiscalCalendar, Quarter, UnknownPeriod
from tests.helpers.fiscal_model import FiscalYears, quarters_of

months = st.integers(1, 12)
quarters = st.builds(Quarter, st.integers(1001, 2998), st.integers(1, 4))
days = st.dates(date(1002, 1, 1), date(2998, 12, 31))


@given(months, quarters)
def test_first_and_last_day_lie_in_their_quarter_and_the_days_beside_do_not(start_month, quarter):
    fiscal = FiscalCalendar(start_month)
    first, last = fiscal.first_day(quarter), fiscal.last_day(quarter)
    assert fiscal.quarter_of(first) == fiscal.quarter_of(last) == quarter
    assert fiscal.quarter_of(first - timedelta(days=1)) == quarter.shifted(-1)
    assert fiscal.quarter_of(last + timedelta(days=1)) == quarter.shifted(1)
    assert (first.day, 88 <= (last - first).days <= 91) == (1, True)


@given(months, st.integers(1001, 2998))
def test_a_fiscal_year_begins_with_its_month_and_is_named_after_the_year_in_which_it_ends(start_month, year):
    fiscal = FiscalCalendar(start_month)
    first, last = fiscal.first_day(Quarter(year, 1)), fiscal.last_day(Quarter(year, 4))
    assert (first.month, last.year) == (start_month, year)
    assert (last + timedelta(days=1)).replace(year=2000) == first.replace(year=2000)


def test_well_known_days():
    days = {
        (1, "2026-11-21"): "2026_Q4", (1, "2026-01-01"): "2026_Q1", (2, "2026-01-31"): "2026_Q4",
        (2, "2026-02-01"): "2027_Q1", (7, "2022-07-01"): "2023_Q1", (7, "2023-06-30"): "2023_Q4",
        (10, "2024-12-31"): "2025_Q1", (12, "2024-12-01"): "2025_Q1", (12, "2024-02-29"): "2024_Q1",
    }  # fmt: skip
    for (start_month, day), quarter in days.items():
        assert str(FiscalCalendar(start_month).quarter_of(date.fromisoformat(day))) == quarter, (start_month, day)


@given(quarters, st.integers(-4000, 4000))
def test_shifting_is_counting(quarter, by):
    assert quarter.shifted(by).shifted(-by) == quarter
    assert (quarter.shifted(by) > quarter) == (by > 0)
    assert quarter.shifted(4 * by) == Quarter(quarter.year + by, quarter.number)


@given(quarters)
def test_a_quarter_is_read_as_it_is_written(quarter):
    assert Quarter.parse(str(quarter)) == quarter
    assert FiscalCalendar().period_of_label(f"Q{quarter.number} FY {quarter.year}").id == str(quarter)


def test_what_names_no_quarter_is_refused_with_what_would():
    texts = (
        "", "2026", "2026_Q0", "2026_Q5", "2026Q4", "26_Q4", "2026_Q4 ", "2026_q4", "Q4 2026", "2026_Q44", "0000_Q1",
        "9999_Q4", "٢٠٢٦_Q4", "2026_Q4\n",
    )  # fmt: skip
    for text in texts:
        with pytest.raises(UnknownPeriod, match="write it as YYYY_QN, for example 2026_Q4"):
            Quarter.parse(text)


@given(months, months, st.integers(1001, 2998))
def test_a_month_of_a_fiscal_year_lies_in_a_quarter_of_it(start_month, month, year):
    fiscal = FiscalCalendar(start_month)
    found = fiscal.period_of_label(f"{calendar.month_name[month]} FY {year}")
    first, last = found.first, found.last
    assert (first.month, first.day, last + timedelta(days=1)) == (
        month, 1, (first + timedelta(days=31)).replace(day=1),
    )  # fmt: skip
    quarter = fiscal.quarter_of(first)
    assert quarter.year == year
    assert fiscal.contains(quarter, first, last)
    assert not fiscal.contains(quarter.shifted(1), first, last)
    assert not fiscal.contains(quarter.shifted(-1), first, last)


# Labels by the period that they name, with the source of each spelling.
LABELS = {
    ("2027_Q2", "QUARTER", "Q2 FY 2027"): (
        *("Q2 FY 2027", "Q2 FY2027", " q2 fy 2027 ", "Q2 2027"),  # [spec], and as earlier releases read it
        *("FY27 Q2", "FY2027 Q2", "2027-Q2", "Q2 FY27"),  # [mdas]
        *(
            "2027_Q2",
            "2027q2",
            "fy27q2",
            "FY 27 Q2",
            "Q2 FY\u202f27",
            "Q2\u00a0FY27",
            "Q2-FY27",
            "FY27 / Q2",
            "Q2'2027",
        ),
    ),
    ("2027_M7", "MONTH", "July FY 2027"): (
        *("July FY 2027", "july fy2027", "July 2027", "FY 2027 July"),  # [spec]
        *("Jul FY27", "JUL. FY27", "2027-Jul", "2027_M7", "2027_M07", "M7 FY27"),  # [mdas, community]
    ),
    ("2027_M9", "MONTH", "September FY 2027"): ("Sept. FY2027", "sep fy27"),
    ("2027", "YEAR", "FY 2027"): ("FY 2027", "FY27", "fy2027", "2027"),  # [community]
}
NO_LABELS = (
    *(
        "",
        " ",
        "Q5 FY 2026",
        "Q0 FY27",
        "Q4 FY 0000",
        "Q4 FY 9999",
        "FQ4 2026",
        "Q44 2026",
        "Q4 20267",
        "Q4 FY 202",
        "Q2 27",
    ),
    *("27", "FY7", "H1 FY27", "Someday", "Q1 Q2 FY27", "FY27 2027 Q1", "Q1 July FY27", "FY27 Q2 (draft)", "Q2 + FY27"),
    *(
        "Junk FY 2023",
        "Mayor 2023",
        "Ju 2023",
        "July",
        "July FY 0000",
        "M13 2026",
        "M1",
        "July 23",
        "\u0662\u0660\u0662\u0667_Q2",
    ),
)


def test_every_label_of_a_period_is_read_and_no_other_text():
    """As in Clari's API description [spec], in managers' CSV files [mdas], and in its community [community]."""
    read = FiscalCalendar().period_of_label
    found = {
        label: (one.id, one.type, one.label) for labels in LABELS.values() for label in labels if (one := read(label))
    }
    assert found == {label: period for period, labels in LABELS.items() for label in labels}
    assert [label for label in NO_LABELS if read(label)] == []
    assert read("Q2") is None


def test_a_month_is_of_the_fiscal_year_that_its_label_names():
    days = {
        ("July FY 2023", 1): "2023-07-01", ("July FY 2023", 7): "2022-07-01", ("june 2023", 7): "2023-06-01",
        ("Jan 2024", 1): "2024-01-01", ("Jan FY24", 2): "2024-01-01", ("Feb FY24", 2): "2023-02-01",
        ("FY24", 2): "2023-02-01", ("Q4 FY24", 2): "2023-11-01",
    }  # fmt: skip
    for (label, start_month), first in days.items():
        assert str(FiscalCalendar(start_month).period_of_label(label).first) == first, label


def test_a_label_without_a_year_has_that_of_its_weeks():
    """A week may begin before its quarter. Without a day it is the quarter asked for, if its number is the same."""
    asked = Quarter(2027, 2)
    cases = {
        ("Q2", 2, "2026-05-01", None): "2027_Q2", ("Q2", 2, "2026-04-28", None): "2027_Q2",
        ("Q2", 2, "2025-07-31", asked): "2026_Q2", ("Q2", 1, "2027-06-30", None): "2027_Q2",
        ("q 2", 1, None, asked): "2027_Q2", ("Q3", 1, None, asked): None, ("Q2", 1, None, None): None,
        ("July 2023", 7, "2023-07-05", None): "2024_M7", ("July 2023", 7, "2022-07-05", None): "2023_M7",
        ("July FY23", 7, "2023-07-05", None): "2023_M7", ("July 2023", 7, None, None): "2023_M7",
        ("Q2 FY27", 1, "2020-01-01", asked): "2027_Q2",
    }  # fmt: skip
    for (label, start_month, day, wanted), period in cases.items():
        days = {"day": day and date.fromisoformat(day), "asked": wanted}
        found = FiscalCalendar(start_month).period_of_label(label, **days)
        assert (found and found.id) == period, (label, day)


@given(st.text(st.sampled_from("FYQfyq0123456789 _-'JulSepM.")) | st.text())
def test_a_label_names_what_a_reader_word_by_word_finds_or_nothing(label):
    """Never a quarter or year whose digits do not stand in it."""
    found = FiscalCalendar().period_of_label(label)
    if found is not None:
        assert str(found.year) in label or str(found.year)[2:] in label
        assert (found.type == "QUARTER") == ("q" in label.lower())


def test_a_period_lies_where_its_middle_does():
    """As a 4-4-5 month, which may begin early."""
    months = {
        ("2026-09-27", "2026-10-31"): True, ("2026-12-27", "2027-01-02"): True, ("2026-09-01", "2026-09-30"): False,
        ("2026-10-01", "2026-12-31"): True, ("2026-01-01", "2026-12-31"): False,
    }  # fmt: skip
    for (first, last), lies_in in months.items():
        days = date.fromisoformat(first), date.fromisoformat(last)
        assert FiscalCalendar().contains(Quarter.parse("2026_Q4"), *days) is lies_in, first


def test_the_quarters_around_a_day_begin_with_its_own():
    around = FiscalCalendar(2).around(date(2026, 2, 1), before=5, after=2)
    assert [str(quarter) for quarter in around] == [
        "2027_Q1", "2026_Q4", "2026_Q3", "2026_Q2", "2026_Q1", "2025_Q4", "2027_Q2", "2027_Q3",
    ]  # fmt: skip
    assert [str(quarter) for quarter in FiscalCalendar().around(date(2026, 2, 1), before=0, after=0)] == ["2026_Q1"]


calendars = st.builds(FiscalCalendar, months, st.sampled_from(["start", "end"]))


def _quarter_by_counting(fiscal: FiscalCalendar, day: date) -> str:
    """Day by month: which fiscal year and quarter it is of, by a list of all twelve."""
    years = [day.year - 1, day.year]
    begun = max(date(year, fiscal.start_month, 1) for year in years if date(year, fiscal.start_month, 1) <= day)
    end = date(begun.year + 1, fiscal.start_month, 1) - timedelta(days=1)
    number = next(n for n in range(12) if (begun.year * 12 + begun.month - 1 + n) == day.year * 12 + day.month - 1)
    return f"{(end if fiscal.named_by == 'end' else begun).year:04d}_Q{number // 3 + 1}"


@given(calendars, days)
def test_a_fiscal_year_is_named_after_the_year_that_it_begins_or_ends_in(fiscal, day):
    quarter = fiscal.quarter_of(day)
    assert str(quarter) == _quarter_by_counting(fiscal, day)
    assert fiscal.first_day(quarter) <= day <= fiscal.last_day(quarter)


# 15 February is as near to the first of its own month as to the next: it is taken for its own.
@given(calendars, calendars, quarters, st.integers(-13, 14))
@example(FiscalCalendar(1, "start"), FiscalCalendar(11, "start"), Quarter(1001, 2), 13)
def test_the_calendar_that_is_right_is_told_from_the_days_of_a_quarter(known, real, quarter, shift):
    """Also where years begin on a day near the first of a month; where the names agree nothing is contradicted."""
    first = real.first_day(quarter) + timedelta(days=shift)
    last = real.last_day(quarter) + timedelta(days=shift)
    found = known.as_delivered(quarter, first)
    assert found is not None
    assert found.first_day(quarter) == real.first_day(quarter)
    assert known.contradicted_by(quarter, first, last) is (known.first_day(quarter) != real.first_day(quarter))


# Years of weeks are settled near a month's first: in mid-month their quarters would be now of one, now of another.
fiscal_years = st.builds(
    FiscalYears, months, st.integers(1, 28), st.none(), st.sampled_from(["start", "end"])
) | st.builds(
    FiscalYears,
    months,
    st.integers(1, 9) | st.integers(22, 28),
    st.integers(0, 6),
    st.sampled_from(["start", "end"]),
)


@given(fiscal_years, st.integers(2000, 2090), st.sets(st.integers(0, 15)))
@example(FiscalYears(2, 1, 6, "end"), 2020, set(range(16)))  # 4-4-5 weeks from the Sunday nearest to 1 February
@example(FiscalYears(12, 28, 3, "end"), 2020, {3})
def test_known_quarters_decide_and_leave_no_gap(real, year, known):
    """[facts: years may begin on any day and have 4-4-5 weeks or 53] Against every day of four years, listed."""
    real_days = real.days(year, year + 3)
    listed = quarters_of(real_days)
    told = {quarter: days for number, (quarter, days) in enumerate(listed.items()) if number in known}
    fiscal = real.settings.knowing(told)
    for quarter, days in told.items():
        assert (fiscal.first_day(quarter), fiscal.last_day(quarter)) == days
        assert fiscal.last_day(quarter.shifted(-1)) == days[0] - timedelta(days=1)
        assert fiscal.first_day(quarter.shifted(1)) == days[1] + timedelta(days=1)
    for day, quarter in real_days.items():
        found = fiscal.quarter_of(day)
        assert fiscal.first_day(found) <= day <= fiscal.last_day(found)
        assert found in ({quarter} if quarter in told else {quarter.shifted(-1), quarter, quarter.shifted(1)})
        assert found not in told or found == quarter
    for quarter in listed:
        assert fiscal.last_day(quarter) + timedelta(days=1) == fiscal.first_day(quarter.shifted(1))
        assert not fiscal.contradicted_by(quarter, *listed[quarter])  # the settings can say every such calendar


@given(calendars, quarters, st.integers(-400, 400), st.integers(-400, 400))
def test_documents_that_contradict_the_settings_or_each_other_move_nothing_beyond_half_a_month(
    fiscal, quarter, first_off, last_off
):
    """A wrong document does not move the calendar; of two that overlap, each quarter's own first day stands."""
    first, last = fiscal.by_months(quarter)
    wrong = {quarter: (first + timedelta(days=first_off), last + timedelta(days=last_off))}
    known = fiscal.knowing(wrong | {quarter.shifted(1): (last, last + timedelta(days=90))})
    if max(abs(first_off), abs(last_off)) > 16:
        assert known.first_day(quarter) == first
    assert known.last_day(quarter) == last - timedelta(days=1)
    around = [quarter.shifted(by) for by in range(-2, 4)]
    assert all(abs(known.first_day(one) - fiscal.first_day(one)).days <= 16 for one in around)
    assert all(known.last_day(one) + timedelta(days=1) == known.first_day(one.shifted(1)) for one in around)


def test_a_week_closes_at_its_time_on_the_day_after_its_last():
    """Midnight in California is 08:00 UTC in winter [gitlab]; a time that is skipped or comes twice is the later."""
    california = FiscalCalendar(zone="America/Los_Angeles")
    closes = {
        ("2022-12-06", time()): "2022-12-07T08:00", ("2022-07-05", time()): "2022-07-06T07:00",
        ("2022-12-06", time(5, 30)): "2022-12-07T13:30",
        ("2026-03-07", time(2, 30)): "2026-03-08T10:30",  # skipped: 03:30 in summer time
        ("2026-10-31", time(1, 30)): "2026-11-01T09:30",  # shown twice: in winter time
    }  # fmt: skip
    for (last, at), moment in closes.items():
        found = replace(california, week_close=at).closes(date.fromisoformat(last))
        assert found == datetime.fromisoformat(f"{moment}+00:00"), (last, at)
    havana = FiscalCalendar(zone="America/Havana")  # midnight comes twice there
    assert havana.closes(date(2026, 10, 31)) == datetime(2026, 11, 1, 5, tzinfo=UTC)
    assert havana.end_of(date(2026, 10, 31)) < datetime(2026, 11, 1, 4, tzinfo=UTC)
    assert havana.day_of(datetime(2026, 11, 1, 4, tzinfo=UTC)) == date(2026, 11, 1)


def test_a_day_alone_begins_where_the_organisation_is():
    sydney = FiscalCalendar(zone="Australia/Sydney")
    assert sydney.moment("2026-10-19") == datetime(2026, 10, 18, 13, tzinfo=UTC)
    assert sydney.moment("2026-10-19T06:00") == datetime(2026, 10, 19, 6, tzinfo=UTC)
    assert sydney.moment("2026-10-19T06:00+11:00") == datetime(2026, 10, 18, 19, tzinfo=UTC)
    assert sydney.day_of(datetime(2026, 10, 18, 19, tzinfo=UTC)) == date(2026, 10, 19)
    assert sydney.end_of(date(2026, 10, 3)) == datetime(2026, 10, 3, 13, 59, 59, 999999, tzinfo=UTC)  # then DST begins
