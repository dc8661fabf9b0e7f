"""A sync's runs in Dagster: whose they are, what they say, how they end, which ticks leave out, how long they stay."""

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import dagster as dg
import pytest

from clari_pipeline.config.settings import read_settings
from clari_pipeline.defs.automation import daily_sync_schedule, hourly_current_schedule
from clari_pipeline.defs.origins import repository_of
from clari_pipeline.defs.products import daily_products_schedule
from clari_pipeline.defs.run_retention import RunRetention
from clari_pipeline.sandbox import Sandbox
from clari_pipeline.sync.context import Context
from tests.defs.test_dagster import ENTRY, instance_of, runs_of
from tests.helpers.daemon import Daemon
from tests.helpers.terminal import BEFORE, CURRENT, Terminal

HERE = "__repository__@clari_pipeline.definitions"


def test_a_run_of_the_command_line_says_whose_it_is_and_what_became_of_it(terminal: Terminal, sandbox: Sandbox) -> None:
    """It belongs to the code location by which Dagster's pages list runs; its tags and its log can be read."""
    sandbox.scenario = "null_keys"
    assert terminal.with_dagster("sync").code == 1
    with instance_of(terminal) as instance:
        listed = instance.get_runs(dg.RunsFilter(tags={".dagster/repository": HERE}))
        assert {run.run_id for run in listed} == {run.run_id for run in instance.get_runs()}
        for run in listed:
            assert run.remote_job_origin is not None
            assert run.remote_job_origin.repository_origin.get_label() == HERE
            assert run.tags["user"] == "command line"
        quarters = {run.tags["clari/quarter"]: run for run in runs_of(instance, "sync_quarter")}
        outcomes = {quarter: run.tags["clari/outcome"] for quarter, run in quarters.items()}
        assert outcomes == {str(CURRENT): "merged", str(BEFORE): "refused"}
        (marts,) = runs_of(instance, "refresh_marts")
        log = {
            run.job_name: [entry.user_message for entry in instance.all_logs(run.run_id) if entry.dagster_event is None]
            for run in (quarters[str(CURRENT)], marts)
        }
    assert any(line.startswith(f"Merging the landed documents of {CURRENT}") for line in log["sync_quarter"])
    assert any(" rows, " in line and line.endswith(" 0 changed") for line in log["sync_quarter"])
    assert any(line.startswith("forecast_vs_quota: ") for line in log["refresh_marts"])
    assert any(line.startswith("Published for readers") for line in log["refresh_marts"])


def test_a_sandbox_has_a_dagster_of_its_own(terminal: Terminal) -> None:
    """Whatever DAGSTER_HOME says."""
    assert terminal.with_dagster("sync", "--sandbox", "--last", "1").code == 0
    with instance_of(terminal) as instance:
        assert instance.get_runs() == []
    with dg.DagsterInstance.from_config(str(terminal.folder / "data/sandbox/dagster_home")) as instance:
        assert {run.job_name for run in instance.get_runs()} == {"sync_quarter", "refresh_marts"}


@pytest.mark.parametrize("by", ["command line", "daemon"])
def test_a_run_whose_sync_was_killed_is_marked_by_the_next(terminal: Terminal, sandbox: Sandbox, by: str) -> None:
    """Nothing else would: Dagster's monitoring knows no process of it."""
    context = Context.of(read_settings())
    with pytest.raises(ConnectionAbortedError), context.runs.alive("killed"):  # leaves its lock file, as a kill does
        raise ConnectionAbortedError
    with instance_of(terminal) as instance:
        for sync in ("killed", "alive elsewhere"):
            instance.add_run(_run(sync, tags={"clari/sync": sync}))
        if by == "daemon":
            assert Daemon(instance, {}).sync()
        else:
            assert terminal.with_dagster("sync", "--last", "1").code == 0
        statuses = {run.run_id: run.status for run in instance.get_runs()}
    assert (statuses["killed"], statuses["alive elsewhere"]) == (
        dg.DagsterRunStatus.FAILURE,
        dg.DagsterRunStatus.STARTED,
    )


def _run(run_id: str, *, job: str = "sync_quarter", **more: Any) -> dg.DagsterRun:
    return dg.DagsterRun(job, run_id=run_id, **{"status": dg.DagsterRunStatus.STARTED} | more)


# Ticks


@pytest.fixture
def instance(terminal: Terminal) -> Iterator[dg.DagsterInstance]:
    with instance_of(terminal) as found:
        yield found


def asked(instance: dg.DagsterInstance, make: Any, job: str = "sync_quarter") -> list[str]:
    """What a tick asks for, by quarter or product; or why it is skipped."""
    moment = datetime.now(UTC)
    with dg.build_schedule_context(instance=instance, scheduled_execution_time=moment) as context:
        found = list(make(dg.define_asset_job(job), read_settings())(context))
    return [
        str(one.skip_message) if isinstance(one, dg.SkipReason) else one.partition_key or one.tags["clari/product"]
        for one in found
    ]


UNDER_WAY = "is queued or running already"
_OF_CURRENT, _OF_BEFORE = ({"dagster/partition": str(quarter)} for quarter in (CURRENT, BEFORE))


