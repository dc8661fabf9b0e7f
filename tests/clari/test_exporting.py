"""Export jobs from the asking to their end, against a sandbox over HTTP and a clock that a wait advances."""

import asyncio
import json
import re
from datetime import timedelta
from itertools import pairwise

import pytest

from clari_pipeline.clari import (
    AuthFailed,
    Cancelled,
    Clock,
    Completed,
    ErrorAsAnswer,
    ExportCancelled,
    Exporter,
    ExportJobFailed,
    ExportTimedOut,
    JobForgotten,
    JobState,
    LeftBehind,
    NoSlot,
    Polled,
    QuotaExhausted,
    RateLimited,
    Retry,
    Submitted,
    Submitting,
    TypeNotSupported,
    TypesRefused,
    UnknownForecast,
    Waited,
)
from clari_pipeline.clari.events import ExportEvent
from clari_pipeline.sandbox import Fault
from tests.clari.conftest import (
    MIXED,
    NOW,
    QUARTERS,
    QUICK,
    TYPES,
    Runner,
    answer,
    client_of,
    export_of,
    jobs_of,
    posts,
    request_for,
)
from tests.helpers.each_case import try_each

HOUR = timedelta(hours=1)


def status(word: str) -> Fault:
    return answer(json.dumps({"job": {"jobId": "x", "status": word}}).encode())


def waits(runner: Runner, reason: str) -> list[float]:
    return [event.seconds for event in runner.emitted(Waited) if event.reason == reason]


# The ordinary way


def test_each_step_of_an_export_is_emitted_before_the_next_one_is_taken(company):
    tab, asked = company.tab(), []
    runner = company.runner(observe=lambda event: asked.append((event, len(posts(company.sandbox)))))
    (job,) = runner.export(request_for(tab))
    assert job.state is JobState.DONE
    events = [event for event, _ in asked]
    kinds = [type(event) for event in events]
    assert kinds[:2] == [Submitting, Submitted]
    assert kinds[-2:] == [Polled, Completed]
    assert {*kinds[2:-1]} == {Polled, Waited}
    assert [before for _, before in asked[:2]] == [0, 1]
    polls = [event.poll_count for event in events if isinstance(event, Polled)]
    assert polls == list(range(1, len(polls) + 1))
    assert (events[-1].job, events[-1].poll_count) == (job, len(polls))
    assert events[-1].wait_seconds == (events[-1].at - events[0].at).total_seconds()
    assert jobs_of(company.sandbox, tab) == [job.job_id]


def test_what_an_observer_raises_stops_the_export(company):
    """A ledger that cannot be written: nothing more is asked of Clari."""

    def check(kind: type[ExportEvent]) -> None:
        def observe(event: ExportEvent) -> None:
            if isinstance(event, kind):
                raise OSError("no ledger")

        tab = company.tab()
        (error,) = company.runner(observe=observe).export(request_for(tab))
        assert isinstance(error, OSError)
        assert len(posts(company.sandbox, tab)) == (0 if kind is Submitting else 1)
        polled = [seen for seen in company.sandbox.requests if seen.method == "GET" and "/jobs/" in seen.path]
        assert len(polled) == {Submitting: 0, Submitted: 0, Polled: 1}.get(kind, len(polled))

    try_each((Submitting, Submitted, Polled, Completed), check)


# States


def test_a_job_ends_in_each_word_that_says_so(company):
    """An error in place of a state is asked again: it says nothing of the job."""
    nested = answer(b'{"job": {"error": {"message": "m"}, "jobId": "x"}}')
    cases = {
        "FAILED": ([status("SCHEDULED"), status("STARTED")], ExportJobFailed),
        "CANCELLED": ([status("SCHEDULED"), status("STARTED")], ExportCancelled),
        "ABORTED": ([status("SCHEDULED"), status("STARTED")], ExportCancelled),
        "DONE": ([status("STARTED")], JobState.DONE),
        "COMPLETED": ([status("STARTED")], JobState.DONE),
        "done": (["envelope", nested, status("STARTED"), *MIXED], JobState.DONE),
    }

    def check(word: str) -> None:
        before, expected = cases[word]
        tab = company.tab()
        company.sandbox.fail_next("status", [*before, status(word)])
        runner, came = company.exported(request_for(tab))
        job = came if isinstance(expected, JobState) else came.job
        assert (job.status, runner.emitted(Completed)[0].job.status) == (word, word)
        states = ["SCHEDULED", "STARTED"] if len(before) == 2 else ["STARTED"]
        assert [event.status for event in runner.emitted(Polled)] == [*states, word]
        if isinstance(expected, JobState):
            assert came.state is expected
        else:
            assert type(came) is expected
            assert "job x " in str(came)
            assert "run again" in str(came)
        assert len(posts(company.sandbox, tab)) == len(jobs_of(company.sandbox, tab)) == 1

    try_each(cases, check)


