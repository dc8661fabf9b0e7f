"""Jobs whose answer was lost: whatever comes and goes astray, one job for each export, in its time."""

import json
import time
from datetime import timedelta

import pytest

from clari_pipeline.clari import (
    Adopted,
    AnswerLost,
    ClariUnreachable,
    Clock,
    ExportTimedOut,
    JobState,
    LeftBehind,
    Retry,
    Submitted,
    Submitting,
    UnknownForecast,
)
from clari_pipeline.sandbox import Sandbox
from tests.clari.conftest import CURRENT, NEWEST_PAST, NOW, Company, Runner, answer, jobs_of, posts, request_for
from tests.helpers.each_case import try_each

HOUR = timedelta(hours=1)
LISTS = ("late_list", "paged_list", "clock_apart", "foreign_jobs")


def listed(**job: object) -> bytes:
    return json.dumps([job]).encode()


def test_a_job_whose_answer_was_lost_is_found_wherever_and_whenever_it_is_listed(company: Company) -> None:
    """Late, on a later page, by a clock that is not ours, among other people's: adopted, and not asked for again."""

    def check(case: tuple[str, str]) -> None:
        scenario, fault = case
        tab, newer = company.tab(scenario), company.tab(scenario)  # the newer stands before it in the list
        company.sandbox.fail_next("submit", ["none", fault])
        company.sandbox.fail_next("jobs", ["envelope"])  # an error in the place of a page
        runner = company.runner()
        _, job = runner.export(request_for(newer), request_for(tab), at_once=False)
        assert job.state is JobState.DONE
        assert jobs_of(company.sandbox, tab) == [job.job_id] == [event.job_id for event in runner.emitted(Adopted)]
        assert len(posts(company.sandbox, tab)) == 1
        assert len(runner.emitted(Submitted)) == 1

    try_each([("calm", "cut"), *((scenario, "lost") for scenario in LISTS)], check)


def test_an_answer_that_names_no_job_is_looked_for_before_clari_is_asked_once_more(company: Company) -> None:
    def check(fault: str) -> None:
        tab = company.tab()
        company.sandbox.fail_next("submit", [fault])
        runner, job = company.exported(request_for(tab))
        assert jobs_of(company.sandbox, tab) == [job.job_id]
        calls = [(seen.method, seen.path.rsplit("/", 1)[-1]) for seen in company.sandbox.requests]
        first, second = (place for place, asked in enumerate(calls) if asked == ("POST", tab))
        assert ("GET", "jobs") in calls[first:second]
        assert len(runner.emitted(Submitting)) == 2

    try_each(("500", "502", "503", "garbage", "reset", "envelope"), check)


def test_a_refusal_with_status_200_is_a_refusal(company: Company) -> None:
    """Nothing was queued, so that nothing is looked for."""
    tab = company.tab()
    unknown = b'{"errors": [{"code": "no_such_forecast_config", "message": "Unknown"}]}'
    company.sandbox.fail_next("submit", [answer(unknown)])
    _, error = company.exported(request_for(tab))
    assert isinstance(error, UnknownForecast)
    assert not jobs_of(company.sandbox, tab)


def test_eight_mixed_failures_leave_exactly_one_job(company: Company) -> None:
    def check(faults: list[str]) -> None:
        tab = company.tab()
        company.sandbox.fail_next("submit", faults)
        _, job = company.exported(request_for(tab))
        assert jobs_of(company.sandbox, tab) == [job.job_id]
        assert len(posts(company.sandbox, tab)) == len(faults) + (faults[-1] not in {"lost", "cut"})

    try_each(
        (
            ["429", "500", "502", "reset", "503", "garbage", "429", "504"],
            ["429", "500", "502", "reset", "503", "garbage", "429", "lost"],
            ["quota", "reset", "429", "502", "quota", "500", "429", "cut"],
        ),
        check,
    )


