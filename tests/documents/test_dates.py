"""Days that a document writes: read in one way, strict about order and century, or refused by name."""

from calendar import monthrange
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from clari_pipeline.documents.dates import day_of
from tests.helpers.each_case import try_each

SYDNEY = "Australia/Sydney"
IN_SYDNEY = datetime(2026, 10, 19, tzinfo=ZoneInfo(SYDNEY))
OTHER_DAYS = {"1/2/2026": "2026-01-02", "10/05/26": "2026-10-05", "02/29/28": "2028-02-29"}
ALL_THE_19TH = (
    "2026-10-19", " 2026-10-19 ", "2026-10-19T00:00:00.000Z", "2026-10-19 23:30", "2026-10-18T13:00:00Z",
    "2026-10-19T00:00:00+11:00", "10/19/2026", "1792368000000", "1.792368E12", f"{IN_SYDNEY.timestamp() * 1000:.0f}",
)  # fmt: skip
NO_DAYS = (
    "infinity", "-infinity", "now", "today", "", "Oct 5, 2026", "5.10.2026", "2026-W41-1", "20261005", "26-10-05",
    "2026-13-01", "0010-10-05", "10/05/0010", "9999-12-31", "1759622400", "1e99", "-1", "NaN", "٢٠٢٦-١٠-٠٥",
    "2026-10-05T25:00",
)  # fmt: skip
YEARS = {"26": 2026, "28": 2028, "00": 2000, "1990": 1990, "2100": 2100, "2199": 2199}
YEARS |= dict.fromkeys(("126", "0026", "1989", "2200", "9999"))  # of no year that a forecast can be of


def test_each_writing_is_the_day_that_it_says_and_what_is_no_day_is_refused() -> None:
    expected = dict.fromkeys(ALL_THE_19TH, "2026-10-19") | OTHER_DAYS | dict.fromkeys(NO_DAYS, "None")

    def check(written: str) -> None:
        assert str(day_of(written, SYDNEY)) == expected[written]

    try_each(expected, check)


@given(st.dates(date(1990, 1, 1), date(2199, 12, 31)))
def test_a_day_comes_back_from_each_of_its_writings(day: date) -> None:
    written = [f"{day}", f"{day:%m/%d/%Y}", f"{day.month}/{day.day}/{day.year}", f"{day}T00:00:00Z"]
    written.append(str(round(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000)))
    if 2000 <= day.year < 2100:
        written.append(f"{day:%m/%d/%y}")
    assert {day_of(one, "Pacific/Auckland") for one in written} == {day}


def test_month_comes_before_day_whatever_the_numbers() -> None:
    """Each month and day and one too many of both, against the days counted."""
    for month in range(14):
        for day in range(33):
            for written, year in YEARS.items():
                there_is = year and 1 <= month <= 12 and 1 <= day <= monthrange(year, month)[1]
                before = sum(monthrange(year, one)[1] for one in range(1, month)) if there_is else 0
                expected = date(year, 1, 1) + timedelta(days=before + day - 1) if there_is else None
                for text in (f"{month}/{day}/{written}", f"{month:02}/{day:02}/{written}"):
                    assert day_of(text, "UTC") == expected, text
