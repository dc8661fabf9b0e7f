"""The older flat JSON: one row per person, no ids."""

import json
from decimal import Decimal

import pytest

from clari_pipeline.core.periods import FiscalCalendar
from clari_pipeline.documents import DocumentUnreadable
from clari_pipeline.sandbox.documents import flat
from tests.documents.conftest import Read, exported, only, read

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


def read_rows(*rows: dict[str, object], **more: object) -> Read:
    return read(json.dumps({"entries": rows} | more))


def test_email_period_and_one_field_stand_in_for_the_ids():
    document = read(json.dumps({"entries": [ROW]}), FiscalCalendar(2))
    assert (document.shape, document.entry_count, document.unknown_keys) == ("flat", 1, {})
    assert {name: value for name, value in only(document, "raw_entry").items() if value is not None} == {
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
    user, period = only(document, "raw_user"), only(document, "raw_time_period")
    assert (user["user_id"], user["name"], user["email"]) == (ROW["ownerEmail"], ROW["ownerName"], ROW["ownerEmail"])
    days = {"start_date": "2025-11-01", "end_date": "2026-01-31"}
    ids = {"time_frame_id": "2026_Q4", "time_period_id": "2026_Q4"}
    assert only(document, "raw_time_frame") == ids | days
    assert {name: period[name] for name in (*days, "period_type")} == days | {"period_type": "QUARTER"}
    assert only(document, "raw_field") == {
        "field_id": "forecast", "field_name": "Forecast", "field_type": "FORECAST",
    }  # fmt: skip
    assert document.types == {"forecast", "quota", "crm_closed", "adjustment"}
    assert document.control_totals["forecast", "forecast_value"].total == Decimal("446511.39")
    assert document.control_totals == document.exact_totals


def test_a_sandbox_company_is_read_person_by_person():
    document = read("".join(flat(exported(people=20), "2026_Q4")))
    assert (document.shape, document.entry_count) == ("flat", 20)
    found = {
        row["user_id"]: (row["forecast_value"], row["crm_closed"]) for row in document.tables["raw_entry"].to_pylist()
    }
    newest = exported(people=20, historical=False)
    emails = {user.user_id: user.email for user in newest.users}
    assert found == {
        emails[entry.user_id]: (entry.forecast_value, entry.crm_closed)
        for entry in newest.entries
        if entry.field_id == "fc_commit"
    }


def test_unknown_keys_are_counted_and_a_currency_is_read():
    rows = [ROW | {"region": "East", "currency": {"code": "EUR"}}, ROW | {"region": None, "currency": "GBP"}]
    document = read_rows(*rows, page=1, next=None)
    assert document.unknown_keys == {"entries.region": 1, "page": 1, "next": 0}
    assert document.tables["raw_entry"]["currency_code"].to_pylist() == ["EUR", "GBP"]


def test_a_person_without_an_email_is_left_to_the_gate():
    document = read_rows(ROW | {"ownerEmail": ""}, ROW | {"ownerEmail": None, "timePeriod": None})
    assert document.tables["raw_entry"]["user_id"].to_pylist() == [None, None]
    assert document.tables["raw_user"].num_rows == 0
    assert document.tables["raw_time_frame"]["time_frame_id"].to_pylist() == ["2026_Q4"]


def test_no_entries_are_none():
    document = read_rows()
    assert document.entry_count == 0
    assert all(table.num_rows == 0 for table in document.tables.values())


def test_amounts_in_other_writings_are_the_same_and_one_that_is_none_is_named_with_its_person():
    odd = [ROW | {"forecastAmount": written} for written in ("4.4651139E5", "446511.390", " 446511.39 ")]
    document = read_rows(*odd, ROW | {"crmClosed": "12,5oo"})
    assert document.tables["raw_entry"]["forecast_value"].to_pylist() == [Decimal("446511.39")] * 4
    assert document.exact_totals["forecast", "forecast_value"].total == 4 * Decimal("446511.39")
    assert document.tables["raw_entry"]["crm_closed"].to_pylist() == [Decimal(120000)] * 3 + [None]
    assert document.exact_totals["forecast", "crm_closed"].count == 3
    assert only(document, "raw_unreadable") == {
        "field_id": "forecast",
        "time_frame_id": "2026_Q4",
        "time_period_id": "2026_Q4",
        "user_id": ROW["ownerEmail"],
        "measure": "crm_closed",
        "written": "12,5oo",
    }


def test_the_first_entry_decides_the_shape_wherever_other_lists_stand():
    members = [("entries", [ROW]), ("users", [{"userId": "x"}])]
    for ordered in (members, members[::-1]):
        document = read(json.dumps(dict(ordered)))
        assert (document.shape, document.unknown_keys) == ("flat", {"users": 1})
        assert document.control_totals == document.exact_totals


def test_what_is_no_flat_document_is_refused():
    for text in ('{"entries": null}', '{"ownerName": "x"}', '{"entries": [{"ownerEmail": "a"}, 1]}'):
        with pytest.raises(DocumentUnreadable, match="entries"):
            read(text)