@pytest.mark.parametrize(
    ("tags", "daily", "hourly"),
    [
        pytest.param([], [CURRENT, BEFORE], [CURRENT], id="nothing runs"),
        pytest.param([_OF_BEFORE], [CURRENT], [CURRENT], id="a past quarter"),
        pytest.param([_OF_CURRENT], [BEFORE], [f"A run of {CURRENT} {UNDER_WAY}"], id="the current one"),
        pytest.param(
            [_OF_CURRENT, _OF_BEFORE],
            [f"A run of {CURRENT}, {BEFORE} {UNDER_WAY}"],
            [f"A run of {CURRENT} {UNDER_WAY}"],
            id="all",
        ),
        pytest.param(
            [_OF_CURRENT | {"clari/current": "true"}],
            [CURRENT, BEFORE],
            [f"A run of {CURRENT} {UNDER_WAY}"],
            id="the newest week alone",
        ),
        pytest.param([_OF_CURRENT | {"clari/sync": "killed"}], [CURRENT, BEFORE], [CURRENT], id="of a killed command"),
        pytest.param([_OF_CURRENT | {"clari/env": "dev"}], [CURRENT, BEFORE], [CURRENT], id="another environment's"),
    ],
)
@pytest.mark.parametrize("status", [dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.STARTED])
def test_a_tick_leaves_out_what_is_queued_or_running(
    instance: dg.DagsterInstance,
    tags: list[dict[str, str]],
    daily: list[Any],
    hourly: list[Any],
    status: dg.DagsterRunStatus,
) -> None:
    origin = repository_of(instance, None).get_job_origin("sync_quarter")
    for number, of_run in enumerate(tags):
        instance.add_run(_run(f"run {number}", tags=of_run, status=status, remote_job_origin=origin))
    assert asked(instance, daily_sync_schedule) == [*map(str, daily)]
    assert asked(instance, hourly_current_schedule) == [*map(str, hourly)]


def test_a_tick_leaves_out_products_that_are_under_way(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLARI_PRODUCTS", "limits,audit")
    instance.add_run(_run("audit", job="sync_products", tags={"clari/product": "audit"}))
    assert asked(instance, daily_products_schedule, "sync_products") == ["limits"]
    instance.add_run(_run("limits", job="sync_products", tags={"clari/product": "limits"}))
    assert asked(instance, daily_products_schedule, "sync_products") == [f"A run of limits, audit {UNDER_WAY}"]


# Retention


def test_old_runs_go_and_the_newest_of_everything_stay(terminal: Terminal, sandbox: Sandbox) -> None:
    """Of three syncs: the newest materializations, the newest results of checks, the last success and failure of a
    quarter, even where newer runs brought nothing.

    Runs of another code location's job of the same name stay, whatever their age, and so do those that run.
    """
    terminal.begin_after_a_sync_in_dagster(sandbox)
    assert terminal.with_dagster("sync").code == 0
    merged = _newest_runs(terminal)
    sandbox.scenario = "failed"  # no document of the current quarter, so no materialization
    assert terminal.with_dagster("sync").code == 1
    kept = {*_newest_runs(terminal).values(), merged[str(CURRENT)]}
    with instance_of(terminal) as instance:
        ours = repository_of(instance, None).get_job_origin("sync_quarter")
        for name in ("SUCCESS", "FAILURE"):
            status = dg.DagsterRunStatus(name)
            instance.add_run(_run(name, status=status, remote_job_origin=ours, tags=_OF_CURRENT))
        theirs = repository_of(instance, "theirs").get_job_origin("sync_quarter")
        instance.add_run(_run("theirs", status=dg.DagsterRunStatus.SUCCESS, remote_job_origin=theirs, tags=_OF_CURRENT))
        instance.add_run(_run("runs", tags=_OF_CURRENT | {"clari/sync": "this"}))
        instance.add_run(_run("of up to 0.1", status=dg.DagsterRunStatus.CANCELED, tags={"clari/sync": "that"}))
        before = _shown(instance)
        assert RunRetention(instance, read_settings(), datetime.now(UTC)).old_runs() == []
    files = terminal.folder / "dagster_home/history/runs"
    assert len(list(files.glob("*-*.db"))) == 3 * 3
    _make_old(terminal)
    assert terminal("retention", "--dry-run", "--json").document["runs"] == 6
    assert "6 runs older than 90 days have left Dagster." in terminal("retention").out
    assert terminal("retention", "--json").document["runs"] == 0
    with instance_of(terminal) as instance:
        stay = {run.run_id for run in instance.get_runs()}
        assert stay == {*kept, "SUCCESS", "FAILURE", "theirs", "runs"}
        assert _shown(instance) == before
    assert {file.stem for file in files.glob("*-*.db*")} == kept


def _newest_runs(terminal: Terminal) -> dict[str, str]:
    """The newest run of each quarter, and of each other job."""
    with instance_of(terminal) as instance:
        runs = reversed(instance.get_runs())
        return {run.tags.get("clari/quarter", run.job_name): run.run_id for run in runs}


def _make_old(terminal: Terminal) -> None:
    with sqlite3.connect(terminal.folder / "dagster_home/history/runs.db") as stored:
        stored.execute("update runs set create_timestamp = datetime('now', '-100 days')")


def _shown(instance: dg.DagsterInstance) -> Any:
    """What an asset's page shows: its materialized partitions, the newest of each mart, the result of each check."""
    marts = [key for key in instance.get_asset_keys() if not instance.get_materialized_partitions(key)]
    evaluations = instance.get_event_records(
        dg.EventRecordsFilter(event_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION), ascending=True
    )
    results = {}
    for record in evaluations:
        found = record.event_log_entry.asset_check_evaluation
        assert found is not None
        results[found.check_name, found.partition] = (record.run_id, found.passed)
    return (
        instance.get_materialized_partitions(ENTRY),
        {key: newest and newest.run_id for key in marts for newest in [instance.get_latest_materialization_event(key)]},
        results,
    )
