"""The invented company: the same for everybody, awkward in its names, and calm in its figures."""

import csv
import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from io import StringIO
from itertools import pairwise

import pytest

from clari_pipeline.sandbox.company import Company, Document, Entry, Order
from clari_pipeline.sandbox.figures import COMMIT, QUOTA
from clari_pipeline.sandbox.people import Level, hire
from clari_pipeline.sandbox.quarters import Quarter, quarter_of, read_quarter
from tests.sandbox.conftest import CURRENT, NEWEST_PAST, NOW, WEEK, Caller


def amounts(document: Document) -> dict[tuple[str | None, ...], Entry]:
    return {(entry.user_id, entry.field_id, entry.time_frame_id): entry for entry in document.entries}


def calls_of(day: date, company: Company) -> dict[tuple[str | None, ...], tuple[Decimal, Decimal]]:
    """Each person's call for each field in that day's week, and the override or else the call."""
    quarter = company.current(day)
    week = [week for week in quarter.weeks() if week.start <= day][-1].id
    return {
        (quarter.id, entry.user_id, entry.field_id): (
            entry.forecast_value,
            entry.adjustment_value or entry.forecast_value,
        )
        for entry in company.export(Order("total_new", quarter, day)).entries
        if entry.time_frame_id == week and entry.forecast_value is not None
    }


@pytest.fixture(scope="module")
def _documents():
    return {}


@pytest.fixture
def document(calm, _documents):
    """The document of a quarter, exported once: two of one day are equal."""

    def exported(period=CURRENT, **more):
        asked = (period, repr(more))
        if asked not in _documents:
            _documents[asked] = calm.document(period, **more)
        return _documents[asked]

    return exported


def test_two_exports_of_one_day_are_equal_byte_for_byte_and_of_another_company_are_not(calm, open_sandbox):
    """Neither the time of day nor the number of exports changes a figure; seed, size and forecast tab do."""
    morning = calm.export()
    calm.sandbox.now = lambda: NOW.replace(hour=23, minute=59)
    assert calm.export() == morning
    assert open_sandbox().export() == morning
    assert open_sandbox(seed=8).export() != morning
    assert open_sandbox(people=41).export() != morning
    assert calm.export(forecast="new_business") != morning


def test_another_day_moves_some_calls_and_leaves_most(calm, document):
    before = document()["entries"]
    calm.sandbox.now = lambda: NOW + timedelta(days=1)
    after = calm.document()["entries"]
    changed = sum(a != b for a, b in zip(before, after, strict=True))
    assert 0 < changed < len(before) / 2


@pytest.mark.parametrize("people", [15, pytest.param(60, marks=pytest.mark.soak)])
def test_no_call_of_a_calm_quarter_moves_by_a_fifth_or_by_more_than_a_few_percent_a_day(people):
    """From any day to any later one of the quarter: a swing needs a scenario. Overrides included."""
    company = Company(seed=7, people=people)
    days = [calls_of(date(2026, 10, 1) + timedelta(days=number), company) for number in range(92)]
    assert len(days[0]) == people * 2
    assert all(day.keys() == days[0].keys() for day in days)
    for key in days[0]:
        called = [day[key][0] for day in days]
        both = [value for day in days for value in day[key]]
        assert max(called) <= min(called) * Decimal("1.15"), key
        assert max(both) <= min(both) * Decimal("1.2"), key
        assert all(abs(after - before) <= before * Decimal("0.09") for before, after in pairwise(called)), key


def test_closed_grows_from_week_to_week_and_day_to_day():
    company = Company(seed=7, people=40)
    quarter = company.current(NOW.date())
    today = amounts(company.export(Order("total_new", quarter, NOW.date())))
    tomorrow = amounts(company.export(Order("total_new", quarter, NOW.date() + timedelta(days=1))))
    people = {key[0] for key in today}
    below_zero = 0
    for person in people:
        closed = [today[person, COMMIT.id, week.id].crm_closed for week in quarter.weeks()[:8]]
        assert closed == sorted(closed)
        below_zero += closed[0] < 0
        assert tomorrow[person, COMMIT.id, WEEK].crm_closed >= closed[-1]
    assert below_zero, "somebody begins with a credit note"


def test_a_leader_calls_for_the_whole_team():
    """About the sum of what the reports call, never something to be added to it."""
    company = Company(seed=7, people=40)
    rows = amounts(company.export(Order("total_new", company.current(NOW.date()), NOW.date())))
    for place, person in enumerate(company.people):
        team = [p.user.user_id for p in company.people if p.leader == place]
        if team:
            mine = rows[person.user.user_id, COMMIT.id, WEEK]
            theirs = sum(rows[member, COMMIT.id, WEEK].forecast_value for member in team)
            assert Decimal("0.9") < mine.forecast_value / theirs < Decimal("1.03")
            assert mine.crm_closed == sum(rows[member, COMMIT.id, WEEK].crm_closed for member in team)


