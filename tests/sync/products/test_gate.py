"""What is malformed or empty is judged before anything is merged, and stays landed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from clari_pipeline.landing import LandingError
from clari_pipeline.store import fetches
from clari_pipeline.store.ledger import FETCHES
from clari_pipeline.sync.products.registry import PRODUCTS
from tests.helpers.product_documents import GOOD, NOW, TODAY, WEEK, audit, meeting
from tests.sync.products.conftest import Desk

BAD: dict[str, tuple[str, Any, str]] = {
    "no JSON": ("audit", b'{"pages": [{"items": [', "export_is_readable"),
    "nothing at all": ("audit", b"", "export_is_readable"),
    "a web page": ("audit", b"<html>Sign in</html>", "export_is_readable"),
    "another document": ("audit", {"items": []}, "export_is_readable"),
    "half a character": ("audit", b'{"pages": [{"items": [{"event": "\\ud800"}]}]}', "export_is_readable"),
    "a page that is none": ("audit", {"pages": ["Sign in"]}, "records_are_complete"),
    "an event that is none": ("audit", audit("login"), "records_are_complete"),
    "an event without a name": ("audit", audit(GOOD | {"event": None}), "records_are_complete"),
    "no activities": ("activity", {"activity": []}, "export_is_readable"),
    "activities that are no list": ("activity", {"activities": {"a": 1}}, "export_is_readable"),
    "an activity without an id": ("activity", {"activities": [meeting(activityId="")]}, "records_are_complete"),
    "a key that stands twice": ("activity", b'{"activities": [{"a": 1, "a": 2}]}', "export_is_readable"),
    "an opportunity without an id": ("opportunity", {"answers": [[{"id": None}]]}, "records_are_complete"),
    "an answer that is none": ("opportunity", {"answers": ["Sign in"]}, "records_are_complete"),
    "limits that are none": ("limits", {"jobs": {"monthlyQuota": "many"}}, "export_is_readable"),
    "limits that say nothing": ("limits", {"error": "none"}, "records_are_complete"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_not_good_enough_is_refused_and_stays_landed(by_hand: Desk, case: str) -> None:
    """The ledger says which check, the tables hold what they held."""
    product, content, check = BAD[case]
    row = by_hand.merge(product, content, **WEEK)
    assert (row.state, row.error.split(":")[0], row.loaded_at) == ("REFUSED", check, None)
    assert by_hand.verdicts(row.request_id)[check] is False
    assert by_hand.loader(product).landing.find(row.landing_path).read() or not content
    assert not any(by_hand.rows(table) for table in PRODUCTS[product].tables)


def test_what_a_dead_run_has_landed_is_told_by_the_next(desk: Desk) -> None:
    """It is merged or refused before anything else is asked for, and belongs to the run that does."""
    desk.land("audit", {"pages": ["Sign in"]}, at=NOW - timedelta(hours=1))
    desk.loader("audit").restore_ledger()
    brought = desk.bring("audit")
    assert [fetch.state for fetch in brought.fetches] == ["REFUSED", "LOADED"]
    (line,) = [problem.line for problem in brought.failures]
    assert line.endswith("(docs/runbook.md#records_are_complete)")


def test_what_landed_before_the_ledger_said_so_is_merged(desk: Desk) -> None:
    """A run that was killed between the two: its document is none that never came."""
    request_id = desk.land("audit", audit(GOOD), at=NOW - timedelta(hours=1))
    asked = {"product": "audit", "attempt": 1, "submitted_at": NOW - timedelta(hours=1)}
    with desk.context.warehouse.session() as session:
        FETCHES.submitting(session, request_id=request_id, run_id="gone", **asked)
    brought = desk.bring("audit")
    assert request_id in {fetch.request_id for fetch in brought.fetches}
    assert [fetch.state for fetch in brought.fetches] == ["LOADED", "LOADED"]


def test_limits_that_another_run_merges_are_those_of_the_run_that_asked(desk: Desk) -> None:
    """And so the same row when all is made again from what has landed."""
    desk.land("limits", {"jobs": {"monthlyQuota": 30}}, at=NOW - timedelta(hours=1), run_id="gone")
    desk.loader("limits").restore_ledger()
    desk.bring("limits")
    before = desk.rows("api_limits")
    assert {one["run_id"] for one in before} > {"gone"}
    with desk.context.warehouse.session() as session:
        for table in ("export_quota", "product_fetch"):
            session.documents.execute(f"delete from clari.{table}")
    desk.loader("limits").restore_ledger()
    desk.loader("limits").rebuild()
    assert desk.rows("api_limits") == before


def test_what_is_empty_is_merged_with_a_warning(by_hand: Desk) -> None:
    """A quiet day is no fault: its window counts as fetched."""
    row = by_hand.merge("activity", {"activities": []}, **WEEK)
    assert (row.state, row.rows_exported) == ("LOADED", 0)
    assert by_hand.verdicts(row.request_id)["window_is_not_empty"] is False
    with by_hand.context.warehouse.session() as session:
        assert fetches.reached(session, "activity") == WEEK["window_to"]


@pytest.mark.parametrize(
    ("product", "content", "table", "column"),
    [
        ("audit", audit(GOOD, GOOD | {"event": "login", "eventTimestamp": "yesterday"}), "audit_event", "event_at"),
        ("activity", {"activities": [meeting(), meeting(activityId="m2", date="soon")]}, "activity", "activity_at"),
    ],
)
def test_a_moment_that_is_none_keeps_out_nothing(
    by_hand: Desk, product: str, content: Any, table: str, column: str
) -> None:
    """One such record would hold up all that follow, until Clari has forgotten them."""
    row = by_hand.merge(product, content, **WEEK)
    assert row.state == "LOADED"
    assert by_hand.verdicts(row.request_id)["moments_are_readable"] is False
    assert sorted(one[column] is None for one in by_hand.rows(table)) == [False, True]


def test_parts_that_name_nothing_are_left_out_with_a_warning(by_hand: Desk) -> None:
    """A room without a name at a meeting keeps out nobody else."""
    people = [{"name": "", "email": None}, "nobody", {"name": "Ann"}]
    row = by_hand.merge("activity", {"activities": [meeting(participants=people, accounts=None)]}, **WEEK)
    assert row.state == "LOADED"
    assert by_hand.verdicts(row.request_id)["parts_are_complete"] is False
    assert [one["participant_id"] for one in by_hand.rows("activity_participant")] == ["Ann"]


def test_documents_merged_again_in_order_make_the_same_rows(by_hand: Desk) -> None:
    """Those that were refused are judged anew; another order of arrival, the same rows."""
    actors = [{"actorType": "USER", "actorId": "1", "name": "Ann", "email": "ann@example.com"}]
    arrivals = [
        (audit(GOOD, actors=actors), NOW),
        (audit("none of it"), NOW + timedelta(hours=1)),
        (audit(GOOD, GOOD | {"event": "login"}, actors=[actors[0] | {"name": "Ann B"}]), NOW + timedelta(hours=2)),
        (audit(GOOD | {"event": "earlier"}, actors=[actors[0] | {"name": "Old Ann"}]), NOW - timedelta(hours=3)),
    ]
    for content, at in arrivals:
        by_hand.merge("audit", content, at=at)
    late = by_hand.tables("audit")
    by_hand.loader("audit").rebuild()
    assert by_hand.tables("audit") == late
    (actor,) = by_hand.rows("audit_actor")
    assert (actor["name"], actor["changed_at"]) == ("Ann B", NOW + timedelta(hours=2))
    assert sorted(one["state"] for one in by_hand.rows("product_fetch")) == ["LOADED", "LOADED", "LOADED", "REFUSED"]


def test_a_document_that_is_damaged_on_our_disk_is_refused_and_keeps_no_other_out(by_hand: Desk) -> None:
    """It is named; a backup brings it back, and a replay merges it. Once it is merged, nothing is lost by a damage."""
    bad, good = by_hand.land("audit", audit(GOOD)), by_hand.land("audit", audit(GOOD))
    loader = by_hand.loader("audit")
    loader.restore_ledger()
    (file,) = loader.landing.root.glob(f"*/*/{bad}/document.zst")
    content = file.read_bytes()

    def states() -> list[str]:
        with by_hand.context.warehouse.session() as session:
            return [FETCHES.row(session, one).state for one in (bad, good)]

    file.write_bytes(content[:-3])
    loader.merge_landed("run")
    assert states() == ["REFUSED", "LOADED"]
    with by_hand.context.warehouse.session() as session:
        assert str(file.parent) in FETCHES.row(session, bad).error
    file.write_bytes(content)
    loader.rebuild()
    assert states() == ["LOADED", "LOADED"]
    file.write_bytes(content[:-3])
    with pytest.raises(LandingError, match=r"damaged|not what was landed"):
        loader.rebuild()
    assert states() == ["LOADED", "LOADED"]


@pytest.mark.parametrize(
    ("product", "content", "table"),
    [
        ("audit", audit(GOOD, GOOD | {"event": None}), "audit_event"),
        ("activity", {"activities": [meeting(), meeting(activityId=None)]}, "activity"),
    ],
)
def test_an_odd_record_is_left_out_with_a_warning(by_hand: Desk, product: str, content: Any, table: str) -> None:
    """It keeps out none of the others, now or later."""
    row = by_hand.merge(product, content, **WEEK)
    assert (row.state, row.rows_exported, row.rows_staged) == ("LOADED", 2, 1)
    assert by_hand.verdicts(row.request_id)["parts_are_complete"] is False
    assert len(by_hand.rows(table)) == 1


def test_a_gap_says_that_documents_were_refused(by_hand: Desk) -> None:
    """Their events are on disk: it is not that no sync came."""
    gap = {"gap_from": NOW - timedelta(days=40), "gap_to": NOW - timedelta(days=30)}
    then = {"window_from": NOW - timedelta(days=36), "window_to": NOW - timedelta(days=35)}
    by_hand.merge("audit", {"pages": ["Sign in"]}, at=NOW - timedelta(days=35), **then)
    row = by_hand.merge("audit", audit(GOOD), **WEEK | gap)
    (found,) = [one for one in by_hand.rows("export_check") if "gap_from" in str(one["evidence"])]
    assert row.state == "LOADED" and "1 documents of then were refused" in str(found["evidence"])


def test_nothing_of_many_days_settles_none_of_them(by_hand: Desk) -> None:
    """The token's user may not see them yet: what is known stays as it is, and they are asked for again."""
    by_hand.merge("activity", {"activities": [meeting()]}, at=NOW - timedelta(hours=1), **WEEK)
    long_ago = {"window_from": TODAY - timedelta(days=90), "window_to": TODAY}
    by_hand.merge("activity", {"activities": []}, **long_ago)
    assert [one["in_latest_export"] for one in by_hand.rows("activity")] == [True]
    assert by_hand.planned()[0].first == long_ago["window_from"].date()
