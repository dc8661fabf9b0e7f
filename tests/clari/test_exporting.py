"""Export jobs from the asking to their end, against a sandbox over HTTP and a clock that a wait advances."""

import asyncio
import json
import re
from datetime import timedelta
from itertools import pairwise

import httpx
import pytest

from clari_pipeline.clari import (
    Adopted,
    AnswerLost,
    AuthFailed,
    ClariUnreachable,
    Clock,
    Completed,
    ExportCancelled,
    Exporter,
    ExportJobFailed,
    ExportTimedOut,
    JobState,
    LeftBehind,
    NoSlot,
    Polled,
    QuotaExhausted,
    Retry,
    Submitted,
    Submitting,
    TypeNotSupported,
    TypesRefused,
    UnknownForecast,
    Waited,
)
from clari_pipeline.sandbox import Fault, Sandbox
from tests.clari.conftest import (
    CURRENT,
    NEWEST_PAST,
    NOW,
    TYPES,
    Runner,
    TurnedClock,
    client_of,
    export_of,
    exported,
    jobs_of,
    posts,
    request_for,
)


def status(word: str) -> Fault:
    return Fault("answer", 200, {}, json.dumps({"job": {"jobId": "x", "status": word}}).encode())


def waits(runner: Runner, reason: str) -> list[float]:
    return [event.seconds for event in runner.emitted(Waited) if event.reason == reason]


# The ordinary way


def test_an_export_is_told_step_by_step(sandbox, tab):
    runner, job = exported(sandbox, request_for(tab))
    assert job.state is JobState.DONE
    kinds = [type(event) for event in runner.events]
    assert kinds[:2] == [Submitting, Submitted]
    assert kinds[-2:] == [Polled, Completed]
    assert {*kinds[2:-1]} <= {Polled, Waited}
    assert [event.poll_count for event in runner.emitted(Polled)] == list(range(1, len(runner.emitted(Polled)) + 1))
    (done,) = runner.emitted(Completed)
    assert (done.job, done.poll_count) == (job, len(runner.emitted(Polled)))
    assert done.wait_seconds == (done.at - runner.emitted(Submitted)[0].at).total_seconds()
    assert jobs_of(sandbox, tab) == [job.job_id]


def test_submitting_is_told_before_clari_is_asked(sandbox, tab):
    asked_before = []

    def observe(event: object) -> None:
        if isinstance(event, Submitting):
            asked_before.append(len(posts(sandbox, tab)))

    Runner(sandbox, observe=observe).export(request_for(tab))
    assert asked_before == [0]
    assert len(posts(sandbox, tab)) == 1


@pytest.mark.parametrize("kind", [Submitting, Submitted, Polled, Completed])
def test_what_an_observer_raises_stops_the_export(sandbox, tab, kind):
    """A ledger that cannot be written: nothing more is asked of Clari."""

    def observe(event: object) -> None:
        if isinstance(event, kind):
            raise OSError("no ledger")

    (error,) = Runner(sandbox, observe=observe).export(request_for(tab))
    assert isinstance(error, OSError)
    assert len(posts(sandbox, tab)) == (0 if kind is Submitting else 1)
    polled = [seen for seen in sandbox.requests if seen.method == "GET" and "/jobs/" in seen.path]
    assert len(polled) == {Submitting: 0, Submitted: 0, Polled: 1}.get(kind, len(polled))


@pytest.mark.parametrize("count", [2, 5])
def test_stray_404s_do_not_give_a_job_up_that_clari_lists(sandbox, tab, count):
    """Neither one that has just been accepted nor one of a run that died long ago."""
    _, done = exported(sandbox, request_for(tab))
    sandbox.fail_next("status", ["404"] * count)
    (job,) = Runner(sandbox).export(request_for(tab), left_behind=LeftBehind(done.job_id, NOW - timedelta(hours=1)))
    assert job.job_id == done.job_id
    assert len(posts(sandbox, tab)) == 1


