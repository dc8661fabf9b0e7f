"""Jobs whose answer was lost, jobs that cannot be seen, clocks that are set: one export in each case, in its time."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import count

import httpx
import pytest

from clari_pipeline.clari import (
    Adopted,
    Cancelled,
    Completed,
    ExportTimedOut,
    JobForgotten,
    JobState,
    LeftBehind,
    NoSlot,
    Polled,
    Waited,
)
from clari_pipeline.clari.events import ExportEvent
from clari_pipeline.sandbox import Sandbox
from tests.clari.conftest import CURRENT, NOW, Desk, TurnedClock, jobs_of, posts, request_for
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

    def desk(self, **more: object) -> Desk:
        return Desk(self.sandbox, clock=self.clock, **more)

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
        desk = company.desk()
        _, job = desk.export(request_for(newer), request_for(tab), at_once=False)
        assert job.state is JobState.DONE
        assert company.made(tab) == [job.job_id] == [event.job_id for event in desk.told(Adopted)]
        assert len(posts(company.sandbox, tab)) == 1

    try_each(LISTS, lost)


def test_a_job_that_somebody_else_has_made_is_never_adopted(company: Company) -> None:
    """One of half an hour ago by Clari's own clock, one of this moment that this key may not see: one is made."""

    def elsewhere(scenario: str) -> None:
        tab = company.tab(scenario)
        (earlier,) = company.desk().export(request_for(tab))
        company.clock.passed += HOUR / 2
        company.clock.moment -= HOUR / 2  # ours is an hour behind what time it is
        company.sandbox.fail_next("submit", ["reset"])
        desk = company.desk()
        (job,) = desk.export(request_for(tab))
        assert not desk.told(Adopted)
        assert company.made(tab) == [earlier.job_id, job.job_id]

    try_each(LISTS, elsewhere)


def test_what_a_lost_answer_told_of_is_known_by_our_clock(company: Company) -> None:
    """Else its timeout, should another run go on with it, began an hour ago."""
    tab = company.tab("clock_apart")
    company.sandbox.fail_next("submit", ["lost"])
    asked_at, desk = company.clock.now(), company.desk()
    desk.export(request_for(tab))
    (adopted,) = desk.told(Adopted)
    assert abs(adopted.started_at - asked_at) < timedelta(seconds=2)


# Jobs that cannot be seen


def test_a_job_without_a_status_is_as_the_list_shows_it(company: Company) -> None:
    tab, desk = company.tab("hidden_jobs"), company.desk()
    (job,) = desk.export(request_for(tab))
    assert (job.state, company.made(tab)) == (JobState.DONE, [job.job_id])
    assert desk.told(Polled)[-1].status == "DONE"


@pytest.mark.parametrize("is_listed", [True, False])
def test_the_export_timeout_ends_a_job_that_cannot_be_seen(company: Company, is_listed: bool) -> None:
    """Whether the list shows it still running, or cannot be had."""
    tab = company.tab("hung")
    company.sandbox.fail_next("status", ["404"] * 30)
    company.sandbox.fail_next("jobs", [] if is_listed else ["400"] * 30)
    desk = company.desk(export_timeout_s=10)
    (error,) = desk.export(request_for(tab))
    assert isinstance(error, ExportTimedOut)
    assert desk.told(Completed)[0].wait_seconds == pytest.approx(10)
    assert [job.status for job in company.sandbox.jobs if job.forecast_id == tab] == ["ABORTED"]


def test_a_job_that_this_key_may_not_see_is_given_up_though_it_is_listed(company: Company) -> None:
    """Another key has made it: no timeout is waited for, and nothing of theirs is cancelled."""
    tab = company.tab("hung")
    headers, now = {"apikey": company.sandbox.api_key}, company.clock.now()
    httpx.post(f"{company.sandbox.base_url}/export/forecast/{tab}", headers=headers, json={"timePeriod": CURRENT})
    (theirs,) = jobs_of(company.sandbox, tab)
    company.sandbox.fail_next("status", ["403"] * 30)
    desk = company.desk(export_timeout_s=600)
    (error,) = desk.export(request_for(tab), left_behind=LeftBehind(theirs, now - timedelta(minutes=1)))
    assert isinstance(error, JobForgotten)
    assert sum(company.clock.slept) < 10
    assert [seen.method for seen in company.sandbox.requests if seen.method != "GET"] == ["POST"]


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
    (error,) = company.desk(export_timeout_s=10, observe=observe).export(request_for(tab))
    assert isinstance(error, ExportTimedOut)
    waits = [event.wait_seconds for event in events if isinstance(event, Cancelled | Completed)]
    assert waits == [pytest.approx(10), pytest.approx(10)]


@pytest.mark.parametrize("by", [HOUR, -HOUR])
def test_a_clock_that_is_set_does_not_change_how_long_a_slot_is_waited_for(company: Company, by: timedelta) -> None:
    tab = company.tab("calm")
    company.sandbox.fail_next("submit", ["quota"] * 40)
    _, observe = set_after(company, by, Waited)
    (error,) = company.desk(slot_timeout_s=20, observe=observe).export(request_for(tab))
    assert isinstance(error, NoSlot)
    assert 20 <= sum(company.clock.slept) < 25