def test_an_error_in_place_of_every_state_is_the_jobs_failure_in_claris_words(company):
    """And is not waited for until its timeout."""
    said = "The report could not be generated."
    cases = {
        "enveloped": "envelope",
        "nested": answer(
            f'{{"data": [{{"response": {{"errors": {{"errorId": "e1", "detail": "{said}"}}}}}}]}}'.encode()
        ),
        "with a status": answer(f'{{"status": 500, "message": "{said}"}}'.encode()),
    }

    def check(case: str) -> None:
        tab = company.tab()
        company.sandbox.fail_next("status", [cases[case]] * 60)
        _, came = company.exported(request_for(tab))
        assert isinstance(came, ErrorAsAnswer)
        assert f"Clari answered 200: {said}" in str(came)
        assert ("error id" in str(came)) == (case != "with a status")

    try_each(cases, check)


def test_a_word_that_nobody_knows_is_polled_on_until_the_timeout_and_named(company):
    tab = company.tab()
    company.sandbox.fail_next("status", [answer(b'{"jobId": "x", "status": "PAUSED", "message": "Patience"}')] * 3)
    runner, job = company.exported(request_for(tab))
    assert job.state is JobState.DONE
    assert [polled.is_known for polled in runner.emitted(Polled)[:4]] == [False] * 3 + [True]
    tab = company.tab()
    company.sandbox.fail_next("status", [status("PAUSED")] * 100)
    _, error = company.exported(request_for(tab), export_timeout_s=3)
    assert isinstance(error, ExportTimedOut)
    assert "last state PAUSED" in str(error)


def test_a_sandbox_of_each_kind_is_understood(own_company):
    for scenario in ("unknown_state", "completed_word", "bare_jobs", "rate_limited"):
        _, job = own_company(scenario).exported(request_for())
        assert job.state is JobState.DONE, scenario


def test_one_export_that_fails_leaves_the_others_alone(own_company):
    _, (failed, *others) = own_company("failed").all_quarters(3)
    assert isinstance(failed, ExportJobFailed)
    assert [job.state for job in others] == [JobState.DONE] * 2


# Jobs that cannot be seen


def test_stray_404s_do_not_give_a_job_up_that_clari_lists(company):
    """Neither one that has just been accepted nor one of a run that died long ago."""

    def check(strays: int) -> None:
        tab = company.tab()
        _, done = company.exported(request_for(tab))
        company.sandbox.fail_next("status", ["404"] * strays)
        left_behind = LeftBehind(done.job_id, company.clock.now() - HOUR)
        (job,) = company.runner(export_timeout_s=7200).export(request_for(tab), left_behind=left_behind)
        assert job.job_id == done.job_id
        assert len(posts(company.sandbox, tab)) == 1

    try_each((2, 5), check)


def test_a_job_without_a_status_is_as_the_list_shows_it(company):
    tab = company.tab("hidden_jobs")
    runner, job = company.exported(request_for(tab))
    assert (job.state, jobs_of(company.sandbox, tab)) == (JobState.DONE, [job.job_id])
    assert runner.emitted(Polled)[-1].status == "DONE"


def test_the_export_timeout_ends_a_job_that_cannot_be_seen(company):
    """Whether the list shows it still running, or cannot be had."""

    def check(lists: list[str]) -> None:
        tab = company.tab("hung")
        company.sandbox.fail_next("status", ["404"] * 30)
        company.sandbox.fail_next("jobs", lists)
        runner, error = company.exported(request_for(tab), export_timeout_s=10)
        assert isinstance(error, ExportTimedOut)
        assert runner.emitted(Completed)[0].wait_seconds == pytest.approx(10)
        assert [job.status for job in company.sandbox.jobs if job.forecast_id == tab] == ["ABORTED"]

    try_each(([], ["400"] * 30), check)


def test_a_job_that_this_key_may_not_see_is_given_up_though_it_is_listed(company):
    """Another key has made it: no timeout is waited for, and nothing of theirs is cancelled."""
    tab = company.tab("hung")
    left_behind = LeftBehind(company.queued(tab), company.clock.now() - timedelta(minutes=1))
    company.sandbox.fail_next("status", ["403"] * 30)
    (error,) = company.runner().export(request_for(tab), left_behind=left_behind)
    assert isinstance(error, JobForgotten)
    assert sum(company.clock.slept) < 10
    assert [seen.method for seen in company.sandbox.requests if seen.method != "GET"] == ["POST"]


