"""Settings: where they are read from, what they are when nothing is set, and what is said of a bad one."""

import os
from datetime import time
from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import SecretStr

from clari_pipeline.config.settings import EXPORT_TYPES, read_settings
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
    ("CLARI_ACTIVITY_DAYS", "0", "greater than or equal to 1"),
    ("CLARI_EXPORT_FORMAT", "XML", "'JSON' or 'CSV'"),
    ("CLARI_INCLUDE_HISTORICAL", "perhaps", "boolean"),
    ("CLARI_FISCAL_YEAR_START_MONTH", "13", "less than or equal to 12"),
    ("CLARI_FISCAL_YEAR_START_MONTH", "0", "greater than or equal to 1"),
    ("CLARI_FISCAL_YEAR_START_MONTH", "May", "integer"),
    ("CLARI_HISTORICAL_PERIODS", "-1", "greater than or equal to 0"),
    ("CLARI_FUTURE_PERIODS", "99", "less than or equal to"),
    ("CLARI_QUARTER_GRACE_DAYS", "x", "integer"),
    ("CLARI_EXPORT_TIMEOUT_S", "0", "greater than 0"),
    ("CLARI_SLOT_TIMEOUT_S", "-5", "greater than 0"),
    ("CLARI_POLL_INTERVAL_S", "31", "less than or equal to 30"),
    ("CLARI_LOST_ANSWER_S", "-1", "greater than or equal to 0"),
    ("CLARI_REQUEST_TIMEOUT_S", "soon", "number"),
    ("CLARI_MAX_CONCURRENT_EXPORTS", "0", "greater than or equal to 1"),
    ("CLARI_SWING_THRESHOLD", "-0.1", "greater than or equal to 0"),
    ("CLARI_SWING_THRESHOLD", "20%", "decimal"),
    ("CLARI_SWING_MIN_AMOUNT", "NaN", "finite number"),
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


def test_a_bad_value_is_one_line_that_names_its_variable(monkeypatch):
    monkeypatch.setenv("CLARI_API_KEY", KEY)

    def check(case):
        variable, value, remedy = case
        with monkeypatch.context() as environment, pytest.raises(SettingsError) as refused:
            environment.setenv(variable, value)
            read_settings()
        text = str(refused.value)
        assert text.startswith(f"{variable}: ")
        assert remedy in text
        assert len(text.splitlines()) == 1
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
