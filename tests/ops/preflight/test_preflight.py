"""`clari-pipeline preflight`: each line passes where all is ready, and fails for its own reason alone."""

import json
import re
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from clari_pipeline.config.settings import EXPORT_TYPES, REQUIRED_TYPES
from clari_pipeline.core.periods import FiscalCalendar
from clari_pipeline.landing import Landing
from clari_pipeline.ops import preflight
from clari_pipeline.sandbox.answers import Fault
from tests.helpers.each_case import try_each
from tests.helpers.stored import part, repository, stored
from tests.ops.preflight.conftest import CURRENT, Operator

Arrange = Callable[[Operator], object]
NOT_ASKED = {"an_export_works"}  # unless --deep
ASK_CLARI = {
    "clock_is_right",
    "export_types_are_offered",
    "quota_is_enough",
    "exports_may_run",
    "current_call_answers",
}


def test_every_line_passes_where_all_is_ready(operator: Operator, channel: Callable[[int], str]) -> None:
    """Exit code 0, nothing that counts against the quota, and nothing changed but what is known of the call without a
    job: it answers here.
    """
    operator.set(CLARI_ALERT_URLS=channel(200))
    before = operator.terminal.tables(), len(operator.sandbox.jobs)
    code, lines = operator()
    assert [line for line in lines.values() if line["status"] != "PASS"] == []
    assert (code, tuple(lines)) == (0, tuple(name for name in preflight.NAMES if name not in NOT_ASKED))
    assert {request.method for request in operator.sandbox.requests} == {"GET"}
    assert len(operator.sandbox.requests) == 3
    assert (operator.terminal.tables(), len(operator.sandbox.jobs)) == before
    assert operator.terminal.query("select has_it from clari.current_call") == [(True,)]
    code, lines = operator("--send")
    assert (code, "test message delivered" in lines["alerts_have_channels"]["detail"]) == (0, True)


def test_on_a_terminal_each_line_is_followed_by_its_remedy(operator: Operator) -> None:
    operator.set(CLARI_ALERT_URLS="")
    answer = operator.terminal("preflight")
    assert answer.code == 1
    lines = answer.out.splitlines()
    at = next(place for place, line in enumerate(lines) if line.startswith("FAIL"))
    assert lines[at] == "FAIL  alerts_have_channels: CLARI_ALERT_URLS is not set: nobody receives alerts"
    assert lines[at + 1].strip().startswith("name a channel")
    assert all(re.match(r"PASS  \w+: \S", line) for line in lines[:at])
    assert lines[-1] == f"{len(preflight.NAMES) - 2} passed, 0 warnings, 1 failed, 0 skipped"


def settings(**values: str) -> Arrange:
    return lambda operator: operator.set(**values)


def a_run_of(size: int) -> Arrange:
    """Dagster has kept one run, in a file of so many bytes."""

    def arrange(operator: Operator) -> None:
        file = operator.terminal.folder / "dagster_home/history/runs/a.db"
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("wb") as empty:
            empty.truncate(size)

    return arrange


def answers(call: str, body: object, *, status: int = 200) -> Arrange:
    fault = Fault("answer", status, {"content-type": "application/json"}, json.dumps(body).encode())
    return lambda operator: operator.sandbox.fail_next(call, [fault])


def sql(statement: str) -> Arrange:
    return lambda operator: operator.sql(statement)


def tells(**limits: int | None) -> Arrange:
    usual = {"concurrentLimit": 3, "monthlyQuota": 1000, "availableConcurrentLimit": 3, "availableMonthlyQuota": 900}
    told = {name: value for name, value in {**usual, **limits}.items() if value is not None}
    return answers("limits", {"jobs": told})


def ledger_in_the_way(_operator: Operator) -> None:
    Path("data/landing").rename("data/landing-before")
    Path("data/landing").write_text("a file")


def empty_key_file(operator: Operator) -> None:
    Path("key").write_text("\n")
    operator.set(CLARI_API_KEY="", CLARI_API_KEY_FILE="key")