# States


@pytest.mark.parametrize(
    ("word", "kind"), [("FAILED", ExportJobFailed), ("CANCELLED", ExportCancelled), ("ABORTED", ExportCancelled)]
)
def test_a_job_that_ends_badly_is_named(sandbox, tab, word, kind):
    sandbox.fail_next("status", [status("SCHEDULED"), status("STARTED"), status(word)])
    runner, error = exported(sandbox, request_for(tab))
    assert type(error) is kind
    assert error.job.status == word
    assert "job x " in str(error)
    assert "run again" in str(error)
    assert [event.status for event in runner.emitted(Polled)] == ["SCHEDULED", "STARTED", word]
    assert runner.emitted(Completed)[0].job.status == word


@pytest.mark.parametrize("word", ["DONE", "COMPLETED", "done"])
def test_a_job_that_is_done_is_done_in_each_word(sandbox, tab, word):
    sandbox.fail_next("status", [status("STARTED"), status(word)])
    runner, job = exported(sandbox, request_for(tab))
    assert (job.state, job.status) == (JobState.DONE, word)
    assert len(runner.emitted(Polled)) == 2


@pytest.mark.parametrize("scenario", ["unknown_state", "completed_word", "bare_jobs", "failed", "rate_limited"])
def test_a_sandbox_of_that_kind_is_understood(sandbox, scenario):
    sandbox.scenario = scenario
    _, job = exported(sandbox, request_for())
    if scenario == "failed":
        assert isinstance(job, ExportJobFailed)
    else:
        assert job.state is JobState.DONE


def test_an_unknown_word_keeps_polling_until_the_timeout_and_is_said(sandbox, tab):
    sandbox.fail_next("status", [status("QUEUED_FOR_RETRY")] * 5)
    _, job = exported(sandbox, request_for(tab))
    assert job.state is JobState.DONE
    with Sandbox(now=lambda: NOW, job_seconds=0.02, people=6) as paused:
        paused.fail_next("status", [status("PAUSED")] * 100)
        (error,) = Runner(paused, export_timeout_s=3, poll_interval_s=1).export(request_for())
    assert isinstance(error, ExportTimedOut)
    assert "last state PAUSED" in str(error)


# Waiting for the job


def test_the_rest_of_a_jobs_time_is_waited_out_in_one_step(own_sandbox):
    """A clock that began long ago cannot tell the last fraction of a second: it was polled for without a pause."""
    runner = Runner(own_sandbox("hung"), poll_interval_s=1, export_timeout_s=300)
    runner.clock.passed = timedelta(seconds=1000.1)
    (error,) = runner.export(request_for())
    assert isinstance(error, ExportTimedOut)
    assert len(runner.emitted(Polled)) < 60


@pytest.mark.parametrize(("interval", "timeout"), [(1, 600), (2.5, 900), (30, 400), (0.5, 0.7), (1, 1000.25)])
def test_a_poll_waits_a_tenth_of_the_time_since_acceptance(own_sandbox, interval, timeout):
    """At least the interval, at most half a minute, never beyond the timeout."""
    runner, error = exported(own_sandbox("hung"), request_for(), poll_interval_s=interval, export_timeout_s=timeout)
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


def test_the_timeout_begins_with_the_acceptance(own_sandbox):
    """Waiting for a free slot and looking for a lost answer do not count."""
    sandbox = own_sandbox("hung")
    sandbox.fail_next("submit", ["quota"] * 6 + ["500"] * 3)
    runner, error = exported(sandbox, request_for(), export_timeout_s=20)
    assert isinstance(error, ExportTimedOut)
    accepted, done = runner.emitted(Submitted)[0].at, runner.emitted(Completed)[0]
    assert (accepted - NOW).total_seconds() > 9
    assert (done.at - accepted).total_seconds() == pytest.approx(20)
    assert done.wait_seconds == pytest.approx(20)


