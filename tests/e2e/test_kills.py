"""A sync that is killed at any moment is continued by the next one: nothing is lost, nothing is asked for twice."""

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from clari_pipeline.sandbox import Fault
from tests.helpers import prepared
from tests.helpers.each_case import try_each
from tests.helpers.killing import Moment, Place, company, figures_in

QUARTERS = 3


def undisturbed(quarters: int) -> list[tuple[Any, ...]]:
    """The figures of so many quarters, from a sync that nobody kills: one for all workers."""
    after = prepared.made_once(f"undisturbed sync of {quarters}", lambda folder: _sync_undisturbed(folder, quarters))
    return figures_in(after)


def _sync_undisturbed(folder: Path, quarters: int) -> None:
    with company() as sandbox:
        assert not Place(folder, sandbox).sync(quarters)


@pytest.fixture(scope="module")
def expected() -> list[tuple[Any, ...]]:
    """The figures of every quarter that is synced here."""
    return undisturbed(QUARTERS)


def assert_whole(place: Place, expected: list[tuple[Any, ...]], quarters: int) -> None:
    """Each quarter queued once, merged once, every row there once, nothing refused, nothing left over."""
    assert Counter(job.period_id for job in place.sandbox.jobs if job.counted).most_common(1)[0][1] == 1
    rows = place.query("select time_period_id, job_id, state from clari.export_job where state <> 'TIMED_OUT'")
    assert sorted(job_id for _, job_id, _ in rows) == sorted(job.job_id for job in place.sandbox.jobs if job.counted)
    assert Counter(state for *_, state in rows) == {"LOADED": quarters}
    exported = {job.period_id for job in place.sandbox.jobs}
    assert place.figures() == [row for row in expected if row[1] in exported]
    assert len(place.landed()) == quarters
    assert place.query("select count(*) from clari.forecast_vs_quota")[0][0] > 0


STEPS = ("QuotaRead", "Submitting", "Submitted", "Polled", "Waited", "Completed", "Landed", "Merged")
BEFORE_AND_AFTER = [(step, is_written) for step in STEPS for is_written in (False, True)]
# After another is written down, the next begins with what it would have begun with before it.
DISTINCT = [one for one in BEFORE_AND_AFTER if not one[1] or one[0] in {"Submitting", "Submitted", "Landed", "Merged"}]


@pytest.mark.long
@pytest.mark.parametrize("moments", [DISTINCT, pytest.param(BEFORE_AND_AFTER, marks=pytest.mark.soak)], ids=len)
def test_a_sync_that_is_killed_repeatedly_requests_each_quarter_once(
    tmp_path: Path, expected: list[tuple[Any, ...]], moments: list[tuple[str, bool]]
) -> None:
    """At each kind of step, before and after it was written down, each time going on with what the last run left."""
    with company() as sandbox:
        place = Place(tmp_path, sandbox, CLARI_MAX_CONCURRENT_EXPORTS="1")
        for step, is_written in moments:
            moment = Moment(step, is_written=is_written)
            assert place.sync(QUARTERS, moment), moment
        assert not place.sync(QUARTERS)
        assert_whole(place, expected, QUARTERS)


# One time only: the next sync gets them all.
REFUSED_TYPES = Fault("answer", 400, {}, b'{"code": "type_not_supported", "message": "crm_total is not supported"}')


def test_what_a_killed_run_had_done_is_known_to_each_sync_of_a_part_of_it(
    tmp_path: Path, dagster_home: Path, expected: list[tuple[Any, ...]]
) -> None:
    """As Dagster's daemon goes on after a power cut: a run a quarter, one after the other."""
    shutil.copytree(dagster_home, tmp_path / "dagster_home")
    with company() as sandbox:
        place = Place(tmp_path, sandbox, is_in_dagster=True)
        assert place.sync(2, Moment("Merged", is_written=True))
        for period in sorted({job.period_id for job in sandbox.jobs}):
            assert not place.sync(period)
        assert_whole(place, expected, 2)


SHORT = {"CLARI_EXPORT_TIMEOUT_S": "0.5", "CLARI_POLL_INTERVAL_S": "0.2"}  # a look in the ledger's file for every poll
TROUBLES = {
    "TypesRefused": ("submit", [REFUSED_TYPES], {}),
    "Adopted": ("submit", ["lost"], {}),
    "Retried": ("status", ["500"], {}),
    "Cancelled": (None, [], SHORT),
    "Failed": (None, [], SHORT),
    "Requeued": (None, [], SHORT),
}


def assert_mended(folder: Path, expected: list[tuple[Any, ...]], name: str, *, is_written: bool, quarters: int) -> None:
    """Killed in the midst of this trouble, a sync is continued by the next one."""
    call, faults, settings = TROUBLES[name]
    with company() as sandbox:
        place = Place(folder, sandbox, has_warehouse=True, **settings)
        if call is None:
            sandbox.scenario = "hung"
        else:
            sandbox.fail_next(call, faults)
        assert place.sync(quarters, Moment(name, is_written=is_written))
        sandbox.scenario = "calm"
        assert not place.sync(quarters)
        assert_whole(place, expected, quarters)


def test_a_kill_in_the_midst_of_trouble_is_mended_too(tmp_path: Path, expected: list[tuple[Any, ...]]) -> None:
    """A lost answer, a call made once more, a job that hangs and is cancelled and queued again."""
    try_each(TROUBLES, lambda name: assert_mended(tmp_path / name, expected, name, is_written=False, quarters=1))


@pytest.mark.soak
@pytest.mark.parametrize("is_written", [False, True])
@pytest.mark.parametrize("name", TROUBLES)
def test_a_kill_in_the_midst_of_trouble_of_two_quarters_is_mended_too(
    tmp_path: Path, expected: list[tuple[Any, ...]], name: str, is_written: bool
) -> None:
    """Before and after each step is written down, while the other quarter goes on."""
    assert_mended(tmp_path, expected, name, is_written=is_written, quarters=2)