def open_env_file(_operator: Operator) -> None:
    Path(".env").write_text("")
    Path(".env").chmod(0o644)


def git_repository(*, tracked: bool) -> Arrange:
    def arrange(_operator: Operator) -> None:
        Path(".env").write_text("")
        Path(".env").chmod(0o600)
        subprocess.run(["git", "init", "-q"], check=True)
        if tracked:
            subprocess.run(["git", "add", ".env"], check=True)

    return arrange


def daemon(*, ago: timedelta, is_on: bool) -> Arrange:
    """Dagster's daemon was alive; no sync ran for long."""

    def arrange(operator: Operator) -> None:
        operator.set(CLARI_MAX_AGE_HOURS="0.0000001")
        with dg.DagsterInstance.from_config(str(operator.terminal.folder / "dagster_home")) as instance:
            moment = (datetime.now(UTC) - ago).timestamp()
            instance.add_daemon_heartbeat(
                stored("DaemonHeartbeat", timestamp=moment, daemon_type="SCHEDULER", daemon_id="one", errors=[])
            )
            if is_on:
                instance.add_instigator_state(_turned_on("daily_sync_schedule"))

    return arrange


def _turned_on(schedule: str) -> Any:
    return stored(
        "InstigatorState",
        origin=part("ExternalJobOrigin", external_repository_origin=repository(), job_name=schedule),
        job_type={"__enum__": "InstigatorType.SCHEDULE"},
        status={"__enum__": "InstigatorStatus.RUNNING"},
        job_specific_data=part("ScheduleInstigatorData", cron_schedule="0 6 * * *", start_timestamp=None),
    )


def californian(cron: str, **values: str) -> Arrange:
    return settings(CLARI_ORG_TIMEZONE="America/Los_Angeles", CLARI_SYNC_CRON=cron, **values)


def status_of_outage(operator: Operator) -> None:
    operator.set(CLARI_STATUS_URL=operator.sandbox.status_url)
    operator.monkeypatch.setattr(operator.sandbox, "scenario", "down")