def test_a_job_taken_up_again_times_out_from_its_first_acceptance(own_sandbox):
    sandbox = own_sandbox("hung")

    async def wait() -> None:
        async with client_of(sandbox) as client:
            job_id = await client.submit_export(request_for())
            exporter = Exporter(client, clock=TurnedClock(), export_timeout_s=600)
            await exporter.make(export_of(request_for(), left_behind=LeftBehind(job_id, NOW - timedelta(seconds=601))))

    with pytest.raises(ExportTimedOut, match="after 601 s"):
        asyncio.run(wait())
    assert [seen.method for seen in sandbox.requests] == ["POST", "GET", "PATCH", "GET"]


@pytest.mark.parametrize(
    ("faults", "settings"),
    [
        ([status("STARTED")] * 3 + [status("DONE")], {"poll_interval_s": 1, "export_timeout_s": 3}),
        (["429", "500", "502", "reset", "503", "garbage", "cut", "504"], {}),
    ],
    ids=["done in the last moment", "eight failures in a row"],
)
def test_polling_goes_on_until_the_job_is_done(sandbox, tab, faults, settings):
    sandbox.fail_next("status", faults)
    (job,) = Runner(sandbox, **settings).export(request_for(tab))
    assert job.state is JobState.DONE


def test_an_export_that_is_called_off_stops_at_once(own_sandbox):
    sandbox = own_sandbox("hung")
    runner = Runner(sandbox, clock=Clock(), poll_interval_s=0.01)

    async def stopped() -> None:
        async with client_of(sandbox) as client:
            exporter = Exporter(client, poll_interval_s=0.01, observe=runner.events.append)
            await asyncio.wait_for(exporter.make(export_of(request_for())), 0.4)

    with pytest.raises(TimeoutError):
        asyncio.run(stopped())
    assert runner.emitted(Polled)
    assert not runner.emitted(Completed)


# An answer that is lost


@pytest.mark.parametrize("fault", ["lost", "cut"])
def test_a_job_whose_answer_was_lost_is_adopted(sandbox, tab, fault):
    sandbox.fail_next("submit", [fault])
    runner, job = exported(sandbox, request_for(tab))
    assert jobs_of(sandbox, tab) == [job.job_id] == [event.job_id for event in runner.emitted(Adopted)]
    assert len(posts(sandbox, tab)) == 1
    assert not runner.emitted(Submitted)


@pytest.mark.parametrize("fault", ["500", "502", "503", "garbage", "reset"])
def test_an_answer_that_told_of_no_job_is_looked_for_and_asked_again(sandbox, tab, fault):
    sandbox.fail_next("submit", [fault])
    runner, job = exported(sandbox, request_for(tab))
    assert jobs_of(sandbox, tab) == [job.job_id]
    calls = [(seen.method, seen.path.rsplit("/", 1)[-1]) for seen in sandbox.requests]
    first, second = (place for place, asked in enumerate(calls) if asked == ("POST", tab))
    assert ("GET", "jobs") in calls[first:second]
    assert len(runner.emitted(Submitting)) == 2


@pytest.mark.parametrize(
    "faults",
    [
        ["429", "500", "502", "reset", "503", "garbage", "429", "504"],
        ["429", "500", "502", "reset", "503", "garbage", "429", "lost"],
        ["quota", "reset", "429", "502", "quota", "500", "429", "cut"],
    ],
)
def test_eight_mixed_failures_leave_exactly_one_job(sandbox, tab, faults):
    sandbox.fail_next("submit", faults)
    _, job = exported(sandbox, request_for(tab))
    assert jobs_of(sandbox, tab) == [job.job_id]
    assert len(posts(sandbox, tab)) == len(faults) + (faults[-1] not in {"lost", "cut"})


def test_a_job_that_is_listed_late_is_found(sandbox, tab):
    sandbox.fail_next("submit", ["lost"])
    sandbox.fail_next("jobs", [Fault("answer", 200, {}, b"[]")] * 2)
    _, job = exported(sandbox, request_for(tab))
    assert jobs_of(sandbox, tab) == [job.job_id]
    assert len(posts(sandbox, tab)) == 1


