"""The list of jobs, and the clock behind it, where they are not what a client hopes for."""

from datetime import timedelta
from email.utils import parsedate_to_datetime

from tests.sandbox.conftest import CURRENT, NEWEST_PAST, NOW, Clock


def jobs(caller, place="/export/jobs"):
    return caller.http.get(place).json()


def test_a_job_is_listed_twenty_seconds_late(open_sandbox):
    clock = Clock()
    caller = open_sandbox("late_list", clock=clock, now=clock.now, write_at_once=True, people=1)
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
