"""Rules of one's own as their users meet them: in `--json`, in the table, in an alert, and as Dagster's checks."""

import json
from pathlib import Path
from typing import Any

import dagster as dg
import great_expectations as gx
import pytest
from great_expectations import expectations as gxe

from clari_pipeline.config.settings import read_settings
from clari_pipeline.sandbox import Sandbox
from tests.helpers.daemon import running
from tests.helpers.listeners import address, web_listeners
from tests.helpers.sensors import definitions_of
from tests.helpers.terminal import Terminal

TOML = """
[[expectation]]
table = "forecast_vs_quota"
type = "expect_column_values_to_be_between"
column = "forecast_value"
max_value = 0.5
where = "not is_top and forecast_value > 0"
severity = "ERROR"
name = "no call at all"
explains = "Nobody calls anything"

[[expectation]]
table = "forecast_vs_quota"
type = "expect_column_values_to_not_be_null"
column = "user_name"
"""
BY_HAND = {
    "name": "forecast_entry",
    "expectations": [
        {
            "type": "expect_column_values_to_be_in_set",
            "kwargs": {"column": "currency_code", "value_set": ["XXX"]},
            "severity": "warning",
            "meta": {"name": "all in XXX", "where": "forecast_value is not null"},
        }
    ],
}
SUITES = Path("data/gx/expectations")