def test_an_answer_that_takes_too_long_is_found_too(sandbox, tab):
    """Clari queues the job after the client has given up."""
    sandbox.fail_next("submit", ["hang:0.2"])
    runner = Runner(sandbox, clock=Clock(), poll_interval_s=0.01, client={"request_timeout_s": 0.1})
    sandbox.now = Clock().now
    (job,) = runner.export(request_for(tab))
    assert jobs_of(sandbox, tab) == [job.job_id]


def test_a_lost_job_that_takes_up_the_last_slot_is_found_when_clari_refuses(own_sandbox):
    sandbox = own_sandbox("hung", concurrent_limit=1)
    sandbox.fail_next("submit", ["lost"])
    sandbox.fail_next("jobs", [Fault("answer", 200, {}, b"[]")] * 11)  # as often as it is looked for
    runner, error = exported(sandbox, request_for(), export_timeout_s=5)
    assert isinstance(error, ExportTimedOut)
    assert jobs_of(sandbox, "total_new") == [error.job.job_id] == [event.job_id for event in runner.emitted(Adopted)]
    assert len(posts(sandbox)) == 2


def test_jobs_that_are_somebody_elses_are_not_adopted(sandbox, tab):
    _, known = exported(sandbox, request_for(tab))
    sandbox.fail_next("submit", ["reset"])

    async def known_jobs() -> set[str]:
        return {known.job_id}

    (job,) = Runner(sandbox, known_jobs=known_jobs).export(request_for(tab))
    assert job.job_id != known.job_id
    assert set(jobs_of(sandbox, tab)) == {job.job_id, known.job_id}


def test_a_job_of_the_same_exporter_is_not_adopted_again(sandbox, tab):
    sandbox.fail_next("submit", ["none", "reset", "none", "lost"])
    jobs = Runner(sandbox).export(*[request_for(tab)] * 3, at_once=False)
    assert len({job.job_id for job in jobs}) == 3
    assert sorted(job.job_id for job in jobs) == sorted(jobs_of(sandbox, tab))


def test_an_earlier_job_is_not_adopted(sandbox, tab):
    sandbox.now = lambda: NOW - timedelta(minutes=10)
    _, earlier = exported(sandbox, request_for(tab))
    sandbox.now = lambda: NOW
    sandbox.fail_next("submit", ["reset"])
    runner, job = exported(sandbox, request_for(tab))
    assert job.job_id != earlier.job_id
    assert not runner.emitted(Adopted)


def test_a_job_of_another_quarter_is_not_adopted(sandbox, tab):
    sandbox.serve(tab, NEWEST_PAST, b"{}")
    (other,) = Runner(sandbox).export(request_for(tab, NEWEST_PAST))
    sandbox.fail_next("submit", ["lost"])
    _, job = exported(sandbox, request_for(tab))
    assert job.job_id != other.job_id
    assert len(jobs_of(sandbox, tab)) == 2


def test_two_lost_answers_at_once_are_two_jobs(sandbox, tab):
    sandbox.serve(tab, NEWEST_PAST, b"{}")
    sandbox.fail_next("submit", ["lost"] * 2)
    jobs = Runner(sandbox).export(request_for(tab), request_for(tab, NEWEST_PAST))
    assert sorted(jobs_of(sandbox, tab)) == sorted({job.job_id for job in jobs})
    assert len(posts(sandbox, tab)) == 2


def test_answers_that_are_lost_for_ever_are_given_up(own_sandbox):
    sandbox = own_sandbox()
    sandbox.fail_next("submit", ["500"] * 50)
    runner, error = exported(sandbox, request_for())
    assert isinstance(error, AnswerLost)
    assert "An unexpected error occurred." in str(error)
    assert len(posts(sandbox)) == 4
    assert max(runner.clock.slept) <= 5
    assert sum(runner.clock.slept) < 100


