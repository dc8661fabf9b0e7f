"""CSV as managers export it from Clari's screen [mdas]: its periods, weeks and spellings of fields."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from clari_pipeline.config.rules import read_rules
from clari_pipeline.core.periods import Quarter
from tests.helpers.csv_lines import csv_line, csv_of
from tests.helpers.each_case import try_each
from tests.helpers.forecast import Forecast, broken
from tests.helpers.house import QUARTER, House, document, entry, moment, person

NEW, OLD = "Churn & Downsell Flash", "Churn/Downsell Flash"
ONE_FIELD = f'[[field]]\nname = "{NEW}"\nalso = ["{OLD}"]\n'


def days_of(week: int) -> tuple[str, str]:
    """The days of a week of the quarter, counted from 1, as a CSV writes them."""
    first = moment(10, 1).date().toordinal() + 7 * (week - 1)
    return tuple(f"{moment(1, 1).date().fromordinal(day):%m/%d/%Y}" for day in (first, first + 6))


def line(amount: object, *, week: int = 4, first: int = 1, **more: Any) -> str:
    """A line of the quarter's nth `week` (1 is the first); the document counts weeks from `first`."""
    return csv_line(amount, week=week - 1 + first, days=days_of(week), **{"period": "FY26 Q4", "crm": ""} | more)


def with_rules(house: House, folder: Path, rules: str) -> None:
    """From now on the house has these rules."""
    file = folder / "clari_pipeline.toml"
    file.write_text(rules, encoding="utf-8")
    house.context = replace(house.context, rules=replace(house.context.rules, rules=read_rules(file)))


def test_a_managers_csv_is_merged_as_it_stands(forecast: Forecast) -> None:
    """Headers in any case, amounts without a currency, later weeks empty, negative fields, nobody above the top."""
    lines = [
        line("-2400000.0", field="Churn"),
        line("1200000.0"),
        *(line("", week=week, field=field) for week in (5, 6) for field in ("Commit", "Churn")),
        line("5000000", field="Plan", measure="Quota Value"),
    ]
    content = csv_of(*lines).replace(b"User,Email,CRM User ID", b"USER, email ,Crm User Id")
    outcome = forecast.bring(content, moment(11, 5))
    assert broken(outcome) == {}
    found = forecast.by("field_id", "forecast_vs_quota", "forecast_value", "is_submitted", "is_top", "currency_code")
    assert found == {
        "Churn": (Decimal(-2400000), False, True, None),
        "Commit": (Decimal(1200000), False, True, None),
    }


def test_a_managers_team_says_nothing_of_the_others(forecast: Forecast, tmp_path: Path) -> None:
    """They stay, the top stays the top, and the next export is compared with the export before the file."""
    people = {"boss": "CRO,", "ann": "VP,CRO", "bob": "AE,VP"}

    def of(*names: str, call: int) -> bytes:
        return csv_of(*(line(call, name=name, email=name, roles=people[name]) for name in names))

    forecast.bring(of("boss", "ann", "bob", call=100), moment(11, 5))
    file = tmp_path / "ann.csv"
    file.write_bytes(of("ann", "bob", call=105))
    with forecast.house.context.landing.arriving(file) as arriving:
        asked = {"forecast_id": forecast.name, "quarter": Quarter.parse(QUARTER), "exported_at": moment(11, 6)}
        outcome = forecast.house.outcome(forecast.house.replay_document(arriving, **asked, run_id="run"))
    assert "totals_have_one_top" not in broken(outcome)
    assert (outcome.export.scope_id, outcome.export.rows_disappeared) == ("part:ann", 0)
    found = forecast.by("user_id", "forecast_vs_quota", "forecast_value", "is_top", "in_latest_export")
    assert found == {"boss": (100, True, True), "ann": (105, False, True), "bob": (105, False, True)}
    forecast.bring(of("boss", "ann", "bob", call=130), moment(11, 7))
    swings = forecast.house.rows("from clari.forecast_swing where is_swing and baseline = 'sync'")
    assert {(one["user_id"], one["previous_value"], one["reason"]) for one in swings} == {
        (name, 100, "above_threshold") for name in people
    }


def test_weeks_are_counted_from_0_or_from_1(forecast: Forecast) -> None:
    """Clari's own CSV counts weeks from 0 [spec]: the same weeks are matched by their days."""
    both = [line(100 + week, week=week, first=0) for week in (3, 4)]
    forecast.bring(csv_of(*both), moment(10, 24))
    outcome = forecast.bring(csv_of(*(line(100 + week, week=week) for week in (3, 4, 5))), moment(10, 25))
    assert broken(outcome) == {}
    assert forecast.by("time_frame_id", "forecast_entry", "forecast_value") == {"W02": 103, "W03": 104, "W04": 105}
    assert (outcome.export.rows_unchanged, outcome.export.rows_inserted) == (2, 1)


