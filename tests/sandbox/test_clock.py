"""Jobs and their list in time that passes when the test turns the clock, and where they are not what a client hopes."""

import threading
from datetime import timedelta
from email.utils import parsedate_to_datetime

import pytest

from clari_pipeline.sandbox.jobs import Job, JobBehaviour, JobStore
from tests.helpers.each_case import try_each
from tests.sandbox.conftest import CURRENT, NEWEST_PAST, NOW, Clock


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def turned(open_sandbox, clock):
    """A sandbox whose jobs take an hour of a clock that stands still until it is turned."""

    def opened(scenario="calm", **more):
        return open_sandbox(
            scenario, clock=clock, now=clock.now, write_at_once=True, job_seconds=3600, people=3, **more
        )

    return opened


def test_a_job_is_as_far_as_the_clock_says(turned, clock):
    """And delivers when it is at its end. It starts at the wall clock's time."""
    scenarios = {
        "calm": ("SCHEDULED", "STARTED", "DONE"),
        "unknown_state": ("SCHEDULED", "STARTED", "QUEUED_FOR_RETRY", "DONE"),
        "completed_word": ("SCHEDULED", "STARTED", "COMPLETED"),
        "slow": ("SCHEDULED", "STARTED", "DONE"),
    }

    def check(scenario):
        caller, states, began = turned(scenario), scenarios[scenario], clock.seconds
        job_id = caller.submit().json()["jobId"]
        phase = (36_000 if scenario == "slow" else 3600) / (len(states) - 1)
        for place, state in enumerate(states):
            for seconds in (place * phase, (place + 1) * phase - 1):
                clock.seconds = began + seconds
                assert caller.status(job_id)["status"] == state
            assert caller.results(job_id).status_code == (200 if state == states[-1] else 400)
        assert caller.status(job_id)["startTime"] == (NOW.timestamp() + began) * 1000

    try_each(scenarios, check)


def test_somebody_elses_exports_run_from_when_the_scenario_was_set(turned, clock):
    caller = turned()
    clock.seconds = 100_000
    caller.sandbox.scenario = "no_slots"
    limits = caller.http.get("/admin/limits").json()["jobs"]
    assert (limits["availableMonthlyQuota"], limits["availableConcurrentLimit"]) == (1000, 0)
    assert len(limits["runningJobIds"]) == 3
    clock.seconds = 100_000 + 5 * 3600 - 1
    assert caller.submit().json()["code"] == "export_monthly_quota_reached"
    clock.seconds += 1
    assert caller.submit().status_code == 200


def test_a_job_that_is_due_runs_until_its_document_is_written(clock):
    """The clock may be ahead of the thread that writes."""
    may_go_on = threading.Event()

    def chunks():
        assert may_go_on.wait(20)
        yield b"{}"

    book = JobStore(concurrent_limit=1, monthly_quota=1, clock=clock, write_at_once=False)
    book.open()
    job = book.add(Job("total_new", CURRENT, JobBehaviour(), NOW, seconds=1, clock=clock), chunks)
    clock.seconds = 1_000_000
    early = job.status, book.unfinished()
    may_go_on.set()
    assert job.result.result(20).size == 2
    assert (early, job.status, book.unfinished()) == (("STARTED", [job]), "DONE", [])
    book.close()


# The list of jobs


def jobs(caller, place="/export/jobs"):
    return caller.http.get(place).json()


def test_a_job_is_listed_twenty_seconds_late(turned, clock):
    caller = turned("late_list")
    caller.sandbox.job_seconds = 2
    job_id = caller.submit().json()["jobId"]
    clock.seconds = 19
    assert (jobs(caller), caller.status(job_id)["status"]) == ([], "DONE")
    clock.seconds = 20
    assert [job["jobId"] for job in jobs(caller)] == [job_id]


def test_the_list_comes_in_pages_that_link_to_each_other(open_sandbox):
    caller = open_sandbox("paged_list", people=1)
    made = [caller.submit(period).json()["jobId"] for period in (CURRENT, NEWEST_PAST)]
    first = jobs(caller)
    last = jobs(caller, first["nextLink"])
    assert [page["jobs"][0]["jobId"] for page in (last, first)] == made
    assert "nextLink" not in last


def test_somebody_elses_job_stands_beside_each_that_was_asked_for(open_sandbox):
    """Even if it was not made; its key may see it, and ours may not."""
    caller = open_sandbox("foreign_jobs", people=1)
    caller.sandbox.fail_next("submit", ["500"])
    caller.submit()
    (job,) = jobs(caller)
    assert f"_total_new_{CURRENT}" in job["fileName"]
    assert caller.http.get(f"/export/jobs/{job['jobId']}").status_code == 403
    assert not caller.sandbox.jobs


def test_a_job_that_the_list_shows_has_no_status(open_sandbox):
    caller = open_sandbox("hidden_jobs", people=1, job_seconds=0.001, write_at_once=True)
    job_id = caller.submit().json()["jobId"]
    assert caller.http.get(f"/export/jobs/{job_id}").status_code == 404
    assert [job["jobId"] for job in jobs(caller)] == [job_id]


def test_clari_says_what_time_it_is_there(open_sandbox):
    for scenario, ahead in (("calm", timedelta()), ("clock_apart", timedelta(hours=-1))):
        caller = open_sandbox(scenario, people=1)
        answer = caller.submit()
        assert parsedate_to_datetime(answer.headers["date"]) == NOW + ahead
        assert caller.status(answer.json()["jobId"])["startTime"] == (NOW + ahead).timestamp() * 1000