@pytest.mark.parametrize("limit", [1, 3])
def test_answers_to_all_exports_are_lost_for_ever(own_sandbox, limit):
    """Each is asked for once at least until a second one is given up, then none: all in less than two minutes."""
    sandbox = own_sandbox(concurrent_limit=limit)
    sandbox.fail_next("submit", ["500"] * 50)
    runner = Runner(sandbox, poll_interval_s=0.01)
    errors = runner.export(*(request_for(time_period=quarter) for quarter in QUARTERS))
    lost = [error for error in errors if isinstance(error, AnswerLost)]
    assert 2 <= len(lost) <= limit + 1
    assert all("not asked for, since Clari accepts none" in str(error) for error in errors if error not in lost)
    assert runner.clock.passed < timedelta(minutes=2)
    assert len({seen.path for seen in posts(sandbox)}) == 1
    (job,) = runner.export(request_for()) if not sandbox._faults["submit"].clear() else ()
    assert job.state is JobState.DONE


def test_answers_to_one_quarter_are_lost_for_ever_and_others_are_not(own_sandbox):
    sandbox = own_sandbox(concurrent_limit=1)
    sandbox.fail_next("submit", ["500"] * 4)
    first, *others = Runner(sandbox, poll_interval_s=0.01).export(*(request_for(time_period=q) for q in QUARTERS[:4]))
    assert isinstance(first, AnswerLost)
    assert [job.state for job in others] == [JobState.DONE] * 3


def test_nothing_is_asked_again_while_the_list_of_jobs_cannot_be_had(own_sandbox):
    sandbox = own_sandbox()
    sandbox.fail_next("submit", ["lost"])
    sandbox.fail_next("jobs", ["reset"] * 3)
    (error,) = Runner(sandbox, client={"retry": Retry(3, 0.001, 0.001)}).export(request_for())
    assert isinstance(error, ClariUnreachable)
    assert len(posts(sandbox)) == 1


# Slots and quota


def overlap(runner: Runner) -> int:
    """How many exports ran at once, by what was told of them."""
    running, most = 0, 0
    for event in runner.events:
        running += isinstance(event, Submitted) - isinstance(event, Completed)
        most = max(most, running)
    return most


QUARTERS = ["2026_Q4", "2026_Q3", "2026_Q2", "2026_Q1", "2025_Q4", "2025_Q3", "2025_Q2"]


@pytest.mark.parametrize(
    ("limit", "taken", "own", "most"), [(3, 0, None, 3), (3, 2, None, 1), (5, 2, 2, 2), (2, 0, 9, 2)]
)
def test_exports_never_exceed_what_clari_leaves_free(own_sandbox, limit, taken, own, most):
    sandbox = own_sandbox("hung", concurrent_limit=limit, job_seconds=0.15)
    with httpx.Client(base_url=sandbox.base_url, headers={"apikey": sandbox.api_key}) as http:
        for _ in range(taken):
            http.post("/export/forecast/new_business", json={})
    sandbox.scenario = "calm"
    runner = Runner(sandbox, max_concurrent=own)
    jobs = runner.export(*(request_for(time_period=quarter) for quarter in QUARTERS))
    assert all(job.state is JobState.DONE for job in jobs)
    # One that exceeded them would have been refused and asked for again.
    assert len(posts(sandbox, "total_new")) == len(QUARTERS)
    assert min(most, 2) <= overlap(runner) <= most


def test_where_limits_cannot_be_had_one_runs_at_a_time(own_sandbox):
    sandbox = own_sandbox()
    sandbox.fail_next("limits", ["500"] * 2)
    runner = Runner(sandbox, client={"retry": Retry(2, 0.001, 0.001)})
    jobs = runner.export(*(request_for(time_period=quarter) for quarter in QUARTERS[:3]))
    assert all(job.state is JobState.DONE for job in jobs)
    assert overlap(runner) == 1


