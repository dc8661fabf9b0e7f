"""Jobs whose answer was lost, jobs that cannot be seen, clocks that are set: one export in each case, in its time."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import count

import httpx
import pytest

from clari_pipeline.clari import (
    Adopted,
    Cancelled,
    Completed,
    ErrorAsAnswer,
    ExportTimedOut,
    JobForgotten,
    JobState,
    LeftBehind,
    NoSlot,
    Polled,
    RateLimited,
    UnknownForecast,
    Waited,
)
from clari_pipeline.clari.events import ExportEvent
from clari_pipeline.sandbox import Fault, Sandbox
from tests.clari.conftest import CURRENT, NOW, QUICK, Runner, TurnedClock, jobs_of, posts, request_for
from tests.helpers.each_case import try_each

HOUR = timedelta(hours=1)
_tabs = count(1)


class Company:
    """A Clari whose jobs take three seconds of a clock that it shares with whoever asks it, unless that one is set."""

    def __init__(self) -> None:
        self.clock = TurnedClock()
        self.sandbox = Sandbox(
            now=lambda: NOW + self.clock.passed,
            clock=self.clock.monotonic,
            write_at_once=True,
            job_seconds=3,
            people=1,
            concurrent_limit=1000,
        )

    def tab(self, scenario: str) -> str:
        """A forecast that nobody has exported, in a Clari of that kind, its clock and ours at one."""
        self.sandbox.scenario = scenario
        self.sandbox.requests.clear()
        for faults in self.sandbox._faults.values():
            faults.clear()
        self.clock.moment = NOW + self.clock.passed
        self.clock.slept.clear()
        forecast_id = f"lost{next(_tabs)}"
        self.sandbox.serve(forecast_id, CURRENT, b'{"entries": []}')
        return forecast_id

    def runner(self, **more: object) -> Runner:
        return Runner(self.sandbox, clock=self.clock, **more)

    def made(self, tab: str) -> list[str]:
        return [job.job_id for job in self.sandbox.jobs if job.forecast_id == tab]


@pytest.fixture(scope="module")
def company() -> Iterator[Company]:
    company = Company()
    with company.sandbox:
        yield company


# Lost answers

LISTS = ("late_list", "paged_list", "clock_apart", "foreign_jobs")


def test_a_job_whose_answer_was_lost_is_found_wherever_and_whenever_it_is_listed(company: Company) -> None:
    """Late, on a later page, by a clock that is not ours, among other people's: adopted, and not asked for again."""

    def lost(scenario: str) -> None:
        tab, newer = company.tab(scenario), company.tab(scenario)  # the newer stands before it in the list
        company.sandbox.fail_next("submit", ["none", "lost"])
        runner = company.runner()
        _, job = runner.export(request_for(newer), request_for(tab), at_once=False)
        assert job.state is JobState.DONE
        assert company.made(tab) == [job.job_id] == [event.job_id for event in runner.emitted(Adopted)]
        assert len(posts(company.sandbox, tab)) == 1

    try_each(LISTS, lost)


def test_a_job_that_names_no_start_is_known_by_its_end(company: Company) -> None:
    """One that had ended before it was asked for is another."""

    def ended(seconds_after: int) -> None:
        tab = company.tab("calm")
        asked_at, headers = company.clock.now(), {"apikey": company.sandbox.api_key}
        httpx.post(f"{company.sandbox.base_url}/export/forecast/{tab}", headers=headers, json={"timePeriod": CURRENT})
        (made,) = company.made(tab)
        company.clock.passed, company.clock.moment = company.clock.passed + HOUR, company.clock.moment + HOUR
        end = int((asked_at.timestamp() + seconds_after) * 1000)
        name = f"clari_export_forecast_{tab}_{CURRENT}1_1_1.json"
        listed = json.dumps([{"jobId": made, "status": "DONE", "endTime": end, "fileName": name}]).encode()
        company.sandbox.fail_next("jobs", [Fault("answer", 200, {}, listed)] * 20)
        (job,) = company.runner().export(request_for(tab), left_behind=LeftBehind(None, asked_at))
        assert (job.job_id == made) == (seconds_after > 0)
        assert len(company.made(tab)) == (1 if seconds_after > 0 else 2)

    try_each((3, -60), ended)


