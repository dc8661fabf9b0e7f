"""What the corrected definitions of the data model say, each on documents of a few lines."""

import json
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from clari_pipeline.core.periods import Quarter
from tests.helpers.forecast import Forecast, verdict
from tests.helpers.house import QUARTER, WEEKS, House, Json, document, entry, moment, person


def _presence(forecast: Forecast) -> dict[tuple[str, str], bool]:
    return {(row["user_id"], row["time_frame_id"]): row["in_latest_export"] for row in forecast.rows("forecast_entry")}


def test_a_document_speaks_of_the_weeks_that_it_lists_whoever_asked_for_it(forecast: Forecast) -> None:
    """One that lists a single week takes nobody's other weeks away."""
    both = [entry(who, week, call=1) for who in ("ann", "bob") for week in ("W01", "W02")]
    forecast.bring(document(*both), moment(10, 9))
    forecast.bring(document(entry("ann", "W02", call=2), weeks={"W02": date(2026, 10, 8)}), moment(10, 10))
    gone = {("bob", "W02")}
    assert {key for key, is_present in _presence(forecast).items() if not is_present} == gone


def test_a_document_speaks_of_the_scope_that_it_names_whoever_asked_for_it(forecast: Forecast, tmp_path: Path) -> None:
    """A document from elsewhere of which every entry is of one scope."""
    house = forecast.house

    def replay(content: Json, at: datetime) -> None:
        file = tmp_path / f"{at:%d}.json"
        file.write_text(json.dumps(content), encoding="utf-8")
        with house.context.landing.arriving(file) as arriving:
            house.replay_document(
                arriving, forecast_id="north", quarter=Quarter.parse(QUARTER), exported_at=at, run_id="run"
            )

    replay(document(entry("ann", call=1), entry("bob", call=1)), moment(10, 2))
    replay(document(entry("ann", call=2, scope="east")), moment(10, 3))
    assert set(_presence(forecast).values()) == {True}
    replay(document(entry("cy", call=2, scope="east")), moment(10, 4))
    assert _presence(forecast) == {("ann", "W01"): False, ("bob", "W01"): True, ("cy", "W01"): True}
    assert house.value("select count(*) from clari.export_job where scope_id = 'east'") == 2


def test_a_quota_field_replaced_in_a_document_of_one_week_gives_none(forecast: Forecast) -> None:
    """Of the week before the document says nothing: the field that it shows itself counts, until one shows both."""

    def bring(day: int, *weeks: str, scope: str | None = None, **request: Any) -> None:
        fields = {"W01": "q1", "W02": "q2"}
        shown = [
            one for week in weeks for one in (entry(week=week, call=1), entry(week=week, field=fields[week], quota=day))
        ]
        listed = {week: WEEKS[week] for week in weeks}
        names = {"q1": "Quota", "q2": "Quota FY27", "commit": "Commit"}
        forecast.bring(document(*shown, weeks=listed, fields=names), moment(10, day), scope=scope, **request)

    bring(5, "W01")
    bring(9, "W02")
    assert forecast.standing()["quota_value"] == 9
    bring(10, "W02", types=("forecast",))
    assert forecast.standing()["quota_value"] == 9
    forecast.house.refresh("forecast_call_week")
    assert forecast.by("time_frame_id", "forecast_call_week", "quota_value") == {"W01": 5, "W02": 9}
    bring(11, "W01", scope="east")
    assert forecast.standing()["quota_value"] == 11, "both are shown, and one of them is called Quota"
    bring(12, "W02")
    assert forecast.standing()["quota_value"] == 12


def test_an_export_of_a_scope_makes_nobody_the_organisations_total(forecast: Forecast) -> None:
    """It says nothing of who stands above it; who has been the total stays so. Alone it has none, and a check says so,
    until an export of the whole organisation has shown who stands above.
    """
    boss = person("boss", role="top", parent=None)
    team = [person("mia", role="east", parent="top"), person("ann", parent="east")]
    alone = [person("mia", role="east", parent=None), team[1]]
    entries = [entry(who, call=10) for who in ("mia", "ann")]
    seen = []
    for day, (people, scope) in enumerate(((alone, "east"), ([boss, *team], None), (team, "east"), (alone, "east")), 2):
        shown = entries if scope else [entry("boss", call=100), *entries]
        outcome = forecast.bring(document(*shown, people=people), moment(10, day), scope=scope)
        found = verdict(outcome, "totals_have_one_top")
        seen.append((found.passed, "whole organisation" in str(found.evidence)))
        assert not forecast.standing("mia")["is_top"]
    assert seen == [(False, True), (True, False), (True, False), (True, False)]
    forecast.house.refresh("forecast_call_week")
    for table in ("forecast_vs_quota", "forecast_call_week", "forecast_user"):
        assert {row["user_id"] for row in forecast.rows(table) if row["is_top"]} == {"boss"}, table


