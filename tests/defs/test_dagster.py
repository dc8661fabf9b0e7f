"""What a data engineer sees in Dagster: the graph, red and green quarters, checks with evidence, runs on schedule."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import httpx
import pytest
import stamina

from clari_pipeline.checks.export_gate import CHECKS
from clari_pipeline.config.settings import Settings, point_dagster_at, read_settings
from clari_pipeline.core.periods import FiscalCalendar
from clari_pipeline.core.project import project_file
from clari_pipeline.defs.assets import READ_COPY
from clari_pipeline.defs.automation import daily_sync_schedule, hourly_current_schedule
from clari_pipeline.defs.graph import build
from clari_pipeline.sandbox import Sandbox
from clari_pipeline.store.mart_registry import MARTS
from tests.helpers.daemon import Daemon
from tests.helpers.house import House, document, entry
from tests.helpers.listeners import free_port
from tests.helpers.sensors import sensor_tick
from tests.helpers.terminal import BEFORE, CURRENT, Terminal

_PARTITIONS = "clari_quarters"
ENTRY = dg.AssetKey(["clari", "forecast_entry"])


@contextmanager
def instance_of(terminal: Terminal) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.from_config(str(terminal.folder / "dagster_home")) as instance:
        yield instance


def runs_of(instance: dg.DagsterInstance, job: str) -> list[dg.DagsterRun]:
    return list(instance.get_runs(dg.RunsFilter(job_name=job)))


def check_evaluations(instance: dg.DagsterInstance) -> dict[tuple[str, str | None], Any]:
    """The newest evaluation of each check and partition."""
    records = instance.get_event_records(
        dg.EventRecordsFilter(event_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION), ascending=True
    )
    evaluations = [record.event_log_entry.asset_check_evaluation for record in records]
    return {(found.check_name, found.partition): found for found in evaluations if found is not None}


def test_a_refused_quarter_is_red_and_the_others_are_green(terminal: Terminal, sandbox: Sandbox) -> None:
    """One run per quarter: the refused one failed, nothing of it materialised, its check names the entries. The command
    says which, why, and exits with 1.
    """
    sandbox.scenario = "null_keys"
    answer = terminal.with_dagster("sync", "--json")
    assert answer.code == 1
    exports = {export["time_period_id"]: export for export in answer.document["exports"]}
    assert {quarter: export["state"] for quarter, export in exports.items()} == {
        str(CURRENT): "LOADED",
        str(BEFORE): "REFUSED",
    }
    last_line = answer.err.strip().splitlines()[-1]
    assert str(BEFORE) in last_line and "entry_keys_are_complete" in last_line
    assert terminal.query("select distinct time_period_id from clari.forecast_entry") == [(str(CURRENT),)]
    ((job_id, path),) = terminal.query("select job_id, landing_path from clari.export_job where state = 'REFUSED'")
    assert (terminal.folder / "data/landing" / path / "document.zst").exists()
    with instance_of(terminal) as instance:
        runs = {run.tags["dagster/partition"]: run.status for run in runs_of(instance, "sync_quarter")}
        assert runs == {str(CURRENT): dg.DagsterRunStatus.SUCCESS, str(BEFORE): dg.DagsterRunStatus.FAILURE}
        assert [run.status for run in runs_of(instance, "refresh_marts")] == [dg.DagsterRunStatus.SUCCESS]
        assert instance.get_materialized_partitions(ENTRY) == {str(CURRENT)}
        assert instance.get_materialized_partitions(dg.AssetKey(["clari", "raw_export"])) == set(runs)
        evaluations = check_evaluations(instance)
        for quarter in runs:
            of_quarter = {name for name, partition in evaluations if partition == quarter}
            assert of_quarter == set(CHECKS) - {"periods_are_covered", "forecast_movement_adds_up"}
        failed = {key for key, found in evaluations.items() if not found.passed}
        assert failed == {("entry_keys_are_complete", str(BEFORE)), ("periods_are_covered", None)}
        evidence = evaluations["entry_keys_are_complete", str(BEFORE)]
        assert evidence.severity == dg.AssetCheckSeverity.ERROR
        assert (evidence.metadata["null_keys"].value, len(evidence.metadata["unexpected_rows"].records)) == (4, 4)
        unjudged = evaluations["control_totals_reconcile", str(BEFORE)]
        assert unjudged.severity == dg.AssetCheckSeverity.WARN
        assert unjudged.description.startswith("not evaluated: entry_keys_are_complete: 4 entries lack")
        failures = dg.EventRecordsFilter(event_type=dg.DagsterEventType.STEP_FAILURE)
        step, *_ = instance.get_event_records(failures)
        description = step.event_log_entry.dagster_event.event_specific_data.user_failure_data.description
        assert all(word in description for word in (str(BEFORE), job_id, "entry_keys_are_complete"))


def test_a_quarter_says_how_it_came(terminal: Terminal, sandbox: Sandbox) -> None:
    """Its materialisation carries job id, rows, seconds waited and polls, as the ledger has them; the run's log, at
    seven in the morning, each step: which job, how long, where it landed. The marts come once after the last quarter:
    the sensor waits while one is still to come.
    """
    terminal.begin_after_a_sync_in_dagster(sandbox)
    ((job_id, rows, polls),) = terminal.query(
        f"select job_id, rows_exported, poll_count from clari.export_job where time_period_id = '{CURRENT}'"
    )
    with instance_of(terminal) as instance:
        runs = {run.tags["dagster/partition"]: run for run in runs_of(instance, "sync_quarter")}
        of_quarter = dg.AssetRecordsFilter(asset_key=ENTRY, asset_partitions=[str(CURRENT)])
        (event,) = instance.fetch_materializations(of_quarter, limit=1).records
        logs = {
            quarter: " / ".join(str(entry.message) for entry in instance.all_logs(run.run_id))
            for quarter, run in runs.items()
        }
        metadata = event.asset_materialization.metadata  # type: ignore[union-attr]
        assert {name: metadata[name].value for name in ("job_id", "rows_exported", "poll_count")} == {
            "job_id": job_id,
            "rows_exported": rows,
            "poll_count": polls,
        }
        assert metadata["wait_seconds"].value >= 0
        assert metadata["dagster/row_count"].value == rows
        for words in (
            f"{CURRENT}: ",
            f"accepted as job {job_id}",
            "DONE after",
            f"landed in total_new/{CURRENT}/{job_id}",
        ):
            assert words in logs[str(CURRENT)]
        (retried,) = [quarter for quarter, log in logs.items() if "retrying " in log]
        assert terminal.query("select time_period_id from clari.export_job where retry_count = 1") == [(retried,)]
        assert_the_marts_follow_the_last_quarter(instance, runs[str(CURRENT)])


def assert_the_marts_follow_the_last_quarter(instance: dg.DagsterInstance, done: dg.DagsterRun) -> None:
    sensor = build(read_settings()).resolve_sensor_def("marts_follow_succeeded")
    event = instance.all_logs(done.run_id, of_type=dg.DagsterEventType.RUN_SUCCESS)[0].dagster_event

    def ask(run: dg.DagsterRun) -> Any:
        context = dg.build_run_status_sensor_context(
            sensor_name=sensor.name, dagster_event=event, dagster_instance=instance, dagster_run=run
        )
        return sensor(context)

    assert isinstance(ask(done), dg.SkipReason), "of the command line, which refreshes them itself"
    executed_again = done.with_tags(done.tags | {"dagster/parent_run_id": done.run_id})
    assert isinstance(ask(executed_again), dg.RunRequest), "from Dagster's page, with the tags of the first"
    of_the_daemon = done.with_tags({})
    assert isinstance(ask(of_the_daemon), dg.RunRequest)
    instance.add_run(dg.DagsterRun(job_name="sync_quarter", status=dg.DagsterRunStatus.STARTED))
    assert isinstance(ask(of_the_daemon), dg.SkipReason)


def test_in_a_quarters_first_days_an_empty_export_is_a_warning(
    terminal: Terminal, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kept out, exit code 0, the run green, the check a warning. Nor is it a failure that the files for readers cannot
    be made: one line says why and what to do, nothing is left over, the run of the marts is green.
    """
    monkeypatch.setenv("CLARI_QUARTER_GRACE_DAYS", "90")
    start = FiscalCalendar().first_day(CURRENT)
    if (datetime.now(UTC).date() - start).days >= 90:
        monkeypatch.setenv("CLARI_FISCAL_YEAR_START_MONTH", str(datetime.now(UTC).month))
    current = FiscalCalendar(read_settings().fiscal_year_start_month).quarter_of(datetime.now(UTC).date())
    monkeypatch.setenv("CLARI_FORECAST_IDS", "a_new_tab")
    sandbox.serve("a_new_tab", str(current), b'{"entries":[]}')
    marts = terminal.folder / "data/marts"
    marts.parent.mkdir()
    marts.touch()
    answer = terminal.with_dagster("sync", "--last", "1", "--json")
    assert answer.code == 0, answer.err
    (export,) = answer.document["exports"]
    assert export["state"] == "REFUSED"
    (check,) = [found for found in answer.document["checks"] if found["name"] == "export_is_not_empty"]
    assert (check["passed"], check["severity"]) == (False, "WARN")
    (line,) = [line for line in answer.err.splitlines() if "not made anew" in line]
    assert "File exists" in line and "make room" in line
    assert not (marts.parent / ".publishing").exists()
    with instance_of(terminal) as instance:
        for job in ("sync_quarter", "refresh_marts"):
            assert [run.status for run in runs_of(instance, job)] == [dg.DagsterRunStatus.SUCCESS], job
        assert instance.get_materialized_partitions(ENTRY) == set()


