"""Time passes when the test turns the clock: nobody waits, and nothing depends on how fast the machine is."""

import threading

import pytest

from clari_pipeline.sandbox.jobs import Job, JobStore, Manner
from tests.sandbox.conftest import CURRENT, NOW, Clock


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


@pytest.mark.parametrize(
    ("scenario", "states"),
    [
        ("calm", ("SCHEDULED", "STARTED", "DONE")),
        ("unknown_state", ("SCHEDULED", "STARTED", "QUEUED_FOR_RETRY", "DONE")),
        ("completed_word", ("SCHEDULED", "STARTED", "COMPLETED")),
    ],
)
def test_a_job_is_as_far_as_the_clock_says(turned, clock, scenario, states):
    """And delivers when it is at its end."""
    caller = turned(scenario)
    job_id = caller.submit().json()["jobId"]
    phase = 3600 / (len(states) - 1)
    for place, state in enumerate(states):
        for seconds in (place * phase, (place + 1) * phase - 1):
            clock.seconds = seconds
            assert caller.status(job_id)["status"] == state
        assert caller.results(job_id).status_code == (200 if state == states[-1] else 400)


def test_a_slow_job_takes_ten_times_as_long_by_the_clock(turned, clock):
    caller = turned("slow")
    job_id = caller.submit().json()["jobId"]
    clock.seconds = 35_999
    assert caller.status(job_id)["status"] == "STARTED"
    clock.seconds = 36_000
    assert caller.status(job_id)["status"] == "DONE"


def test_a_job_starts_at_the_wall_clocks_time(turned, clock):
    caller = turned()
    clock.seconds = 90
    job = caller.status(caller.submit().json()["jobId"])
    assert job["startTime"] == (NOW.timestamp() + 90) * 1000


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
    job = book.add(Job("total_new", CURRENT, Manner(), NOW, seconds=1, clock=clock), chunks)
    clock.seconds = 1_000_000
    early = job.status, book.unfinished()
    may_go_on.set()
    assert job.result.result(20).size == 2
    assert (early, job.status, book.unfinished()) == (("STARTED", [job]), "DONE", [])
    book.close()
