"""Settings: where they are read from, what they are when nothing is set, and what is said of a bad one."""

import os
import re
from datetime import time
from decimal import Decimal
from pathlib import Path

import dagster as dg
import pytest
from pydantic import SecretStr

from clari_pipeline.config.settings import EXPORT_TYPES, Settings, mistyped, read_settings
from clari_pipeline.core.setting_errors import SettingsError
from tests.helpers.each_case import try_each

KEY = "key-f00dface"


@pytest.fixture(autouse=True)
def _nothing_set(tmp_path, monkeypatch):
    """An empty folder and an environment without any setting."""
    for name in list(os.environ):
        if name.upper().startswith(("CLARI_", "DAGSTER_HOME")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def test_the_defaults_are_those_that_are_promised():
    settings = read_settings()
    assert settings.api_key is None
    assert settings.warehouse_url.get_secret_value() == "duckdb:///data/warehouse.duckdb"
    promised = {
        "base_url": "https://api.clari.com/v4",
        "auth_scheme": "apikey",
        "forecast_ids": (),
        "products": ("forecast",),
        "activity_days": 90,
        "export_format": "JSON",
        "include_historical": True,
        "scope_id": None,
        "currency": None,
        "fiscal_year_start_month": 1,
        "historical_periods": 4,
        "future_periods": 0,
        "quarter_grace_days": 7,
        "export_timeout_s": 600,
        "slot_timeout_s": 1800,
        "poll_interval_s": 1,
        "lost_answer_s": 30,
        "request_timeout_s": 30,
        "max_concurrent_exports": None,
        "swing_threshold": Decimal("0.20"),
        "swing_min_amount": Decimal(0),
        "call": "submitted",
        "quota_field": None,
        "top_user": None,
        "data_dir": Path("data"),
        "sync_cron": "30 8 * * *",
        "week_close": time(),
        "timezone": "UTC",
        "org_timezone": "America/Los_Angeles",
        "fiscal_year_named_by": "end",
    }
    assert {name: getattr(settings, name) for name in promised} == promised
    every_type = {"forecast", "forecast_updated", "quota", "adjustment", "crm_total", "crm_closed"}
    assert set(settings.types_to_export) == set(EXPORT_TYPES) == every_type
    assert settings.landing_dir == Path("data/landing")


def test_a_setting_is_read_from_the_environment_and_from_dotenv(monkeypatch):
    cases = [
        ("CLARI_BASE_URL", "https://eu.clari.example/v1/", "base_url", "https://eu.clari.example/v1"),
        ("CLARI_BASE_URL", "http://127.0.0.1:8000/v4", "base_url", "http://127.0.0.1:8000/v4"),
        ("CLARI_AUTH_SCHEME", "bearer", "auth_scheme", "bearer"),
        ("CLARI_FORECAST_IDS", "a", "forecast_ids", ("a",)),
        ("CLARI_FORECAST_IDS", " a , b,,c ", "forecast_ids", ("a", "b", "c")),
        ("CLARI_FORECAST_IDS", '["a"]', "forecast_ids", ('["a"]',)),
        ("CLARI_TYPES_TO_EXPORT", "quota, crm_closed,forecast,quota", "types_to_export",
         ("crm_closed", "forecast", "quota")),
        ("CLARI_PRODUCTS", " opportunity, audit ,forecast,audit", "products", ("forecast", "audit", "opportunity")),
        ("CLARI_ACTIVITY_DAYS", "7", "activity_days", 7),
        ("CLARI_EXPORT_FORMAT", "CSV", "export_format", "CSV"),
        ("CLARI_INCLUDE_HISTORICAL", "false", "include_historical", False),
        ("CLARI_SCOPE_ID", "1905::MGR", "scope_id", "1905::MGR"),
        ("CLARI_FISCAL_YEAR_START_MONTH", "12", "fiscal_year_start_month", 12),
        ("CLARI_HISTORICAL_PERIODS", "0", "historical_periods", 0),
        ("CLARI_EXPORT_TIMEOUT_S", "0.5", "export_timeout_s", 0.5),
        ("CLARI_MAX_CONCURRENT_EXPORTS", "3", "max_concurrent_exports", 3),
        ("CLARI_SWING_THRESHOLD", "0.1", "swing_threshold", Decimal("0.1")),
        ("CLARI_SWING_MIN_AMOUNT", "1000.5", "swing_min_amount", Decimal("1000.5")),
        ("CLARI_DATA_DIR", "/srv/clari", "data_dir", Path("/srv/clari")),
        ("CLARI_TIMEZONE", "Europe/Berlin", "timezone", "Europe/Berlin"),
        ("CLARI_ORG_TIMEZONE", "Australia/Sydney", "org_timezone", "Australia/Sydney"),
        ("CLARI_WEEK_CLOSE", "05:30", "week_close", time(5, 30)),
        ("CLARI_FISCAL_YEAR_NAMED_BY", "start", "fiscal_year_named_by", "start"),
        ("CLARI_SYNC_CRON", "*/15 6-20 * * MON-FRI", "sync_cron", "*/15 6-20 * * MON-FRI"),
        ("DAGSTER_HOME", "/srv/dagster", "dagster_home", Path("/srv/dagster")),
        ("CLARI_WAREHOUSE_URL", "duckdb:////srv/w.duckdb", "warehouse_url", SecretStr("duckdb:////srv/w.duckdb")),
    ]  # fmt: skip

    def check(case):
        variable, value, name, read = case
        Path(".env").write_text(f"{variable}='{value}'\nOTHER=1\nCLARI_NEW_THING=2\n", encoding="utf-8")
        assert getattr(read_settings(), name) == read
        Path(".env").unlink()
        assert getattr(read_settings(), name) != read
        with monkeypatch.context() as environment:
            environment.setenv(variable, value)
            assert getattr(read_settings(), name) == read

    try_each(cases, check)


def test_the_environment_wins_over_dotenv_and_what_is_given_over_both(monkeypatch):
    Path(".env").write_text("CLARI_HISTORICAL_PERIODS=2\n")
    monkeypatch.setenv("CLARI_HISTORICAL_PERIODS", "3")
    assert read_settings().historical_periods == 3
    assert read_settings(historical_periods=1).historical_periods == 1


def test_an_empty_value_is_none(monkeypatch):
    for name in ("CLARI_API_KEY", "CLARI_MAX_CONCURRENT_EXPORTS", "CLARI_FORECAST_IDS", "CLARI_BASE_URL"):
        monkeypatch.setenv(name, "")
    settings = read_settings()
    assert (settings.api_key, settings.max_concurrent_exports, settings.forecast_ids) == (None, None, ())
    assert settings.base_url == "https://api.clari.com/v4"


BAD = [
    ("CLARI_BASE_URL", "api.clari.com", "https://api.clari.com/v4"),
    ("CLARI_BASE_URL", "ftp://api.clari.com", "https://api.clari.com/v4"),
    ("CLARI_BASE_URL", "http://api.clari.com/v4", "clear text"),
    ("CLARI_BASE_URL", f"https://me:{KEY}@api.clari.com", "CLARI_API_KEY"),
    ("CLARI_BASE_URL", f"https://api.clari.com/v4?apikey={KEY}", "CLARI_API_KEY"),
    ("CLARI_AUTH_SCHEME", "basic", "'apikey' or 'bearer'"),
    ("CLARI_TYPES_TO_EXPORT", "forecast,quota,crm_closed,mood", "mood: no such type"),
    ("CLARI_TYPES_TO_EXPORT", "forecast", "quota, crm_closed must be among"),
    ("CLARI_PRODUCTS", "forecast,weather", "weather: no such product; there are forecast, limits, audit"),
    ("CLARI_PRODUCTS", ",", "name at least one of forecast, limits"),
    ("CLARI_ACTIVITY_DAYS", "0", "write 1 or more"),
    ("CLARI_EXPORT_FORMAT", "XML", "'JSON' or 'CSV'"),
    ("CLARI_INCLUDE_HISTORICAL", "perhaps", "write true or false"),
    ("CLARI_FISCAL_YEAR_START_MONTH", "13", "write 12 or less"),
    ("CLARI_FISCAL_YEAR_START_MONTH", "0", "write 1 or more"),
    ("CLARI_FISCAL_YEAR_START_MONTH", "May", "write a whole number"),
    ("CLARI_HISTORICAL_PERIODS", "-1", "write 0 or more"),
    ("CLARI_FUTURE_PERIODS", "99", "write 8 or less"),
    ("CLARI_QUARTER_GRACE_DAYS", "x", "write a whole number"),
    ("CLARI_EXPORT_TIMEOUT_S", "0", "write a number above 0"),
    ("CLARI_SLOT_TIMEOUT_S", "-5", "write a number above 0"),
    ("CLARI_POLL_INTERVAL_S", "31", "write 30 or less"),
    ("CLARI_LOST_ANSWER_S", "-1", "write 0 or more"),
    ("CLARI_REQUEST_TIMEOUT_S", "soon", "write a number"),
    ("CLARI_MAX_CONCURRENT_EXPORTS", "0", "write 1 or more"),
    ("CLARI_SWING_THRESHOLD", "-0.1", "write 0 or more"),
    ("CLARI_SWING_THRESHOLD", "20%", "did you mean 0.20?"),
    ("CLARI_SWING_MIN_AMOUNT", "NaN", "write a number"),
    ("CLARI_SWING_THRESHOLD", "20", "did you mean 0.20?"),
    ("CLARI_SWING_THRESHOLD", "7.5 %", "did you mean 0.075?"),
    ("CLARI_SWING_THRESHOLD", "a fifth", "write a number such as 0.25"),
    ("CLARI_SWING_THRESHOLD", "0.1234567", "write at most 6 digits after the point"),
    ("CLARI_SWING_MIN_AMOUNT", "123456789012345678", "digits before the point"),
    ("CLARI_ENV", "production", "write 'dev', 'staging' or 'prod'"),
    ("CLARI_DEBUG", "2", "write true or false"),
    ("CLARI_FISCAL_YEAR_NAMED_BY", "begin", "write 'end' or 'start'"),
    ("CLARI_LOG_FORMAT", "xml", "write 'text' or 'json'"),
    ("CLARI_RETENTION_PERIODS", "7", "write 8 or more"),
    ("CLARI_VERDICT_DAYS", "1.5", "write a whole number"),
    ("CLARI_RUN_RETENTION_DAYS", "0", "1 or more"),
    ("CLARI_MAX_REQUEUES", "11", "write 10 or less"),
    ("CLARI_MAX_RESULT_BYTES", "4G", "write a whole number"),
    ("CLARI_ALERT_REPEAT_HOURS", "daily", "write a number"),
    ("CLARI_MAX_AGE_HOURS", "0", "write a number above 0"),
    ("CLARI_WEEKLY_FILES_MAX_ROWS", "-1", "write 0 or more"),
    ("CLARI_DATA_DOCS_RUNS", "0", "write 1 or more"),
    ("CLARI_STATUS_URL", "status", "https://clari.statuspage.io"),
    ("CLARI_API_KEY", "word\u00e9", "copy it again from Clari"),
    ("CLARI_API_KEY_FILE", "key", "unset one of them"),
    ("CLARI_DATA_DIR", ".", "rename one of them"),
    ("CLARI_SYNC_CRON", "0 6 30 2 MON", "February has no such day"),
    ("CLARI_BOARD_URL", "board.html", "http:// or https:// address"),
    ("CLARI_DAGSTER_URL", f"https://me:{KEY}@dagster.example.com", "without user and password"),
    ("CLARI_DAGSTER_URL", "https://dagster.example.com/?a=b", "such as https://dagster.example.com"),
    ("CLARI_CALL", "guessed", "'submitted' or 'adjusted'"),
    ("CLARI_WAREHOUSE_URL", f"mysql://me:{KEY}@db/x", "duckdb:///"),
    ("CLARI_WAREHOUSE_URL", "duckdb:///", "duckdb:///"),
    ("CLARI_WAREHOUSE_URL", "duckdb:///data/clari.duckdb", "rename it"),
    ("CLARI_SYNC_CRON", "daily", "five fields"),
    ("CLARI_WEEK_CLOSE", "24:00", "HH:MM"),
    ("CLARI_SYNC_CRON", "0 6 * *", "five fields"),
    ("CLARI_TIMEZONE", "Mars/Olympus", "Europe/Berlin"),
    ("CLARI_TIMEZONE", "../etc/passwd", "Europe/Berlin"),
    ("CLARI_ORG_TIMEZONE", "Mars/Olympus", "Europe/Berlin"),
]
_ANY_TEXT = {
    "dagster_location",
    "gx_dir",
    "forecast_ids",
    "scope_id",
    "currency",
    "alert_urls",
    "quota_field",
    "top_user",
    "dagster_home",
}
_PYDANTIC = re.compile("Input should|valid (integer|number|string|boolean|decimal)|unable to|Extra inputs|Value error")


def test_every_setting_that_can_be_wrong_is_tried_with_a_wrong_value():
    tried = {variable.removeprefix("CLARI_").lower() for variable, *_ in BAD}
    assert tried | _ANY_TEXT == set(Settings.model_fields)


def test_a_bad_value_is_one_line_that_names_its_variable(monkeypatch):
    monkeypatch.setenv("CLARI_API_KEY", KEY)

    def check(case):
        variable, value, remedy = case
        with monkeypatch.context() as environment, pytest.raises(SettingsError) as refused:
            if variable == "CLARI_DATA_DIR":
                environment.setenv("CLARI_WAREHOUSE_URL", "duckdb:///warehouse-read.duckdb")
            environment.setenv(variable, value)
            read_settings()
        text = str(refused.value)
        assert text.startswith(f"{variable}: ")
        assert remedy in text
        assert len(text.splitlines()) == 1
        assert not _PYDANTIC.search(text)
        assert KEY not in text + repr(refused.value)
        assert refused.value.__cause__ is None
        assert refused.value.__suppress_context__

    try_each(BAD, check)


def test_all_bad_values_are_named_at_once(monkeypatch):
    monkeypatch.setenv("CLARI_CALL", "x")
    monkeypatch.setenv("CLARI_TIMEZONE", "y")
    with pytest.raises(SettingsError, match=r"^CLARI_CALL: .*; CLARI_TIMEZONE: .*$"):
        read_settings()
    monkeypatch.delenv("CLARI_CALL")
    monkeypatch.delenv("CLARI_TIMEZONE")
    with pytest.raises(SettingsError, match=r"^CLARI_HISTORICAL_PERIODS: "):  # given in code, named like its variable
        read_settings(historical_periods=-1)


def test_secrets_are_shown_nowhere_and_settings_do_not_change(monkeypatch):
    monkeypatch.setenv("CLARI_API_KEY", KEY)
    settings = read_settings()
    assert settings.required_key().get_secret_value() == KEY
    shown = f"{settings!r} {settings} {settings.model_dump()} {settings.model_dump_json()}"
    assert KEY not in shown
    assert "warehouse.duckdb" not in shown
    with pytest.raises(ValueError, match="frozen"):
        settings.historical_periods = 3


def test_what_is_missing_names_its_variable_and_where_to_get_it(monkeypatch):
    with pytest.raises(SettingsError, match=r"CLARI_API_KEY is not set: .*API Token"):
        read_settings().required_key()
    with pytest.raises(SettingsError, match=r"CLARI_FORECAST_IDS is not set: .*Forecast tab"):
        read_settings().required_forecasts()
    monkeypatch.setenv("CLARI_FORECAST_IDS", "a,b")
    assert read_settings().required_forecasts() == ("a", "b")


def test_a_dotenv_that_is_no_text_is_named():
    for content in (b"\xff\xfe\x00CLARI_CALL=adjusted", b"CLARI_CALL=\xe9"):
        Path(".env").write_bytes(content)
        with pytest.raises(SettingsError, match=r"\.env cannot be read"):
            read_settings()


# Lines, and whether this program takes them. Dagster has to run each that it takes.
CRON_LINES = [
    *((line, True) for line in ("30 8 * * *", "*/15 6-20 * * MON-FRI", "0 6 1,15 * *", "0 6 L * *", "0 6 29 2 *")),
    *((line, True) for line in ("0 6 * jan-mar *", "0 6 * * 5#2", "0 6 * * 7", "5/10 6 * * *", "0 6 31 4 1")),
    *((line, False) for line in ("0 0 6 * * *", "0 6 LW * *", "0 6 * * 5L", "0 6 * * 1,5L", "0 6 30 2 *")),
    *((line, False) for line in ("0 6 31 2 1", "0 6 31 FEB MON", "0 6 * *", "daily", "60 6 * * *", "0 24 * * *")),
    *((line, False) for line in ("0 6 0 * *", "0 6 * 13 *", "*/0 6 * * *", "0 6 15W * *", "", "0 6 * * 8")),
]


@dg.job
def _nothing() -> None:
    """A job to schedule."""


def test_a_cron_line_that_dagster_refuses_is_refused(monkeypatch):
    def check(case):
        line, is_taken = case
        if not line:
            return  # an empty value is none
        monkeypatch.setenv("CLARI_SYNC_CRON", line)
        if is_taken:
            dg.ScheduleDefinition(job=_nothing, cron_schedule=read_settings().sync_cron)
        else:
            with pytest.raises(SettingsError, match=r"cron line|February"):
                read_settings()

    try_each(CRON_LINES, check)
    fields = ["*", "0", "5", "59", "1-5", "*/7", "0-7", "MON", "mon-fri", "JAN", "L", "LW", "L-3", "2L", "L2", "5#2"]
    fields += ["?", "R", "15W", "31", "2", "12", "23", "1-5/2", "FRI#5", "sat-sun", "3/40", "00", "30,31"]

    def is_taken(line):
        monkeypatch.setenv("CLARI_SYNC_CRON", line)
        try:
            return read_settings().sync_cron == line
        except SettingsError:
            return False

    every = [
        " ".join((*base[:place], field, *base[place + 1 :]))
        for base in (["0", "6", "1", "1", "1"], ["0", "6", "*", "*", "*"], ["0", "6", "31", "2", "*"])
        for place in range(5)
        for field in fields
    ]
    try_each(filter(is_taken, every), lambda line: dg.ScheduleDefinition(job=_nothing, cron_schedule=line))


def test_a_mistyped_setting_is_found_with_the_one_that_was_meant(monkeypatch):
    for name in ("CLARI_FORECAST_ID", "CLARI_APIKEY", "CLARI_TEST_API_KEY", "CLARI_EXPORTS_AT_ONCE", "CLARI_OFFICE"):
        monkeypatch.setenv(name, "x")
    Path(".env").write_text("CLARI_SWING_TRESHOLD=0.2\nFORECAST_ID=1\nCLARI_CALL=adjusted\n", encoding="utf-8")
    assert mistyped() == {
        "CLARI_APIKEY": "CLARI_API_KEY",
        "CLARI_FORECAST_ID": "CLARI_FORECAST_IDS",
        "CLARI_SWING_TRESHOLD": "CLARI_SWING_THRESHOLD",
    }