# Waiting for the job


def test_the_rest_of_a_jobs_time_is_waited_out_in_one_step(own_company):
    """A clock that began long ago cannot tell the last fraction of a second: it was polled for without a pause."""
    company = own_company("hung")
    company.clock.passed = timedelta(seconds=1000.1)
    runner, error = company.exported(request_for(), export_timeout_s=300)
    assert isinstance(error, ExportTimedOut)
    assert len(runner.emitted(Polled)) < 60


def test_a_poll_waits_a_tenth_of_the_time_since_acceptance(own_company):
    """At least the interval, at most half a minute, never beyond the timeout."""

    def check(case: tuple[float, float]) -> None:
        interval, timeout = case
        company = own_company("hung")
        runner, error = company.exported(request_for(), poll_interval_s=interval, export_timeout_s=timeout)
        assert isinstance(error, ExportTimedOut)
        accepted = runner.emitted(Submitted)[0].at
        expected, elapsed = [], 0.0
        while elapsed < timeout - 1e-6:
            expected.append(min(max(elapsed / 10, interval), 30, timeout - elapsed))
            elapsed += expected[-1]
        # Floating-point dust at the very end is no wait.
        assert [wait for wait in waits(runner, "poll") if wait > 1e-5] == pytest.approx(expected, abs=1e-4)
        assert (runner.emitted(Completed)[0].at - accepted).total_seconds() == pytest.approx(timeout, abs=1e-4)
        assert all(event.seconds <= 30 for event in runner.emitted(Waited))
        assert re.search(rf"not done after {timeout:.0f} s \(last state (SCHEDULED|STARTED)\)", str(error))
        assert "CLARI_EXPORT_TIMEOUT_S" in str(error)

    try_each([(1, 600), (2.5, 900), (30, 400), (0.5, 0.7), (1, 1000.25)], check)


def test_the_timeout_begins_with_the_acceptance(own_company):
    """Waiting for a free slot and looking for a lost answer do not count."""
    company = own_company("hung")
    company.sandbox.fail_next("submit", ["quota"] * 6 + ["500"] * 3)
    runner, error = company.exported(request_for(), export_timeout_s=20)
    assert isinstance(error, ExportTimedOut)
    accepted, done = runner.emitted(Submitted)[0].at, runner.emitted(Completed)[0]
    assert (accepted - NOW).total_seconds() > 9
    assert (done.at - accepted).total_seconds() == pytest.approx(20)
    assert done.wait_seconds == pytest.approx(20)


def test_a_job_taken_up_again_times_out_from_its_first_acceptance(company):
    tab = company.tab("hung")
    left_behind = LeftBehind(company.queued(tab), company.clock.now() - timedelta(seconds=601))
    (error,) = company.runner().export(request_for(tab), left_behind=left_behind)
    assert isinstance(error, ExportTimedOut)
    assert "after 601 s" in str(error)
    assert [seen.method for seen in company.sandbox.requests] == ["POST", "GET", "PATCH", "GET"]


def test_a_job_that_is_done_in_the_last_moment_is_done(company):
    tab = company.tab()
    company.sandbox.fail_next("status", [status("STARTED")] * 3 + [status("DONE")])
    _, job = company.exported(request_for(tab), export_timeout_s=3)
    assert job.state is JobState.DONE


def test_an_export_that_is_called_off_stops_at_once(company):
    tab, events = company.tab("hung"), []

    async def stopped() -> None:
        is_polled = asyncio.Event()

        def observe(event: ExportEvent) -> None:
            events.append(event)
            if isinstance(event, Polled):
                is_polled.set()

        async with client_of(company.sandbox) as client:
            exporter = Exporter(client, clock=Clock(), poll_interval_s=0.01, observe=observe)
            export = asyncio.create_task(exporter.make(export_of(request_for(tab))))
            await is_polled.wait()
            export.cancel()
            with pytest.raises(asyncio.CancelledError):
                await export

    asyncio.run(stopped())
    assert Completed not in {type(event) for event in events}


def test_a_wait_that_passes_the_jobs_own_time_is_not_begun(company):
    """The job is left to the next sync, which asks no sooner than Clari wants."""
    tab = company.tab("hung")
    company.sandbox.fail_next("status", ["429:0.01", "429:100"])
    client = {"retry": Retry(QUICK.attempts, QUICK.first_wait_s, QUICK.max_wait_s, longest_s=3600)}
    runner, error = company.exported(request_for(tab), export_timeout_s=90, client=client)
    assert isinstance(error, RateLimited)
    assert not runner.emitted(Cancelled)