def test_who_is_absent_from_one_export_is_absent_from_it_after_a_replay_too(forecast: Forecast) -> None:
    """A leaver of that swing, a joiner of the next, whichever exports have come since."""
    boss, ann = person("boss", role="top", parent=None), person("ann")
    for day, (call, people) in enumerate(((100, [boss, ann]), (50, [boss]), (100, [boss, ann])), start=2):
        shown = [entry("boss", call=call), *([entry("ann", call=60)] if ann in people else [])]
        forecast.bring(document(*shown, people=people), moment(10, day))
    contributions = (
        "select kind, change_amount, job_id, report_user_id from clari.forecast_swing_contribution order by job_id"
    )
    came = forecast.house.tuples(contributions)
    assert [row[:2] for row in came] == [("leaver", -60), ("joiner", 60)]
    forecast.house.replay([], [])
    assert forecast.house.tuples(contributions) == came


def test_who_leaves_at_a_weeks_turn_has_left_without_history_too(forecast: Forecast) -> None:
    """The export of the new week alone says nothing of the weeks before, and all of who is there: who is listed in it
    without an entry is.
    """
    boss = person("boss", role="top", parent=None)
    for day, week, calls, listed in (
        (7, "W01", {"boss": 100, "ann": 60, "bob": 2}, ("ann", "bob")),
        (8, "W02", {"boss": 40}, ("bob",)),
    ):
        entries = [entry(who, week, call=call) for who, call in calls.items()]
        people = [boss, *map(person, listed)]
        forecast.bring(document(*entries, people=people), moment(10, day), history=False)
    assert _presence(forecast)["ann", "W01"] is True
    assert (forecast.swing("ann")["reason"], forecast.standing("ann")["in_latest_export"]) == ("disappeared", False)
    assert (forecast.standing("bob")["in_latest_export"], forecast.standing("bob")["forecast_value"]) == (True, 2)
    kinds = forecast.by("report_user_id", "forecast_swing_contribution", "kind")
    assert kinds == {"ann": "leaver", "bob": "report"}
    forecast.house.refresh_marts()
    assert forecast.rows("forecast_call_week", user_id="ann", time_frame_id="W02") == []
    moved = forecast.row("forecast_movement", user_id="boss", time_frame_id="W02")
    assert (moved["gone_amount"], moved["judgement_amount"]) == (-60, 0)


def test_a_measure_that_was_not_asked_for_is_none_once_the_currency_is_another(forecast: Forecast) -> None:
    forecast.bring(document(entry(call=100, closed=40), entry("bob", call=1, closed=2)), moment(10, 2))
    content = document(entry(call=9000, currency="JPY"), entry("bob", call=1))
    forecast.bring(content, moment(10, 3), types=("forecast",))
    assert forecast.by("user_id", "forecast_entry", "forecast_value", "crm_closed", "currency_code") == {
        "ann": (9000, None, "JPY"),
        "bob": (1, 2, "USD"),
    }
    assert forecast.standing()["crm_closed"] is None


def test_no_amount_stands_under_another_currency(forecast: Forecast) -> None:
    """An earlier week's call beside another currency's figures, a quota in another: null, and no ratio of the two."""
    yen: dict[str, Any] = {"currency": "JPY"}
    shown = [
        entry("ann", "W01", call=100),
        entry("ann", "W02", call=None, closed=40, total=90, adjustment=80, **yen),
        entry("ann", "W02", "quota", quota=200),
        entry("bob", "W01", call=100, closed=40),
        entry("bob", "W01", "quota", quota=9000, **yen),
    ]
    forecast.bring(document(*shown), moment(10, 16))
    figures = ("adjustment_value", "crm_closed", "crm_total", "quota_value")
    assert forecast.by("user_id", "forecast_vs_quota", "forecast_value", "attainment_pct", *figures) == {
        "ann": (100, None, None, None, None, 200),
        "bob": (100, None, None, 40, None, None),
    }
    forecast.house.refresh("forecast_call_week")
    backfilled = forecast.by("time_frame_id", "forecast_call_week", "is_backfilled", "call_value", *figures,
                             user_id="ann")  # fmt: skip
    assert backfilled["W02"] == (True, 100, None, None, None, 200)
    assert forecast.row("forecast_call_week", user_id="bob", time_frame_id="W01")["quota_value"] is None


