"""The call, and forecast_vs_quota: each rule of the data model on a document of a few lines.

A document costs as much whatever it holds: where rules do not touch each other, each is a person in the same one.
"""

from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.each_case import try_each
from tests.helpers.forecast import Forecast, picked, verdict
from tests.helpers.house import QUARTER, House, Json, document, entry, moment, person

MOST, NEARLY = "99999999999999.9999", "99999999999999.9998"
# Of each person what is shown, as arguments of `entry`, and what stands in their row a week and a day later.
PEOPLE: dict[str, tuple[list[Json], Json]] = {
    "the person's own, whatever the manager says": (
        [{"call": 100, "adjustment": 80, "adjusted_by": "boss"}],
        {"forecast_value": 100, "adjustment_value": 80, "quota_value": None},
    ),
    "against the quota on its own field": (
        [{"call": 100, "closed": 40, "total": 90}, {"field": "quota", "quota": 200}],
        {"quota_value": 200, "gap_to_quota": 160, "crm_total": 90, "crm_closed": 40}
        | {"attainment_pct": Decimal("0.2"), "forecast_to_quota_pct": Decimal("0.5")},
    ),
    "of two fields with a quota the one called Quota": (
        [{"call": 100, "quota": 900}, {"field": "quota", "quota": 200}],
        {"quota_value": 200},
    ),
    "nothing is divided by zero": (
        [{"call": 100, "closed": 40}, {"field": "quota", "quota": 0}],
        {"attainment_pct": None, "forecast_to_quota_pct": None, "gap_to_quota": -40},
    ),
    "fractions have six decimals": (
        [{"call": 200, "closed": 100}, {"field": "quota", "quota": 300}],
        {"attainment_pct": Decimal("0.333333"), "forecast_to_quota_pct": Decimal("0.666667")},
    ),
    "fourteen digits and four decimals go through no binary fraction": (
        [{"call": MOST, "closed": "0.0001"}, {"field": "quota", "quota": NEARLY}],
        {"forecast_value": Decimal(MOST), "gap_to_quota": Decimal("99999999999999.9997"), "forecast_to_quota_pct": 1},
    ),
    "the sixth decimal of a long quotient is right": (
        [{"call": "999999999999.9999", "closed": 1}, {"field": "quota", "quota": 3}],
        {"forecast_to_quota_pct": Decimal("333333333333.333300")},
    ),
    # Neither a share that no DECIMAL(18,6) can hold nor a gap of fifteen digits stops the mart: the last one has both.
    "a quota too small to divide by": (
        [{"call": "5000000000", "closed": "5000000000"}, {"field": "quota", "quota": "0.0001"}],
        {"crm_closed": 5000000000},
    ),
    "the widest gap": (
        [{"call": 1, "closed": f"-{MOST}"}, {"field": "quota", "quota": MOST}],
        {"quota_value": Decimal(MOST)},
    ),
    "beside them": (
        [{"call": 50, "closed": 50}, {"field": "quota", "quota": 100}],
        {"attainment_pct": Decimal("0.5"), "gap_to_quota": 50},
    ),
    "submitted in the newest week": ([{"week": "W02", "call": 200}], {"is_submitted": True, "week_number": 2}),
    # One week of the call holds for the whole document.
    "not yet there in the newest week": (
        [{"call": 50}],
        {"forecast_value": 50, "is_submitted": False, "week_number": 2},
    ),
    "empty in the newest week": (
        [{"call": 100, "submitted": True}, {"week": "W02", "call": None}],
        {"forecast_value": 100, "is_submitted": False},
    ),
    "a zero that was not submitted": (
        [{"call": 100, "submitted": True}, {"week": "W02", "call": 0, "submitted": False}],
        {"forecast_value": 100, "is_submitted": False},
    ),
    "a zero that was submitted": (
        [{"call": 100}, {"week": "W02", "call": 0, "submitted": True}],
        {"forecast_value": 0, "is_submitted": True},
    ),
    # Without the type forecast_updated there is no `isUpdated`; only `false` makes a zero none.
    "a zero of which nobody says whether it was submitted": (
        [{"call": 100}, {"week": "W02", "call": 0}],
        {"forecast_value": 0},
    ),
    "the newest quota counts": (
        [{"week": "W02", "call": 1}, {"field": "quota", "quota": 200}, {"week": "W02", "field": "quota", "quota": 250}],
        {"quota_value": 250},
    ),
    "a quota without a newer one stays": (
        [{"field": "quota", "quota": 200}, {"week": "W02", "call": 100}],
        {"quota_value": 200},
    ),
}