@pytest.fixture
def instance(dagster_home: Path, tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """An instance without any partition."""
    with dg.DagsterInstance.from_config(str(shutil.copytree(dagster_home, tmp_path / "home"))) as found:
        yield found


def requests_of_a_tick(
    instance: dg.DagsterInstance, schedule: Callable[[Any, Settings], dg.ScheduleDefinition], moment: datetime
) -> list[str]:
    """The quarters that a schedule asks for; each is a partition by then."""
    with dg.build_schedule_context(instance=instance, scheduled_execution_time=moment) as context:
        requests: Any = list(schedule(dg.define_asset_job("sync_quarter"), read_settings())(context))
        assert {request.partition_key for request in requests} <= set(instance.get_dynamic_partitions(_PARTITIONS))
    return [request.partition_key for request in requests]


def test_the_schedule_asks_for_each_quarter(instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cron and time zone are the settings'. The organisation's day says which quarters, whatever zone the schedule's
    own clock is in: the new year begins in Sydney, and not yet in California.
    """
    monkeypatch.setenv("CLARI_SYNC_CRON", "30 5 * * 1-5")
    monkeypatch.setenv("CLARI_TIMEZONE", "Europe/Berlin")
    monkeypatch.setenv("CLARI_HISTORICAL_PERIODS", "1")
    schedule = build(read_settings()).resolve_schedule_def("daily_sync_schedule")
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("30 5 * * 1-5", "Europe/Berlin")
    for zone, quarters in (
        ("Australia/Sydney", ["2027_Q1", "2026_Q4"]),
        ("America/Los_Angeles", ["2026_Q4", "2026_Q3"]),
    ):
        monkeypatch.setenv("CLARI_ORG_TIMEZONE", zone)
        assert requests_of_a_tick(instance, daily_sync_schedule, datetime(2026, 12, 31, 20, tzinfo=UTC)) == quarters, (
            zone
        )


def test_the_schedule_goes_by_the_quarters_that_the_warehouse_knows(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A year of 53 weeks ends on 2 January. While the warehouse cannot be read, the settings decide."""
    monkeypatch.setenv("CLARI_HISTORICAL_PERIODS", "0")
    monkeypatch.setenv("CLARI_WAREHOUSE_URL", f"duckdb:///{tmp_path / 'warehouse.duckdb'}")
    house, tick = House(tmp_path), datetime(2027, 1, 2, 20, tzinfo=UTC)
    assert requests_of_a_tick(instance, daily_sync_schedule, tick) == ["2027_Q1"]
    quarter = {"timePeriodId": "2026_Q4", "type": "QUARTER", "startDate": "2026-09-27", "endDate": "2027-01-02"}
    house.bring(document(entry(call=1), periods=[quarter]), datetime(2026, 12, 1, tzinfo=UTC))
    assert requests_of_a_tick(instance, daily_sync_schedule, tick) == ["2026_Q4"]
    assert requests_of_a_tick(instance, hourly_current_schedule, tick) == ["2026_Q4"]
    (tmp_path / "warehouse.duckdb").write_text("x" * 999)
    assert requests_of_a_tick(instance, daily_sync_schedule, tick) == ["2027_Q1"]


def test_partitions_are_the_quarters_that_a_sync_asks_for_and_those_that_the_warehouse_knows(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """No reload is needed, nothing is offered that has not begun, and what was offered before stays, whatever it is."""
    monkeypatch.setenv("CLARI_HISTORICAL_PERIODS", "1")
    monkeypatch.setenv("CLARI_WAREHOUSE_URL", f"duckdb:///{tmp_path / 'warehouse.duckdb'}")
    calendar = read_settings().calendar
    current = calendar.quarter_of(calendar.day_of(datetime.now(UTC)))
    synced = [str(current.shifted(-1)), str(current)]
    sensor_tick(instance, "quarters_watch", None)
    assert instance.get_dynamic_partitions(_PARTITIONS) == synced
    House(tmp_path).deliver(document(entry(call=1)), datetime(2024, 3, 1, tzinfo=UTC), quarter="2024_Q1")
    instance.add_dynamic_partitions(_PARTITIONS, ["by hand"])
    sensor_tick(instance, "quarters_watch", None)
    assert instance.get_dynamic_partitions(_PARTITIONS) == [*synced, "by hand", "2024_Q1"]


def test_marts_that_an_upgrade_has_rebuilt_are_reported_once(terminal: Terminal) -> None:
    terminal.begin_after("sync")
    for run in (terminal, terminal.with_dagster):
        terminal.execute("update clari.mart_part_version set made_of = repeat('0', 64)")  # a release before versions
        for times in (1, 0):
            lines = [line for line in run("sync", "--last", "1").err.splitlines() if "were rebuilt once" in line]
            assert [line.endswith("(docs/runbook.md#weekly_marts_rebuilt)") for line in lines] == [True] * times


def test_the_hourly_schedule_brings_the_newest_week_without_a_job(
    terminal: Terminal, sandbox: Sandbox, dagster_home: Path
) -> None:
    """It is stopped until somebody turns it on; its run asks for no export, and fails where there is no such call."""
    terminal.begin_after("sync", "--last", "1")
    definitions = build(read_settings())
    schedule = definitions.resolve_schedule_def("hourly_current_schedule")
    assert schedule.default_status == dg.DefaultScheduleStatus.STOPPED
    with instance_of(terminal) as instance:
        context = dg.build_schedule_context(
            instance=instance,
            scheduled_execution_time=datetime.now(UTC),
            repository_def=definitions.get_repository_def(),
        )
        (request,) = schedule.evaluate_tick(context).run_requests or ()
        assert request.partition_key == str(CURRENT)
        daemon = Daemon(instance, {})
        sandbox.requests.clear()
        assert daemon.sync(request.partition_key, tags=request.tags)
        assert {one.method for one in sandbox.requests} == {"GET"}
        assert terminal.query("select source, state from clari.export_job order by exported_at") == [
            ("EXPORT", "LOADED"),
            ("CURRENT", "LOADED"),
        ]
        terminal.execute("update clari.current_call set has_it = false")
        assert not daemon.sync(request.partition_key, tags=request.tags, may_fail=True)
    assert terminal.with_dagster("sync", "--current").code == 2


_MARTS = {
    "forecast_vs_quota", "forecast_swing", "forecast_swing_summary", "pipeline_health", "pipeline_health_month",
    "read_copy", "forecast_call_week", "forecast_movement", "forecast_accuracy", "attainment_pacing",
    "pipeline_coverage", "call_submission", "board",
}  # fmt: skip
_TABLES = {"forecast_entry", "forecast_user", "forecast_field", "time_period", "time_frame"}
GROUPS = (
    dict.fromkeys(_TABLES, "warehouse")
    | dict.fromkeys(_MARTS, "marts")
    | {"raw_export": "clari", "retention": "operations", "data_docs": "operations", "verified_tables": "operations"}
)
"""Of each asset, the group that it is in."""
GRAINS = (
    "One row",
    "The quarter's exports",
    "One HTML page",
    "What notebooks and BI tools open",
    "Quarters",
    "Every quarter",
)


_SCHEDULES = [
    ("daily_sync_schedule", "30 8 * * *"),
    ("daily_verify_schedule", "0 2 * * *"),
    ("hourly_current_schedule", "15 * * * *"),
    ("monthly_retention_schedule", "0 3 1 * *"),
]


def test_every_mart_has_its_asset() -> None:
    assert _MARTS - {READ_COPY, "board"} == set(MARTS)


def assert_each_asset_is_described(groups: dict[str, str], assets: dict[str, tuple[Any, ...]]) -> None:
    """`assets`: of each, its path, description, owners, kinds and whether it is partitioned."""
    assert groups == GROUPS
    for name, (path, description, owners, kinds, is_partitioned) in assets.items():
        assert path == ["clari", name]
        assert (description or "").startswith(GRAINS)
        assert owners in (["team:data-engineering"], [{"team": "data-engineering"}])
        assert kinds
        assert is_partitioned == (groups[name] in {"clari", "warehouse"}), name


def assert_it_runs_by_itself(jobs: Iterable[str], schedules: Iterable[tuple[str, str]], sensors: Iterable[str]) -> None:
    assert set(jobs) >= {"sync_quarter", "refresh_marts", "apply_retention", "verify_tables"}
    assert sorted(schedules) == _SCHEDULES
    assert set(sensors) >= {"marts_follow_succeeded", "marts_follow_failed"}


def test_the_graph_stands_with_no_key_set(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every asset with grain, owner, kinds and group, in its order; jobs, schedules and sensors beside it."""
    for name in [name for name in os.environ if name.startswith("CLARI_")]:
        monkeypatch.delenv(name)
    definitions = build(read_settings())
    graph = definitions.resolve_asset_graph()
    nodes = {key.path[-1]: graph.get(key) for key in graph.get_all_asset_keys()}
    assert_each_asset_is_described(
        {name: node.group_name for name, node in nodes.items()},
        {
            name: (node.key.path, node.description, node.owners, node.kinds, node.is_partitioned)
            for name, node in nodes.items()
        },
    )
    assert nodes["forecast_entry"].parent_keys == {dg.AssetKey(["clari", "raw_export"])}
    assert ENTRY in nodes["forecast_swing"].parent_keys
    repository = definitions.get_repository_def()
    assert_it_runs_by_itself(
        (job.name for job in repository.get_all_jobs()),
        ((schedule.name, schedule.cron_schedule) for schedule in repository.schedule_defs),
        (sensor.name for sensor in repository.sensor_defs),
    )


QUERY = """
{
  assetNodes {
    assetKey { path } description groupName kinds isPartitioned opNames
    owners { ... on TeamAssetOwner { team } }
    hasAssetChecks dependencyKeys { path }
  }
  repositoriesOrError {
    ... on RepositoryConnection { nodes { jobs { name } schedules { name cronSchedule } sensors { name } } }
  }
}
"""


@contextmanager
def served(*command: str, home: Path, environment: dict[str, str], folder: Path) -> Iterator[Callable[..., Any]]:
    """Dagster's UI, as the command serves it; yields what answers a GraphQL query with its `data`."""
    port, workspace = free_port(), project_file("workspace.yaml")
    process = subprocess.Popen(
        [str(Path(sys.executable).with_name(command[0])), *command[1:], "-w", str(workspace), "-p", str(port)],
        env=environment | {"DAGSTER_HOME": str(home)},
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def ask(query: str, **variables: Any) -> Any:
        for attempt in stamina.retry_context(on=httpx.HTTPError, attempts=None, timeout=90, wait_max=1):
            with attempt:
                asked = {"query": query, "variables": variables}
                answer = httpx.post(f"http://127.0.0.1:{port}/graphql", json=asked, timeout=30)
                answer.raise_for_status()
        return answer.json()["data"]

    try:
        yield ask
    finally:
        process.terminate()
        process.wait(timeout=30)


@pytest.mark.soak
def test_dagster_dev_shows_the_whole_graph_with_no_key_set(tmp_path: Path) -> None:
    """The same as Dagster's UI is given it, by `dagster dev` as the README says, with no key set."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CLARI_")}
    (tmp_path / "dagster.yaml").write_bytes(project_file("dagster_home/dagster.yaml").read_bytes())
    folder = project_file("workspace.yaml").parent
    with served("dagster", "dev", home=tmp_path, environment=environment, folder=folder) as ask:
        data = ask(QUERY)
    nodes = {node["assetKey"]["path"][1]: node for node in data["assetNodes"]}
    fields = ("description", "owners", "kinds", "isPartitioned")
    assert_each_asset_is_described(
        {name: node["groupName"] for name, node in nodes.items()},
        {name: (node["assetKey"]["path"], *(node[field] for field in fields)) for name, node in nodes.items()},
    )
    assert nodes["forecast_entry"]["dependencyKeys"] == [{"path": ["clari", "raw_export"]}]
    assert {"path": ["clari", "forecast_entry"]} in nodes["forecast_swing"]["dependencyKeys"]
    (repository,) = data["repositoriesOrError"]["nodes"]
    assert_it_runs_by_itself(
        (job["name"] for job in repository["jobs"]),
        ((schedule["name"], schedule["cronSchedule"]) for schedule in repository["schedules"]),
        (sensor["name"] for sensor in repository["sensors"]),
    )


OF_A_JOB = """
query($job: String!, $location: String!) {
  pipelineOrError(params: {repositoryName: "__repository__", repositoryLocationName: $location, pipelineName: $job}) {
    ... on Pipeline { runs { runId } }
  }
  runsOrError(filter: {pipelineName: $job}) { ... on Runs {
    results { runId repositoryOrigin { repositoryName repositoryLocationName } }
  } }
}
"""


def assert_runs_stand_on_the_jobs_page_and_the_timeline(ask: Callable[..., Any]) -> None:
    """Both list runs by code location: the page by a tag, the timeline, which leaves out what has none, by origin."""
    location = "clari_pipeline.definitions"
    found = ask(OF_A_JOB, job="sync_quarter", location=location)
    runs = found["runsOrError"]["results"]
    assert {one["runId"] for one in found["pipelineOrError"]["runs"]} == {one["runId"] for one in runs} != set()
    for one in runs:
        assert one["repositoryOrigin"] == {
            "repositoryName": "__repository__",
            "repositoryLocationName": location,
        }


OF_AN_ASSET = """
query($path: [String!]!, $quarter: String!) {
  assetNodeOrError(assetKey: {path: $path}) { ... on AssetNode {
    partitionKeys
    partitionStats { numMaterialized numFailed }
    assetMaterializations(partitions: [$quarter]) { metadataEntries { ...Entry } }
    assetChecksOrError { ... on AssetChecks { checks {
      name
      partitionStatuses { ... on AssetCheckDefaultPartitionStatuses {
        succeededPartitions failedPartitions executionFailedPartitions skippedPartitions inProgressPartitions
      } }
      executionForLatestMaterialization { evaluation { metadataEntries { ...Entry } } }
    } } }
  } }
}
fragment Entry on MetadataEntry {
  __typename label
  ... on IntMetadataEntry { intValue }
  ... on TableMetadataEntry { table { schema { columns { name } } records } }
}
"""
_NUMBERS = {"IntMetadataEntry", "FloatMetadataEntry"}  # what Dagster draws over time


FLAGS = {"export_is_readable", "export_is_complete", "export_is_not_truncated"}


def test_a_refused_quarter_is_one_red_check_and_every_number_is_drawn(terminal: Terminal, sandbox: Sandbox) -> None:
    """What Dagster's pages are given. Each check of a merged quarter has a result that counts for its newest rows."""
    sandbox.scenario = "null_keys"
    terminal.with_dagster("sync")
    sandbox.scenario = "swings"
    terminal.with_dagster("sync", "--last", "1")
    home = terminal.folder / "dagster_home"
    with served("dagster-webserver", home=home, environment=dict(os.environ), folder=terminal.folder) as ask:
        asset = ask(OF_AN_ASSET, path=ENTRY.path, quarter=str(CURRENT))["assetNodeOrError"]
        assert_runs_stand_on_the_jobs_page_and_the_timeline(ask)
    assert asset["partitionKeys"] == [str(BEFORE), str(CURRENT)]
    assert asset["partitionStats"] == {"numMaterialized": 1, "numFailed": 1}
    ((count,),) = terminal.query("select count(*) from clari.forecast_entry")
    entries = {one["label"]: one for one in asset["assetMaterializations"][0]["metadataEntries"]}
    assert [entries[f"dagster/{name}"]["intValue"] for name in ("row_count", "partition_row_count")] == [count, count]
    numbers = {label for label, one in entries.items() if one["__typename"] in _NUMBERS}
    assert numbers >= {"rows_exported", "rows_updated", "result_bytes", "wait_seconds", "poll_count", "swings"}
    checks = {check["name"]: check for check in asset["assetChecksOrError"]["checks"]}
    red = {(name, quarter) for name, check in checks.items() for quarter in _others(check["partitionStatuses"])}
    assert red == {("entry_keys_are_complete", str(BEFORE)), ("forecast_swings_within_threshold", str(CURRENT))}
    for name, check in checks.items():
        found = {one["label"]: one for one in _evidence(check)}
        if "not_evaluated" not in found:
            assert any(one["__typename"] == "IntMetadataEntry" for one in found.values()) or name in FLAGS, name
    largest = {one["label"]: one for one in _evidence(checks["forecast_swings_within_threshold"])}["largest"]["table"]
    columns = [column["name"] for column in largest["schema"]["columns"]]
    assert columns[:4] == ["user_name", "field_name", "previous_value", "current_value"] and len(columns) <= 7
    ((amount,),) = terminal.query(
        "select current_value from clari.forecast_swing where is_swing order by abs(change_amount) desc limit 1"
    )
    assert f'"{amount:,.2f}"' in largest["records"][0]


def test_checks_of_a_quarter_without_a_document_are_not_evaluated(terminal: Terminal, sandbox: Sandbox) -> None:
    """The run is red for its export; no check is."""
    sandbox.scenario = "failed"
    assert terminal.with_dagster("sync", "--last", "1").code == 1
    with instance_of(terminal) as instance:
        evaluations = [found for (_, quarter), found in check_evaluations(instance).items() if quarter == str(CURRENT)]
    assert len(evaluations) == len(CHECKS) - 2
    assert {(found.passed, found.severity) for found in evaluations} == {(True, dg.AssetCheckSeverity.WARN)}
    (why,) = {found.description for found in evaluations}
    assert why.startswith("not evaluated: job ") and "failed at Clari" in why


def _others(statuses: dict[str, list[str]]) -> list[str]:
    """The quarters whose check has another status than succeeded."""
    return [quarter for status, found in statuses.items() if status != "succeededPartitions" for quarter in found]


def _evidence(check: Any) -> Any:
    return check["executionForLatestMaterialization"]["evaluation"]["metadataEntries"]


def test_without_a_key_a_run_says_which_setting_is_missing(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    """Started from the UI before anything is set up: red, with CLARI_API_KEY named."""
    monkeypatch.delenv("CLARI_API_KEY")
    settings = read_settings()
    point_dagster_at(settings)
    with instance_of(terminal) as instance:
        instance.add_dynamic_partitions(_PARTITIONS, [str(CURRENT)])
        result = (
            build(settings)
            .resolve_job_def("sync_quarter")
            .execute_in_process(instance=instance, partition_key=str(CURRENT), raise_on_error=False)
        )
        assert not result.success
        (failure,) = [event for event in result.all_events if event.is_step_failure]
        assert "CLARI_API_KEY" in failure.step_failure_data.user_failure_data.description  # type: ignore[union-attr, operator]


@dg.job
def _job_of_one_step() -> None:
    dg.op(name="step")(lambda: None)()


# What `dagster_home/dagster.yaml` of releases up to 0.1 said of storages.
_STORAGES_OF_0_1 = """
run_storage:
  module: clari_pipeline.defs.run_storage
  class: PooledSqliteRuns
  config: {home: {env: DAGSTER_HOME}}
event_log_storage:
  module: clari_pipeline.defs.event_log
  class: PooledSqliteEventLog
  config: {home: {env: DAGSTER_HOME}}
"""


def test_a_dagster_yaml_of_the_release_before_works_on_with_dagsters_own_storages(
    dagster_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It names two classes that were ours. An update loses no run, and neither does going back."""
    now = project_file("dagster_home/dagster.yaml").read_text()
    home = shutil.copytree(dagster_home, tmp_path / "home")
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    runs: list[tuple[str, int]] = []
    storages = set()
    for settings in (now + _STORAGES_OF_0_1, now, now + _STORAGES_OF_0_1):
        (home / "dagster.yaml").write_text(settings)
        with dg.DagsterInstance.get() as instance:
            storages.add((type(instance.run_storage), type(instance.event_log_storage)))
            assert [(run.run_id, len(instance.all_logs(run.run_id))) for run in reversed(instance.get_runs())] == runs
            made = _job_of_one_step.execute_in_process(instance=instance)
            assert (stats := instance.get_run_stats(made.run_id)).steps_succeeded == 1 and stats.end_time
            runs.append((made.run_id, len(instance.all_logs(made.run_id))))
    assert len({run_id for run_id, _ in runs}) == 3 and all(events for _, events in runs)
    assert {found.__module__.partition(".")[0] for pair in storages for found in pair} == {"dagster"}
    assert len(storages) == 1