NO_ROUTE = {"message": "no Route matched with those values", "request_id": "6d"}
NEW = settings(CLARI_WAREHOUSE_URL="duckdb:///data/new.duckdb")
# A line, how it ends, what is arranged, and a part of what the line says.
Row = tuple[str, str, Arrange, str]
BY_SETTINGS: list[Row] = [
    ("settings_are_readable", "FAIL", settings(CLARI_SYNC_CRON="daily"), "CLARI_SYNC_CRON: 'daily' is no cron line"),
    ("key_is_present", "FAIL", settings(CLARI_API_KEY=""), "create a token in Clari"),
    ("key_is_present", "FAIL", empty_key_file, "it is empty"),
    ("settings_are_readable", "FAIL", settings(CLARI_API_KEY="sch\u00f6n"), "characters that no token has"),
    ("key_is_present", "SKIP", settings(CLARI_API_KEY="sch\u00f6n"), "before settings_are_readable passes"),
    ("settings_are_readable", "FAIL", settings(CLARI_BASE_URL="http://clari.example.com/v4"), "use https"),
    ("base_url_is_safe", "SKIP", settings(CLARI_BASE_URL="http://clari.example.com/v4"), "settings_are_readable"),
    ("key_is_accepted", "FAIL", settings(CLARI_API_KEY="another"), "401"),
    ("key_is_accepted", "SKIP", settings(CLARI_API_KEY=""), "cannot be checked before key_is_present passes"),
    ("key_is_accepted", "FAIL", lambda one: one.set(CLARI_BASE_URL=f"{one.sandbox.base_url}/x"), "CLARI_BASE_URL"),
    ("status_page_is_clear", "PASS", settings(), "not looked at"),
    ("status_page_is_clear", "PASS", lambda one: one.set(CLARI_STATUS_URL=one.sandbox.status_url), "all operational"),
    ("status_page_is_clear", "WARN", status_of_outage, "unavailable (investigating, for 2 hours, https://stspg."),
    ("status_page_is_clear", "WARN", lambda one: one.set(CLARI_STATUS_URL=one.sandbox.base_url), "it answers 401"),
    ("status_page_is_clear", "WARN", settings(CLARI_STATUS_URL="http://127.0.0.1:9/"), "cannot be read"),
    (
        "settings_are_readable",
        "FAIL",
        settings(CLARI_STATUS_URL="clari.com"),
        "write an address such as https://clari.",
    ),
    (
        "settings_are_readable",
        "FAIL",
        settings(CLARI_STATUS_URL="https://clari.com:99999/"),
        "write an address such as",
    ),
    ("status_page_is_clear", "SKIP", settings(CLARI_STATUS_URL="clari.com"), "settings_are_readable"),
    ("forecast_ids_are_set", "FAIL", settings(CLARI_FORECAST_IDS=""), "address of Clari's Forecast tab"),
    ("export_types_are_offered", "PASS", answers("types", {"types": list(EXPORT_TYPES)}), "Clari offers"),
    ("export_types_are_offered", "FAIL", answers("types", list(REQUIRED_TYPES)), "adjustment, crm_total"),
    ("export_types_are_offered", "FAIL", answers("types", [{"name": "quota"}]), "crm_total, forecast"),
    ("settings_are_readable", "FAIL", settings(CLARI_TYPES_TO_EXPORT="forecast,all"), "all: no such type"),
    ("export_types_are_offered", "SKIP", settings(CLARI_TYPES_TO_EXPORT="forecast,all"), "settings_are_readable"),
    ("export_types_are_offered", "SKIP", settings(CLARI_API_KEY="another"), "before key_is_accepted passes"),
    ("export_types_are_offered", "FAIL", answers("types", {"code": "forbidden"}, status=403), "Clari did not say"),
    ("quota_is_enough", "FAIL", settings(CLARI_SYNC_CRON="0 * * * *"), "720 syncs of 5 exports are 3600"),
    ("quota_is_enough", "WARN", settings(CLARI_SYNC_CRON="0 */4 * * *"), "180 syncs of 5 exports are 900"),
    ("quota_is_enough", "FAIL", tells(availableMonthlyQuota=4), "4 are left now"),
    ("quota_is_enough", "WARN", tells(monthlyQuota=None), "does not say how many"),
    ("quota_is_enough", "SKIP", settings(CLARI_API_KEY="another"), "key_is_accepted"),
    ("quota_is_enough", "SKIP", settings(CLARI_FORECAST_IDS=""), "forecast_ids_are_set"),
    ("exports_may_run", "FAIL", tells(concurrentLimit=0), "no export may run"),
    ("exports_may_run", "WARN", tells(concurrentLimit=None), "does not say"),
    ("current_call_answers", "PASS", settings(), "comes without a job"),
    ("current_call_answers", "WARN", answers("current", NO_ROUTE, status=404), "sync --current cannot work"),
    ("current_call_answers", "WARN", answers("current", {"code": "forbidden"}, status=403), "have Clari enable"),
    ("current_call_answers", "SKIP", settings(CLARI_API_KEY="another"), "key_is_accepted"),
    ("current_call_answers", "FAIL", settings(CLARI_FORECAST_IDS="nonesuch"), "does not exist"),
    ("warehouse_is_reachable", "WARN", NEW, "nothing was ever written"),
    ("settings_are_readable", "FAIL", settings(CLARI_WAREHOUSE_URL="mysql://x"), "write duckdb:///"),
    ("quarters_are_fresh", "SKIP", settings(CLARI_WAREHOUSE_URL="mysql://x"), "settings_are_readable"),
    ("warehouse_schema_is_current", "WARN", NEW, "no tables yet"),
    ("warehouse_is_writable", "FAIL", settings(CLARI_WAREHOUSE_URL="duckdb:///data/warehouse.duckdb/x"), "no folder"),
    (
        "quarters_are_covered",
        "FAIL",
        settings(CLARI_FORECAST_IDS="total_new,b"),
        f"b {CURRENT}, b {CURRENT.shifted(-1)}",
    ),
    ("quarters_are_covered", "FAIL", NEW, "never merged"),
    ("quarters_are_fresh", "FAIL", settings(CLARI_MAX_AGE_HOURS="0.0000001"), f"total_new {CURRENT}"),
    ("quarters_are_fresh", "SKIP", NEW, "quarters_are_covered"),
    ("products_are_fresh", "FAIL", settings(CLARI_PRODUCTS="forecast,limits,audit"), "limits, audit never merged"),
    ("products_are_fresh", "FAIL", settings(CLARI_PRODUCTS="limits,opportunity"), "never asked for without activity"),
    (
        "disk_has_room",
        "FAIL",
        settings(
            CLARI_SYNC_CRON="* * * * *",
            CLARI_HISTORICAL_PERIODS="40",
            CLARI_FORECAST_IDS=",".join(f"forecast-{number}" for number in range(500)),
        ),
        "are free",
    ),
    ("disk_has_room", "WARN", NEW, "none has landed"),
    ("disk_has_room", "FAIL", a_run_of(2**40), "which take 1,100 GB"),
    ("alerts_have_channels", "FAIL", settings(CLARI_ALERT_URLS=""), "nobody receives alerts"),
    ("alerts_have_channels", "FAIL", settings(CLARI_ALERT_URLS="nonsense://a-secret-place"), "appriseit.com"),
    ("schedule_is_alive", "FAIL", settings(CLARI_MAX_AGE_HOURS="0.0000001"), "daemon was never there"),
    ("fiscal_calendar_is_right", "FAIL", settings(CLARI_FISCAL_YEAR_START_MONTH="3"), "_YEAR_START_MONTH=1"),
    ("quarters_are_covered", "SKIP", settings(CLARI_FISCAL_YEAR_START_MONTH="3"), "fiscal_calendar_is_right"),
    # A week closes at 08:00 UTC, in summer at 07:00 [gitlab].
    ("syncs_follow_the_week", "WARN", californian("0 6 * * *"), "CLARI_SYNC_CRON (0 6 * * *) runs next at"),
    ("syncs_follow_the_week", "WARN", californian("0 6 * * *"), "set CLARI_SYNC_CRON=30 8 * * *"),
    ("syncs_follow_the_week", "WARN", californian("30 7 * * *"), "set CLARI_SYNC_CRON=30 8 * * *"),
    ("syncs_follow_the_week", "WARN", californian("30 8 * * *", CLARI_WEEK_CLOSE="05:00"), "=30 13 * * *"),
    ("syncs_follow_the_week", "PASS", californian("30 8 * * *"), "at 00:00"),
    ("syncs_follow_the_week", "PASS", californian("30 0 * * *", CLARI_TIMEZONE="America/Los_Angeles"), "4 hours"),
]
BY_HAND: list[Row] = [
    ("export_types_are_offered", "WARN", sql("update clari.export_job set types_refused = 'crm_total'"), "left out"),
    ("warehouse_is_reachable", "FAIL", lambda _: Path("data/warehouse.duckdb").write_text("x" * 999), "cannot be read"),
    (
        "warehouse_is_reachable",
        "FAIL",
        sql("insert into clari.warehouse_environment values ('prod')"),
        "CLARI_ENV=prod",
    ),
    ("warehouse_schema_is_current", "FAIL", sql("update clari.warehouse_version set schema_sha256 = 'x'"), "another"),
    ("warehouse_schema_is_current", "FAIL", sql("drop schema clari cascade"), "another release"),
    ("warehouse_is_writable", "SKIP", sql("drop schema clari cascade"), "warehouse_schema_is_current"),
    (
        "no_sandbox_figures",
        "FAIL",
        sql("update clari.forecast_user set email = 'a@b.example'"),
        "12 people of total_new",
    ),
    ("quarters_are_covered", "FAIL", sql("update clari.export_job set state = 'FAILED'"), "sync --last 5"),
    ("landing_is_writable", "FAIL", ledger_in_the_way, "data/landing"),
    ("schedule_is_alive", "FAIL", daemon(ago=timedelta(hours=1), is_on=True), "last alive"),
    ("schedule_is_alive", "FAIL", daemon(ago=timedelta(0), is_on=False), "daily_sync_schedule is not turned on"),
    ("schedule_is_alive", "PASS", daemon(ago=timedelta(0), is_on=True), "daemon is alive"),
    ("schedule_is_alive", "FAIL", sql("update clari.export_job set started_by = 'person'"), "that a person started"),
    ("schedule_is_alive", "PASS", sql("update clari.export_job set started_by = null"), "that no person started"),
    ("env_file_is_private", "FAIL", open_env_file, "mode 644"),
    ("env_file_is_untracked", "FAIL", git_repository(tracked=True), "git rm --cached .env"),
    ("env_file_is_untracked", "PASS", git_repository(tracked=False), "git does not track it"),
    ("env_file_is_untracked", "FAIL", lambda _: Path(".git").write_text("nonsense"), "git says"),
]