def test_an_answer_that_takes_too_long_is_found_too() -> None:
    """Clari queues the job after the client has given up: in the time that passes for both."""
    clock = Clock()
    with Sandbox(now=clock.now, clock=time.monotonic, job_seconds=0.02, people=1) as sandbox:
        sandbox.fail_next("submit", ["hang:0.2"])
        runner = Runner(sandbox, clock, poll_interval_s=0.01, client={"request_timeout_s": 0.1})
        (job,) = runner.export(request_for())
        assert jobs_of(sandbox, "total_new") == [job.job_id]


def test_a_lost_job_that_takes_up_the_last_slot_is_found_when_clari_refuses(own_company) -> None:
    company = own_company("hung", concurrent_limit=1)
    company.sandbox.fail_next("submit", ["lost"])
    company.sandbox.fail_next("jobs", [answer(b"[]")] * 11)  # as often as it is looked for
    runner, error = company.exported(request_for(), export_timeout_s=5)
    assert isinstance(error, ExportTimedOut)
    assert [error.job.job_id] == [event.job_id for event in runner.emitted(Adopted)]
    assert [error.job.job_id] == jobs_of(company.sandbox, "total_new")
    assert len(posts(company.sandbox)) == 2


def test_what_a_lost_answer_told_of_is_known_by_our_clock(company: Company) -> None:
    """Else its timeout, should another run go on with it, began an hour ago."""
    tab = company.tab("clock_apart")
    company.sandbox.fail_next("submit", ["lost"])
    asked_at = company.clock.now()
    runner, _ = company.exported(request_for(tab))
    (adopted,) = runner.emitted(Adopted)
    assert abs(adopted.started_at - asked_at) < timedelta(seconds=2)


# Jobs that are not adopted


def test_a_job_that_was_made_before_or_by_somebody_else_is_never_adopted(company: Company) -> None:
    """One of half an hour ago by Clari's own clock, one of this moment that this key may not see: one is made."""

    def check(scenario: str) -> None:
        tab = company.tab(scenario)
        _, earlier = company.exported(request_for(tab))
        company.clock.passed += HOUR / 2
        company.clock.moment -= HOUR / 2  # ours is an hour behind what time it is
        company.sandbox.fail_next("submit", ["reset"])
        runner, job = company.exported(request_for(tab))
        assert not runner.emitted(Adopted)
        assert jobs_of(company.sandbox, tab) == [earlier.job_id, job.job_id]

    try_each(("calm", *LISTS), check)


def test_a_job_that_the_ledger_or_another_export_has_is_not_adopted(company: Company) -> None:
    tab = company.tab()
    _, known = company.exported(request_for(tab))
    company.sandbox.fail_next("submit", ["reset"])

    async def known_jobs() -> set[str]:
        return {known.job_id}

    _, job = company.exported(request_for(tab), known_jobs=known_jobs)
    assert jobs_of(company.sandbox, tab) == [known.job_id, job.job_id]
    tab = company.tab()
    company.sandbox.fail_next("submit", ["none", "reset", "none", "lost"])
    jobs = company.runner().export(*[request_for(tab)] * 3, at_once=False)
    assert sorted({job.job_id for job in jobs}) == sorted(jobs_of(company.sandbox, tab))
    assert len(jobs_of(company.sandbox, tab)) == 3


def test_jobs_of_two_quarters_are_told_apart(company: Company) -> None:
    """Also where both answers are lost at once."""
    tab = company.tab()
    _, other = company.exported(request_for(tab, NEWEST_PAST))
    company.sandbox.fail_next("submit", ["lost"])
    _, job = company.exported(request_for(tab))
    assert jobs_of(company.sandbox, tab) == [other.job_id, job.job_id]
    tab = company.tab()
    company.sandbox.fail_next("submit", ["lost"] * 2)
    jobs = company.runner().export(request_for(tab), request_for(tab, NEWEST_PAST))
    assert sorted(jobs_of(company.sandbox, tab)) == sorted({job.job_id for job in jobs})
    assert len(posts(company.sandbox, tab)) == 2


