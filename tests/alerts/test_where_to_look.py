"""Where to look, by kind of alert: what a person would open next, and links where the pages have addresses."""

from pathlib import Path
from typing import Any

import pytest

from clari_pipeline.alerts.where_to_look import WhereToLook
from clari_pipeline.config.settings import read_settings
from tests.helpers.alert_examples import alert
from tests.helpers.house import House
from tests.helpers.listeners import WebListener
from tests.helpers.terminal import CURRENT, Terminal

LINKED = {"board_url": "https://files.example.com/board.html", "dagster_url": "https://dagster.example.com/clari/"}
WHERE = {"forecast_id": "total_new", "quarter_id": "2026_Q4", "job_id": "job-1"}
OTHER = {**WHERE, "quarter_id": "2026_Q3", "job_id": "it's"}
RULE = {"rule": "coverage", "table": "clari.pipeline_coverage"}
DAGSTER = "https://dagster.example.com/clari"


@pytest.mark.parametrize(
    ("kind", "details", "found"),
    [
        ("forecast_swing", [WHERE], ["https://files.example.com/board.html", "clari.forecast_swing in the warehouse",
                                     f"{DAGSTER}/assets/clari/forecast_swing"]),
        ("export_refused", [WHERE, OTHER], [
            "select check_name, evidence from clari.export_check where not passed and request_id in (select request_id "
            "from clari.export_job where job_id in ('job-1', 'it''s')); in the warehouse",
            "landed document: {folder}/landing/total_new/2026_Q4/job-1",
            "clari-pipeline quality --open",
            f"{DAGSTER}/assets/clari/forecast_entry?view=checks&partition=2026_Q4",
        ]),
        ("export_failed", [{**WHERE, "job_id": None}], [
            "clari-pipeline status",
            "select time_period_id, state, error from clari.export_job where true and time_period_id in ('2026_Q4'); "
            "in the warehouse",
            f"{DAGSTER}/assets/clari/raw_export?view=partitions&partition=2026_Q4",
        ]),
        ("quality", [RULE], [
            "select rule_name, evidence from clari.quality_result where not passed and rule_name in ('coverage'); "
            "in the warehouse",
            "clari-pipeline quality --open",
            f"{DAGSTER}/assets/clari/pipeline_coverage?view=checks",
        ]),
        ("quality", [{**WHERE, "check_name": "tables_reconcile"}], [
            "select check_name, evidence from clari.export_check where not passed and request_id in (select request_id "
            "from clari.export_job where job_id in ('job-1')); in the warehouse",
            "clari-pipeline verify",
            "landed document: {folder}/landing/total_new/2026_Q4/job-1",
            f"{DAGSTER}/assets/clari/forecast_entry?view=checks&partition=2026_Q4",
        ]),
        ("contract_changed", [WHERE], [
            "landed document: {folder}/landing/total_new/2026_Q4/job-1",
            f"{DAGSTER}/assets/clari/forecast_entry?view=checks&partition=2026_Q4",
        ]),
        ("run_failed", [{}], ["clari-pipeline status", f"{DAGSTER}/runs?q%5B%5D=status%3AFAILURE"]),
        ("freshness", [WHERE], ["clari-pipeline status", "clari-pipeline preflight", f"{DAGSTER}/automation"]),
        ("quota_low", [{}], ["clari-pipeline preflight"]),
        ("auth_failed", [WHERE], ["clari-pipeline preflight"]),
        ("of_a_later_release", [WHERE], ["clari-pipeline status"]),
    ],
)  # fmt: skip
def test_where_to_look_fits_the_alert(
    tmp_path: Path, kind: str, details: list[dict[str, Any]], found: list[str]
) -> None:
    (tmp_path / "landing/total_new/2026_Q4/job-1").mkdir(parents=True)
    alerts = [alert(kind, "P2", "", "", detail) for detail in details]
    linked = WhereToLook(read_settings(data_dir=tmp_path, **LINKED), warehouse="the warehouse")(kind, alerts)
    assert linked == [line.replace("{folder}", str(tmp_path)) for line in found]
    bare = WhereToLook(read_settings(data_dir=tmp_path), warehouse="the warehouse")(kind, alerts)
    assert not [line for line in bare if "http" in line]
    for statement in (line.partition(";")[0] for line in bare if line.startswith("select ")):
        House(tmp_path).rows(statement)  # it is one


def test_an_alert_links_to_the_quarter_in_dagster(
    terminal: Terminal, sandbox: Any, hook: WebListener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLARI_DAGSTER_URL", "http://127.0.0.1:3000")
    sandbox.scenario = "empty"
    monkeypatch.setenv("CLARI_QUARTER_GRACE_DAYS", "0")
    terminal("sync", "--last", "1")
    (message,) = hook.documents
    assert f"http://127.0.0.1:3000/assets/clari/forecast_entry?view=checks&partition={CURRENT}" in message["message"]
    assert f"data/landing/total_new/{CURRENT}/" in message["message"]
    assert "forecast_swing" not in message["message"]


def test_a_sample_looks_like_a_swing_and_says_that_it_is_none(
    terminal: Terminal, hook: WebListener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLARI_ENV", "staging")
    monkeypatch.setenv("CLARI_BOARD_URL", LINKED["board_url"])
    answer = terminal("alerts", "test", "--sample")
    assert (answer.code, "delivered" in answer.out) == (0, True)
    (message,) = hook.documents
    assert message["title"].startswith("[P3] [staging] [sample] Q4 Commit 2M, ")
    assert message["message"].startswith("This is a sample: people and amounts are invented.")
    assert "2,400,000.00 → 1,980,000.00 USD, −420,000.00 (−17.5 %)" in message["message"]
    assert LINKED["board_url"] in message["message"]
    assert terminal("alerts", "list", "--json").document["alerts"] == []


def test_status_and_list_say_that_no_channel_is_set(
    terminal: Terminal, sandbox: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "no channel is set" in terminal("status").out
    sandbox.scenario = "empty"
    monkeypatch.setenv("CLARI_QUARTER_GRACE_DAYS", "0")
    terminal("sync", "--last", "1")
    assert "Alerts: 1 raised, and no channel is set (CLARI_ALERT_URLS)" in terminal("status").out
    listed = terminal("alerts", "list").out
    assert "(no channel is set)" in listed
    assert "not sent" not in listed
    monkeypatch.setenv("CLARI_ALERT_URLS", "json://127.0.0.1:9/")
    assert "Alerts: 1 not sent yet" in terminal("status").out