def says(operator: Operator, row: Row) -> None:
    name, status, arrange, said = row
    arrange(operator)
    found, line = operator.line(name)
    assert (found, said in line) == (status, True), line
    assert "a-secret-place" not in line
    assert not [seen for seen in operator.sandbox.requests if seen.method != "GET"]


def test_a_line_says_what_is_wrong_with_the_settings_or_clari_and_what_to_do(operator: Operator) -> None:
    """They leave nothing behind: each row begins with the same folder, and settings that are right."""

    def check(row: Row) -> None:
        with operator.monkeypatch.context() as patch:
            says(Operator(operator.terminal, operator.sandbox, patch), row)

    before = operator.terminal.tables()
    try_each(BY_SETTINGS, check)
    assert operator.terminal.tables() == before
    assert not Path("data/new.duckdb").exists()


@pytest.mark.parametrize("row", BY_HAND, ids=[f"{row[0]}-{row[1]}-{place}" for place, row in enumerate(BY_HAND)])
def test_a_line_says_what_is_wrong_in_the_folder_and_what_to_do(operator: Operator, row: Row) -> None:
    says(operator, row)


def test_a_machine_whose_clock_is_wrong(operator: Operator) -> None:
    """More than a minute from Clari's `Date`, either way."""
    for minutes, status, said in (
        (-2, "FAIL", "behind Clari"),
        (0, "PASS", "within 60 s"),
        (2, "FAIL", "ahead of Clari"),
    ):
        apart = timedelta(minutes=minutes)
        (line,) = preflight.inspect(
            now=lambda apart=apart: datetime.now(UTC) + apart,  # type: ignore[misc]
            names=["clock_is_right"],
        )
        assert (line.status, said in line.detail) == (status, True), line
    operator.set(CLARI_API_KEY="")
    assert operator.line("clock_is_right")[0] == "SKIP"