def test_a_refused_key_is_not_taken_for_unknown_limits(own_sandbox):
    sandbox = own_sandbox()
    sandbox.fail_next("limits", ["401"])
    _, error = exported(sandbox, request_for())
    assert isinstance(error, AuthFailed)
    assert not posts(sandbox)


def test_somebody_elses_exports_are_waited_for(own_sandbox):
    sandbox = own_sandbox("no_slots", job_seconds=0.15)
    runner, job = exported(sandbox, request_for(), slot_timeout_s=1e9)
    assert job.state is JobState.DONE
    slots = waits(runner, "slot")
    assert slots
    assert all(1 <= wait <= 5 for wait in slots)
    assert all(later >= earlier for earlier, later in pairwise(slots))
    assert len(posts(sandbox)) == 1


def test_a_slot_that_is_taken_between_question_and_export_is_waited_for(own_sandbox):
    sandbox = own_sandbox()
    sandbox.fail_next("submit", ["quota", "quota"])
    runner, job = exported(sandbox, request_for())
    assert job.state is JobState.DONE
    assert len(posts(sandbox)) == 3
    assert len(waits(runner, "slot")) == 2
    assert len(runner.emitted(Submitting)) == 3


def test_no_slot_is_said_after_the_time_set_by_all_exports_at_once(own_sandbox):
    """Three exports that wait for the same slot wait one time, not three."""
    sandbox = own_sandbox("hung", concurrent_limit=1)
    httpx.post(f"{sandbox.base_url}/export/forecast/total_new", headers={"apikey": sandbox.api_key}, json={})
    sandbox.requests.clear()
    runner = Runner(sandbox, slot_timeout_s=120)
    errors = runner.export(*(request_for(time_period=quarter) for quarter in QUARTERS[:3]))
    assert [type(error) for error in errors] == [NoSlot] * 3
    assert 120 <= sum(runner.clock.slept) < 126
    assert "(1 at once are allowed)" in str(errors[0])
    assert "CLARI_SLOT_TIMEOUT_S" in str(errors[0])
    assert not posts(sandbox)


def test_exports_that_wait_in_line_where_limits_are_unknown_wait_one_time_not_three(own_sandbox):
    """And Clari is not asked at every turn."""
    sandbox = own_sandbox()
    sandbox.fail_next("submit", ["quota"] * 2000)
    sandbox.fail_next("limits", ["403"] * 2000)
    runner = Runner(sandbox, slot_timeout_s=1800)
    errors = runner.export(*(request_for(time_period=quarter) for quarter in QUARTERS[:3]))
    assert [type(error) for error in errors] == [NoSlot] * 3
    assert all("None" not in str(error) for error in errors)
    assert 1800 <= sum(runner.clock.slept) < 1900
    assert len(posts(sandbox)) < 150


@pytest.mark.parametrize("limits", [[], ["500"] * 400])
def test_limits_that_promise_a_slot_which_is_refused_do_not_wait_for_ever(own_sandbox, limits):
    sandbox = own_sandbox()
    sandbox.fail_next("submit", ["quota"] * 400)
    sandbox.fail_next("limits", limits)
    runner, error = exported(sandbox, request_for(), slot_timeout_s=300, client={"retry": Retry(1)})
    assert isinstance(error, NoSlot)
    assert 300 <= sum(runner.clock.slept) < 310
    assert len(posts(sandbox)) < 120


def test_a_quota_that_is_used_up_is_said_at_once(own_sandbox):
    sandbox = own_sandbox("no_quota", monthly_quota=30)
    runner, error = exported(sandbox, request_for())
    assert isinstance(error, QuotaExhausted)
    assert "30 of 30" in str(error)
    assert "rolling 30 days" in str(error)
    assert runner.clock.slept == []
    assert not posts(sandbox)


