"""Two syncs of the same quarters at the same time make one export of each; different requests never mix."""

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from clari_pipeline.sandbox import Sandbox
from tests.helpers import postgres_server
from tests.helpers.fleet import until
from tests.helpers.killing import Moment, Place, company

BESIDE = "exported by the sync that ran beside this one"


@pytest.fixture(params=["duckdb", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """A folder in which two syncs run at once, with a warehouse in a file or on a server."""
    with company(job_seconds=0.3, concurrent_limit=2) as sandbox:
        if request.param == "duckdb":
            yield Place(tmp_path, sandbox, is_in_dagster=True)
            return
        if postgres_server.programs() is None:
            pytest.skip("PostgreSQL is not installed")
        with postgres_server.prepared_database(postgres_server.shared()) as url:
            yield Place(tmp_path, sandbox, is_in_dagster=True, CLARI_WAREHOUSE_URL=url)


def submissions(sandbox: Sandbox) -> int:
    return sum(request.method == "POST" for request in sandbox.requests)


def states(place: Place) -> list[tuple[Any, ...]]:
    """How many rows of the ledger are in each state."""
    query = "select state, count(*) from clari.export_job group by state order by state"
    if place.url is None:
        return place.query(query)
    with psycopg.connect(place.url) as connection:
        return connection.execute(query.encode()).fetchall()


def test_two_syncs_at_once_make_one_export_of_each_quarter(place: Place) -> None:
    """3 quarters beside 2 of them: 3 requests to Clari, both merge all of theirs, and what is shared is said."""
    syncs = [place.begun(3), place.begun(2)]
    for process in syncs:
        process.join()
    said = place.output()
    assert [process.exitcode for process in syncs] == [0, 0], said
    assert (submissions(place.sandbox), states(place)) == (3, [("LOADED", 3)]), said
    assert f"2 quarters: {BESIDE}" in said


@pytest.mark.parametrize(
    "moment",
    [
        *(Moment(name, 1, is_written=True) for name in ("Submitting", "Submitted", "Landed")),
        Moment("Polled", 12, is_written=True),  # while the other one waits
    ],
    ids=repr,
)
def test_a_sync_continues_what_the_one_beside_it_left_when_killed(place: Place, moment: Moment) -> None:
    """Wherever it dies, no quarter is asked for a second time, and the other sync brings them all."""
    place.sandbox.job_seconds = 3.0 if moment.name == "Polled" else 0.3
    first = place.begun(2, moment)
    until(lambda: list(place.folder.glob("data/**/requests/*.lock")), "the first has planned")
    second = place.begun(2)
    for process in (first, second):
        process.join()
    said = place.output()
    assert [first.exitcode, second.exitcode] == [-signal.SIGKILL, 0], said
    assert (submissions(place.sandbox), states(place)) == (2, [("LOADED", 2)]), said


@pytest.mark.parametrize("quarters", [1, pytest.param(2, marks=pytest.mark.soak)])
def test_two_syncs_that_lose_their_answers_find_their_own_jobs(tmp_path: Path, quarters: int) -> None:
    """Two requests, one in another currency, and every answer is lost: two jobs a quarter, none is mixed up."""
    with company(job_seconds=0.3) as sandbox:
        sandbox.fail_next("submit", ["lost"] * 2 * quarters)
        place = Place(tmp_path, sandbox, is_in_dagster=True)
        syncs = [place.begun(quarters), place.begun(quarters, CLARI_CURRENCY="EUR")]
        for process in syncs:
            process.join()
        assert [process.exitcode for process in syncs] == [0, 0], place.output()
        rows = place.query("select job_id, state from clari.export_job order by all")
        assert [state for _, state in rows] == ["LOADED"] * 2 * quarters
        assert sorted(job_id for job_id, _ in rows) == sorted(job.job_id for job in sandbox.jobs)