def test_a_quarter_that_has_just_begun_may_be_missing(operator: Operator) -> None:
    """For `CLARI_QUARTER_GRACE_DAYS`, a warning; then it fails."""
    assert operator
    begun = datetime.combine(FiscalCalendar().first_day(CURRENT.shifted(1)), datetime.min.time(), UTC)
    for days, status in ((2, "WARN"), (9, "FAIL")):
        (line,) = preflight.inspect(
            now=lambda days=days: begun + timedelta(days=days),  # type: ignore[misc]
            names=["quarters_are_covered"],
        )
        assert (line.status, str(CURRENT.shifted(1)) in line.detail) == (status, True), line


def test_a_channel_that_does_not_answer(operator: Operator, channel: Callable[[int], str], closed_port: int) -> None:
    """It is tried with --send alone, and its address is not shown."""
    operator.set(CLARI_ALERT_URLS=f"{channel(200)},{channel(500)},json://127.0.0.1:{closed_port}/hidden-place")
    assert operator.line("alerts_have_channels")[0] == "PASS"
    status, said = operator.line("alerts_have_channels", is_sent=True)
    assert (status, "json #2" in said, "json #3" in said, "json #1" in said) == ("FAIL", True, True, False)
    assert "hidden-place" not in said


def test_clari_is_not_there(operator: Operator, closed_port: int) -> None:
    """One line says so, those that ask Clari wait for it; the others are checked all the same."""
    operator.set(CLARI_BASE_URL=f"http://127.0.0.1:{closed_port}/v4")
    code, lines = operator()
    assert (code, names_of(lines, "FAIL"), names_of(lines, "SKIP")) == (1, {"key_is_accepted"}, ASK_CLARI)
    assert "connection refused" in lines["key_is_accepted"]["detail"]
    assert operator.terminal.query("from clari.current_call") == []