def test_a_clock_that_is_set_ends_no_job_and_no_wait_for_a_slot_early_or_late(company):
    def exported(
        by: timedelta, kind: type[ExportEvent], tab: str, **settings: object
    ) -> tuple[list[ExportEvent], object]:
        """The events and the outcome, where the clock is set after the third event of a kind."""
        events: list[ExportEvent] = []

        def observe(event: ExportEvent) -> None:
            events.append(event)
            if isinstance(event, kind) and sum(isinstance(one, kind) for one in events) == 3:
                company.clock.moment += by

        (came,) = company.runner(observe=observe, **settings).export(request_for(tab))
        return events, came

    def check(by: timedelta) -> None:
        events, error = exported(by, Polled, company.tab("hung"), export_timeout_s=10)
        assert isinstance(error, ExportTimedOut)
        waited = [event.wait_seconds for event in events if isinstance(event, Cancelled | Completed)]
        assert waited == [pytest.approx(10), pytest.approx(10)]
        tab = company.tab()
        company.sandbox.fail_next("submit", ["quota"] * 40)
        _, error = exported(by, Waited, tab, slot_timeout_s=20)
        assert isinstance(error, NoSlot)
        assert 20 <= sum(company.clock.slept) < 25

    try_each((HOUR, -HOUR), check)


# Slots and quota


def overlap(runner: Runner) -> int:
    """How many exports ran at once, by the events."""
    running, most = 0, 0
    for event in runner.events:
        running += isinstance(event, Submitted) - isinstance(event, Completed)
        most = max(most, running)
    return most


def test_exports_never_exceed_what_clari_leaves_free(own_company):
    def check(case: tuple[int, int, int | None, int]) -> None:
        limit, taken, own, most = case
        company = own_company("hung", concurrent_limit=limit)
        for _ in range(taken):
            company.queued("new_business")
        company.sandbox.scenario = "calm"
        runner, jobs = company.all_quarters(max_concurrent=own)
        assert all(job.state is JobState.DONE for job in jobs)
        # One that exceeded them would have been refused and asked for again.
        assert len(posts(company.sandbox, "total_new")) == len(QUARTERS)
        assert min(most, 2) <= overlap(runner) <= most

    try_each([(3, 0, None, 3), (3, 2, None, 1), (5, 2, 2, 2), (2, 0, 9, 2)], check)


def test_where_limits_cannot_be_had_one_runs_at_a_time(own_company):
    """Nor where they may not be seen: the key is good for exports all the same."""

    def check(faults: list[str]) -> None:
        company = own_company(concurrent_limit=1 if len(faults) == 1 else 3)
        company.sandbox.fail_next("limits", faults)
        runner, jobs = company.all_quarters(3, client={"retry": Retry(2, 0.001, 0.001)})
        assert [job.state for job in jobs] == [JobState.DONE] * 3
        assert overlap(runner) == 1

    try_each([["500"] * 2, ["403"], ["404"]], check)


def test_a_refused_key_is_not_taken_for_unknown_limits(own_company):
    company = own_company()
    company.sandbox.fail_next("limits", ["401"] * 2)
    _, error = company.exported(request_for())
    assert isinstance(error, AuthFailed)
    assert not posts(company.sandbox)


def test_somebody_elses_exports_are_waited_for(own_company):
    company = own_company("no_slots")
    runner, job = company.exported(request_for())
    assert job.state is JobState.DONE
    slots = waits(runner, "slot")
    assert slots
    assert all(1 <= wait <= 5 for wait in slots)
    assert all(later >= earlier for earlier, later in pairwise(slots))
    assert len(posts(company.sandbox)) == 1


def test_a_slot_that_is_taken_between_question_and_export_is_waited_for(company):
    tab = company.tab()
    company.sandbox.fail_next("submit", ["quota", "quota"])
    runner, job = company.exported(request_for(tab))
    assert job.state is JobState.DONE
    assert len(posts(company.sandbox)) == len(runner.emitted(Submitting)) == 3
    assert len(waits(runner, "slot")) == 2


def test_no_slot_is_said_after_the_time_set_by_all_exports_at_once(own_company):
    """Three exports that wait for the same slot wait one time, not three."""
    company = own_company("hung", concurrent_limit=1)
    company.queued("total_new")
    company.sandbox.requests.clear()
    _, errors = company.all_quarters(3, slot_timeout_s=120)
    assert [type(error) for error in errors] == [NoSlot] * 3
    assert 120 <= sum(company.clock.slept) < 126
    assert "(1 at once are allowed)" in str(errors[0])
    assert "CLARI_SLOT_TIMEOUT_S" in str(errors[0])
    assert not posts(company.sandbox)


