"""What the corrected definitions of the data model say, each on documents of a few lines."""

import json
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from clari_pipeline.core.periods import Quarter
from tests.helpers.forecast import Forecast, shared_house
from tests.helpers.house import QUARTER, WEEKS, House, Json, document, entry, moment, person

MONTHS = [
    {"type": "MONTH", "timePeriodId": "oct", "startDate": "2026-10-01", "endDate": "2026-10-31"},
    {"type": "MONTH", "timePeriodId": "nov", "startDate": "2026-11-01", "endDate": "2026-11-30"},
]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One warehouse for this module, each test a forecast of its own in it."""
    with shared_house(tmp_path_factory.mktemp("definitions")) as house:
        yield house


@pytest.fixture
def forecast(shared: House, request: pytest.FixtureRequest) -> Forecast:
    return Forecast(shared, request.node.name)


def _presence(forecast: Forecast) -> dict[tuple[str, str], bool]:
    return {(row["user_id"], row["time_frame_id"]): row["in_latest_export"] for row in forecast.rows("forecast_entry")}


def test_a_document_speaks_of_the_weeks_that_it_lists_whoever_asked_for_it(forecast: Forecast) -> None:
    """One that lists a single week takes nobody's other weeks away."""
    both = [entry(who, week, call=1) for who in ("ann", "bob") for week in ("W01", "W02")]
    forecast.bring(document(*both), moment(10, 9))
    forecast.bring(document(entry("ann", "W02", call=2), weeks={"W02": date(2026, 10, 8)}), moment(10, 10))
    assert _presence(forecast) == {
        ("ann", "W01"): True,
        ("bob", "W01"): True,
        ("ann", "W02"): True,
        ("bob", "W02"): False,
    }


def test_a_document_speaks_of_the_scope_that_it_names_whoever_asked_for_it(house: House, tmp_path: Path) -> None:
    """A document from elsewhere of which every entry is of one scope."""

    def replay(content: Json, at: datetime) -> None:
        file = tmp_path / f"{at:%d}.json"
        file.write_text(json.dumps(content), encoding="utf-8")
        with house.context.landing.arriving(file) as arriving:
            house.replay_document(
                arriving, forecast_id="north", quarter=Quarter.parse(QUARTER), exported_at=at, run_id="run"
            )

    replay(document(entry("ann", call=1), entry("bob", call=1)), moment(10, 2))
    replay(document(entry("ann", call=2, scope="east")), moment(10, 3))
    assert set(_presence(Forecast(house, "north")).values()) == {True}
    replay(document(entry("cy", call=2, scope="east")), moment(10, 4))
    present = _presence(Forecast(house, "north"))
    assert present == {("ann", "W01"): False, ("bob", "W01"): True, ("cy", "W01"): True}
    assert house.value("select count(*) from clari.export_job where scope_id = 'east'") == 2


def _quota(forecast: Forecast, shown: dict[str, int], day: int, names: dict[str, str]) -> None:
    entries = [entry(field=field, quota=quota) for field, quota in shown.items()]
    forecast.bring(document(entry(call=100, closed=50), *entries, fields={"commit": "Commit"} | names), moment(10, day))


def test_a_quota_field_that_exports_no_longer_show_gives_none(forecast: Forecast) -> None:
    """The field of that name is replaced: the newest export's counts, and the weeks before keep theirs."""
    _quota(forecast, {"q1": 1000}, 5, {"q1": "Quota"})
    _quota(forecast, {"q2": 2000}, 12, {"q2": "Quota FY27"})
    assert forecast.standing()["quota_value"] == 2000
    forecast.house.refresh_marts()
    weeks = {row["time_frame_id"]: row["quota_value"] for row in forecast.rows("forecast_call_week")}
    assert weeks == {"W01": 1000, "W02": 2000}


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
    forecast.house.refresh_marts()
    weeks = forecast.rows("forecast_call_week")
    assert {row["time_frame_id"]: row["quota_value"] for row in weeks} == {"W01": 5, "W02": 9}
    bring(11, "W01", scope="east")
    assert forecast.standing()["quota_value"] == 11, "both are shown, and one of them is called Quota"
    bring(12, "W02")
    assert forecast.standing()["quota_value"] == 12


@pytest.mark.parametrize(("named", "quota"), [("Target", 300), ("Gone", None), ("Commit", None)])
def test_a_quota_field_that_is_named_and_carries_none_gives_none(
    open_house: Any, named: str, quota: int | None
) -> None:
    """Never another field's: neither of one that stands alone, nor of one that exports show no more."""
    forecast = Forecast(open_house(quota_field=named, warehouse=named), "north")
    _quota(forecast, {"gone": 100}, 2, {"gone": "Gone"})
    _quota(forecast, {"target": 300}, 3, {"target": "Target"})
    assert forecast.standing()["quota_value"] == quota


