"""From the command line: a line a product, what fails concerns no other, and the tables come again from what landed."""

import re
import shutil
import signal
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest

from clari_pipeline.config.settings import read_settings
from clari_pipeline.core.project import project_file
from clari_pipeline.defs.graph import build
from clari_pipeline.sandbox import Sandbox
from clari_pipeline.sync.products.registry import PRODUCTS
from tests.conftest import sandbox as calm
from tests.helpers import forked
from tests.helpers.beginnings import begin_after
from tests.helpers.killing import Moment, company, sync_and_die
from tests.helpers.terminal import CURRENT, Terminal

sandbox = calm  # that of all commands, at the present moment
ALL = "forecast,limits,audit,activity,opportunity"
NAMES = [table for name in ALL.split(",")[1:] for table in PRODUCTS[name].staged]


def rows(terminal: Terminal) -> dict[str, list[tuple[object, ...]]]:
    with duckdb.connect(str(terminal.folder / "data/warehouse.duckdb"), read_only=True) as connection:  # opened once
        connection.execute("set timezone = 'UTC'")
        return {table: connection.execute(f"select * from clari.{table} order by all").fetchall() for table in NAMES}


@pytest.fixture
def synced(terminal: Terminal, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A terminal in which all products were synced after one quarter, while Clari refused audit events."""
    monkeypatch.setenv("CLARI_PRODUCTS", ALL)

    def sync() -> None:
        sandbox.fail_next("audit", ["403"])
        answer = terminal.with_dagster("sync", "--last", "1")
        assert answer.code == 1
        (line,) = [line for line in answer.err.splitlines() if "not merged" in line]
        assert re.fullmatch(r"clari-pipeline: audit not merged: .* \(docs/runbook.md#product_refused\)", line)
        assert "LOADED" in answer.out  # the forecast's quarter
        said = {line.partition(":")[0]: line for line in answer.out.splitlines() if ": " in line}
        assert said["audit"] == "audit: FAILED"
        for name in ("limits", "activity", "opportunity"):
            assert re.fullmatch(rf"{name}: [\d,]+ .* new, 0 changed", said[name]), said[name]

    begin_after("all products but audit", sync, folder=terminal.folder)
    return terminal


def test_a_key_that_is_refused_is_one_alert(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of three products: P1, as where forecasts are exported, and no word of a run that failed."""
    monkeypatch.setenv("CLARI_PRODUCTS", "limits,audit,activity")
    monkeypatch.setenv("CLARI_API_KEY", "no-key-of-clari")
    assert terminal("sync").code == 1
    assert terminal.query("select kind, severity from clari.alert") == [("auth_failed", "P1")]


def test_days_that_are_left_for_the_next_sync_are_named(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    """No ledger row says so: the line comes out of Dagster's run."""
    with Sandbox(job_seconds=0, people=4, write_at_once=True, monthly_quota=8, scenario="activity_cut") as clari:
        monkeypatch.setenv("CLARI_BASE_URL", clari.base_url)
        monkeypatch.setenv("CLARI_API_KEY", clari.api_key)
        monkeypatch.setenv("CLARI_PRODUCTS", "activity")
        answer = terminal.with_dagster("sync")
    assert answer.code == 0, answer.err
    (line,) = [line for line in answer.err.splitlines() if "are asked for by the next" in line]
    assert line.startswith("clari-pipeline: activity: 1 exports are made of it in this sync, no more; days of ")
    assert line.endswith("(docs/runbook.md#more_next_sync)")


def test_products_come_after_the_forecast_and_again_from_what_has_landed(
    synced: Terminal, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was refused comes with the next sync; replay makes the same rows in an empty warehouse, without Clari."""
    monkeypatch.setenv("CLARI_PRODUCTS", "audit")  # the forecast is left out, too
    again = synced("sync", "--json")
    assert (again.code, again.document["exports"]) == (0, [])
    judged = {check["name"]: check for check in again.document["checks"]}
    assert {(check["forecast_id"], check["product"]) for check in judged.values()} == {("audit", "audit")}
    assert judged["window_has_no_gap"]["passed"] and judged["row_counts_reconcile"]["severity"]
    (fetch,) = again.document["products"]
    assert (fetch["product"], fetch["state"], fetch["rows_inserted"] > 3000) == ("audit", "LOADED", True)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?\+00:00", fetch["window_from"])
    status = synced("status", "--json").document["products"]
    assert {one["product"]: (one["state"], one["is_named"]) for one in status} == {
        name: ("LOADED", name == "audit") for name in ("limits", "audit", "activity", "opportunity")
    }
    before = rows(synced)
    assert all(before.values())
    (query,) = re.findall(
        r"^```sql\n(.*?)^```", Path(project_file("docs") / "products.md").read_text(), re.MULTILINE | re.DOTALL
    )
    assert synced.query(query)
    Path("data/warehouse.duckdb").unlink()
    sandbox.requests.clear()
    replayed = synced("replay", "--json")
    assert (replayed.code, len(sandbox.requests)) == (0, 0)
    assert [one["product"] for one in replayed.document["products"]] == ["limits", "audit", "activity", "opportunity"]
    assert rows(synced) == before
    assert synced("backup", "saved").code == 0
    shutil.rmtree("data")
    assert synced("restore", "saved").code == 0
    assert rows(synced) == before
    assert len(list(Path("data/landing/products").glob("*/*/*/document.zst"))) == 4


def test_each_product_is_a_run_and_a_group_of_assets(synced: Terminal) -> None:
    """Green or red by itself; who looks at Dagster sees which."""
    with dg.DagsterInstance.get() as instance:
        runs = {
            run.tags.get("clari/product"): run for run in instance.get_runs(dg.RunsFilter(job_name="sync_products"))
        }
        succeeded = {name: run.is_success for name, run in runs.items()}
        assert succeeded == {"limits": True, "audit": False, "activity": True, "opportunity": True}
        (made,) = instance.fetch_materializations(dg.AssetKey(["clari", "opportunity"]), limit=1).records
    assert made.asset_materialization is not None
    assert made.asset_materialization.metadata["dagster/row_count"].value == 36


def scheduled(definitions: dg.Definitions, schedule: str, dagster_home: Path, folder: Path) -> Any:
    """What a tick of the schedule asks for, in a copy of Dagster's empty instance."""
    home = folder / "dagster_home"
    shutil.copytree(dagster_home, home, dirs_exist_ok=True)
    moment = datetime(2026, 11, 21, 6, tzinfo=UTC)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", str(home))
        with (
            dg.DagsterInstance.get() as instance,
            dg.build_schedule_context(instance=instance, scheduled_execution_time=moment) as context,
        ):
            return definitions.resolve_schedule_def(schedule).evaluate_tick(context)


def selected(request: dg.RunRequest) -> list[str]:
    return [key.path[-1] for key in request.asset_selection or ()]


def test_there_are_assets_of_those_alone_that_are_named(tmp_path: Path, dagster_home: Path) -> None:
    """With a description, columns, checks, a job and a schedule; without any, Dagster shows what it always did."""

    def assets(definitions: dg.Definitions) -> set[str]:
        return {key.path[-1] for key in definitions.resolve_asset_graph().get_all_asset_keys()}

    usual = assets(build(read_settings(products=("forecast",), data_dir=tmp_path)))
    assert not usual & {*NAMES, "api_limits"}
    definitions = build(read_settings(products=("forecast", "limits", "audit"), data_dir=tmp_path))
    more = assets(definitions) - usual
    assert more == {"api_limits", "audit_event", "audit_actor"}
    for name in more:
        node = definitions.resolve_asset_graph().get(dg.AssetKey(["clari", name]))
        assert node.description and node.group_name == "products"
        assert node.metadata["dagster/column_schema"].columns
    requests = scheduled(definitions, "daily_products_schedule", dagster_home, tmp_path).run_requests
    assert [selected(request) for request in requests] == [["api_limits"], ["audit_event", "audit_actor"]]


def test_without_a_forecast_the_daily_schedules_ask_for_the_others_alone(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, dagster_home: Path, tmp_path: Path
) -> None:
    """And opportunity comes after activity in one run, as the daemon makes it: queued runs begin in any order."""
    monkeypatch.setenv("CLARI_PRODUCTS", "audit,activity,opportunity")
    monkeypatch.setenv("CLARI_ACTIVITY_DAYS", "5")
    settings = read_settings()
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    definitions = build(settings)
    daily = scheduled(definitions, "daily_sync_schedule", dagster_home, tmp_path)
    assert daily.run_requests == []
    assert "daily_products_schedule" in str(daily.skip_message)
    asked = scheduled(definitions, "daily_products_schedule", dagster_home, tmp_path).run_requests
    assert [request.tags["clari/product"] for request in asked] == ["audit", "activity,opportunity"]
    assert {*selected(asked[1])} == {*PRODUCTS["activity"].tables, *PRODUCTS["opportunity"].tables}
    parents = definitions.resolve_asset_graph().get(dg.AssetKey(["clari", "opportunity"])).parent_keys
    assert dg.AssetKey(["clari", "activity_opportunity"]) in parents  # which is what orders the steps of a run
    job = definitions.resolve_job_def("sync_products")
    with dg.DagsterInstance.ephemeral() as instance:
        assert job.execute_in_process(instance=instance, asset_selection=list(asked[1].asset_selection)).success
    products = terminal.query("select product from clari.product_fetch order by submitted_at")
    assert products == [("activity",), ("opportunity",)]


def test_who_asks_for_a_part_of_the_forecasts_gets_that_alone(
    terminal: Terminal, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No export of activity is spent on it."""
    monkeypatch.setenv("CLARI_PRODUCTS", "forecast,limits,activity")
    sandbox.requests.clear()
    for words in (("--forecast", "total_new", "--last", "1"), ("--period", str(CURRENT))):
        answer = terminal("sync", *words, "--json")
        assert (answer.code, len(answer.document["exports"]), "products" in answer.document) == (0, 1, False)
    assert not [seen for seen in sandbox.requests if seen.path.endswith("/activity")]


@pytest.mark.soak
def test_a_kill_between_landing_and_merge_is_made_good(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next sync merges what has landed, pages and exports alike; no job is made twice for the same."""
    states = "select product, state from clari.product_fetch order by submitted_at"
    monkeypatch.setenv("CLARI_PRODUCTS", "audit,activity")
    with company() as small:
        monkeypatch.setenv("CLARI_BASE_URL", small.base_url)
        monkeypatch.setenv("CLARI_API_KEY", small.api_key)
        for landed, left in (
            (0, [("audit", "LANDED")]),
            (1, [("audit", "LOADED"), ("audit", "LOADED"), ("activity", "LANDED")]),
        ):
            killed = forked.run(sync_and_die, 1, Moment("Landed", landed, is_written=True))
            assert killed.code == -signal.SIGKILL, killed.err
            assert terminal.query(states) == left
        assert terminal("sync", "--last", "1").code == 0
        assert {state for _, state in terminal.query(states)} == {"LOADED"}
        first = "select product from clari.product_fetch where rows_inserted = rows_staged and rows_staged > 0"
        assert {name for (name,) in terminal.query(first)} == {"audit", "activity"}
        assert len(small.jobs) == 1
