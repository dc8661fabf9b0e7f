"""Days that a document writes: read in one way, strict about order and century, or refused by name."""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from clari_pipeline.documents.dates import day_of
from tests.helpers.each_case import try_each

SYDNEY = "Australia/Sydney"
days = st.dates(date(1990, 1, 1), date(2199, 12, 31))


def test_each_writing_is_the_day_that_it_says() -> None:
    midnight_in_sydney = datetime(2026, 10, 19, tzinfo=ZoneInfo(SYDNEY))
    expected = {
        "2026-10-19": "2026-10-19",
        " 2026-10-19 ": "2026-10-19",
        "2026-10-19T00:00:00.000Z": "2026-10-19",
        "2026-10-19 23:30": "2026-10-19",
        "2026-10-18T13:00:00Z": "2026-10-19",
        "2026-10-19T00:00:00+11:00": "2026-10-19",
        "10/19/2026": "2026-10-19",
        "1/2/2026": "2026-01-02",
        "10/05/26": "2026-10-05",
        "02/29/28": "2028-02-29",
        "1792368000000": "2026-10-19",
        "1.792368E12": "2026-10-19",
        f"{midnight_in_sydney.timestamp() * 1000:.0f}": "2026-10-19",
    }

    def check(written: str) -> None:
        assert str(day_of(written, SYDNEY)) == expected[written]

    try_each(expected, check)


def test_what_is_no_day_is_refused() -> None:
    def check(written: str) -> None:
        assert day_of(written, "UTC") is None

    try_each(
        (
            *("infinity", "-infinity", "now", "today", "", "Oct 5, 2026", "5.10.2026", "2026-W41-1", "20261005"),
            *("19/10/2026", "13/1/26", "02/30/2026", "02/29/2026", "0/1/2026", "10/05/126", "26-10-05", "2026-13-01"),
            *(
                "0010-10-05",
                "10/05/0010",
                "9999-12-31",
                "1759622400",
                "1e99",
                "-1",
                "NaN",
                "٢٠٢٦-١٠-٠٥",
                "2026-10-05T25:00",
            ),
        ),
        check,
    )


@given(days)
def test_a_day_comes_back_from_each_of_its_writings(day: date) -> None:
    written = [f"{day}", f"{day:%m/%d/%Y}", f"{day.month}/{day.day}/{day.year}", f"{day}T00:00:00Z"]
    written.append(str(round(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000)))
    if 2000 <= day.year < 2100:
        written.append(f"{day:%m/%d/%y}")
    assert {day_of(one, "Pacific/Auckland") for one in written} == {day}


def _american(text: str) -> date | None:
    """Month, day and year by hand, with a two-digit year of this century."""
    found = re.fullmatch(r"([0-9]{1,2})/([0-9]{1,2})/([0-9]{2}|[0-9]{4})", text)
    if found is None:
        return None
    month, day = int(found[1]), int(found[2])
    year = int(found[3]) + (2000 if len(found[3]) == 2 else 0)
    if not (1 <= month <= 12 and 1990 <= year <= 2199 and 1 <= day <= monthrange(year, month)[1]):
        return None
    return date(year, 1, 1) + timedelta(days=sum(monthrange(year, one)[1] for one in range(1, month)) + day - 1)


@given(st.from_regex(r"[0-9]{1,2}/[0-9]{1,2}/([0-9]{2}|20[0-9]{2}|[0-9]{3,4})", fullmatch=True))
def test_month_comes_before_day_whatever_the_numbers(text: str) -> None:
    assert day_of(text, "UTC") == _american(text)
