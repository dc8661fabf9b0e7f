"""Rules of one's own on every engine: the same rows, the same verdicts; results that leave once they are old."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from clari_pipeline.config.rules import RULES_FILE, read_rules
from clari_pipeline.ops.retention import Retention
from clari_pipeline.sync.quality import judge_own_rules, results_of_run
from tests.helpers.house import House, document, entry, moment, person

RULES = """
[[expectation]]
table = "forecast_vs_quota"
type = "expect_column_values_to_be_between"
column = "forecast_value"
min_value = 100.1
where = "lower(user_name) like '%n%' and as_of < timestamptz '2027-01-01 00:00:00+00' and not is_top"

[[expectation]]
table = "forecast_call_week"
type = "expect_column_values_to_be_in_set"
column = "week_start_date"
value_set = [2026-10-01]

[[expectation]]
table = "forecast_entry"
type = "expect_column_sum_to_be_between"
column = "forecast_value"
max_value = 0
severity = "ERROR"

[[expectation]]
table = "time_frame"
type = "expect_compound_columns_to_be_unique"
column_list = ["time_period_id", "time_frame_id"]
"""


def judged(house: House, rules: str) -> dict[str, tuple[bool, str, Any]]:
    """What a house's rules find of two exports of four people."""
    Path(RULES_FILE).write_text(rules, encoding="utf-8")
    who = {"ann": 100.1, "bob": 99.99, "ned": 100.0999, "finn": None}
    people = [person(name) for name in who]
    calls = [entry(name, call=call, submitted=True) for name, call in who.items()]
    house.bring(document(*calls, people=people), moment(10, 2))
    house.refresh_marts()
    context = replace(house.context, rules=replace(house.context.rules, rules=read_rules()))
    assert judge_own_rules(context, "run") == []
    return {one.rule_name: (one.passed, one.severity, one.evidence) for one in results_of_run(context, "run")}


def test_postgres_finds_what_duckdb_finds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prepared_database: str, open_house: Callable[..., House]
) -> None:
    """To the cent, with the same rows as evidence, in the same order."""
    monkeypatch.chdir(tmp_path)
    here, there = judged(open_house(), RULES), judged(open_house(url=prepared_database), RULES)
    assert here == there
    broken = here["forecast_vs_quota.forecast_value.column_values_to_be_between"][2]["unexpected_rows"]
    assert [(row["user_name"], row["forecast_value"]) for row in broken] == [("Ned", "100.0999")]
    assert [is_passed for is_passed, *_ in here.values()] == [True, False, False, True]


@pytest.mark.soak
def test_snowflake_finds_what_duckdb_finds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prepared_snowflake: str, open_house: Callable[..., House]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert judged(open_house(), RULES) == judged(open_house(url=prepared_snowflake), RULES)


def test_results_that_passed_go_once_they_are_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Never one that is broken, nor any of the newest run; a quarter that leaves takes none with it."""
    monkeypatch.chdir(tmp_path)
    house = House(tmp_path, verdict_days=400)
    judged(house, RULES)
    rules = replace(house.context.rules, rules=read_rules())
    stored = "select run_id, rule_name, passed from clari.quality_result order by all"
    now = house.context.now()
    for days, run_id in ((500, "old"), (399, "young")):
        house.execute(f"update clari.quality_result set run_id = '{run_id}', checked_at = '{now - timedelta(days)}'"
                      " where run_id = 'run'")  # fmt: skip
        judge_own_rules(replace(house.context, rules=rules), "run")
    before = house.rows(stored)
    retention = Retention(house.context)
    assert (retention.old_verdicts(), retention.forget_verdicts(), retention.old_verdicts()) == (2, 2, 0)
    assert house.rows(stored) == [row for row in before if row["run_id"] != "old" or not row["passed"]]
