"""Time passes when the test turns the clock: nobody waits, and nothing depends on how fast the machine is."""

import threading

import pytest

from clari_pipeline.sandbox.jobs import JobBook, Manner
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
    caller = turned()
    job_id = caller.submit().json()["jobId"]
    states = []
    for seconds in (0, 1799, 1801, 3599, 3600):
        clock.seconds = seconds
        states.append(caller.status(job_id)["status"])
    assert states == ["SCHEDULED", "SCHEDULED", "STARTED", "STARTED", "DONE"]
    assert caller.results(job_id).status_code == 200


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


def test_a_hung_job_is_aborted_however_late_it_is(turned, clock):
    caller = turned("hung")
    job_id = caller.submit().json()["jobId"]
    clock.seconds = 1_000_000
    assert caller.status(job_id)["status"] == "STARTED"
    answer = caller.http.patch(f"/export/jobs/{job_id}", json={"type": "CANCEL"})
    assert answer.json() == {"status": "ABORTED", "successful": True}


def test_somebody_elses_exports_run_from_when_the_scenario_was_set(turned, clock):
    caller = turned()
    clock.seconds = 100_000
    caller.sandbox.scenario = "no_slots"
    clock.seconds = 100_000 + 5 * 3600 - 1
    assert caller.submit().json()["code"] == "export_monthly_quota_reached"
    clock.seconds += 1
    assert caller.submit().status_code == 200


def test_places_are_free_again_when_the_clock_has_passed_the_jobs_end(turned, clock):
    caller = turned(concurrent_limit=1)
    assert [caller.submit(period).status_code for period in (CURRENT, NEWEST_PAST)] == [200, 400]
    clock.seconds = 3600
    assert caller.submit(NEWEST_PAST).status_code == 200


def test_a_job_that_is_due_runs_until_its_document_is_written(clock):
    """The clock may be ahead of the thread that writes."""
    may_go_on = threading.Event()

    def chunks():
        assert may_go_on.wait(20)
        yield b"{}"

    book = JobBook(concurrent_limit=1, monthly_quota=1, clock=clock, write_at_once=False)
    book.open()
    job = book.add(
        forecast_id="total_new",
        period_id=CURRENT,
        file_type="JSON",
        currency="USD",
        manner=Manner(),
        started=NOW,
        seconds=1,
        chunks=chunks,
    )
    clock.seconds = 1_000_000
    early = job.status, book.unfinished()
    may_go_on.set()
    assert job.result.result(20).size == 2
    assert (early, job.status, book.unfinished()) == (("STARTED", [job]), "DONE", [])
    book.close()
