"""Activity: an export job as forecasts are, its parts beside it, nothing lost that a later export no longer shows."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from clari_pipeline.clari.events import Polled
from clari_pipeline.clari.models import ActivityRequest, Job
from clari_pipeline.sandbox import Sandbox
from clari_pipeline.sync.products.activity import OVERLAP_DAYS
from clari_pipeline.sync.products.windows import Window
from tests.helpers.product_documents import NOW, TODAY, WEEK, meeting
from tests.sync.products.conftest import SIGHTS, Clock, Desk, desk_of

NINETY_DAYS_AGO = TODAY - timedelta(days=90)


@pytest.fixture
def people() -> int:
    """Enough for something that is mapped late."""
    return 8


def test_the_first_export_is_of_all_days_that_are_set_and_the_next_of_the_last_few(
    desk: Desk, sandbox: Sandbox, clock: Clock
) -> None:
    """One job, the parts of an activity beside it. Later, for what is mapped late: new activities come, some of the old
    are mapped to an opportunity now; nothing else has changed.
    """
    (fetch,) = desk.bring("activity").fetches
    assert (fetch.state, fetch.window_from, fetch.window_to) == ("LOADED", NINETY_DAYS_AGO, TODAY)
    assert [job.job_id for job in sandbox.jobs] == [fetch.job_id]
    tables = desk.tables("activity")
    assert len(tables["activity"]) == fetch.rows_inserted == fetch.rows_exported > 200
    known = {one["activity_id"] for one in tables["activity"]}
    for part in ("activity_account", "activity_opportunity", "activity_participant"):
        assert {one["activity_id"] for one in tables[part]} <= known
        assert all(one["in_latest_export"] for one in tables[part])
    assert {one["is_internal"] for one in tables["activity_participant"]} == {True, False}
    (limits,) = desk.rows("api_limits")  # what was left of the quota before it was asked for
    assert limits["available_monthly_quota"] == 1000

    before = desk.rows("activity", without=SIGHTS)
    (again,) = desk.bring("activity").fetches
    assert again.window_from == TODAY - timedelta(days=OVERLAP_DAYS)
    assert again.rows_unchanged == again.rows_exported > 0
    assert desk.rows("activity", without=SIGHTS) == before
    clock.turn(days=2)
    (later,) = desk.bring("activity").fetches
    assert later.rows_inserted > 0 < later.rows_updated
    assert len(desk.rows("activity_opportunity")) >= len(tables["activity_opportunity"]) + later.rows_updated
    assert len(desk.rows("activity")) == len(before) + later.rows_inserted


def test_a_run_that_dies_while_clari_works_is_gone_on_with(desk: Desk, sandbox: Sandbox) -> None:
    """What was submitted is polled by the next run, and no second job made for the same days."""
    sandbox.fail_next("status", ["401"] * 2)
    (left,) = desk.bring("activity").fetches
    assert (left.state, "fetched by the next sync" in left.error) == ("SUBMITTED", True)
    (fetch,) = desk.bring("activity").fetches
    assert (fetch.state, fetch.job_id) == ("LOADED", left.job_id)
    assert len(sandbox.jobs) == 1


def test_days_that_were_never_accepted_are_asked_for_once_more_and_not_each(desk: Desk, sandbox: Sandbox) -> None:
    """Of three runs that died before Clari answered, today's days hold the days of all."""
    for ago in (3, 4, 5):
        window = {"window_from": NINETY_DAYS_AGO - timedelta(days=ago), "window_to": TODAY - timedelta(days=ago)}
        desk.die_asking("activity", request_id=f"left-{ago}", at=NOW - timedelta(days=ago), **window)
    fetched = [fetch for fetch in desk.bring("activity").fetches if fetch.state == "LOADED"]
    assert [fetch.window_from for fetch in fetched] == [NINETY_DAYS_AGO]
    assert sum(seen.method == "POST" for seen in sandbox.requests) == 1
    assert desk.bring("activity").failures == []


