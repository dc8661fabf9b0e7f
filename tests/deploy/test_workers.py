"""Dagster on several workers: two export at once; what dies is found, made again, and asks Clari for nothing twice."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from clari_pipeline.defs.assets import EXPORTS_POOL, WAREHOUSE_POOL
from clari_pipeline.periods import FiscalCalendar
from clari_pipeline.sandbox import Sandbox

from .fleet import Fleet, database_of_its_own, home_of, until

CURRENT = FiscalCalendar().quarter_of(datetime.now(UTC).date())
BEFORE = CURRENT.shifted(-1)


class Hands:
    """A clock that stands still until it is turned: Clari's jobs end when the test says so."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def hands() -> Hands:
    return Hands()


@pytest.fixture
def company(hands: Hands) -> Iterator[Sandbox]:
    with Sandbox(job_seconds=60, people=5, clock=hands, write_at_once=True) as sandbox:
        yield sandbox


@pytest.fixture
def fleet(address: str, company: Sandbox, tmp_path: Path) -> Iterator[Fleet]:
    with database_of_its_own(address) as storage:
        environment = storage | {
            "DAGSTER_HOME": str(home_of(tmp_path)),
            "CLARI_API_KEY": company.api_key,
            "CLARI_BASE_URL": company.base_url,
            "CLARI_FORECAST_IDS": "total_new",
            "CLARI_POLL_INTERVAL_S": "0.1",
            "CLARI_MAX_CONCURRENT_EXPORTS": "1",
        }
        with pytest.MonkeyPatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            with Fleet(tmp_path, environment) as running:
                yield running


def exports(fleet: Fleet) -> list[tuple[Any, ...]]:
    """The ledger, read when nobody writes."""

    def read() -> list[tuple[Any, ...]]:
        try:
            with duckdb.connect(str(fleet.folder / "data/warehouse.duckdb"), read_only=True) as connection:
                return connection.execute(
                    "select time_period_id, job_id, state, attempt from clari.export_job order by all"
                ).fetchall()
        except duckdb.IOException:
            return []

    found: list[tuple[Any, ...]] = until(read, "the ledger")
    return found


def asked(company: Sandbox) -> int:
    """How many exports were queued at Clari."""
    return len([request for request in company.requests if request.method == "POST"])


def the_daemon_looks_again(fleet: Fleet) -> None:
    """The queue has been looked through once more, from its beginning."""

    def beats() -> float:
        beat = fleet.instance.get_daemon_heartbeats().get("QUEUED_RUN_COORDINATOR")
        return beat.timestamp if beat else 0.0

    for _ in range(2):
        seen = beats()
        until(lambda seen=seen: beats() > seen, "another look of the daemon")  # type: ignore[misc]


@pytest.mark.long
def test_two_workers_at_once_and_one_of_them_is_killed(fleet: Fleet, company: Sandbox, hands: Hands) -> None:
    """As shipped, a DuckDB file has one writer and the second run waits. With two allowed, both export at once; the one
    that is killed is found, made again, and goes on with the job that Clari has.
    """
    first = fleet.launch(CURRENT)
    until(lambda: len(company.jobs) == 1, "the first export")
    second = fleet.launch(BEFORE)
    the_daemon_looks_again(fleet)
    assert (fleet.status(first), fleet.status(second)) == ("STARTED", "QUEUED")

    assert fleet.instance.event_log_storage.get_concurrency_info(EXPORTS_POOL).slot_count == 3
    fleet.instance.event_log_storage.set_concurrency_slots(WAREHOUSE_POOL, 2)
    until(lambda: len(company.jobs) == 2, "the second export")
    assert (fleet.status(first), fleet.status(second)) == ("STARTED", "STARTED")

    fleet.kill_worker(first)
    fleet.until_status(first, "FAILURE")
    again = fleet.retry_of(first)
    fleet.until_status(again, "STARTED")
    assert fleet.status(second) == "STARTED"

    hands.seconds = 3600
    fleet.until_status(again, "SUCCESS")
    fleet.until_status(second, "SUCCESS")
    assert asked(company) == 2
    by_quarter = {job.period_id: job.job_id for job in company.jobs}
    assert exports(fleet) == sorted(
        (str(quarter), by_quarter[str(quarter)], "LOADED", 1) for quarter in (CURRENT, BEFORE)
    )


@pytest.mark.long
@pytest.mark.soak
def test_a_code_server_that_dies_with_its_workers(fleet: Fleet, company: Sandbox, hands: Hands) -> None:
    """Nobody is left to report the death: monitoring asks the server that has come in its place."""
    run = fleet.launch(CURRENT)
    until(lambda: len(company.jobs) == 1, "the export")
    fleet.until_status(run, "STARTED")
    fleet.kill_code_server()
    the_daemon_looks_again(fleet)
    assert fleet.status(run) == "STARTED", "a server that does not answer is asked again"
    fleet.start_code_server()
    fleet.until_status(run, "FAILURE")
    again = fleet.retry_of(run)
    fleet.until_status(again, "STARTED")
    hands.seconds = 3600
    fleet.until_status(again, "SUCCESS")
    assert asked(company) == 1
    assert [state for _, _, state, _ in exports(fleet)] == ["LOADED"]
