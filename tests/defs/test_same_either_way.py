"""The command line and Dagster's daemon, one after the other, for the same answers of Clari."""

import re
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest

from clari_pipeline.config.settings import point_dagster_at, read_settings
from clari_pipeline.sandbox import Sandbox
from tests.helpers import prepared
from tests.helpers.daemon import CURRENT, Daemon
from tests.helpers.sensors import definitions_of
from tests.helpers.terminal import Terminal

QUARTERS = (CURRENT, CURRENT.shifted(-1))
# What differs from run to run, whoever runs it: ids that Clari or we draw, moments, and how long something took.
DRAWN = re.compile(
    r"(^|_)(at|id|seconds|path|sha256|bytes|key)$|^made_of$|_count$|_seconds|^detail$|^evidence$|^day$|^polls$|^lists$|^fingerprint$"
)
ONE_A_RUN = ("export_quota", "api_limits")  # Clari is asked what it leaves once a run: the daemon's are one a quarter
KEPT = {"forecast_id", "time_period_id", "time_frame_id", "user_id", "field_id", "document_period_id", "role_id"}


def left_by(folder: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Every table and view of the warehouse: its rows less what is drawn, in an order of their own."""
    found = {}
    with duckdb.connect(folder / "data/warehouse.duckdb", read_only=True) as connection:
        tables = connection.execute(
            "select table_name, list(column_name order by ordinal_position)"
            " from information_schema.columns where table_schema = 'clari' group by all"
        ).fetchall()
        for table, columns in tables:
            same = ["1", *(name for name in columns if name in KEPT or not DRAWN.search(name))]
            rows = connection.execute(f"select {', '.join(same)} from clari.{table} order by all").fetchall()
            found[table] = [tuple(re.sub(r"[0-9a-f-]{32,36}|job [\w-]+", "…", str(one)) for one in row) for row in rows]
    return found


def sync_by_the_daemon(daemon: Daemon, quarters: int) -> None:
    """What a tick of the schedule starts, and what the sensors start after it."""
    definitions = definitions_of(read_settings())
    context = dg.build_schedule_context(
        instance=daemon.instance,
        scheduled_execution_time=datetime.now(UTC),
        repository_def=definitions.get_repository_def(),
    )
    requests = definitions.resolve_schedule_def("daily_sync_schedule").evaluate_tick(context).run_requests or ()
    assert [request.partition_key for request in requests] == [str(quarter) for quarter in QUARTERS[:quarters]]
    for request in requests:
        daemon.sync(request.partition_key, may_fail=True, tags=request.tags)
    assert definitions.resolve_job_def("refresh_marts").execute_in_process(instance=daemon.instance).success
    daemon.tick_sensors()


@pytest.mark.parametrize(
    ("scenarios", "quarters"),
    [(("calm", "swings"), 1), pytest.param(("calm", "swings", "truncated"), 2, marks=pytest.mark.soak)],
)
def test_the_daemon_leaves_what_the_command_line_leaves(
    terminal: Terminal,
    dagster_home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    scenarios: tuple[str, ...],
    quarters: int,
) -> None:
    """Tables, marts, ledger, verdicts and alerts, of a calm day, of one with swings, and of one that is refused."""
    begin, passed = datetime.now(UTC), [timedelta()]
    left = []
    for how in ("command line", "daemon"):
        folder = tmp_path / how
        shutil.copytree(dagster_home, folder / "dagster_home")
        prepared.begin_with_empty_warehouse(folder / "data/warehouse.duckdb")
        monkeypatch.chdir(folder)
        monkeypatch.setenv("DAGSTER_HOME", str(folder / "dagster_home"))
        with Sandbox(job_seconds=0.02, people=12, seed=7, now=lambda: begin + passed[0]) as clari:
            monkeypatch.setenv("CLARI_BASE_URL", clari.base_url)
            monkeypatch.setenv("CLARI_API_KEY", clari.api_key)
            monkeypatch.setenv("CLARI_HISTORICAL_PERIODS", str(quarters - 1))
            point_dagster_at(read_settings())
            with dg.DagsterInstance.get() as instance:
                daemon = Daemon(instance, dict.fromkeys(("alerts_after_success", "alerts_after_failure")))
                daemon.tick_sensors()
                for day, scenario in enumerate(scenarios):
                    clari.scenario, passed[0] = scenario, timedelta(minutes=day)
                    if how == "daemon":
                        sync_by_the_daemon(daemon, quarters)
                    else:
                        terminal.with_dagster("sync")
        left.append(left_by(folder))
    by_hand, by_daemon = left
    assert by_hand.keys() == by_daemon.keys()
    assert [row for row in by_hand["alert"] if "forecast_swing" in row], "a swing is told of"
    different = [table for table, rows in by_hand.items() if rows != by_daemon[table]]
    assert [table for table in different if table not in ONE_A_RUN] == []