def test_what_the_rules_name_gives_what_it_carries_or_nothing(
    open_house: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A field that no export shows any more, or that has no such figure, is not replaced by another."""
    monkeypatch.chdir(tmp_path)
    rule = '[fields."Commit"]\nquota = "Plan"\nclosed = "Won"\npipeline = "Pipe"\n'
    (tmp_path / "clari_pipeline.toml").write_text(rule, encoding="utf-8")
    forecast = Forecast(open_house(), "north")
    names = {"commit": "Commit", "plan": "Plan", "won": "Won", "pipe": "Pipe", "quota": "Quota"}
    ours = entry(call=100, closed=1, total=2)
    others = [entry(field="plan", quota=5), entry(field="won", closed=6), entry(field="pipe", total=7)]
    forecast.bring(document(ours, *others, entry(field="quota", quota=9), fields=names), moment(10, 2))
    figures = ("quota_value", "crm_closed", "crm_total")
    assert [forecast.standing()[name] for name in figures] == [5, 6, 7]
    forecast.bring(document(ours, entry(field="quota", quota=9), fields=names), moment(10, 3))
    assert [forecast.standing()[name] for name in figures] == [None, None, None]


@pytest.fixture(scope="module")
def of_scope(shared: House) -> Forecast:
    """An export of the whole organisation, then one of mia's team, to whom somebody has come who leads it too."""
    forecast = Forecast(shared, "of_scope")
    team = [person("mia", role="east", parent="top"), person("ann", parent="east")]
    entries = [entry(who, call=10) for who in ("mia", "ann")]
    forecast.bring(
        document(entry("boss", call=100), *entries, people=[person("boss", role="top", parent=None), *team]),
        moment(10, 5),
    )
    alone = [person("mia", role="east", parent=None), person("ann", parent="east")]
    for day, people in ((6, team), (7, alone)):
        forecast.bring(document(*entries, people=people), moment(10, day), scope="east")
    shared.refresh_marts()
    return forecast


@pytest.mark.parametrize("table", ["forecast_vs_quota", "forecast_call_week", "forecast_user"])
def test_an_export_of_a_scope_makes_nobody_the_organisations_total(of_scope: Forecast, table: str) -> None:
    """It says nothing of who stands above it; who has been the total stays so."""
    assert {row["user_id"] for row in of_scope.rows(table) if row["is_top"]} == {"boss"}


def test_a_scope_alone_has_no_total_and_a_check_says_so(forecast: Forecast) -> None:
    """Until an export of the whole organisation has shown who stands above."""
    mia = person("mia", role="east", parent=None)
    boss = person("boss", role="top", parent=None)
    content = document(entry("mia", call=1), people=[mia])
    whole = document(entry("mia", call=1), entry("boss", call=2), people=[boss, mia | {"parentHierarchyId": "top"}])
    said = []
    for day, shown, scope in ((2, content, "east"), (3, whole, None), (4, content, "east")):
        outcome = forecast.bring(shown, moment(10, day), scope=scope)
        (verdict,) = [one for one in outcome.verdicts if one.check_name == "totals_have_one_top"]
        said.append((verdict.passed, forecast.standing("mia")["is_top"], "whole organisation" in str(verdict.evidence)))
    assert said == [(False, False, True), (True, False, False), (True, False, False)]
    assert forecast.standing("boss")["is_top"]


def test_who_is_absent_from_one_export_is_absent_from_it_after_a_replay_too(house: House) -> None:
    """A leaver of that swing, a joiner of the next, whichever exports have come since."""
    forecast = Forecast(house, "north")
    boss, ann = person("boss", role="top", parent=None), person("ann")
    for day, (call, people) in enumerate(((100, [boss, ann]), (50, [boss]), (100, [boss, ann])), start=2):
        shown = [entry("boss", call=call), *([entry("ann", call=60)] if ann in people else [])]
        forecast.bring(document(*shown, people=people), moment(10, day))
    contributions = (
        "select job_id, report_user_id, kind, change_amount from clari.forecast_swing_contribution order by all"
    )
    came = house.rows(contributions)
    assert [(row["kind"], row["change_amount"]) for row in came] == [("leaver", -60), ("joiner", 60)]
    house.replay([], [])
    assert house.rows(contributions) == came


def test_who_leaves_at_a_weeks_turn_has_left_without_history_too(forecast: Forecast) -> None:
    """The export of the new week alone says nothing of the weeks before, and all of who is there."""
    boss = person("boss", role="top", parent=None)
    for day, week, shown in ((7, "W01", {"boss": 100, "ann": 60}), (8, "W02", {"boss": 40})):
        entries = [entry(who, week, call=call) for who, call in shown.items()]
        people = [boss, *(person(who) for who in shown if who != "boss")]
        forecast.bring(document(*entries, people=people), moment(10, day), history=False)
    assert _presence(forecast)["ann", "W01"] is True
    assert (forecast.swing("ann")["reason"], forecast.standing("ann")["in_latest_export"]) == ("disappeared", False)
    assert forecast.row("forecast_swing_contribution")["kind"] == "leaver"
    forecast.house.refresh_marts()
    assert forecast.rows("forecast_call_week", user_id="ann", time_frame_id="W02") == []
    moved = forecast.row("forecast_movement", user_id="boss", time_frame_id="W02")
    assert (moved["gone_amount"], moved["judgement_amount"]) == (-60, 0)


def test_who_is_listed_without_an_entry_of_the_new_week_is_still_there(forecast: Forecast) -> None:
    people = [person("ann"), person("bob")]
    forecast.bring(document(entry("ann", call=1), entry("bob", call=2), people=people), moment(10, 7), history=False)
    forecast.bring(document(entry("ann", "W02", call=1), people=people), moment(10, 8), history=False)
    assert (forecast.standing("bob")["in_latest_export"], forecast.standing("bob")["forecast_value"]) == (True, 2)


def test_a_measure_that_was_not_asked_for_is_none_once_the_currency_is_another(forecast: Forecast) -> None:
    forecast.bring(document(entry(call=100, closed=40), entry("bob", call=1, closed=2)), moment(10, 2))
    content = document(entry(call=9000, currency="JPY"), entry("bob", call=1))
    forecast.bring(content, moment(10, 3), types=("forecast",))
    rows = {row["user_id"]: row for row in forecast.rows("forecast_entry")}
    assert [rows["ann"][name] for name in ("forecast_value", "crm_closed", "currency_code")] == [9000, None, "JPY"]
    assert (rows["bob"]["crm_closed"], forecast.standing()["crm_closed"]) == (2, None)


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
    forecast.house.refresh_marts()
    figures = ("forecast_value", "adjustment_value", "crm_closed", "crm_total", "quota_value", "attainment_pct")
    assert [forecast.standing("ann")[name] for name in figures] == [100, None, None, None, 200, None]
    assert [forecast.standing("bob")[name] for name in figures] == [100, None, 40, None, None, None]
    backfilled = forecast.row("forecast_call_week", user_id="ann", time_frame_id="W02")
    assert backfilled["is_backfilled"]
    assert [backfilled[name] for name in ("call_value", *figures[1:5])] == [100, None, None, None, 200]
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


def test_who_has_entries_and_no_record_any_more_keeps_name_and_team(forecast: Forecast) -> None:
    forecast.bring(document(entry("ann", call=1), people=[person("ann", role="east")]), moment(10, 2))
    forecast.bring(document(entry("ann", call=2), people=[]), moment(10, 3))
    assert [forecast.standing()[name] for name in ("user_name", "role_name")] == ["Ann", "East"]
    assert forecast.row("forecast_user")["role_name"] == "East"
    assert len(forecast.rows("forecast_user_history")) == 1


def test_who_has_no_record_in_a_new_quarter_is_known_from_the_one_before(forecast: Forecast) -> None:
    """Who changes name and team with the quarter has a version of each."""
    people = [person("ann", role="east", parent="top"), person("bob", role="r-bob", parent="east")]
    moved = person("bob", role="r-bob", parent="west") | {"name": "Robert"}
    for quarter, at, shown in (("2026_Q3", moment(9, 29), people), (QUARTER, moment(10, 2), [moved])):
        entries = [entry(who, "W13" if shown is people else "W01", call=1, period=quarter) for who in ("ann", "bob")]
        weeks = {"W13": date(2026, 9, 24)} if shown is people else None
        forecast.bring(document(*entries, people=shown, weeks=weeks), at, quarter=quarter)
    forecast.house.refresh_marts()
    team = ("user_name", "role_name", "parent_role_name")
    of_quarter = forecast.rows("forecast_vs_quota", time_period_id=QUARTER)
    told = {row["user_id"]: tuple(row[name] for name in team) for row in of_quarter}
    assert told == {"ann": ("Ann", "East", "Top"), "bob": ("Robert", "R-Bob", "West")}
    of_week = forecast.rows("forecast_call_week", time_period_id=QUARTER, time_frame_id="W01")
    assert {row["user_id"]: tuple(row[name] for name in team) for row in of_week} == told
    versions = forecast.rows("forecast_user_history")
    assert sorted((row["user_id"], row["name"]) for row in versions) == [
        ("ann", "Ann"),
        ("bob", "Bob"),
        ("bob", "Robert"),
    ]


def test_an_override_that_stands_is_shown_and_of_zero_only_if_somebody_made_it(open_house: Any) -> None:
    forecast = Forecast(open_house(call="adjusted"), "north")
    nobody = {"adjustedBy": "", "adjustedOn": 0}
    shown = [
        entry("ann", "W01", call=100, adjustment=80, adjusted_by="boss"),
        entry("ann", "W02", call=0, submitted=False),
        entry("bob", "W01", call=100, adjustment=0) | nobody,
        entry("cy", "W01", call=100, adjustment=0) | {"adjustedBy": "", "adjustedOn": 1790000000000},
    ]
    forecast.bring(document(*shown), moment(10, 23))
    forecast.house.refresh_marts()
    standing = {who: forecast.standing(who) for who in ("ann", "bob", "cy")}
    assert {who: row["forecast_value"] for who, row in standing.items()} == {"ann": 80, "bob": 100, "cy": 0}
    assert standing["ann"]["adjustment_value"] == 80
    week = forecast.row("forecast_call_week", user_id="ann", time_frame_id="W02")
    assert (week["call_value"], week["adjustment_value"], week["is_backfilled"]) == (80, 80, True)


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
    rows = house.rows(
        "select week_number, year_ago_period_id, year_ago_attainment_pct * 100 as pct from clari.attainment_pacing "
        f"where time_period_id = '{QUARTER}' and field_id = 'commit' order by week_number"
    )
    assert [tuple(row.values()) for row in rows] == [(number, "2025_Q4", number) for number in range(1, 13)]


def test_weeks_are_counted_as_the_forecast_lists_them(house: House) -> None:
    """Whatever another forecast calls them; weeks without days by their ids, as numbers where they are numbers."""
    ours = {f"W{number}": date(2026, 10, 1) + timedelta(weeks=number) for number in range(4)}
    theirs = {f"TF{number}": date(2026, 9, 30) + timedelta(weeks=number) for number in range(4)}
    undated = dict.fromkeys(("2", "10", "9"))
    for name, weeks in {"ours": ours, "theirs": theirs, "undated": undated}.items():
        shown = [entry(week=week, call=1) for week in weeks]
        house.bring(document(*shown, weeks=weeks), moment(10, 24), forecast=name)
    house.refresh_marts()
    numbers = "select time_frame_id, week_number from clari.forecast_call_week where forecast_id = $name order by all"
    for name, weeks in {"ours": ours, "theirs": theirs}.items():
        found = {row["time_frame_id"]: row["week_number"] for row in house.rows(numbers, name=name)}
        assert found == {week: number for number, week in enumerate(weeks, 1)}
        assert Forecast(house, name).standing()["week_number"] == 4
    assert Forecast(house, "undated").standing()["week_number"] == 3


def test_a_week_without_an_export_is_as_of_the_one_that_it_is_known_from(forecast: Forecast) -> None:
    for day, week in ((5, "W01"), (23, "W04")):
        forecast.bring(document(entry(week="W01", call=1), entry(week=week, call=1)), moment(10, day))
    forecast.house.refresh_marts()
    known = {row["time_frame_id"]: row["as_of"] for row in forecast.rows("forecast_call_week")}
    ends = moment(10, 8, 0) - timedelta(microseconds=1)
    assert known == {"W01": ends, "W02": moment(10, 5), "W03": moment(10, 5), "W04": moment(10, 23)}


def test_a_finished_month_is_in_its_last_week(house: House) -> None:
    shown = [entry(week=week, period="oct", call=1) for week in ("W01", "W04")]
    shown += [entry(week="W07", period="nov", call=1)]
    house.bring(document(*shown, periods=MONTHS), moment(11, 16))
    rows = house.rows("select time_period_id, week_number, weeks_to_end from clari.forecast_vs_quota order by 1")
    assert [tuple(row.values()) for row in rows] == [("nov", 3, 1), ("oct", 5, 0)]


def test_weeks_of_a_month_are_counted_anew_once_it_lists_more(house: House) -> None:
    """As they came, and as they are replayed; months without days have the weeks of their entries."""
    weeks = {f"W{number:02d}": date(2026, 10, 1) + timedelta(weeks=number - 1) for number in range(1, 5)}
    months = [
        {"type": "MONTH", "timePeriodId": period, "label": f"{label} FY 2026"}
        for period, label in (("2026_M10", "October"), ("2026_M11", "November"))
    ]
    for day, of_october in ((15, ("W02",)), (20, ("W01", "W02", "W03"))):
        shown = [entry(week=week, period="2026_M10", call=1) for week in of_october]
        shown += [entry(week=week, period="2026_M11", call=1) for week in ("W01", "W03")]
        house.bring(document(*shown, periods=months, weeks=weeks), moment(10, day))
        house.refresh_marts()
    weekly = "from clari.forecast_call_week where time_period_id = '2026_M10' order by all"
    came = house.rows(weekly)
    assert {row["time_frame_id"]: row["week_number"] for row in came} == {"W02": 2, "W03": 3}
    house.replay([], [])
    assert house.rows(weekly) == came
