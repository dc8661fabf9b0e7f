"""The older flat JSON: one row a person, no ids."""

import json
from decimal import Decimal

import pytest

from clari_pipeline.core.periods import FiscalCalendar
from clari_pipeline.documents import DocumentUnreadable
from clari_pipeline.sandbox.company import Company, Order
from clari_pipeline.sandbox.documents import flat
from clari_pipeline.sandbox.quarters import read_quarter
from tests.documents.conftest import TODAY, read

ROW = {
    "ownerName": 'Maya "Max" O\'Neil, Jr.',
    "ownerEmail": "maya@northwind.example",
    "forecastAmount": 446511.39,
    "quotaAmount": 856000.0,
    "crmTotal": None,
    "crmClosed": 120000,
    "adjustmentAmount": 0,
    "timePeriod": "2026_Q4",
}


def test_email_period_and_one_field_stand_in_for_the_ids():
    document = read(json.dumps({"entries": [ROW]}), FiscalCalendar(2))
    assert (document.shape, document.entry_count, document.unknown_keys) == ("flat", 1, {})
    (entry,) = document.tables["raw_entry"].to_pylist()
    assert {name: value for name, value in entry.items() if value is not None} == {
        "field_id": "forecast",
        "time_frame_id": "2026_Q4",
        "time_period_id": "2026_Q4",
        "user_id": "maya@northwind.example",
        "forecast_value": Decimal("446511.39"),
        "quota_value": Decimal(856000),
        "crm_closed": Decimal(120000),
        "adjustment_value": Decimal(0),
    }
    assert document.unreadable == []
    (user,) = document.tables["raw_user"].to_pylist()
    assert (user["user_id"], user["name"], user["email"]) == (ROW["ownerEmail"], ROW["ownerName"], ROW["ownerEmail"])
    (period,) = document.tables["raw_time_period"].to_pylist()
    (frame,) = document.tables["raw_time_frame"].to_pylist()
    assert frame == {
        "time_frame_id": "2026_Q4",
        "time_period_id": "2026_Q4",
        "start_date": "2025-11-01",
        "end_date": "2026-01-31",
    }
    assert (period["start_date"], period["end_date"], period["period_type"]) == ("2025-11-01", "2026-01-31", "QUARTER")
    assert document.tables["raw_field"].to_pylist() == [
        {"field_id": "forecast", "field_name": "Forecast", "field_type": "FORECAST"}
    ]
    assert document.types == {"forecast", "quota", "crm_closed", "adjustment"}
    assert document.control_totals["forecast", "forecast_value"].total == Decimal("446511.39")
    assert document.control_totals == document.exact_totals


def test_a_sandbox_company_is_read_person_by_person():
    company, quarter = Company(seed=7, people=20), read_quarter("2026_Q4", 1)
    document = read("".join(flat(company.export(Order("total_new", quarter, TODAY)), quarter.id)))
    assert (document.shape, document.entry_count) == ("flat", 20)
    rows = {row["user_id"]: row for row in document.tables["raw_entry"].to_pylist()}
    assert set(rows) == {person.user.email for person in company.people}
    newest = company.export(Order("total_new", quarter, TODAY, historical=False)).entries
    emails = {person.user.user_id: person.user.email for person in company.people}
    for entry in newest:
        if entry.field_id == "fc:commit":
            row = rows[emails[entry.user_id]]
            assert row["forecast_value"] == entry.forecast_value
            assert row["crm_closed"] == entry.crm_closed


def test_unknown_keys_are_counted_and_a_currency_is_read():
    rows = [ROW | {"region": "East", "currency": {"code": "EUR"}}, ROW | {"region": None, "currency": "GBP"}]
    document = read(json.dumps({"entries": rows, "page": 1, "next": None}))
    assert document.unknown_keys == {"entries.region": 1, "page": 1, "next": 0}
    assert document.tables["raw_entry"]["currency_code"].to_pylist() == ["EUR", "GBP"]


def test_a_person_without_an_email_is_left_to_the_gate():
    document = read(json.dumps({"entries": [ROW | {"ownerEmail": ""}, ROW | {"ownerEmail": None, "timePeriod": None}]}))
    assert document.tables["raw_entry"]["user_id"].to_pylist() == [None, None]
    assert document.tables["raw_user"].num_rows == 0
    assert document.tables["raw_time_frame"]["time_frame_id"].to_pylist() == ["2026_Q4"]


def test_no_entries_are_none():
    document = read('{"entries": []}')
    assert document.entry_count == 0
    assert all(table.num_rows == 0 for table in document.tables.values())


def test_amounts_in_other_writings_are_the_same():
    odd = [ROW | {"forecastAmount": written} for written in ("4.4651139E5", "446511.390", " 446511.39 ")]
    document = read(json.dumps({"entries": odd}))
    assert document.tables["raw_entry"]["forecast_value"].to_pylist() == [Decimal("446511.39")] * 3
    assert document.exact_totals["forecast", "forecast_value"].total == 3 * Decimal("446511.39")


def test_an_amount_that_is_none_is_named_with_its_person():
    document = read(json.dumps({"entries": [ROW, ROW | {"crmClosed": "12,5oo"}]}))
    assert document.tables["raw_entry"]["crm_closed"].to_pylist() == [Decimal(120000), None]
    assert document.tables["raw_unreadable"].to_pylist() == [
        {
            "field_id": "forecast",
            "time_frame_id": "2026_Q4",
            "time_period_id": "2026_Q4",
            "user_id": ROW["ownerEmail"],
            "measure": "crm_closed",
            "written": "12,5oo",
        }
    ]
    assert document.exact_totals["forecast", "crm_closed"].count == 1


@pytest.mark.parametrize("place", ["before", "after"])
def test_the_first_entry_decides_the_shape_wherever_other_lists_stand(place):
    whole = {"entries": [ROW], "users": [{"userId": "x"}]}
    document = read(json.dumps(whole if place == "after" else dict(reversed(whole.items()))))
    assert (document.shape, document.unknown_keys) == ("flat", {"users": 1})
    assert document.control_totals == document.exact_totals


@pytest.mark.parametrize("text", ['{"entries": null}', '{"ownerName": "x"}', '{"entries": [{"ownerEmail": "a"}, 1]}'])
def test_what_is_no_flat_document_is_refused(text):
    with pytest.raises(DocumentUnreadable, match="entries"):
        read(text)