def test_a_forecast_that_is_called_activity_is_none() -> None:
    """Its job, of which the answer was lost, too, is not taken for the activity's."""
    request = ActivityRequest.between(NOW.date(), NOW.date())
    forecast_file = "clari_export_forecast_activity_commit_2026_Q42915_20261121_060000.json"
    for listed, is_of_activity in (
        ({"fileName": "clari_export_activity_20261121.json"}, True),
        ({"fileName": forecast_file}, False),
        ({"fileName": "export.json", "title": "activity", "module": "FORECAST"}, False),
    ):
        job = Job.model_validate({"jobId": "j", "status": "DONE"} | listed)
        assert request.matches(job) == is_of_activity, listed


def test_a_nul_in_a_subject_holds_nothing_up(by_hand: Desk) -> None:
    """PostgreSQL cannot hold it: it is the sign for what cannot be shown, in every engine."""
    row = by_hand.merge("activity", {"activities": [meeting(subject="Re:\0 offer")]}, **WEEK)
    assert row.state == "LOADED"
    assert [one["subject"] for one in by_hand.rows("activity")] == ["Re:\ufffd offer"]


def test_whoever_stops_the_sync_stops_its_wait_too(desk: Desk, sandbox: Sandbox) -> None:
    """Ctrl-C waits for no job that hangs; the next run goes on with it."""
    sandbox.scenario = "hung"
    polls = count()

    def stop_in_the_middle(event: object) -> None:
        if isinstance(event, Polled) and next(polls) == 10:
            desk.context.stop.set()

    desk.context.hooks.add(stop_in_the_middle)
    with pytest.raises(KeyboardInterrupt):
        desk.bring("activity")
    (left,) = desk.rows("product_fetch")
    assert (left["state"], left["job_id"]) == ("SUBMITTED", sandbox.jobs[0].job_id)


def test_it_counts_against_the_same_quota(tmp_path: Path, clock: Clock) -> None:
    """Where nothing is left, nothing is asked for, and the sentence is the forecasts'."""
    with Sandbox(now=clock, job_seconds=0, people=3, monthly_quota=0) as sandbox:
        (fetch,) = desk_of(tmp_path, clock, sandbox).bring("activity").fetches
    assert (fetch.state, fetch.error_kind) == ("FAILED", "QuotaExhausted")
    assert "0 of Clari's 0 exports are used up in its rolling 30 days" in fetch.error
    assert not sandbox.jobs


def test_a_job_that_fails_is_made_again_by_the_next_sync(desk: Desk, sandbox: Sandbox) -> None:
    """As often as forecasts' are; the days are asked for again in whole."""
    sandbox.scenario = "failed"
    result = desk.bring("activity")
    assert Counter(one["state"] for one in desk.rows("product_fetch")) == {"FAILED": 2}
    (line,) = [problem.line for problem in result.failures]  # of the last try
    assert "failed at Clari" in line and line.endswith("(docs/runbook.md#export_job_failed)")
    sandbox.scenario = "calm"
    (fetch,) = desk.bring("activity").fetches
    assert (fetch.state, fetch.window_from) == ("LOADED", NINETY_DAYS_AGO)


def test_parts_that_are_no_longer_shown_stay_and_say_so(by_hand: Desk) -> None:
    """And come back; a name that is another is another; nobody is lost."""
    by_hand.merge("activity", {"activities": [meeting()]}, at=NOW, **WEEK)
    later = {"activities": [meeting(opportunities=[], subject="Contoso <> Ann and Bob")]}
    row = by_hand.merge("activity", later, at=NOW + timedelta(hours=1), **WEEK)
    assert (row.rows_updated, row.rows_inserted) == (1, 0)
    (deal,) = by_hand.rows("activity_opportunity")
    assert (deal["in_latest_export"], deal["last_seen_at"], deal["opportunity_name"]) == (False, NOW, "Contoso FY26")
    (activity,) = by_hand.rows("activity")
    assert (activity["subject"], activity["changed_at"]) == ("Contoso <> Ann and Bob", NOW + timedelta(hours=1))
    assert (activity["first_seen_at"], activity["activity_at"]) == (NOW, NOW - timedelta(days=1))
    by_hand.merge("activity", {"activities": [meeting()]}, at=NOW + timedelta(hours=2), **WEEK)
    assert [one["in_latest_export"] for one in by_hand.rows("activity_opportunity")] == [True]
    people = {one["participant_id"]: one["crm_user_id"] for one in by_hand.rows("activity_participant")}
    assert people == {"ann@example.com": "005A", "Bob": None}


