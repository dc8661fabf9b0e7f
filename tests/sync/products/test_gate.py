"""What is malformed or empty is judged before anything is merged, and stays landed."""

from datetime import timedelta
from typing import Any

import pytest

from clari_pipeline.landing import LandingError
from clari_pipeline.store import fetches
from clari_pipeline.store.ledger import FETCHES
from clari_pipeline.sync.products.registry import PRODUCTS
from tests.helpers.each_case import try_each
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


def test_what_is_not_good_enough_is_refused_and_stays_landed(by_hand: Desk) -> None:
    """The ledger says which check, the tables hold what they held."""

    def check(case: str) -> None:
        product, content, name = BAD[case]
        row = by_hand.merge(product, content, **WEEK)
        assert (row.state, row.error.split(":")[0], row.loaded_at) == ("REFUSED", name, None)
        assert by_hand.verdicts(row.request_id)[name] is False
        assert by_hand.loader(product).landing.find(row.landing_path).read() or not content
        assert not any(by_hand.rows(table) for table in PRODUCTS[product].tables)

    try_each(BAD, check)


LATE_EVENT = GOOD | {"event": "login", "eventTimestamp": "yesterday"}
ANN = {"participants": [{"name": "", "email": None}, "nobody", {"name": "Ann"}], "accounts": None}
# Of each: product, document, check, table and column, what stands there afterwards; rows exported and staged.
ODD: dict[str, tuple[str, Any, str, str, str, set[Any], tuple[int, int]]] = {
    "an event at no moment": (
        "audit", audit(GOOD, LATE_EVENT), "moments_are_readable", "audit_event", "event_at",
        {NOW - timedelta(hours=1), None}, (2, 2),
    ),
    "a meeting at no moment": (
        "activity", {"activities": [meeting(), meeting(2, date="soon")]}, "moments_are_readable", "activity",
        "activity_at", {NOW - timedelta(days=1), None}, (2, 2),
    ),
    "a room without a name at a meeting": (
        "activity", {"activities": [meeting(**ANN)]}, "parts_are_complete", "activity_participant", "participant_id",
        {"Ann"}, (1, 1),
    ),
    "an event without a name beside another": (
        "audit", audit(GOOD, GOOD | {"event": None}), "parts_are_complete", "audit_event", "event", {GOOD["event"]},
        (2, 1),
    ),
    "a meeting without an id beside another": (
        "activity", {"activities": [meeting(), meeting(activityId=None)]}, "parts_are_complete", "activity",
        "activity_id", {"a1"}, (2, 1),
    ),
    "a quiet day": ("activity", {"activities": []}, "window_is_not_empty", "activity", "activity_id", set(), (0, 0)),
}  # fmt: skip


@pytest.mark.parametrize("case", ODD)
def test_an_odd_record_keeps_out_nothing_and_is_a_warning(by_hand: Desk, case: str) -> None:
    """It would hold up all that follow, until Clari has forgotten them. Its window counts as fetched."""
    product, content, check, table, column, values, counted = ODD[case]
    row = by_hand.merge(product, content, **WEEK)
    assert (row.state, (row.rows_exported, row.rows_staged)) == ("LOADED", counted)
    assert by_hand.verdicts(row.request_id)[check] is False
    rows = by_hand.rows(table)
    assert ({one[column] for one in rows}, len(rows)) == (values, len(values))
    if product == "activity":
        with by_hand.context.warehouse.session() as session:
            assert fetches.reached(session, product) == WEEK["window_to"]


def test_what_a_dead_run_has_landed_is_merged_or_refused_by_the_next(desk: Desk) -> None:
    """Before anything else is asked for, though the ledger does not know of it yet; it belongs to the run that does."""
    hour_ago = NOW - timedelta(hours=1)
    desk.land("audit", {"pages": ["Sign in"]}, at=hour_ago)
    desk.loader("audit").restore_ledger()
    unknown = desk.land("audit", audit(GOOD), at=hour_ago)
    desk.die_asking("audit", request_id=unknown, at=hour_ago)
    result = desk.bring("audit")
    states = {fetch.request_id: fetch.state for fetch in result.fetches}
    assert states[unknown] == "LOADED"
    assert sorted(states.values()) == ["LOADED", "LOADED", "REFUSED"]
    (line,) = [problem.line for problem in result.failures]
    assert line.endswith("(docs/runbook.md#records_are_complete)")


def test_limits_that_another_run_merges_are_those_of_the_run_that_asked(desk: Desk) -> None:
    """And so the same row when all is made again from what has landed."""
    desk.land("limits", {"jobs": {"monthlyQuota": 30}}, at=NOW - timedelta(hours=1), run_id="gone")
    desk.loader("limits").restore_ledger()
    desk.bring("limits")
    before = desk.rows("api_limits")
    assert {one["run_id"] for one in before} > {"gone"}
    desk.forget("export_quota", "product_fetch")
    desk.loader("limits").restore_ledger()
    desk.loader("limits").rebuild()
    assert desk.rows("api_limits") == before


def test_documents_merged_again_in_order_make_the_same_rows(by_hand: Desk) -> None:
    """Those that were refused are judged anew; another order of arrival, the same rows."""

    def event(actor: str, *, more: dict[str, Any] | None = None) -> dict[str, Any]:
        named = {"actorType": "USER", "actorId": "1", "name": actor, "email": "ann@example.com"}
        return audit(GOOD, GOOD | (more or {}), actors=[named])

    for content, hours in (
        (event("Ann"), 0),
        (audit("none of it"), 1),
        (event("Ann B", more={"event": "login"}), 2),
        (event("Old Ann", more={"event": "earlier"}), -3),
    ):
        by_hand.merge("audit", content, at=NOW + timedelta(hours=hours))
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

    def fetched() -> list[dict[str, Any]]:
        with by_hand.context.warehouse.session() as session:
            return [FETCHES.row(session, one) for one in (bad, good)]

    file.write_bytes(content[:-3])
    loader.merge_landed("run")
    assert [fetch.state for fetch in fetched()] == ["REFUSED", "LOADED"]
    assert str(file.parent) in fetched()[0].error
    file.write_bytes(content)
    loader.rebuild()
    assert [fetch.state for fetch in fetched()] == ["LOADED", "LOADED"]
    file.write_bytes(content[:-3])
    with pytest.raises(LandingError, match=r"damaged|not what was landed"):
        loader.rebuild()
    assert [fetch.state for fetch in fetched()] == ["LOADED", "LOADED"]


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
