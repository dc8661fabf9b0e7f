"""Which days of activity are asked for: none is lost where an export is cut off, fails, or is of other days."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clari_pipeline.sandbox import Sandbox
from clari_pipeline.sync.products.activity import OVERLAP_DAYS
from clari_pipeline.sync.products.windows import Window, WindowResult, unsettled_stretches
from tests.helpers.product_documents import NOW, TODAY, meeting
from tests.sync.products.conftest import SIGHTS, Clock, Desk, desk_of

BEGINNING = TODAY - timedelta(days=20)


def days(first: int, last: int = 0) -> Window:
    """From so many days before today to so many."""
    return Window((TODAY - timedelta(days=first)).date(), (TODAY - timedelta(days=last)).date())


@pytest.fixture
def people() -> int:
    """Some eight activities a day."""
    return 8


@pytest.fixture
def desk(tmp_path: Path, clock: Clock, sandbox: Sandbox) -> Iterator[Desk]:
    found = desk_of(tmp_path, clock, sandbox, activity_days=20)
    with found.context.warehouse.session():  # the file is opened once
        yield found


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What there is at the company of these tests, by one export that nobody cut off."""
    clock = Clock()
    with Sandbox(now=clock, job_seconds=0, people=8, write_at_once=True) as undisturbed:
        other = desk_of(tmp_path_factory.mktemp("whole"), clock, undisturbed, activity_days=20)
        with other.context.warehouse.session():
            (fetch,) = other.bring("activity").fetches
            assert fetch.state == "LOADED"
            return other.rows("activity", without=SIGHTS)


def test_what_is_cut_off_is_asked_for_in_halves_until_it_is_whole(
    desk: Desk, sandbox: Sandbox, clock: Clock, whole: list[dict[str, Any]]
) -> None:
    """In the same sync, which is no failure: all that there is stands in the tables afterwards. The syncs after it
    waste nothing on a window that is known to be too long; once its days are settled, one is tried.
    """
    sandbox.scenario = "activity_cut"
    result = desk.bring("activity")
    assert result.failures == []
    assert desk.rows("activity", without=SIGHTS) == whole
    states = Counter(fetch.state for fetch in result.fetches)
    assert states["REFUSED"] > 1 < states["LOADED"]
    assert sum("cut off by Clari of" in line and "asked for in parts" in line for line in result.lines) > 1
    assert all(verdict.passed for verdict in result.verdicts)
    loaded = Counter(day for fetch in result.fetches if fetch.state == "LOADED" for day in Window.of(fetch))
    assert set(loaded) == set(days(20))
    assert set(loaded.values()) == {1}

    clock.turn(days=1)
    desk.bring("activity")
    for days_later, scenario in ((1, "activity_cut"), (OVERLAP_DAYS, "calm")):
        sandbox.scenario = scenario
        clock.turn(days=days_later)
        states = Counter(fetch.state for fetch in desk.bring("activity").fetches)
        assert states == {"LOADED": states["LOADED"]} and states["LOADED"] > 1, scenario
    clock.turn(days=1)
    (fetch,) = desk.bring("activity").fetches
    assert fetch.window_from == TODAY + timedelta(days=2)


def test_a_day_that_is_cut_off_by_itself_keeps_out_no_other(
    desk: Desk, sandbox: Sandbox, clock: Clock, whole: list[dict[str, Any]]
) -> None:
    """It is named as what it is, is not asked for for ever, and `status` goes on naming it."""
    sandbox.scenario = "activity_day_cut"
    result = desk.bring("activity")
    day = TODAY - timedelta(days=12)
    (line,) = [problem.line for problem in result.failures]
    assert f"Clari cuts activity of {day:%Y-%m-%d} off, and less than a day cannot be asked for" in line
    assert line.endswith("(docs/runbook.md#export_is_not_truncated)")
    others = [one for one in whole if not day <= one["activity_at"] < day + timedelta(days=1)]
    assert desk.rows("activity", without=SIGHTS) == others != whole
    sandbox.scenario = "calm"
    clock.turn(days=1)
    again = desk.bring("activity")
    assert (again.failures, [fetch.state for fetch in again.fetches]) == ([], ["LOADED"])
    assert desk.gaps() == [("activity", day, day + timedelta(days=1), "cut_off")]


def test_a_day_that_is_cut_off_lately_is_asked_for_while_it_may_yet_come(by_hand: Desk) -> None:
    """By itself; once it has come whole, nothing is missing."""
    yesterday = TODAY - timedelta(days=1)
    one_day = {"window_from": yesterday, "window_to": yesterday}
    by_hand.merge("activity", {"activities": [meeting()]}, rows_truncated=True, **one_day)
    assert days(1, 1) in by_hand.planned()
    assert [gap[1] for gap in by_hand.gaps()] == [yesterday]
    by_hand.merge("activity", {"activities": [meeting()]}, at=NOW + timedelta(hours=1), **one_day)
    assert by_hand.gaps() == []


def test_a_window_that_fails_is_asked_for_again_though_later_ones_came(
    desk: Desk, sandbox: Sandbox, whole: list[dict[str, Any]]
) -> None:
    sandbox.scenario = "activity_cut"
    sandbox.fail_next("activity", ["none", "400"])
    result = desk.bring("activity")
    assert len(result.failures) == 1
    (failed,) = [fetch for fetch in result.fetches if fetch.state == "FAILED"]
    assert desk.rows("activity", without=SIGHTS) != whole
    again = desk.bring("activity")
    assert again.failures == []
    assert set(Window.of(failed)) <= {day for fetch in again.fetches for day in Window.of(fetch)}
    assert desk.rows("activity", without=SIGHTS) == whole


