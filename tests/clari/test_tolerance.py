"""What Clari may write or withhold without an export coming to harm, and what retries must not do."""

import json
from datetime import UTC, datetime

import pytest

from clari_pipeline.clari import AnswerLost, AuthFailed, Job, JobState, Limits
from clari_pipeline.sandbox import Fault
from tests.clari.conftest import CURRENT, NOW, Runner, call, jobs_of, request_for


def test_retries_leave_stdout_alone(own_sandbox, capsys):
    """`--json` promises one document there and nothing else."""
    sandbox = own_sandbox()
    sandbox.fail_next("limits", ["500", "reset", "429"])
    call(sandbox, lambda client: client.limits())
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("written", [1618451575216, "1618451575216", 1618451575216.0, "1618451575216.0"])
def test_moments_are_epoch_milliseconds_in_utc(written):
    job = Job.model_validate({"jobId": "j", "status": "DONE", "startTime": written})
    assert job.start_time == datetime(2021, 4, 15, 1, 52, 55, 216000, UTC)


@pytest.mark.parametrize("written", [None, "", 0, "0", -5, "soon", 10**30, "nan", [], {}])
def test_a_moment_that_is_none_hides_no_job(written):
    """An export's figures are never as of 1970."""
    job = Job.model_validate({"jobId": "j", "status": "DONE", "startTime": written})
    assert job.start_time is None


def test_limits_may_be_null():
    limits = Limits.model_validate({"concurrentLimit": "3", "runningJobIds": None, "submittedJobIds": None})
    assert (limits.concurrent_limit, limits.monthly_quota, limits.running_job_ids) == (3, None, ())


@pytest.mark.parametrize("status", ["403", "404"])
def test_where_limits_may_not_be_seen_exports_go_on_one_by_one(own_sandbox, status):
    """The key is good for exports all the same."""
    sandbox = own_sandbox(concurrent_limit=1)
    sandbox.fail_next("limits", [status])
    jobs = Runner(sandbox, export_timeout_s=10_000_000).export(request_for(), request_for(time_period="2026_Q3"))
    assert [job.state for job in jobs] == [JobState.DONE, JobState.DONE]


def test_a_key_that_is_not_accepted_stops_the_export(own_sandbox):
    sandbox = own_sandbox()
    sandbox.fail_next("limits", ["401"])
    (error,) = Runner(sandbox).export(request_for())
    assert isinstance(error, AuthFailed)
    assert jobs_of(sandbox, "total_new") == []


def test_a_job_that_was_cancelled_before_it_began_is_not_adopted(own_sandbox):
    """It has no start by which to tell its age, and would end the export."""
    sandbox = own_sandbox()
    name = f"clari_export_forecast_total_new_{CURRENT}2915_{NOW:%Y%m%d_%H%M%S}.json"
    old = {"jobId": "old", "status": "CANCELLED", "startTime": None, "fileName": name, "fileType": "JSON"}
    sandbox.fail_next("submit", ["reset"])
    sandbox.fail_next("jobs", [Fault("answer", 200, {}, json.dumps([old]).encode())] * 3)
    (job,) = Runner(sandbox, export_timeout_s=10_000_000).export(request_for())
    assert not isinstance(job, AnswerLost)
    assert [job.job_id] == jobs_of(sandbox, "total_new")
