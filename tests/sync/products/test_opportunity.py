"""Opportunities that activity was mapped to: a hundred a call, one bad id beside the others, values exact."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from clari_pipeline.core.runbook import with_anchor
from clari_pipeline.sandbox import Fault, Sandbox
from tests.helpers.product_documents import NOW, WEEK, answers, mapped_to
from tests.sync.products.conftest import SIGHTS, Clock, Desk, desk_of


def calls(sandbox: Sandbox) -> int:
    return sum(seen.path.endswith("/opportunity") for seen in sandbox.requests)


def test_those_are_asked_for_that_activity_was_mapped_to(desk: Desk, clock: Clock) -> None:
    """With fields and changes; a second look changes nothing but when they were seen."""
    desk.bring("activity")
    (fetch,) = desk.bring("opportunity").fetches
    ids = {one["opportunity_id"] for one in desk.rows("activity_opportunity")}
    tables = desk.tables("opportunity", without=SIGHTS)
    assert {one["opportunity_id"] for one in tables["opportunity"]} == ids
    assert fetch.rows_inserted == len(ids) > 8
    assert {one["field_id"]: one["value_type"] for one in tables["opportunity_field"]} == {
        "opportunity.amount": "number",
        "opportunity.stage": "string",
        "opportunity.is_won": "boolean",
        "opportunity.competitors": "array",
        "opportunity.next_step": None,
    }
    assert {one["field_id"] for one in tables["opportunity_field_trend"]} == {"opportunity.amount", "opportunity.stage"}
    clock.turn(hours=1)
    (again,) = desk.bring("opportunity").fetches
    assert (again.rows_unchanged, again.rows_updated) == (len(ids), 0)
    assert desk.tables("opportunity", without=SIGHTS) == tables


def test_a_hundred_are_asked_for_at_once_and_bad_ones_keep_out_no_other(desk: Desk, sandbox: Sandbox) -> None:
    """Clari refuses the whole call: it is halved until the one is found, which is named. Deals that were deleted become
    more and more, and are asked for each time.
    """
    desk.bring("activity")
    good = {one["opportunity_id"] for one in desk.rows("activity_opportunity")}
    desk.merge("activity", mapped_to("none of these!", *(f"unknown{n:03}" for n in range(180))), **WEEK)
    sandbox.requests.clear()
    result = desk.bring("opportunity")
    (fetch,) = result.fetches
    assert (fetch.state, fetch.rows_inserted) == ("LOADED", len(good))
    halvings = 8  # of a call with a hundred
    assert 3 <= calls(sandbox) <= 3 + 2 * halvings
    said = "opportunity: 181 opportunities were asked for and did not come"
    assert [problem.line for problem in result.warnings] == [with_anchor(said, "opportunities_are_known")]
    assert desk.verdicts(fetch.request_id)["opportunities_are_known"] is False
    desk.merge("activity", mapped_to(*(f"none of these {n}!" for n in range(30))), **WEEK)
    (fetch,) = desk.bring("opportunity").fetches
    assert (fetch.state, fetch.rows_unchanged) == ("LOADED", len(good))


def test_without_activity_there_is_nothing_to_ask_for(tmp_path: Path, clock: Clock, sandbox: Sandbox) -> None:
    """A line says why, and it is no failure."""
    for products, remedy in (
        (("opportunity",), "; CLARI_PRODUCTS has to name activity, too"),
        (("activity", "opportunity"), ""),
    ):
        result = desk_of(tmp_path, clock, sandbox, products=products).bring("opportunity")
        assert (result.fetches, result.failures, calls(sandbox)) == ([], [], 0)
        said = f"opportunity: no activity is mapped to one yet{remedy}"
        assert [problem.line for problem in result.warnings] == [with_anchor(said, "no_opportunities")]


def test_values_are_exact_or_text_alone(desk: Desk, sandbox: Sandbox) -> None:
    """A number is a decimal where it fits; what does not is not rounded; everything else is text or JSON."""
    desk.merge("activity", mapped_to("006A"), **WEEK)
    answer = b"""[{"id": "006A", "crmScore": {"message": "Lost", "score": 0}, "fields": [
        {"id": "amount", "value": 99999999999999.9999, "originalValue": "99999999999999.9999", "trend": "UP",
         "trendHistory": [{"date": 1605312000000, "oldValue": 0.1, "newValue": 0.30000000000000004},
                          {"date": 1605312000000, "oldValue": 0.1, "newValue": 0.30000000000000004},
                          {"date": 1605312000000, "oldValue": null, "newValue": {"code": "USD", "b": [1.50]}}]},
        {"id": "tags", "value": ["a", {"z": 1, "b": null}]}, {"id": "huge", "value": 1e30}, {"value": 1}]}]"""
    sandbox.fail_next("opportunity", [Fault("answer", 200, {}, answer)])
    result = desk.bring("opportunity")
    fields = {one["field_id"]: one for one in desk.rows("opportunity_field")}
    exact = Decimal("99999999999999.9999")
    assert (fields["amount"]["value_number"], fields["amount"]["value"]) == (exact, str(exact))
    assert (fields["amount"]["original_value"], fields["amount"]["original_value_number"]) == (str(exact), None)
    assert (fields["tags"]["value"], fields["tags"]["value_type"]) == ('["a", {"b": null, "z": 1}]', "array")
    assert (fields["huge"]["value"], fields["huge"]["value_number"]) == ("1e30", None)
    changes = {one["new_value"]: one for one in desk.rows("opportunity_field_trend")}
    assert changes.keys() == {"0.30000000000000004", '{"b": [1.50], "code": "USD"}'}
    change = changes["0.30000000000000004"]
    assert (change["old_value_number"], change["new_value_number"]) == (Decimal("0.1000"), None)
    assert change["value_changed_at"] == datetime(2020, 11, 14, tzinfo=UTC)
    said = "opportunity: 1 records or parts of them do not say what they are, and were left out"
    assert [problem.line for problem in result.warnings] == [with_anchor(said, "parts_are_complete")]


def test_a_score_that_is_no_number_is_told(by_hand: Desk) -> None:
    """One that is a number in a text is read; what is none is left empty, and keeps out nothing."""
    scores = {"006A": {"score": "87.5"}, "006B": "12", "006C": {"score": "as Jane Doe says"}}
    scores |= {"006D": {"score": ""}, "006E": None}
    row = by_hand.merge("opportunity", answers(*({"id": one, "crmScore": score} for one, score in scores.items())))
    assert row.state == "LOADED"
    found = {one["opportunity_id"]: one["crm_score"] for one in by_hand.rows("opportunity")}
    assert found == {"006A": Decimal("87.5"), "006B": Decimal(12), "006C": None, "006D": None, "006E": None}
    (verdict,) = [one for one in by_hand.rows("export_check") if one["check_name"] == "scores_are_readable"]
    assert (verdict["passed"], "a string of 006C" in verdict["evidence"]) == (False, True)
    assert "Jane" not in verdict["evidence"]  # dashboards and bundles show it


def test_whatever_changes_of_a_field_is_a_change(by_hand: Desk) -> None:
    """Of its opportunity; an empty text is no value, and so has no type. A field that is no longer shown stays and says
    so, and its changes stay as well.
    """
    amount = {"id": "amount", "value": 7}
    stage = {"id": "stage", "alias": "Stage", "value": "Won", "originalValue": "Lost", "trend": "UP"}
    stage["trendHistory"] = [{"date": 1, "oldValue": "Lost", "newValue": "Won"}]
    by_hand.merge("opportunity", answers({"id": "006A", "fields": [stage, amount]}))
    changes = ({"alias": "Phase"}, {"originalValue": "New"}, {"trend": "DOWN"}, {"value": ""}, {"value": "Won"}, {})
    for hours, change in enumerate(changes, start=1):
        stage |= change
        later = answers({"id": "006A", "fields": [stage, amount]})
        row = by_hand.merge("opportunity", later, at=NOW + timedelta(hours=hours))
        assert (row.rows_updated, row.rows_unchanged) == ((1, 0) if change else (0, 1)), change
    without = answers({"id": "006A", "fields": [amount | {"value": 8}]})
    assert by_hand.merge("opportunity", without, at=NOW + timedelta(hours=9)).rows_updated == 1
    found = {
        one["field_id"]: (one["value"], one["value_type"], one["in_latest_export"])
        for one in by_hand.rows("opportunity_field")
    }
    assert found == {"stage": ("Won", "string", False), "amount": ("8", "number", True)}
    assert len(by_hand.rows("opportunity_field_trend")) == 1