def test_each_call_is_held_against_its_quota(forecast: Forecast) -> None:
    """A field that nobody calls has no row, whatever its type says."""
    shown = [entry(who, **figures) for who, (entries, _) in PEOPLE.items() for figures in entries]
    assert forecast.bring(document(*shown), moment(10, 9)).export.state == "LOADED"

    def check(who: str) -> None:
        _, expected = PEOPLE[who]
        assert picked(forecast.standing(who), expected) == expected

    try_each(PEOPLE, check)
    assert forecast.by("user_id", "forecast_vs_quota", "field_id") == dict.fromkeys(PEOPLE, "commit")
    types = forecast.house.tuples(
        "select distinct data_type from information_schema.columns "
        "where table_name = 'forecast_vs_quota' and column_name in ('attainment_pct', 'forecast_to_quota_pct')"
    )
    assert types == [("DECIMAL(18,6)",)]


# The calls by week, the moment of the export, and the call, the number of its week, and the weeks left.
BEGUN: dict[str, tuple[dict[str, int], datetime, tuple[int, int, int]]] = {
    "a week that begins tomorrow holds a plan": ({"W01": 100, "W02": 200, "W03": 300}, moment(10, 14), (200, 2, 11)),
    "a week counts from its first day": ({"W01": 100, "W02": 200}, moment(10, 8, 0), (200, 2, 11)),
    "in advance the earliest counts": ({"W02": 200, "W01": 100}, moment(9, 20), (100, 1, 12)),
    "weeks are counted to the quarter's end": ({"W12": 100}, moment(12, 18), (100, 12, 1)),
}


def test_the_call_is_that_of_the_newest_week_that_has_started(house: House) -> None:
    def check(name: str) -> None:
        calls, at, expected = BEGUN[name]
        forecast = Forecast(house, name)
        forecast.bring(document(*(entry(week=week, call=call) for week, call in calls.items())), at)
        row = forecast.standing()
        assert (row["forecast_value"], row["week_number"], row["weeks_to_end"]) == expected

    try_each(BEGUN, check)


def test_weeks_are_ordered_by_their_days_not_by_their_ids(forecast: Forecast) -> None:
    weeks = {"a": date(2026, 10, 8), "b": date(2026, 10, 1)}
    forecast.bring(document(entry(week="a", call=200), entry(week="b", call=100), weeks=weeks), moment(10, 20))
    assert forecast.standing()["forecast_value"] == 200
    numbers = forecast.house.tuples("select time_frame_id, week_number from clari.time_frame order by week_number")
    assert numbers == [("b", 1), ("a", 2)]


def test_the_adjusted_call_is_the_managers_where_there_is_one(open_house: Any) -> None:
    """Clari writes 0 where nobody has adjusted: an adjustment of zero that nobody made is none."""
    plain = Forecast(open_house(), "north")
    nobody = {"adjustedBy": "", "adjustedOn": 0}
    shown: dict[str, tuple[Json, int]] = {
        "by nobody": (entry("by nobody", call=100, adjustment=80), 80),
        "not at all": (entry("not at all", call=100), 100),
        "to zero by nobody": (entry("to zero by nobody", call=100, adjustment=0), 100),
        "to zero": (entry("to zero", call=100, adjustment=0, adjusted_by="boss"), 0),
        "never": (entry("never", call=100, adjustment=0) | nobody, 100),
        "once": (entry("once", call=100, adjustment=0) | nobody | {"adjustedOn": 1790000000000}, 0),
        "a week ago": (entry("a week ago", call=100, adjustment=80, adjusted_by="boss"), 80),
    }
    later = entry("a week ago", "W02", call=0, submitted=False)
    plain.bring(document(*(one for one, _ in shown.values()), later), moment(10, 23))
    assert plain.standing("by nobody")["forecast_value"] == 100
    forecast = Forecast(open_house(call="adjusted"), "north")
    forecast.house.refresh("forecast_vs_quota")  # the newest export stays the same, the rule does not
    assert forecast.by("user_id", "forecast_vs_quota", "forecast_value") == {
        who: call for who, (_, call) in shown.items()
    }
    assert forecast.standing("a week ago")["adjustment_value"] == 80
    forecast.house.refresh("forecast_call_week")
    week = forecast.row("forecast_call_week", user_id="a week ago", time_frame_id="W02")
    assert (week["call_value"], week["adjustment_value"], week["is_backfilled"]) == (80, 80, True)