@pytest.fixture
def ruled(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A folder with rules in both places, one of them by hand."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    Path("clari_pipeline.toml").write_text(TOML, encoding="utf-8")
    SUITES.mkdir(parents=True)
    (SUITES / "mine.json").write_text(json.dumps(BY_HAND), encoding="utf-8")
    return terminal


def by_name(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in document["expectations"]}


def test_a_broken_rule_is_seen_everywhere(ruled: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    """The exit code is 0, and the message says who, what was expected, and what was found."""
    with web_listeners() as listen:
        hook = listen("accepts")
        monkeypatch.setenv("CLARI_ALERT_URLS", address(hook))
        answer = ruled.with_dagster("sync", "--last", "1", "--json")
    assert answer.code == 0, answer.err
    found = by_name(answer.document)
    passed = {name: (one["passed"], one["severity"]) for name, one in found.items()}
    by_default = "forecast_vs_quota.user_name.column_values_to_not_be_null"
    assert passed == {"no call at all": (False, "ERROR"), "all in XXX": (False, "WARN"), by_default: (True, "WARN")}
    call, currency = found["no call at all"]["evidence"], found["all in XXX"]["evidence"]
    rows = ruled.query("select count(*) from clari.forecast_vs_quota where not is_top and forecast_value > 0")
    assert [(call["unexpected_count"],)] == rows
    assert len(call["unexpected_rows"]) == min(20, call["unexpected_count"])
    (known,) = ruled.query(
        "select user_name, forecast_value::varchar from clari.forecast_vs_quota"
        f" where user_id = '{call['unexpected_rows'][0]['user_id']}'"
        f" and field_id = '{call['unexpected_rows'][0]['field_id']}'"
        f" and time_period_id = '{call['unexpected_rows'][0]['time_period_id']}'"
    )
    assert known == tuple(call["unexpected_rows"][0][name] for name in ("user_name", "forecast_value"))
    assert all(row["user_name"] and row["field_name"] for row in currency["unexpected_rows"])  # of other tables

    stored = ruled.query("select rule_name, passed, severity, run_id, evidence from clari.quality_result")
    assert {(name, is_passed, severity) for name, is_passed, severity, _, _ in stored} == {
        (name, *of_rule) for name, of_rule in passed.items()
    }
    assert {run_id for *_, run_id, _ in stored} == {answer.document["run_id"]}
    assert {name: json.loads(evidence) for name, *_, evidence in stored} == {
        name: one["evidence"] for name, one in found.items()
    }
    assert ruled.query("select count(*) from clari.quality_result", warehouse="data/warehouse-read.duckdb") == [(3,)]

    ((_, told),) = hook.received
    assert all(part in told for part in ("no call at all", "Nobody calls anything", known[0], "forecast_vs_quota"))
    assert raised(ruled) == [("P2", "no call at all failed"), ("P3", "all in XXX failed")]

    with dg.DagsterInstance.from_config(str(ruled.folder / "dagster_home")) as instance:
        checks = {
            check: check_of(instance, asset, check)
            for asset, check in (
                ("forecast_vs_quota", "no_call_at_all"),
                ("forecast_entry", "all_in_XXX"),
                ("forecast_vs_quota", "forecast_vs_quota_user_name_column_values_to_not_be_null"),
            )
        }
    assert [(one.passed, one.blocking) for one in checks.values()] == [(False, False), (False, False), (True, False)]
    shown = checks["no_call_at_all"]
    assert shown.severity == dg.AssetCheckSeverity.ERROR
    records = shown.metadata["unexpected_rows"].records
    assert known[0] in [record.data["user_name"] for record in records]
    assert shown.metadata["unexpected_count"].value == call["unexpected_count"]


def check_of(instance: dg.DagsterInstance, asset: str, check: str) -> dg.AssetCheckEvaluation:
    """The newest evaluation of a check, as Dagster has stored it."""
    key = dg.AssetCheckKey(dg.AssetKey(["clari", asset]), check)
    record = instance.event_log_storage.get_latest_asset_check_execution_by_key([key])[key]
    assert record.event is not None
    assert record.event.dagster_event is not None
    return record.event.dagster_event.asset_check_evaluation_data


def raised(terminal: Terminal) -> list[tuple[Any, ...]]:
    return terminal.query("select severity, title from clari.alert where kind = 'quality' order by severity, title")


def test_an_alert_comes_once_until_the_rule_passes_or_finds_another(ruled: Terminal) -> None:
    """A file that cannot be read is one, too, and stops no other rule; both are over once it is mended."""
    Path("clari_pipeline.toml").unlink()
    broken, mine = SUITES / "broken.json", SUITES / "mine.json"
    broken.write_text("{", encoding="utf-8")
    answer = ruled("sync", "--last", "1")
    assert (answer.code, "broken.json: it is no JSON" in answer.err) == (0, True)
    assert "all in XXX: " in answer.out
    once = [("P3", "all in XXX failed"), ("P3", f"{broken} cannot be read")]
    assert sorted(raised(ruled)) == once
    for command in ("sync", "replay"):  # nothing new
        assert ruled(command, *(["--last", "1"] if command == "sync" else [])).code == 0
        assert sorted(raised(ruled)) == once
    of_all = json.loads(mine.read_text(encoding="utf-8").replace('XXX"]', 'USD", "EUR"]'))
    mine.write_text(json.dumps(of_all), encoding="utf-8")
    broken.unlink()
    answer = ruled("sync", "--last", "1")
    assert ("Your own rules: 1 evaluated, all passed." in answer.out, "broken.json" in answer.err) == (True, False)
    mine.write_text(json.dumps(BY_HAND), encoding="utf-8")
    assert ruled("sync", "--last", "1").code == 0
    assert sorted(raised(ruled)) == sorted([*once, ("P3", "all in XXX failed")])


def test_a_suite_made_with_great_expectations_is_judged(terminal: Terminal) -> None:
    """In the project that a sync with a rule has written, its analytics off; `replay --json` shows it, too."""
    Path("clari_pipeline.toml").write_text(TOML, encoding="utf-8")
    assert terminal("sync", "--last", "1").code == 0
    project = Path("data/gx/great_expectations.yml")
    assert "analytics_enabled: false" in project.read_text(encoding="utf-8")
    context = gx.get_context(mode="file", context_root_dir="data/gx")
    suite = gx.ExpectationSuite(name="calls", meta={"table": "forecast_vs_quota"})
    suite.add_expectation(gxe.ExpectColumnMinToBeBetween(column="forecast_value", min_value=0.1, severity="warning"))
    suite.add_expectation(gxe.ExpectTableRowCountToBeBetween(min_value=1, meta={"name": "some", "where": "is_top"}))
    context.suites.add(suite)
    before = project.read_bytes()
    found = by_name(terminal("replay", "--json").document)
    assert found.keys() >= {"some", "forecast_vs_quota.forecast_value.column_min_to_be_between"}
    assert (found["some"]["passed"], found["some"]["severity"]) == (True, "ERROR")  # as Great Expectations writes
    assert project.read_bytes() == before


def test_a_wrong_rule_is_refused_before_clari_is_asked(terminal: Terminal, sandbox: Sandbox) -> None:
    """All of them at once, in one line with file and place."""
    Path("clari_pipeline.toml").write_text(TOML.replace("user_name", "user_nam"), encoding="utf-8")
    SUITES.mkdir(parents=True)
    (SUITES / "nothing.json").write_text(json.dumps(BY_HAND | {"name": "nothing"}), encoding="utf-8")
    answer = terminal("sync")
    assert (answer.code, answer.out, [*sandbox.requests]) == (2, "", [])
    (line,) = answer.err.splitlines()
    assert "clari_pipeline.toml: expectation.1 " in line
    assert "did you mean user_name?" in line
    assert "data/gx/expectations/nothing.json: expectation 1 " in line


def test_daemon_judges_and_alerts_after_the_marts(ruled: Terminal) -> None:
    """The run of `refresh_marts` judges once, its sensor sends; a quarter's run has no check of these."""
    with running(ruled) as daemon:
        definitions = definitions_of(read_settings())
        assert daemon.sync()
        assert ruled.query("select count(*) from clari.quality_result") == [(0,)]
        result = definitions.resolve_job_def("refresh_marts").execute_in_process(instance=daemon.instance)
        assert {one.check_name for one in result.get_asset_check_evaluations()} > {"no_call_at_all", "all_in_XXX"}
        assert ruled.query("select distinct run_id from clari.quality_result") == [(result.run_id,)]
        assert raised(ruled) == []
        daemon.tick_sensors()
        assert len(raised(ruled)) == 2
