"""Dagster on several workers: two export at once; what dies is found, made again, and asks Clari for nothing twice."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest

from clari_pipeline.defs.assets import EXPORTS_POOL, WAREHOUSE_POOL
from clari_pipeline.sandbox import Sandbox
from tests.helpers.fleet import Fleet, database_of_its_own, home_of, until
from tests.helpers.terminal import BEFORE, CURRENT


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


def workers_known_to_monitoring(fleet: Fleet, alive: str) -> dict[str, str]:
    """What the launcher says of a run under way, of one that the code server does not know, of one whose server does
    not answer, and of one of the command line.
    """
    run = fleet.run(alive)
    runs = {
        "alive": run,
        "unknown": dg.DagsterRun("sync_quarter", remote_job_origin=run.remote_job_origin),
        "unreachable": dg.deserialize_value(
            dg.serialize_value(run).replace(f'"port": {fleet.port}', '"port": 1'), dg.DagsterRun
        ),
        "terminal": dg.DagsterRun("sync_quarter", tags={"clari/sync": "by hand"}),
    }
    launcher = fleet.instance.run_launcher
    assert launcher.supports_check_run_worker_health
    return {name: launcher.check_run_worker_health(run).status.value for name, run in runs.items()}


@pytest.mark.long
@pytest.mark.soak
def test_two_workers_at_once_and_one_of_them_is_killed(fleet: Fleet, company: Sandbox, hands: Hands) -> None:
    """As shipped, a DuckDB file has one writer and the second run waits. With two allowed, both export at once; the one
    that is killed is found, made again, and goes on with the job that Clari has.
    """
    first = fleet.launch(CURRENT)
    until(lambda: len(company.jobs) == 1, "the first export")
    second = fleet.launch(BEFORE)
    until(lambda: f"Run {second} is blocked by global concurrency limits" in fleet.log("daemon"), "the pool's word")
    assert (fleet.status(first), fleet.status(second)) == ("STARTED", "QUEUED")

    assert fleet.instance.event_log_storage.get_concurrency_info(EXPORTS_POOL).slot_count == 3
    fleet.instance.event_log_storage.set_concurrency_slots(WAREHOUSE_POOL, 2)
    until(lambda: len(company.jobs) == 2, "the second export")
    assert (fleet.status(first), fleet.status(second)) == ("STARTED", "STARTED")
    # Who cannot be asked is not taken for dead.
    assert workers_known_to_monitoring(fleet, first) == {
        "alive": "RUNNING",
        "unknown": "NOT_FOUND",
        "unreachable": "RUNNING",
        "terminal": "RUNNING",
    }

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
    """Nobody is left to report the death: monitoring asks the server that has come in its place. A run that fails
    because its export was refused is not made again: it would ask Clari for the same.
    """
    run = fleet.launch(CURRENT)
    until(lambda: len(company.jobs) == 1, "the export")
    fleet.until_status(run, "STARTED")
    fleet.kill_code_server()
    looks = fleet.log("daemon").count(f"Checking run {run}")
    until(lambda: fleet.log("daemon").count(f"Checking run {run}") > looks + 1, "two more looks of the monitoring")
    assert fleet.status(run) == "STARTED", "a server that does not answer is asked again"
    fleet.start_code_server()
    fleet.until_status(run, "FAILURE")
    again = fleet.retry_of(run)
    fleet.until_status(again, "STARTED")
    hands.seconds = 3600
    fleet.until_status(again, "SUCCESS")
    assert asked(company) == 1
    assert [state for _, _, state, _ in exports(fleet)] == ["LOADED"]

    company.scenario = "null_keys"
    refused = fleet.launch(BEFORE)
    until(lambda: len(company.jobs) == 2, "the second export")
    hands.seconds = 7200
    fleet.until_status(refused, "FAILURE")
    until(lambda: fleet.has_said(refused, "Not retrying run"), "the word that it is not made again")
    assert asked(company) == 2
