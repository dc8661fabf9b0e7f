"""What `CLARI_ENV` labels: alerts, the lines of a log, Dagster's runs, and the warehouse."""

import json

import dagster as dg
import pytest

from tests.helpers.listeners import WebListener
from tests.helpers.terminal import Terminal


def test_all_that_a_sync_leaves_says_where_it_comes_from(
    terminal: Terminal, hook: WebListener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In JSON and in words."""
    monkeypatch.setenv("CLARI_ENV", "staging")
    assert "clari-pipeline [staging]: no scenario" in terminal("sandbox", "--scenario", "none").err
    monkeypatch.setenv("CLARI_LOG_FORMAT", "json")
    answer = terminal.with_dagster("sync", "--last", "1", "--forecast", "no_such")
    assert answer.code == 1
    lines = [json.loads(line) for line in answer.err.splitlines()]
    assert {line["event"] for line in lines} > {"submitting", "error"}
    assert {line["env"] for line in lines} == {"staging"}
    (message,) = hook.documents
    assert message["title"].startswith("[P2] [staging] Export failed: no_such ")
    assert message["environment"] == "staging"
    with dg.DagsterInstance.from_config(str(terminal.folder / "dagster_home")) as instance:
        assert {run.job_name: run.tags.get("clari/env") for run in instance.get_runs()} == {
            "sync_quarter": "staging",
            "refresh_marts": "staging",
        }
    assert terminal.query("select env from clari.warehouse_environment") == [("staging",)]