# What the second quota field is called, what CLARI_QUOTA_FIELD says, and the quota, or none where none is sure.
QUOTA_FIELDS: list[tuple[str, str | None, int | None]] = [
    ("Quota", None, 300),
    ("Stretch Goal", None, None),
    ("Stretch Goal", "stretch", 300),
    ("Stretch Goal", "Stretch Goal", 300),
    ("Stretch Goal", "retired", None),
]


def test_of_several_quota_fields_the_named_one_counts_or_none(open_house: Any) -> None:
    """By id or by name. Better no quota than the wrong one; the gate says so, and which setting names it."""

    def check(case: tuple[str, str | None, int | None]) -> None:
        second, named, quota = case
        forecast = Forecast(open_house(quota_field=named, warehouse=f"{second}-{named}"), "north")
        fields = {"commit": "Commit", "plan": "Annual Plan", "stretch": second}
        quotas = [entry(field=field, quota=amount) for field, amount in (("plan", 200), ("stretch", 300))]
        outcome = forecast.bring(document(entry(call=100, closed=0), *quotas, fields=fields), moment(10, 2))
        row, found = forecast.standing(), verdict(outcome, "quota_field_is_unambiguous")
        assert (row["quota_value"], row["gap_to_quota"], found.passed) == (quota, quota, quota is not None)
        assert (found.severity, outcome.export.state) == ("WARN", "LOADED")
        assert named != "retired" or found.evidence["summary"].endswith(
            "stands on plan, stretch: CLARI_QUOTA_FIELD is retired, which carries none: name the one that counts"
        )

    try_each(QUOTA_FIELDS, check)


def _quota(forecast: Forecast, shown: dict[str, int], day: int, names: dict[str, str]) -> None:
    entries = [entry(field=field, quota=quota) for field, quota in shown.items()]
    forecast.bring(document(entry(call=100, closed=50), *entries, fields={"commit": "Commit"} | names), moment(10, day))


def test_a_quota_field_that_exports_no_longer_show_gives_none(open_house: Any) -> None:
    """The newest export's counts, whatever it is called, and the weeks before keep theirs; one that is named gives its
    own or nothing.
    """
    forecast = Forecast(open_house(), "north")
    _quota(forecast, {"gone": 1000}, 5, {"gone": "Quota"})
    _quota(forecast, {"target": 300}, 12, {"target": "Target"})
    forecast.house.refresh("forecast_call_week")
    assert forecast.by("time_frame_id", "forecast_call_week", "quota_value") == {"W01": 1000, "W02": 300}

    def check(case: tuple[str | None, int | None]) -> None:
        named, quota = case
        open_house(quota_field=named).refresh("forecast_vs_quota")
        assert forecast.standing()["quota_value"] == quota

    try_each([("gone", None), ("Target", 300), ("Commit", None), (None, 300)], check)