def test_a_job_that_somebody_else_has_made_is_never_adopted(company: Company) -> None:
    """One of half an hour ago by Clari's own clock, one of this moment that this key may not see: one is made."""

    def elsewhere(scenario: str) -> None:
        tab = company.tab(scenario)
        (earlier,) = company.runner().export(request_for(tab))
        company.clock.passed += HOUR / 2
        company.clock.moment -= HOUR / 2  # ours is an hour behind what time it is
        company.sandbox.fail_next("submit", ["reset"])
        runner = company.runner()
        (job,) = runner.export(request_for(tab))
        assert not runner.emitted(Adopted)
        assert company.made(tab) == [earlier.job_id, job.job_id]

    try_each(LISTS, elsewhere)


def test_what_a_lost_answer_told_of_is_known_by_our_clock(company: Company) -> None:
    """Else its timeout, should another run go on with it, began an hour ago."""
    tab = company.tab("clock_apart")
    company.sandbox.fail_next("submit", ["lost"])
    asked_at, runner = company.clock.now(), company.runner()
    runner.export(request_for(tab))
    (adopted,) = runner.emitted(Adopted)
    assert abs(adopted.started_at - asked_at) < timedelta(seconds=2)


# Jobs that cannot be seen


def test_a_job_without_a_status_is_as_the_list_shows_it(company: Company) -> None:
    tab, runner = company.tab("hidden_jobs"), company.runner()
    (job,) = runner.export(request_for(tab))
    assert (job.state, company.made(tab)) == (JobState.DONE, [job.job_id])
    assert runner.emitted(Polled)[-1].status == "DONE"


@pytest.mark.parametrize("is_listed", [True, False])
def test_the_export_timeout_ends_a_job_that_cannot_be_seen(company: Company, is_listed: bool) -> None:
    """Whether the list shows it still running, or cannot be had."""
    tab = company.tab("hung")
    company.sandbox.fail_next("status", ["404"] * 30)
    company.sandbox.fail_next("jobs", [] if is_listed else ["400"] * 30)
    runner = company.runner(export_timeout_s=10)
    (error,) = runner.export(request_for(tab))
    assert isinstance(error, ExportTimedOut)
    assert runner.emitted(Completed)[0].wait_seconds == pytest.approx(10)
    assert [job.status for job in company.sandbox.jobs if job.forecast_id == tab] == ["ABORTED"]


def test_a_job_that_this_key_may_not_see_is_given_up_though_it_is_listed(company: Company) -> None:
    """Another key has made it: no timeout is waited for, and nothing of theirs is cancelled."""
    tab = company.tab("hung")
    headers, now = {"apikey": company.sandbox.api_key}, company.clock.now()
    httpx.post(f"{company.sandbox.base_url}/export/forecast/{tab}", headers=headers, json={"timePeriod": CURRENT})
    (theirs,) = jobs_of(company.sandbox, tab)
    company.sandbox.fail_next("status", ["403"] * 30)
    runner = company.runner(export_timeout_s=600)
    (error,) = runner.export(request_for(tab), left_behind=LeftBehind(theirs, now - timedelta(minutes=1)))
    assert isinstance(error, JobForgotten)
    assert sum(company.clock.slept) < 10
    assert [seen.method for seen in company.sandbox.requests if seen.method != "GET"] == ["POST"]


# Errors with status 200, waits that Clari asks for


def test_an_error_in_place_of_a_state_is_asked_again_and_told_in_claris_words(company: Company) -> None:
    """Where nothing else comes, it is the job's own failure, and not waited for until its timeout."""
    told = "The report could not be generated."

    def nested(error: str) -> Fault:
        return Fault("answer", 200, {}, error.encode())

    few, error = ["envelope", nested('{"job": {"error": {"message": "m"}, "jobId": "x"}}')], "ends after a few"
    cases = {
        error: few,
        "enveloped": ["envelope"] * 60,
        "nested": [nested(f'{{"data": [{{"response": {{"errors": {{"errorId": "e1", "detail": "{told}"}}}}}}]}}')] * 60,
        "with a status": [nested(f'{{"status": 500, "message": "{told}"}}')] * 60,
    }

    def check(case: str) -> None:
        tab = company.tab("calm")
        company.sandbox.fail_next("status", cases[case])
        (came,) = company.runner().export(request_for(tab))
        if case == error:
            assert came.state is JobState.DONE
        else:
            assert isinstance(came, ErrorAsAnswer)
            assert f"Clari answered 200: {told}" in str(came)
            assert ("error id" in str(came)) == (case != "with a status")
        assert len(posts(company.sandbox, tab)) == len(company.made(tab)) == 1

    try_each(cases, check)