def test_a_job_that_names_no_start_is_known_by_its_end(company: Company) -> None:
    """One that had ended before it was asked for is another."""

    def check(seconds_after: int) -> None:
        tab = company.tab()
        asked_at, made = company.clock.now(), company.queued(tab)
        company.clock.passed, company.clock.moment = company.clock.passed + HOUR, company.clock.moment + HOUR
        end = int((asked_at.timestamp() + seconds_after) * 1000)
        name = f"clari_export_forecast_{tab}_{CURRENT}1_1_1.json"
        jobs = listed(jobId=made, status="DONE", endTime=end, fileName=name)
        company.sandbox.fail_next("jobs", [answer(jobs)] * 20)
        (job,) = company.runner().export(request_for(tab), left_behind=LeftBehind(None, asked_at))
        assert (job.job_id == made) == (seconds_after > 0)
        assert len(jobs_of(company.sandbox, tab)) == (1 if seconds_after > 0 else 2)

    try_each((3, -60), check)


def test_a_job_that_was_cancelled_before_it_began_is_not_adopted(company: Company) -> None:
    """It has no start by which to tell its age, and would end the export."""
    tab = company.tab()
    name = f"clari_export_forecast_{tab}_{CURRENT}2915_{NOW:%Y%m%d_%H%M%S}.json"
    old = listed(jobId="old", status="CANCELLED", startTime=None, fileName=name, fileType="JSON")
    company.sandbox.fail_next("submit", ["reset"])
    company.sandbox.fail_next("jobs", [answer(old)] * 3)
    _, job = company.exported(request_for(tab))
    assert [job.job_id] == jobs_of(company.sandbox, tab)


# Answers that are lost for ever


def test_answers_that_are_lost_for_ever_are_given_up(own_company) -> None:
    company = own_company()
    company.sandbox.fail_next("submit", ["500"] * 50)
    _, error = company.exported(request_for())
    assert isinstance(error, AnswerLost)
    assert "An unexpected error occurred." in str(error)
    assert len(posts(company.sandbox)) == 4
    assert max(company.clock.slept) <= 5
    assert sum(company.clock.slept) < 100


@pytest.mark.parametrize("limit", [1, 3])
def test_answers_to_all_exports_are_lost_for_ever(own_company, limit) -> None:
    """Each is asked for once at least until a second one is given up, then none: all in less than two minutes."""
    company = own_company(concurrent_limit=limit)
    company.sandbox.fail_next("submit", ["500"] * 50)
    _, errors = company.all_quarters()
    lost = [error for error in errors if isinstance(error, AnswerLost)]
    assert 2 <= len(lost) <= limit + 1
    assert all("not asked for, since Clari accepts none" in str(error) for error in errors if error not in lost)
    assert company.clock.passed < timedelta(minutes=2)
    company.sandbox._faults["submit"].clear()
    _, job = company.exported(request_for())
    assert job.state is JobState.DONE


def test_answers_to_one_quarter_are_lost_for_ever_and_others_are_not(own_company) -> None:
    company = own_company(concurrent_limit=1)
    company.sandbox.fail_next("submit", ["500"] * 4)
    _, (first, *others) = company.all_quarters(4)
    assert isinstance(first, AnswerLost)
    assert [job.state for job in others] == [JobState.DONE] * 3


def test_nothing_is_asked_again_while_the_list_of_jobs_cannot_be_had(company: Company) -> None:
    tab = company.tab()
    company.sandbox.fail_next("submit", ["lost"])
    company.sandbox.fail_next("jobs", ["reset"] * 3)
    _, error = company.exported(request_for(tab), client={"retry": Retry(3, 0.001, 0.001)})
    assert isinstance(error, ClariUnreachable)
    assert len(posts(company.sandbox)) == 1