def test_a_slot_that_is_refused_for_ever_is_given_up_whatever_limits_say(own_company):
    """Where they promise one, cannot be had, or may not be seen; three wait one time, and ask not at every turn."""

    def check(case: tuple[list[str], int, int, int, int]) -> None:
        limits, exports, timeout, most_slept, most_asked = case
        company = own_company()
        company.sandbox.fail_next("submit", ["quota"] * 2000)
        company.sandbox.fail_next("limits", limits)
        _, errors = company.all_quarters(exports, slot_timeout_s=timeout, client={"retry": Retry(1)})
        assert [type(error) for error in errors] == [NoSlot] * exports
        assert all("None" not in str(error) for error in errors)
        assert timeout <= sum(company.clock.slept) < most_slept
        assert len(posts(company.sandbox)) < most_asked

    unseen = ["403"] * 2000
    try_each([([], 1, 300, 310, 120), (["500"] * 400, 1, 300, 310, 120), (unseen, 3, 1800, 1900, 150)], check)


def test_a_quota_that_is_used_up_is_said_at_once(own_company):
    company = own_company("no_quota", monthly_quota=30)
    _, error = company.exported(request_for())
    assert isinstance(error, QuotaExhausted)
    assert "30 of 30" in str(error)
    assert "rolling 30 days" in str(error)
    assert company.clock.slept == []
    assert not posts(company.sandbox)


def test_a_quota_that_runs_out_on_the_way_fails_the_rest_only(own_company):
    runner, results = own_company(monthly_quota=2).all_quarters(4)
    assert [isinstance(result, QuotaExhausted) for result in results] == [False, False, True, True]
    assert "2 of 2" in str(results[-1])
    assert not waits(runner, "slot")


# What is refused


def test_what_cannot_be_exported_is_refused_by_name_and_asked_once(company):
    company.tab()
    _, unknown = company.exported(request_for("nonesuch"))
    assert isinstance(unknown, UnknownForecast)
    assert "nonesuch" in str(unknown)
    assert len(posts(company.sandbox)) == 1


def test_an_export_is_repeated_without_the_types_that_are_refused(own_company):
    """And those after it do not ask for them at all. Where none is left, it is an error that names the setting."""
    granted = ["forecast", "forecast_updated", "quota", "adjustment"]
    for scenario in ("type_refused", "type_refused_unnamed"):
        company = own_company(scenario)
        runner, jobs = company.all_quarters(3, at_once=False)
        assert all(job.state is JobState.DONE for job in jobs)
        assert [seen.body["typesToExport"] for seen in posts(company.sandbox)] == [list(TYPES), *[granted] * 3]
        assert [event.types for event in runner.emitted(TypesRefused)] == [("crm_total", "crm_closed")] * 3
    company = own_company("type_refused")
    _, error = company.exported(request_for(types=("crm_closed", "crm_total")))
    assert isinstance(error, TypeNotSupported)
    assert "CLARI_TYPES_TO_EXPORT" in str(error)
    assert len(posts(company.sandbox)) == 1


def test_the_refused_types_are_read_out_of_what_clari_says_and_remembered(company):
    def refusal(message: str, code: str = "type_not_supported") -> Fault:
        return answer(json.dumps({"code": code, "message": message}).encode(), 400)

    crm = {"crm_closed", "crm_total"}
    cases = {
        "listed": ([refusal("Not supported here: crm_total, crm_closed.")], crm),
        "in words": ([refusal("CRM Totals are not for you. The Forecast API has quota.")], {"crm_total"}),
        "unnamed": ([refusal("Some of these are not for you")], crm),
        "another code": (
            [refusal('These typesToExport values are invalid: ["forecast_updated"]', "bad_request")],
            {"forecast_updated"},
        ),
        "bare": ([refusal("typesToExport: adjustment is invalid", "bad_request")], {"adjustment"}),
        "one after the other": ([refusal(f"{kind} is not supported") for kind in ("crm_total", "crm_closed")], crm),
    }

    def check(case: str) -> None:
        faults, refused = cases[case]
        tab = company.tab()
        company.sandbox.fail_next("submit", faults)
        runner, job = company.exported(request_for(tab))
        assert job.state is JobState.DONE
        events = runner.emitted(TypesRefused)
        assert len(events) == len(faults)
        assert set(events[-1].types) == refused
        assert set(events[-1].types_left) == set(TYPES) - refused

    try_each(cases, check)