def test_another_number_of_days_has_its_way_at_any_time(
    desk: Desk, clock: Clock, tmp_path: Path, sandbox: Sandbox
) -> None:
    """A larger one asks for what is older. After weeks without a sync, days are asked for in windows no longer than a
    smaller one, and the overlap.
    """
    desk.bring("activity")
    larger = replace(desk_of(tmp_path, clock, sandbox, activity_days=40), numbers=desk.numbers)
    assert [Window.of(fetch) for fetch in larger.bring("activity").fetches] == [days(40, 21), days(OVERLAP_DAYS)]
    smaller = replace(desk_of(tmp_path, clock, sandbox, activity_days=5), numbers=desk.numbers)
    clock.turn(days=30)
    windows = [Window.of(fetch) for fetch in smaller.bring("activity").fetches]
    assert [len(window) for window in windows] == [13, 13, 12]
    assert [day for window in windows for day in window] == list(days(OVERLAP_DAYS, -30))


def test_a_job_found_where_an_answer_was_lost_moves_nothing_on(
    desk: Desk, sandbox: Sandbox, whole: list[dict[str, Any]]
) -> None:
    """What Clari has queued all the same is found among its jobs, and nothing is asked for blindly. It may be of other
    days, which Clari does not say: it is merged, and the days are asked for again.
    """
    sandbox.fail_next("activity", ["lost"])
    result = desk.bring("activity")
    (fetch,) = result.fetches
    assert (fetch.state, fetch.is_adopted, len(sandbox.jobs)) == ("LOADED", True, 1)
    assert sum(seen.method == "POST" for seen in sandbox.requests) == 1
    (remark,) = [problem.line for problem in result.warnings]
    assert "are asked for again by the next sync (docs/runbook.md#job_adopted)" in remark
    (again,) = desk.bring("activity").fetches
    assert (again.window_from, again.is_adopted) == (BEGINNING, False)
    assert desk.rows("activity", without=SIGHTS) == whole
    desk.forget("product_fetch")
    desk.loader("activity").restore_ledger()
    kept = sorted(bool(one["is_adopted"]) for one in desk.rows("product_fetch"))
    assert kept == [False, True]  # their manifests say so


DAYS = st.integers(0, 60).map(lambda number: date(2026, 1, 1) + timedelta(days=number))
WINDOWS = st.tuples(DAYS, DAYS).map(lambda ends: Window(min(ends), max(ends)))


@given(st.lists(st.builds(WindowResult, WINDOWS, DAYS, st.booleans())), st.integers(1, 30), st.integers(1, 40))
def test_every_day_is_settled_or_asked_for_once(shown: list[WindowResult], days_back: int, longest: int) -> None:
    """Whatever came in whichever order: in windows that are as short as they have to be, the oldest first."""
    today = date(2026, 3, 2)
    cut_off = [one.window for one in shown if not one.is_whole]
    windows = [
        part
        for stretch in unsettled_stretches(shown, today=today, days_back=days_back, overlap=OVERLAP_DAYS)
        for window in stretch.split(longest)
        for part in window.split_below(cut_off)
    ]
    asked = [day for window in windows for day in window]
    assert asked == sorted(set(asked))
    assert all(1 <= len(window) <= longest for window in windows)
    final = [one for one in shown if one.is_whole or len(one.window) == 1]
    settled = {day for one in final for day in one.window if (one.as_of - day).days > OVERLAP_DAYS}
    assert not settled & set(asked)
    whole_from = [one.window.first for one in final if one.is_whole]
    assert settled | set(asked) >= set(Window(min([today - timedelta(days=days_back), *whole_from]), today))
    for window in windows:
        assert len(window) == 1 or not any(len(one) <= len(window) and one.overlaps(window) for one in cut_off)


def test_a_document_that_is_too_large_is_asked_for_in_halves(
    tmp_path: Path, clock: Clock, sandbox: Sandbox, whole: list[dict[str, Any]]
) -> None:
    """As what Clari cuts off is, and that is no failure."""
    small = desk_of(tmp_path / "small", clock, sandbox, activity_days=20, max_result_bytes=40_000)
    with small.context.warehouse.session():
        result = small.bring("activity")
        assert result.failures == [] and any("too large of" in line for line in result.lines)
        assert small.rows("activity", without=SIGHTS) == whole
        clock.turn(days=1)
        assert small.bring("activity").failures == []


def test_days_that_came_otherwise_are_no_failure(desk: Desk, clock: Clock) -> None:
    """A run died before Clari had answered; what is asked for a day later holds its days."""
    desk.die_asking("activity", window_from=TODAY - timedelta(days=7), window_to=TODAY)
    clock.turn(days=1)
    result = desk.bring("activity")
    assert sorted(fetch.state for fetch in result.fetches) == ["FAILED", "LOADED"]
    assert result.failures == []


def test_what_a_run_had_landed_when_it_was_killed_is_not_asked_for_within_the_hour(
    desk: Desk, sandbox: Sandbox, clock: Clock
) -> None:
    desk.land("activity", {"activities": [meeting()]}, window_from=BEGINNING, window_to=TODAY)
    desk.loader("activity").restore_ledger()
    for later, is_asked in ((timedelta(minutes=5), False), (timedelta(hours=1), True)):
        clock.moment += later
        assert [fetch.state for fetch in desk.bring("activity").fetches] == ["LOADED"]
        assert bool(sandbox.jobs) == is_asked