def test_an_activity_that_is_no_longer_shown_stays_and_says_so(by_hand: Desk) -> None:
    """Once a document shows its days without it; one that may be of other days says nothing; and it may come back."""
    days_ago = {number: (NOW - timedelta(days=number)).isoformat() for number in (1, 3, 7)}
    all_of_them = [meeting(number, date=date) for number, date in days_ago.items()]
    none, gone = {"a1", "a3", "a7"}, {"a1", "a7"}  # that of the first day may be another's, in another zone
    for minutes, shown, columns, still_shown in (
        (0, all_of_them, {}, none),
        (60, all_of_them[:1], {"is_adopted": True}, none),
        (120, all_of_them[:1], {}, gone),
        (61, all_of_them, {}, gone),  # late
        (180, all_of_them, {}, none),
    ):
        at = NOW + timedelta(minutes=minutes)
        row = by_hand.merge("activity", {"activities": shown}, at=at, **columns, **WEEK)
        rows = by_hand.rows("activity")
        found = {one["activity_id"] for one in rows if one["in_latest_export"]}
        assert (row.state, len(rows), found) == ("LOADED", 3, still_shown), minutes


def test_a_part_that_is_called_otherwise_is_a_change(by_hand: Desk) -> None:
    """Of the activity that it belongs to, as a part more is."""
    by_hand.merge("activity", {"activities": [meeting(), meeting(2)]}, at=NOW, **WEEK)
    changes = [
        {"accounts": [{"accountId": "001A", "accountName": "Contoso AG", "accountOwnerId": "005A"}]},
        {"opportunities": [{"opportunityId": "006A", "opportunityName": "Contoso FY27", "opportunityOwnerId": "005A"}]},
        {"participants": [{"name": "Ann B", "email": "Ann@Example.com", "sfdcUserId": "005A", "isInternal": True}]},
    ]
    changed: dict[str, Any] = {}
    for hours, change in enumerate(changes, start=1):
        changed |= change
        for minutes, updated in ((0, 1), (1, 0)):
            later = {"activities": [meeting(**changed), meeting(2)]}
            row = by_hand.merge("activity", later, at=NOW + timedelta(hours=hours, minutes=minutes), **WEEK)
            assert (row.rows_updated, row.rows_inserted) == (updated, 0), change


def test_older_never_beats_newer(by_hand: Desk) -> None:
    """A document that arrives late adds what was not known, and takes nothing back."""
    by_hand.merge("activity", {"activities": [meeting(subject="new")]}, at=NOW, **WEEK)
    older = {"activities": [meeting(subject="old"), meeting(2)]}
    row = by_hand.merge("activity", older, at=NOW - timedelta(days=3), **WEEK)
    assert (row.state, row.rows_inserted, row.rows_updated) == ("LOADED", 2, 0)  # as of its place in the order
    found = {one["activity_id"]: one for one in by_hand.rows("activity")}
    assert (found["a1"]["subject"], found["a1"]["last_seen_at"]) == ("new", NOW)
    assert found["a1"]["first_seen_at"] == found["a2"]["last_seen_at"] == NOW - timedelta(days=3)


OTHER_DAYS = {"window_from": datetime(2026, 1, 1, tzinfo=UTC), "window_to": datetime(2026, 1, 8, tzinfo=UTC)}


def test_a_document_that_is_cut_or_of_other_days_is_refused(by_hand: Desk) -> None:
    """And keeps the window from being taken for fetched."""
    for columns, check, said in (
        ({"rows_truncated": True}, "export_is_not_truncated", ""),
        (OTHER_DAYS, "records_are_of_the_window", "Clari sent other days"),
    ):
        row = by_hand.merge("activity", {"activities": [meeting()]}, **WEEK | columns)
        assert (row.state, row.error.partition(": ")[0], said in row.error) == ("REFUSED", check, True)
        assert not by_hand.rows("activity")
        asked = [day for window in by_hand.planned() for day in window]
        assert asked == list(Window(NINETY_DAYS_AGO.date(), NOW.date()))