def test_a_month_that_was_written_with_a_zero_stays_one_period(house: House) -> None:
    """As earlier releases named it; in whichever forecast, and when its quarter is rebuilt."""
    august = {"period": "Aug FY26", "days": ("08/06/2026", "08/12/2026"), "crm": ""}
    forecasts = [Forecast(house, name) for name in ("north", "south")]
    for forecast in forecasts[:1]:
        forecast.bring(csv_of(csv_line("5", **august)), moment(8, 10), quarter="2026_Q3")
        for table in ("time_period", "time_frame", "forecast_time_frame", "forecast_entry_state"):
            house.execute(f"update clari.{table} set time_period_id = '2026_M08' where time_period_id = '2026_M8'")
        house.execute("update clari.forecast_entry_history set time_period_id = '2026_M08'")
        house.execute("delete from clari.merged_total")
    for forecast in forecasts:
        outcome = forecast.bring(csv_of(csv_line("6", **august)), moment(8, 11), quarter="2026_Q3")
        assert set(broken(outcome)) <= {"forecast_swings_within_threshold"}
        assert forecast.by("time_period_id", "forecast_entry", "forecast_value") == {"2026_M08": 6}
    house.replay([], [])
    assert {row["time_period_id"] for row in house.rows("from clari.forecast_entry")} == {"2026_M08"}


UNREAD = {
    "H1 FY27": "Timeframe 'H1 FY27' is no period: a quarter (FY27 Q2, Q2 FY 2027), a month (July FY 2027) or a year",
    "Q3": "Timeframe 'Q3' names no year, and neither days of its lines nor the quarter asked for say which: write Q3",
}


def test_an_unreadable_period_is_named_with_what_would_be_read(house: House) -> None:
    def check(label: str) -> None:
        outcome = Forecast(house, label).bring(csv_of(csv_line("5", period=label, days=("", ""))), moment(11, 5))
        assert outcome.export.state == "REFUSED"
        assert UNREAD[label] in broken(outcome)["export_period_matches_request"]["summary"]

    try_each(UNREAD, check)


def in_both_formats(spelling: str, call: int, *, is_csv: bool) -> Any:
    if is_csv:
        return csv_of(line(call, field=spelling), line(1, field="Plan"))
    fields = {f"fc_{spelling.index('&' if '&' in spelling else '/')}{spelling[5]}": spelling, "plan": "Plan"}
    (churn, plan) = fields
    return document(entry("ann", "W04", churn, call=call), entry("ann", "W04", plan, call=1), fields=fields)


@pytest.mark.parametrize("is_csv", [True, False])
def test_a_field_that_is_spelt_in_two_ways_is_named_and_joined_by_a_setting(
    house: House, tmp_path: Path, *, is_csv: bool
) -> None:
    """In every later document; in earlier ones after a replay."""
    forecast = Forecast(house, f"north {is_csv}")
    forecast.bring(in_both_formats(OLD, 100, is_csv=is_csv), moment(10, 24))
    outcome = forecast.bring(in_both_formats(NEW, 110, is_csv=is_csv), moment(10, 25))
    found = broken(outcome)["fields_are_distinct"]
    assert all(name in found["summary"] for name in (OLD, NEW, "clari_pipeline.toml", "clari-pipeline replay"))
    assert found["toml"] == f'[[field]]\nname = "{OLD}"\nalso = ["{NEW}"]'
    assert len(forecast.rows("forecast_entry")) == 3

    with_rules(house, tmp_path, found["toml"])
    outcome = forecast.bring(in_both_formats(NEW, 120, is_csv=is_csv), moment(10, 26))
    assert (broken(outcome), outcome.export.rows_updated) == ({}, 1)
    house.replay([], [])
    assert len(forecast.rows("forecast_entry")) == 2
    churn = next(row for row in forecast.rows("forecast_entry") if row["forecast_value"] == 120)
    calls = [row["forecast_value"] for row in forecast.rows("forecast_entry_history", field_id=churn["field_id"])]
    assert sorted(calls) == [100, 110, 120]
    assert forecast.row("forecast_field", field_id=churn["field_id"])["field_name"] == OLD


def test_two_spellings_in_one_document_are_one_field_unless_their_figures_differ(house: House, tmp_path: Path) -> None:
    """Entries with the same figures, or without, become one; entries whose figures differ are refused."""
    with_rules(house, tmp_path, ONE_FIELD)
    forecast = Forecast(house, "north")
    spelt = [line(5, week=3, field=OLD), line("", week=4, field=OLD), line("", week=3, field=NEW), line(6, field=NEW)]
    same = [line(5, week=2, field=name) for name in (OLD, NEW)]
    empty = [line("", week=6, field=name) for name in (OLD, NEW)]
    outcome = forecast.bring(csv_of(*spelt, *same, *empty), moment(10, 26))
    assert broken(outcome) == {}
    assert forecast.by("time_frame_id", "forecast_entry", "forecast_value", field_id=NEW) == {
        "W02": 5, "W03": 5, "W04": 6, "W06": None,
    }  # fmt: skip
    outcome = forecast.bring(csv_of(line(5, field=OLD), line(6, field=NEW)), moment(10, 27))
    assert outcome.export.state == "REFUSED"
    said = broken(outcome)["entry_keys_are_unique"]["summary"]
    assert all(part in said for part in (OLD, NEW, "[[field]]", "W04"))