def test_where_no_forecast_is_asked_for_none_is_missed(operator: Operator, channel: Callable[[int], str]) -> None:
    """Only products beside the forecast: lines of forecasts say so, those that hold for both can still fail."""
    operator.set(
        CLARI_PRODUCTS="limits,audit",
        CLARI_FORECAST_IDS="",
        CLARI_ALERT_URLS=channel(200),
        CLARI_WAREHOUSE_URL="duckdb:///data/products.duckdb",
    )
    assert operator.line("products_are_fresh")[0] == "FAIL"
    assert operator.terminal("sync").code == 0
    _, lines = operator("--deep")
    assert [name for name, line in lines.items() if line["status"] != "PASS"] == ["no_sandbox_figures"]
    of_forecasts = {name for name, line in lines.items() if line["detail"].startswith("not asked for: forecast is not")}
    assert of_forecasts == {
        "forecast_ids_are_set",
        "export_types_are_offered",
        "current_call_answers",
        "quarters_are_covered",
        "quarters_are_fresh",
        "fiscal_calendar_is_right",
        "syncs_follow_the_week",
        "an_export_works",
    }
    assert "nothing is exported by a job" in lines["quota_is_enough"]["detail"]
    operator.set(CLARI_PRODUCTS="limits,audit,activity")
    status, said = operator.line("quota_is_enough")
    assert (status, "30 syncs of 1 exports are 30" in said) == ("PASS", True)
    operator.set(CLARI_PRODUCTS="limits,audit", CLARI_MAX_AGE_HOURS="0.0000001")
    assert "limits, audit older than" in operator.line("products_are_fresh")[1]
    daemon(ago=timedelta(0), is_on=True)(operator)
    assert "daily_products_schedule is not turned on" in operator.line("schedule_is_alive")[1]


def names_of(lines: dict[str, dict[str, str]], status: str) -> set[str]:
    return {name for name, line in lines.items() if line["status"] == status}


def test_a_missing_key_is_reported_once(operator: Operator) -> None:
    """The line says what is wrong, the one below it what to do; lines that need the key wait for it, and name it."""
    operator.set(CLARI_API_KEY="")
    code, lines = operator()
    assert (code, names_of(lines, "FAIL")) == (1, {"key_is_present"})
    assert names_of(lines, "SKIP") == ASK_CLARI | {"key_is_accepted"}
    for name in names_of(lines, "SKIP"):
        assert lines[name]["detail"] == "cannot be checked before key_is_present passes"
        assert lines[name]["remedy"] == "see key_is_present (docs/runbook.md#key_is_present)"
    answer = operator.terminal("preflight")
    *_, last = answer.out.splitlines()
    passed, warned = len(names_of(lines, "PASS")), len(names_of(lines, "WARN"))
    words = "warning" if warned == 1 else "warnings"
    assert last == f"{passed} passed, {warned} {words}, 1 failed, {len(ASK_CLARI) + 1} skipped"
    assert answer.out.count("create a token") == 1
    assert lines["key_is_present"]["detail"] == "CLARI_API_KEY is not set"
    assert lines["key_is_present"]["remedy"].count("create a token") == 1
    empty_key_file(operator)
    _, lines = operator()
    assert "put the token" not in lines["key_is_present"]["detail"]