def test_weeks_are_muted_by_their_number(open_house: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weeks from Wednesday to Tuesday, the first of which begins before the quarter."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clari_pipeline.toml").write_text("[swings]\nreps_muted_in_weeks = [2]\n", encoding="utf-8")
    forecast = Forecast(open_house(), "north")
    weeks = {f"TF{number}": date(2026, 9, 30) + timedelta(weeks=number) for number in range(3)}
    for day, call in ((6, 100), (8, 200), (15, 400)):
        forecast.bring(document(*(entry(week=week, call=call) for week in weeks), weeks=weeks), moment(10, day))
    assert [forecast.swing(export=number)["is_muted"] for number in (2, 3)] == [True, False]


def test_who_has_no_record_is_known_from_the_last_one(forecast: Forecast) -> None:
    """Of the quarter, or else of the one before. Who changes name and team with the quarter has a version of each."""
    people = [person("ann", role="east", parent="top"), person("bob", role="r-bob", parent="east")]
    moved = person("bob", role="r-bob", parent="west") | {"name": "Robert"}
    for quarter, at, shown in (
        ("2026_Q3", moment(9, 29), people),
        (QUARTER, moment(10, 2), [moved]),
        (QUARTER, moment(10, 3), []),
    ):
        week = "W13" if shown is people else "W01"
        entries = [entry(who, week, call=at.day, period=quarter) for who in ("ann", "bob")]
        weeks = {"W13": date(2026, 9, 24)} if shown is people else None
        forecast.bring(document(*entries, people=shown, weeks=weeks), at, quarter=quarter)
    forecast.house.refresh("forecast_call_week")
    team = ("user_name", "role_name", "parent_role_name")
    known = {"ann": ("Ann", "East", "Top"), "bob": ("Robert", "R-Bob", "West")}
    assert forecast.by("user_id", "forecast_vs_quota", *team, time_period_id=QUARTER) == known
    assert forecast.by("user_id", "forecast_call_week", *team, time_period_id=QUARTER) == known
    versions = forecast.rows("forecast_user_history")
    assert sorted((row["user_id"], row["name"]) for row in versions) == [
        ("ann", "Ann"),
        ("bob", "Bob"),
        ("bob", "Robert"),
    ]


def test_a_quarter_of_4_4_5_weeks_is_paced_by_the_one_of_a_year_ago(house: House) -> None:
    """Its first day is another; weeks end as many days before the end, or nearly."""
    quarters = {"2025_Q4": (date(2025, 9, 28), date(2025, 12, 27)), QUARTER: (date(2026, 10, 4), date(2027, 1, 2))}
    for quarter, (first, last) in quarters.items():
        shift = timedelta(days=2 if quarter == QUARTER else 0)
        weeks = {f"W{number:02d}": first + shift + timedelta(weeks=number - 1) for number in range(1, 13)}
        period = {"timePeriodId": quarter, "type": "QUARTER", "startDate": str(first), "endDate": str(last)}
        closed = [entry(week=week, closed=number, call=1, period=quarter) for number, week in enumerate(weeks, 1)]
        quota = entry(week="W01", field="quota", quota=100, period=quarter)
        content = document(*closed, quota, weeks=weeks, periods=[period])
        house.bring(content, datetime.combine(last, moment(1, 1).timetz()) + timedelta(days=1), quarter=quarter)
    house.refresh_marts()
    rows = house.tuples(
        "select week_number, year_ago_period_id, year_ago_attainment_pct * 100 from clari.attainment_pacing "
        f"where time_period_id = '{QUARTER}' and field_id = 'commit' order by week_number"
    )
    assert rows == [(number, "2025_Q4", number) for number in range(1, 13)]


def test_weeks_of_a_month_are_counted_anew_once_it_lists_more(house: House) -> None:
    """As they came, and as they are replayed; months without days have the weeks of their entries."""
    weeks = {week: WEEKS[week] for week in ("W01", "W02", "W03", "W04")}
    months = [
        {"type": "MONTH", "timePeriodId": period, "label": f"{label} FY 2026"}
        for period, label in (("2026_M10", "October"), ("2026_M11", "November"))
    ]
    for day, of_october in ((15, ("W02",)), (20, ("W01", "W02", "W03"))):
        shown = [entry(week=week, period="2026_M10", call=1) for week in of_october]
        shown += [entry(week=week, period="2026_M11", call=1) for week in ("W01", "W03")]
        house.bring(document(*shown, periods=months, weeks=weeks), moment(10, day))
        house.refresh("forecast_call_week")
    weekly = "from clari.forecast_call_week where time_period_id = '2026_M10' order by all"
    came = house.rows(weekly)
    assert {row["time_frame_id"]: row["week_number"] for row in came} == {"W02": 2, "W03": 3}
    house.replay([], [])
    assert house.rows(weekly) == came