def test_the_quarter_so_far_is_delivered_and_past_ones_are_complete(document):
    """Only the newest week where no history is asked for."""
    whole = document()
    assert [period["timePeriodId"] for period in whole["timePeriods"]] == [CURRENT, "2026"]
    assert len(whole["timeFrames"]) == 14
    assert {entry["timeFrameId"] for entry in whole["entries"]} == set(
        sorted(frame["timeFrameId"] for frame in whole["timeFrames"])[:8]
    )
    assert len({entry["timeFrameId"] for entry in document(NEWEST_PAST)["entries"]}) == 15
    weeks = [frame["timeFrameId"] for frame in whole["timeFrames"]]
    assert weeks != sorted(weeks), "weeks come in no order"
    newest = document(includeHistorical=False)["entries"]
    assert newest == [entry for entry in whole["entries"] if entry["timeFrameId"] == WEEK]


def test_only_the_types_asked_for_are_in_the_document_and_quota_stands_on_its_own_field(document):
    keys = set().union(*document(typesToExport=["forecast", "crm_closed"])["entries"])
    assert {"forecastValue", "crmClosed"} < keys
    assert keys.isdisjoint({"quotaValue", "isUpdated", "adjustmentValue", "crmTotal"})
    for entry in document()["entries"]:
        assert ("quotaValue" in entry) == (entry["fieldId"] == QUOTA.id)
        assert ("forecastValue" in entry) != ("quotaValue" in entry)


def test_leaders_override_some_calls_and_some_are_edited_late(document):
    whole = document(NEWEST_PAST)
    ends = {week["timeFrameId"]: week["endDate"] for week in whole["timeFrames"]}
    adjusted = [entry for entry in whole["entries"] if "adjustmentValue" in entry]
    assert adjusted
    assert all(entry["adjustedBy"] != entry["userId"] and entry["adjustedOn"] for entry in adjusted)
    late = [
        entry
        for entry in whole["entries"]
        if entry.get("isUpdated")
        and datetime.fromtimestamp(entry["updatedOn"] / 1000, UTC).date()
        > date.fromisoformat(ends[entry["timeFrameId"]])
    ]
    assert 0 < len(late) < 60
    assert all(entry["updatedOn"] < NOW.timestamp() * 1000 for entry in late)


def test_an_unknown_quarter_silently_becomes_the_current_one(document):
    for asked in ("2018_Q1", "2027_Q1", "0000_Q1", "9999_Q4"):
        assert document(asked) == document(CURRENT)


def test_people_have_the_names_and_ids_that_break_readers(document):
    users = document()["users"]
    names = "".join(user["name"] for user in users)
    assert all(character in names for character in ",\"'\n張ש🚀<;=")
    assert all(re.fullmatch(r"2806[0-9]{2}:00E[0-9A-Z]{12}UAS", user["userId"]) for user in users)
    assert len({user["email"] for user in users}) == len({user["userId"] for user in users}) == 40
    assert [user["name"] for user in users if not user["parentHierarchyId"]] == [users[0]["name"]]


@pytest.mark.parametrize("people", [1, 2, 3, 4, 5, 9, 250])
def test_a_company_of_any_size_has_one_head_and_everybody_a_leader(people):
    hired = hire(7, people)
    assert len(hired) == people
    assert [person.level for person in hired if person.leader is None] == [Level.HEAD]
    company = Company(seed=7, people=people)
    order = Order("total_new", company.current(NOW.date()), NOW.date())
    assert len(list(company.export(order).entries)) == people * 8 * 3


def test_a_scope_delivers_its_owner_and_those_below(document):
    whole = document()
    manager = next(user for user in whole["users"] if user["hierarchyName"].startswith("Sales Manager"))
    part = document(scopeId=manager["scopeId"])
    assert part["users"][0] == manager
    assert all(user["parentHierarchyId"] == manager["hierarchyId"] for user in part["users"][1:])
    assert {entry["scopeId"] for entry in part["entries"]} == {manager["scopeId"]}
    mine = next(entry for entry in part["entries"] if entry["userId"] == manager["userId"])
    assert mine["forecastValue"] in {entry.get("forecastValue") for entry in whole["entries"]}


def test_amounts_come_in_the_currency_asked_for(document):
    dollars, euros = document()["entries"][0], document(currency="EUR")["entries"][0]
    assert euros["currency"] == {"code": "EUR", "symbol": "€"}
    ratio = Decimal(euros["forecastValue"]) / Decimal(dollars["forecastValue"])
    assert abs(ratio - Decimal("0.92")) < Decimal("0.0001")