def test_a_state_that_nobody_knows_is_no_error(company: Company) -> None:
    tab = company.tab("calm")
    body = b'{"jobId": "x", "status": "PAUSED", "message": "Patience"}'
    company.sandbox.fail_next("status", [Fault("answer", 200, {}, body)] * 3)
    runner = company.runner()
    (job,) = runner.export(request_for(tab))
    assert job.state is JobState.DONE
    assert [polled.is_known for polled in runner.emitted(Polled)[:4]] == [False] * 3 + [True]


def test_an_error_in_place_of_a_page_of_the_list_is_asked_again(company: Company) -> None:
    tab = company.tab("paged_list")
    company.sandbox.fail_next("submit", ["lost"])
    company.sandbox.fail_next("jobs", ["envelope"])
    (job,) = company.runner().export(request_for(tab))
    assert company.made(tab) == [job.job_id]


def test_a_refusal_with_status_200_is_a_refusal(company: Company) -> None:
    """Nothing was queued, so that nothing is looked for. One whose code says nothing is a lost answer."""
    tab = company.tab("calm")
    unknown = b'{"errors": [{"code": "no_such_forecast_config", "message": "Unknown"}]}'
    company.sandbox.fail_next("submit", [Fault("answer", 200, {}, unknown)])
    (error,) = company.runner().export(request_for(tab))
    assert isinstance(error, UnknownForecast)
    assert not company.made(tab)
    company.sandbox.fail_next("submit", ["envelope"])
    (job,) = company.runner().export(request_for(tab))
    assert company.made(tab) == [job.job_id]


def test_a_wait_that_passes_the_jobs_own_time_is_not_begun(company: Company) -> None:
    """The job is left to the next sync, which asks no sooner than Clari wants."""
    tab = company.tab("hung")
    company.sandbox.fail_next("status", ["429:0.01", "429:100"])
    runner = company.runner(export_timeout_s=90, client={"retry": replace(QUICK, longest_s=3600)})
    (error,) = runner.export(request_for(tab))
    assert isinstance(error, RateLimited)
    assert not runner.emitted(Cancelled)


# A clock that is set


def set_after(
    company: Company, by: timedelta, told: type[ExportEvent]
) -> tuple[list[ExportEvent], Callable[[ExportEvent], None]]:
    """What is told of an export, and who hears it: after the third of a kind the clock is set."""
    events: list[ExportEvent] = []

    def observe(event: ExportEvent) -> None:
        events.append(event)
        if isinstance(event, told) and sum(isinstance(one, told) for one in events) == 3:
            company.clock.moment += by

    return events, observe


@pytest.mark.parametrize("by", [HOUR, -HOUR])
def test_a_clock_that_is_set_ends_no_job_early_or_late(company: Company, by: timedelta) -> None:
    tab = company.tab("hung")
    events, observe = set_after(company, by, Polled)
    (error,) = company.runner(export_timeout_s=10, observe=observe).export(request_for(tab))
    assert isinstance(error, ExportTimedOut)
    waits = [event.wait_seconds for event in events if isinstance(event, Cancelled | Completed)]
    assert waits == [pytest.approx(10), pytest.approx(10)]


@pytest.mark.parametrize("by", [HOUR, -HOUR])
def test_a_clock_that_is_set_does_not_change_how_long_a_slot_is_waited_for(company: Company, by: timedelta) -> None:
    tab = company.tab("calm")
    company.sandbox.fail_next("submit", ["quota"] * 40)
    _, observe = set_after(company, by, Waited)
    (error,) = company.runner(slot_timeout_s=20, observe=observe).export(request_for(tab))
    assert isinstance(error, NoSlot)
    assert 20 <= sum(company.clock.slept) < 25