def test_a_field_with_its_name_for_an_id_in_a_csv_is_not_reported_as_alike(forecast: Forecast) -> None:
    """Nor is a field whose name has other letters or digits."""
    fields = {"fc_1": "Commit", "fc_2": "Commit 2"}
    forecast.bring(document(entry(field="fc_1", call=1), entry(field="fc_2", call=1), fields=fields), moment(10, 24))
    other_quarter = csv_of(csv_line("1", period="Q3 FY 2026", days=("07/02/2026", "07/08/2026")))
    assert broken(forecast.bring(other_quarter, moment(10, 24), quarter="2026_Q3")) == {}


def test_swings_and_attainment_of_fields_with_negative_or_no_calls(forecast: Forecast) -> None:
    """As the definitions say: by |previous|, from and to zero, a changed sign; no attainment against no quota."""
    moves = {
        "Churn": (-1000, -1300, "above_threshold"),
        "Downsell": (-1000, -1200, None),  # exactly 20 %
        "Hedge": (-100, 100, "sign_flip"),
        "Bluebird": (0, -5, "from_zero"),
        "Plan": (None, None, "no call"),
    }
    for day, at in ((24, 0), (25, 1)):
        lines = [
            line("" if move[at] is None else move[at], field=field, measure=measure)
            for field, move in moves.items()
            for measure in (["Forecast Value"] if move[at] is not None else ["Forecast Value", "CRM Closed"])
        ]
        updated = [line("Yes", field="Bluebird", measure="Forecast Updated")]
        quota = [line(-500, field="Churn", measure="Quota Value"), line(-250, field="Churn", measure="CRM Closed")]
        outcome = forecast.bring(csv_of(*lines, *updated, *quota), moment(10, day))
    assert outcome.export.state == "LOADED"
    found = forecast.by("field_id", "forecast_swing", "change_amount", "reason", baseline="sync")
    expected = {field: (move[1] - move[0], move[2]) for field, move in moves.items() if move[0] is not None}
    assert found == expected
    standing = forecast.by("field_id", "forecast_vs_quota", "attainment_pct", "gap_to_quota")
    assert standing.keys() == expected.keys()
    assert standing["Churn"] == (Decimal("0.5"), Decimal(-250))


@pytest.mark.parametrize("order", ["abc", "cab", "bca"])
def test_a_field_is_one_however_its_documents_arrive_and_in_whichever_format(
    house: House, tmp_path: Path, order: str
) -> None:
    """JSON's id stands where JSON came first, by the time of the figures; a replay changes nothing."""
    with_rules(house, tmp_path, ONE_FIELD)
    forecast = Forecast(house, "north")
    ann = person("ann", role="CRO", parent=None)
    json = document(
        entry("ann", "W04", "fc_1", call=100), people=[ann], fields={"fc_1": OLD}, weeks={"W04": date(2026, 10, 22)}
    )
    who = {"email": ann["email"], "crm": "crm-ann", "roles": f"{ann['hierarchyName']},"}
    contents = {
        "a": (json, moment(10, 24)),
        "b": (csv_of(line("$110", field=NEW, **who)), moment(10, 25)),
        "c": (csv_of(line("$120", field=OLD, **who)), moment(10, 26)),
    }
    for one in order:
        assert forecast.bring(*contents[one]).export.state == "LOADED"
    tables = ("forecast_entry", "forecast_entry_history")
    before = house.snapshot(*tables)
    calls = {row["forecast_value"]: row["field_id"] for row in forecast.rows("forecast_entry_history")}
    assert calls == dict.fromkeys((100, 110, 120), "fc_1")
    house.replay([], [])
    assert house.snapshot(*tables) == before


@pytest.mark.parametrize("is_late", [False, True], ids=["in order", "the export late"])
def test_a_managers_file_says_nothing_of_those_above_whenever_the_export_arrives(
    forecast: Forecast, tmp_path: Path, *, is_late: bool
) -> None:
    """An export of the whole organisation that arrives after the file, and is older, has the quarter rebuilt."""
    file = tmp_path / "team.csv"
    file.write_bytes(csv_of(line("110", email="ann@example.com", roles="Rep,")))
    people = [person("boss", role="CRO", parent=None), person("ann", role="rep", parent="CRO")]
    shown = [entry(who, "W04", call=100) for who in ("boss", "ann")]
    content = document(*shown, people=people, weeks={"W04": date(2026, 10, 22)})

    def export() -> None:
        forecast.bring(content, moment(10, 24), types=("forecast",))

    if not is_late:
        export()
    with forecast.house.context.landing.arriving(file) as arriving:
        forecast.house.replay_document(
            arriving,
            forecast_id=forecast.name,
            quarter=Quarter.parse(QUARTER),
            exported_at=moment(10, 25),
            run_id="run",
        )
    if is_late:
        export()
    expected = {"boss": (Decimal(100), True), "ann": (Decimal(110), True)}
    assert forecast.by("user_id", "forecast_entry", "forecast_value", "in_latest_export") == expected
    forecast.house.replay([], [forecast.name])
    assert forecast.by("user_id", "forecast_entry", "forecast_value", "in_latest_export") == expected