def test_csv_has_twelve_columns_one_line_a_measure_and_the_same_figures(calm, document):
    entries = document()["entries"]
    rows = list(csv.DictReader(StringIO(calm.export(exportFormat="CSV").decode(), newline="")))
    assert all(len(row) == 12 and None not in row.values() for row in rows)
    kinds = {row["Data Type"] for row in rows}
    assert kinds == {
        "Forecast Value", "Forecast Updated", "Quota Value", "Adjustment Value", "CRM Total", "CRM Closed",
    }  # fmt: skip
    closed = [row["Data Value"] for row in rows if row["Data Type"] == "CRM Closed"]
    assert any(text.startswith("-$") for text in closed)
    assert any(text.startswith("($") for text in closed)
    called = [row["Data Value"] for row in rows if row["Data Type"] == "Forecast Value"]
    written = [f"${Decimal(entry['forecastValue']):,.2f}" for entry in entries if "forecastValue" in entry]
    assert called == written
    assert {row["Timeframe"] for row in rows} == {"Q4 FY 2026"}
    assert {(row["Week"], row["Start Day"], row["End Day"]) for row in rows} >= {("0", "09/30/2026", "10/06/2026")}
    assert any("\n" in row["User"] for row in rows)
    assert {row["Data Value"] for row in rows if row["Data Type"] == "Adjustment Value"} >= {""}


def test_a_managers_csv_is_as_clari_s_screen_writes_it(open_sandbox):
    """Weeks from 1, later ones empty, `FY27 Q4`, amounts without a sign of their currency, an empty parent [mdas]."""
    caller = open_sandbox(fiscal_year_start_month=2)
    text = b"".join(caller.sandbox.screen("total_new")).decode()
    rows = list(csv.DictReader(StringIO(text, newline="")))
    assert {row["Timeframe"] for row in rows} == {"FY27 Q4"}
    assert {int(row["Week"]) for row in rows} == set(range(1, 15))
    assert {row["Data Value"] for row in rows if row["Week"] == "14"} == {""}
    assert "" in {row["Parent Role"] for row in rows}
    exported = caller.document("2027_Q4")["entries"]
    called = [Decimal(row["Data Value"]) for row in rows if row["Data Type"] == "Forecast Value" and row["Data Value"]]
    assert called == [Decimal(entry["forecastValue"]) for entry in exported if "forecastValue" in entry]
    written = {row["Data Value"] for row in rows if row["Data Type"] != "Forecast Updated"}
    assert all(re.fullmatch(r"|-?[0-9]+\.[0-9]+", value) for value in written)


@pytest.mark.parametrize(
    ("day", "first_month", "quarter", "start", "end"),
    [
        (date(2026, 11, 21), 1, "2026_Q4", date(2026, 10, 1), date(2026, 12, 31)),
        (date(2026, 1, 1), 1, "2026_Q1", date(2026, 1, 1), date(2026, 3, 31)),
        (date(2026, 1, 31), 2, "2026_Q4", date(2025, 11, 1), date(2026, 1, 31)),
        (date(2026, 2, 1), 2, "2027_Q1", date(2026, 2, 1), date(2026, 4, 30)),
        (date(2026, 11, 21), 7, "2027_Q2", date(2026, 10, 1), date(2026, 12, 31)),
        (date(2026, 12, 1), 12, "2027_Q1", date(2026, 12, 1), date(2027, 2, 28)),
    ],
)
def test_a_fiscal_year_is_named_after_the_year_in_which_it_ends(day, first_month, quarter, start, end):
    found = quarter_of(day, first_month)
    assert (found.id, found.start, found.end) == (quarter, start, end)
    assert read_quarter(quarter, first_month) == found
    weeks = found.weeks()
    assert all(week.start.weekday() == 2 and (week.end - week.start).days == 6 for week in weeks)
    assert 0 < (start - weeks[0].start).days <= 7
    assert 0 <= (end - weeks[-1].start).days < 7
    assert weeks[-1].id == Quarter(found.year + found.number // 4, found.number % 4 + 1, first_month).weeks()[0].id
    assert found.months()[0].start == start
    assert found.months()[-1].end == end


def test_a_fiscal_year_can_begin_in_another_month(open_sandbox):
    caller: Caller = open_sandbox(fiscal_year_start_month=2)
    period = caller.document("2027_Q4")["timePeriods"][0]
    assert (period["startDate"], period["endDate"]) == ("2026-11-01", "2027-01-31")
