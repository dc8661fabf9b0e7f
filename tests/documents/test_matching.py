"""Weeks of a document by the ids under which they are known."""

from datetime import date, timedelta
from typing import Any

from clari_pipeline.documents import matching

QUARTER = "2026_Q4"
FIRST = date(2026, 10, 1)


def week(name: str, start: date | None) -> dict[str, Any]:
    end = start and start + timedelta(days=6)
    return {"time_period_id": QUARTER, "time_frame_id": name, "start_date": start, "end_date": end}


def test_a_week_without_days_is_never_named_by_them() -> None:
    """It bears the number that another week is known by, and is no second one of that, however often it comes."""
    known = [week("1", FIRST)]
    for _ in range(3):
        found = matching.weeks([week("W", FIRST), week("1", None)], known)
        assert found == {(QUARTER, "W"): "1", (QUARTER, "1"): "1 (no days)"}
        known = [week("1", FIRST), week("1 (no days)", None)]


def test_a_week_has_a_name_though_all_others_are_taken() -> None:
    day = FIRST + timedelta(days=14)
    names = ("3", str(day), f"3 ({day})")
    taken = [week(name, FIRST + timedelta(days=100 + 7 * at)) for at, name in enumerate(names)]
    assert matching.weeks([week("3", day)], taken) == {(QUARTER, "3"): f"3 ({day})"}