def test_a_quota_that_runs_out_on_the_way_fails_the_rest_only(own_sandbox):
    sandbox = own_sandbox(monthly_quota=2)
    runner = Runner(sandbox)
    results = runner.export(*(request_for(time_period=quarter) for quarter in QUARTERS[:4]))
    assert [isinstance(result, QuotaExhausted) for result in results] == [False, False, True, True]
    assert "2 of 2" in str(results[-1])
    assert not waits(runner, "slot")


def test_what_cannot_be_exported_is_refused_by_name_and_asked_once(own_sandbox):
    sandbox = own_sandbox()
    _, unknown = exported(sandbox, request_for("nonesuch"))
    assert isinstance(unknown, UnknownForecast)
    assert "nonesuch" in str(unknown)
    assert len(posts(sandbox)) == 1


# Types that are refused


@pytest.mark.parametrize("scenario", ["type_refused", "type_refused_unnamed"])
def test_an_export_is_repeated_without_the_types_that_are_refused(own_sandbox, scenario):
    """And those after it do not ask for them at all."""
    sandbox = own_sandbox(scenario)
    runner = Runner(sandbox)
    jobs = runner.export(*(request_for(time_period=quarter) for quarter in QUARTERS[:3]), at_once=False)
    assert all(job.state is JobState.DONE for job in jobs)
    granted = ["forecast", "forecast_updated", "quota", "adjustment"]
    assert [seen.body["typesToExport"] for seen in posts(sandbox)] == [list(TYPES), granted, granted, granted]
    assert [event.types for event in runner.emitted(TypesRefused)] == [("crm_total", "crm_closed")] * 3


def test_types_that_are_refused_one_after_the_other_are_all_remembered(sandbox, tab):
    for kind in ("crm_total", "crm_closed"):
        body = json.dumps({"code": "type_not_supported", "message": f"{kind} is not supported"}).encode()
        sandbox.fail_next("submit", [Fault("answer", 400, {}, body)])
    runner, job = exported(sandbox, request_for(tab))
    assert job.state is JobState.DONE
    told = runner.emitted(TypesRefused)[-1]
    assert set(told.types) == {"crm_total", "crm_closed"}
    assert set(told.types) | set(told.types_left) == set(TYPES)


def test_types_that_are_all_refused_are_an_error_that_names_the_setting(own_sandbox):
    sandbox = own_sandbox("type_refused")
    (error,) = Runner(sandbox).export(request_for(types=("crm_closed", "crm_total")))
    assert isinstance(error, TypeNotSupported)
    assert "CLARI_TYPES_TO_EXPORT" in str(error)
    assert len(posts(sandbox)) == 1


@pytest.mark.parametrize(
    ("code", "message", "refused"),
    [
        ("type_not_supported", "Not supported here: crm_total, crm_closed.", ("crm_closed", "crm_total")),
        ("type_not_supported", "CRM Totals are not for you. The Forecast API has quota.", ("crm_total",)),
        ("type_not_supported", "Some of these are not for you", ("crm_closed", "crm_total")),
        ("bad_request", 'These typesToExport values are invalid: ["forecast_updated"]', ("forecast_updated",)),
        ("bad_request", "typesToExport: adjustment is invalid", ("adjustment",)),
    ],
)
def test_the_refused_types_are_read_out_of_what_clari_says(sandbox, tab, code, message, refused):
    body = json.dumps({"code": code, "message": message}).encode()
    sandbox.fail_next("submit", [Fault("answer", 400, {}, body)])
    runner, job = exported(sandbox, request_for(tab))
    assert job.state is JobState.DONE
    assert [tuple(sorted(event.types)) for event in runner.emitted(TypesRefused)] == [refused]


def test_one_export_that_fails_leaves_the_others_alone(sandbox):
    sandbox.scenario = "failed"
    results = Runner(sandbox).export(*(request_for(time_period=q) for q in QUARTERS[:3]))
    assert isinstance(results[0], ExportJobFailed)
    assert all(job.state is JobState.DONE for job in results[1:])
    assert QUARTERS[0] == CURRENT
