"""What activity may cost: forecasts always have their exports, and what is long catches up sync by sync."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from clari_pipeline.config.settings import read_settings
from clari_pipeline.sandbox import Sandbox, faults
from clari_pipeline.store import fetches
from clari_pipeline.sync.products.quota import MOST_EXPORTS, syncs_a_month
from clari_pipeline.sync.products.windows import Window
from tests.helpers.product_documents import NOW, TODAY
from tests.sync.products.conftest import Clock, Desk, desk_of


@pytest.fixture
def monthly_quota() -> int:
    return 120


@pytest.fixture
def sandbox(clock: Clock, monthly_quota: int) -> Sandbox:  # type: ignore[misc]
    """An organisation of some four activities a day, of which few come at once."""
    with Sandbox(
        now=clock, job_seconds=0, people=4, write_at_once=True, monthly_quota=monthly_quota, scenario="activity_cut"
    ) as running:
        yield running


def exports(sandbox: Sandbox) -> int:
    """How many exports Clari was asked for since the last time."""
    count = sum(request.method == "POST" for request in sandbox.requests)
    sandbox.requests.clear()
    return count


def days_there(desk: Desk) -> set[object]:
    with desk.context.warehouse.session() as session:
        whole = [fetch for fetch in fetches.landed(session, "activity") if fetch.state == "LOADED"]
    return {day for fetch in whole for day in Window.of(fetch)}


@pytest.mark.parametrize("days", [3, pytest.param(15, marks=pytest.mark.soak)])
@pytest.mark.soak
def test_what_is_cut_off_never_uses_up_the_quota(desk: Desk, sandbox: Sandbox, clock: Clock, days: int) -> None:
    """Newest days first, and what worked is gone on with: nothing learnt is paid for twice, and all of it comes."""
    first = desk.bring("activity")
    assert first.failures == []
    (remark,) = [problem.line for problem in first.unrecorded]
    assert "15 exports are made of it in this sync, no more; days of 2026-08-23 to" in remark
    assert exports(sandbox) == 15
    assert TODAY.date() in days_there(desk)
    refused = 0
    for _ in range(days):
        clock.turn(days=1)
        brought = desk.bring("activity")
        assert brought.failures == [] and exports(sandbox) <= 15
        assert clock().date() in days_there(desk)
        refused += sum(fetch.state == "REFUSED" for fetch in brought.fetches)
    assert set(Window((NOW - timedelta(days=90)).date(), clock().date())) <= days_there(desk)
    assert refused < 15


@pytest.mark.parametrize("monthly_quota", [153, pytest.param(160, marks=pytest.mark.soak)])
def test_forecasts_have_theirs_first(tmp_path: Path, clock: Clock, sandbox: Sandbox, monthly_quota: int) -> None:
    """What a month of their schedule needs is left alone; that nothing is asked for is one line."""
    desk = desk_of(tmp_path, clock, sandbox, forecast_ids=("forecast",), historical_periods=4)
    with desk.context.warehouse.session():  # the file is opened once
        desk.bring("activity")
        assert exports(sandbox) == 1
        for _ in range(monthly_quota - 148):
            brought = desk.bring("activity")
            assert exports(sandbox) == (not brought.failures)
    (line,) = [problem.line for problem in brought.failures]
    assert "and the 150 that are left are kept for forecasts, which need 150" in line
    assert line.endswith("(docs/runbook.md#quota_exhausted)")
    assert Counter(fetch.state for fetch in brought.fetches) == {"FAILED": 1}


@pytest.mark.parametrize("monthly_quota", [1000])
@pytest.mark.parametrize("goes_on", [False, pytest.param(True, marks=pytest.mark.soak)])
def test_a_sync_makes_no_more_exports_than_so_many(
    desk: Desk, sandbox: Sandbox, goes_on: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even where each day is cut off by itself; the next sync goes on, and begins with what it has learnt."""
    monkeypatch.setitem(faults.TABLE, "tiny", replace(faults.TABLE["activity_cut"], activities_a_person=0))
    sandbox.scenario = "tiny"
    first = desk.bring("activity")
    assert exports(sandbox) == MOST_EXPORTS
    if not goes_on:
        return
    asked = {(fetch.window_from, fetch.window_to) for fetch in first.fetches}
    again = desk.bring("activity")
    assert exports(sandbox) == MOST_EXPORTS
    older = {
        (fetch.window_from, fetch.window_to) for fetch in again.fetches if fetch.window_to < TODAY - timedelta(days=9)
    }
    assert older and all(begin == end for begin, end in older)
    assert not older & asked


def test_a_schedule_says_how_many_syncs_there_are_in_a_month(tmp_path: Path) -> None:
    weekly = read_settings(data_dir=tmp_path, sync_cron="0 6 * * 3")
    assert (syncs_a_month(weekly, NOW), syncs_a_month(read_settings(data_dir=tmp_path), NOW)) == (4, 30)