def test_what_the_rules_name_gives_what_it_carries_or_nothing(
    open_house: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A field that no export shows any more, or that has no such figure, is not replaced by another."""
    monkeypatch.chdir(tmp_path)
    rule = '[fields."Commit"]\nquota = "Plan"\nclosed = "Won"\npipeline = "Pipe"\n'
    (tmp_path / "clari_pipeline.toml").write_text(rule, encoding="utf-8")
    forecast = Forecast(open_house(), "north")
    names = {"commit": "Commit", "plan": "Plan", "won": "Won", "pipe": "Pipe", "quota": "Quota"}
    ours = [entry(call=100, closed=1, total=2), entry(field="quota", quota=9)]
    others = [entry(field="plan", quota=5), entry(field="won", closed=6), entry(field="pipe", total=7)]
    for day, shown, figures in ((2, [*ours, *others], (5, 6, 7)), (3, ours, (None, None, None))):
        forecast.bring(document(*shown, fields=names), moment(10, day))
        row = forecast.standing()
        assert (row["quota_value"], row["crm_closed"], row["crm_total"]) == figures


# How many of three are at the top, what CLARI_TOP_USER says, and who is the total, where one is.
TOPS: list[tuple[int, str | None, str | None]] = [
    (1, None, "p0"),
    (2, None, None),
    (0, None, None),
    (2, "p1", "p1"),
    (2, "p1@example.com", "p1"),
    (2, "P1", "p1"),
    (2, "gone", None),
]


def test_of_several_at_the_top_the_named_one_is_the_total(open_house: Any) -> None:
    """An integration user beside the top manager is none. A manager's row is the call for the team, never a sum."""

    def check(case: tuple[int, str | None, str | None]) -> None:
        number, named, top = case
        forecast = Forecast(open_house(top_user=named, warehouse=f"{number}-{named}"), "north")
        people = [person(f"p{one}", parent=None if one < number else "role-p0") for one in range(3)]
        if not number:
            people = [one | {"hierarchyId": "", "parentHierarchyId": ""} for one in people]
        calls = {"p0": 100, "p1": 70, "p2": 60}
        outcome = forecast.bring(
            document(*(entry(who, call=call) for who, call in calls.items()), people=people), moment(10, 2)
        )
        assert forecast.by("user_id", "forecast_vs_quota", "forecast_value") == calls
        totals = [row["user_id"] for row in forecast.rows("forecast_vs_quota", is_top=True)]
        assert totals == [top] if top else len(totals) != 1, "one of two would be taken for the total"
        found = verdict(outcome, "totals_have_one_top")
        assert (found.passed, found.severity) == (top is not None, "WARN")

    try_each(TOPS, check)


def test_what_an_export_does_not_show_or_was_not_asked_for_stays(forecast: Forecast) -> None:
    """Who has left keeps the last call, marked as no longer shown, as of when it was; who returns is shown again."""
    bob = entry("bob", call=50)
    columns = ("forecast_value", "crm_closed", "in_latest_export", "as_of")
    forecast.bring(document(entry("ann", call=100, closed=40), bob), moment(10, 2))
    forecast.bring(document(entry("ann", call=110, closed=40)), moment(10, 3))
    assert forecast.by("user_id", "forecast_vs_quota", *columns) == {
        "ann": (110, 40, True, moment(10, 3)),
        "bob": (50, None, False, moment(10, 2)),
    }
    assert forecast.by("user_id", "forecast_user", "in_latest_export") == {"ann": True, "bob": False}

    forecast.bring(document(entry("ann", call=120), bob), moment(10, 4), types=("forecast",))
    assert forecast.by("user_id", "forecast_vs_quota", *columns) == {
        "ann": (120, 40, True, moment(10, 4)),
        "bob": (50, None, True, moment(10, 4)),
    }
    forecast.bring(document(entry("ann", call=120, closed=None), bob), moment(10, 5))
    assert forecast.standing("ann")["crm_closed"] is None
    assert forecast.by("valid_from", "forecast_entry_history", "is_present", "valid_to", user_id="bob") == {
        moment(10, 2): (True, moment(10, 3)),
        moment(10, 3): (False, moment(10, 4)),
        moment(10, 4): (True, None),
    }


def test_months_inside_the_quarter_have_calls_and_weeks_of_their_own(house: House) -> None:
    """Each stands against its own quota; a finished one is in its last week."""
    months = [
        {"type": "MONTH", "timePeriodId": "oct", "startDate": "2026-10-01", "endDate": "2026-10-31"},
        {"type": "MONTH", "timePeriodId": "nov", "startDate": "2026-11-01", "endDate": "2026-11-30"},
    ]
    shown = [entry(week=week, period="oct", call=30) for week in ("W01", "W04")]
    shown += [entry(period="oct", field="quota", quota=60), entry(week="W07", period="nov", call=5), entry(call=100)]
    house.bring(document(*shown, periods=[*months, {"timePeriodId": QUARTER}]), moment(11, 16))
    rows = house.tuples(
        "select time_period_id, forecast_value, quota_value, week_number, weeks_to_end from clari.forecast_vs_quota "
        "order by 1"
    )
    assert rows == [(QUARTER, 100, None, 7, 6), ("nov", 5, None, 3, 1), ("oct", 30, 60, 5, 0)]