@pytest.mark.parametrize(
    ("values", "waiting"),
    [
        ({"CLARI_SWING_THRESHOLD": "much"}, set()),
        (
            {"CLARI_SYNC_CRON": "daily", "CLARI_SWING_THRESHOLD": "much"},
            {"quota_is_enough", "schedule_is_alive", "quarters_are_fresh", "disk_has_room", "syncs_follow_the_week"},
        ),
        ({"CLARI_MAX_AGE_HOURS": "old"}, {"schedule_is_alive", "quarters_are_fresh"}),
        ({"CLARI_BASE_URL": "nowhere"}, ASK_CLARI | {"base_url_is_safe", "key_is_accepted"}),
    ],
    ids=["no check reads it", "cron", "age", "address"],
)
def test_a_setting_that_cannot_be_read_concerns_those_that_read_it(
    operator: Operator, values: dict[str, str], waiting: set[str]
) -> None:
    """One line says which; no other check fails by it."""
    operator.set(**values)
    code, lines = operator()
    assert (code, names_of(lines, "FAIL"), names_of(lines, "SKIP")) == (1, {"settings_are_readable"}, waiting)
    assert all(name in lines["settings_are_readable"]["detail"] for name in values)


def test_in_a_wrong_calendar_nobody_is_told_to_sync(operator: Operator) -> None:
    """The cause comes first, and is the only one."""
    operator.set(CLARI_FISCAL_YEAR_START_MONTH="3")
    answer = operator.terminal("preflight")
    assert "sync --last" not in answer.out
    assert answer.out.index("FAIL  fiscal_calendar_is_right") < answer.out.index("SKIP  quarters_are_covered")


def test_every_cause_stands_before_what_waits_for_it(operator: Operator) -> None:
    """Whatever is wrong: a line that is skipped names one above it."""
    for values in ({"CLARI_API_KEY": ""}, {"CLARI_FORECAST_IDS": ""}, {"CLARI_WAREHOUSE_URL": "mysql://x"}):
        with operator.monkeypatch.context() as patch:
            for name, value in values.items():
                patch.setenv(name, value)
            _, lines = operator()
        order = list(lines)
        for name in names_of(lines, "SKIP"):
            cause = lines[name]["remedy"].split()[1]
            assert lines[cause]["status"] == "FAIL", lines[name]
            assert order.index(cause) < order.index(name)


def test_rules_that_cannot_be_read_fail_what_needs_them(operator: Operator) -> None:
    Path("clari_pipeline.toml").write_text("[[swings.rule]]\nthreshold = 'much'\n")
    code, lines = operator()
    assert code == 1
    assert "clari_pipeline.toml" in lines["warehouse_is_reachable"]["detail"]
    assert lines["key_is_accepted"]["status"] == "PASS"


@pytest.mark.parametrize(
    ("scenario", "status", "said"), [("calm", "PASS", "{} entries"), ("unreadable", "FAIL", "REFUSED")]
)
def test_deep_makes_one_export_end_to_end(operator: Operator, scenario: str, status: str, said: str) -> None:
    """Of the smallest quarter, into a warehouse of its own."""
    before = operator.terminal.tables(), len(operator.sandbox.jobs)
    smallest = str(CURRENT if scenario == "calm" else CURRENT.shifted(-1))
    (document,) = [one for one in Landing(Path("data/landing")) if one.manifest["time_period_id"] == smallest]
    entries = len(json.loads(document.read())["entries"])
    operator.sql(f"update clari.export_job set rows_staged = 1 where time_period_id = '{smallest}'")
    operator.sandbox.scenario = scenario
    found, line = operator.line("an_export_works", is_deep=True)
    assert (found, said.format(entries) in line, smallest in line) == (status, True, True), line
    assert len(operator.sandbox.jobs) == before[1] + 1
    assert operator.terminal.tables() == before[0]
    assert operator.sandbox.jobs[-1].period_id == smallest
