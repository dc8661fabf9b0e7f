"""All settings, read in one place into one frozen object."""

import os
from datetime import datetime, time
from decimal import Decimal
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    AliasChoices,
    BeforeValidator,
    Field,
    SecretStr,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import BaseSettings, DotEnvSettingsSource, NoDecode, SettingsConfigDict

from clari_pipeline.config.key_file import KeyFile, KeyFileError, is_plausible
from clari_pipeline.config.values import faults_of, refuse_no_cron, refuse_percent_sign, refuse_percentage
from clari_pipeline.core.periods import FiscalCalendar
from clari_pipeline.core.project import CHECKOUT, project_file
from clari_pipeline.core.setting_errors import ForecastsMissing, KeyMissing, SandboxInProduction, SettingsError

EXPORT_TYPES = ("forecast", "forecast_updated", "quota", "adjustment", "crm_total", "crm_closed")
REQUIRED_TYPES = ("forecast", "quota", "crm_closed")
PRODUCTS = ("forecast", "limits", "audit", "activity", "opportunity")  # in the order in which a sync fetches them
SANDBOX_KEY = "sandbox-key-"  # how the key of every sandbox begins
DATA_DOCS = "data_docs"  # a folder of the data folder, beside the board
_PREFIX = "CLARI_"
_OF_OTHERS = "CLARI_TEST_"  # the tests' own
_LIKENESS = 0.7  # of a name to a setting's: less is a variable of another program
_COPY = "warehouse-read.duckdb"
_SANDBOX_START_MONTH = 2


_Listed = Annotated[tuple[str, ...], NoDecode]


class Settings(BaseSettings):
    """The settings of `.env.example`, from the environment or from `.env` in the working directory."""

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX,
        env_file=".env",
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
        populate_by_name=True,
    )

    env: Literal["dev", "staging", "prod"] | None = None
    api_key: SecretStr | None = None
    api_key_file: Path | None = None
    base_url: str = "https://api.clari.com/v4"
    auth_scheme: Literal["apikey", "bearer"] = "apikey"
    status_url: str | None = None
    products: _Listed = ("forecast",)
    activity_days: int = Field(90, ge=1, le=3650)
    forecast_ids: _Listed = ()
    types_to_export: _Listed = EXPORT_TYPES
    export_format: Literal["JSON", "CSV"] = "JSON"
    include_historical: bool = True
    scope_id: str | None = None
    currency: Annotated[str, StringConstraints(strip_whitespace=True, to_upper=True)] | None = None
    fiscal_year_start_month: int = Field(1, ge=1, le=12)
    fiscal_year_named_by: Literal["end", "start"] = "end"
    org_timezone: str = "America/Los_Angeles"
    week_close: time = time()
    historical_periods: int = Field(4, ge=0, le=40)
    future_periods: int = Field(0, ge=0, le=8)
    retention_periods: int = Field(8, ge=8, le=400)
    run_retention_days: int = Field(90, ge=1, le=36_500)
    verdict_days: int = Field(1200, ge=1, le=36_500)
    quarter_grace_days: int = Field(7, ge=0, le=90)
    export_timeout_s: float = Field(600, gt=0)
    slot_timeout_s: float = Field(1800, gt=0)
    max_requeues: int = Field(1, ge=0, le=10)
    max_result_bytes: int = Field(4 * 1024**3, ge=1)
    poll_interval_s: float = Field(1, gt=0, le=30)
    lost_answer_s: float = Field(30, ge=0, le=600)
    request_timeout_s: float = Field(30, gt=0)
    max_concurrent_exports: int | None = Field(None, ge=1)
    swing_threshold: Annotated[
        Decimal,
        Field(ge=0, decimal_places=6),
        BeforeValidator(refuse_percent_sign),
        AfterValidator(refuse_percentage),
    ] = Decimal("0.20")
    swing_min_amount: Decimal = Field(Decimal(0), ge=0, decimal_places=4, max_digits=18)
    call: Literal["submitted", "adjusted"] = "submitted"
    alert_urls: SecretStr | None = None
    alert_repeat_hours: float = Field(24, ge=0)
    board_url: str | None = None
    dagster_url: str | None = None
    quota_field: str | None = None
    top_user: str | None = None
    warehouse_url: SecretStr = SecretStr("duckdb:///data/warehouse.duckdb")
    data_dir: Path = Field(Path("data"), validate_default=True)
    gx_dir: Path | None = None
    sync_cron: Annotated[str, AfterValidator(refuse_no_cron)] = "30 8 * * *"
    timezone: str = "UTC"
    max_age_hours: float | None = Field(None, gt=0)
    weekly_files_max_rows: int = Field(250_000, ge=0)
    data_docs_runs: int = Field(10, ge=1, le=1000)
    log_format: Literal["text", "json"] = "text"
    debug: bool = False
    dagster_location: str | None = None
    dagster_home: Path | None = Field(None, validation_alias=AliasChoices("dagster_home", "DAGSTER_HOME"))

    @field_validator("forecast_ids", "types_to_export", "products", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("types_to_export")
    @classmethod
    def _known_types(cls, types: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := sorted(set(types) - set(EXPORT_TYPES)):
            raise ValueError(f"{', '.join(unknown)}: no such type; Clari knows {', '.join(EXPORT_TYPES)}")
        if missing := [name for name in REQUIRED_TYPES if name not in types]:
            raise ValueError(f"{', '.join(missing)} must be among the types: every table is built on them")
        return tuple(sorted(set(types)))

    @field_validator("products")
    @classmethod
    def _known_products(cls, products: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := sorted(set(products) - set(PRODUCTS)):
            raise ValueError(f"{', '.join(unknown)}: no such product; there are {', '.join(PRODUCTS)}")
        if not products:
            raise ValueError(f"name at least one of {', '.join(PRODUCTS)}")
        return tuple(name for name in PRODUCTS if name in products)

    @field_validator("api_key")
    @classmethod
    def _plausible_key(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None and not is_plausible(key.get_secret_value().strip()):
            raise ValueError("it holds characters that no token has: copy it again from Clari")
        return key

    @field_validator("api_key_file")
    @classmethod
    def _one_key(cls, file: Path | None, info: ValidationInfo) -> Path | None:
        if file is not None and info.data.get("api_key") is not None:
            raise ValueError("CLARI_API_KEY is set, too, and the key can stand in one place only: unset one of them")
        return file

    @field_validator("timezone", "org_timezone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (KeyError, ValueError, OSError):
            raise ValueError(f"{name!r} is no time zone: write one such as Europe/Berlin") from None
        return name

    @field_validator("week_close", mode="before")
    @classmethod
    def _time_of_day(cls, value: object) -> object:
        if isinstance(value, str):
            try:
                return datetime.strptime(value, "%H:%M").time()  # noqa: DTZ007 - no moment, but a time of day
            except ValueError:
                raise ValueError(f"{value!r} is no time of day: write HH:MM, such as 05:00") from None
        return value

    @field_validator("base_url")
    @classmethod
    def _web_address(cls, address: str) -> str:
        parts = urlsplit(address)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("write an address such as https://api.clari.com/v4")
        if parts.username or parts.password or parts.query:
            raise ValueError("the address may hold no user, password or query: the key goes to CLARI_API_KEY")
        if parts.scheme == "http" and parts.hostname not in {"127.0.0.1", "localhost", "::1"}:
            raise ValueError("the key would travel in clear text: use https")
        return address.rstrip("/")

    @field_validator("status_url")
    @classmethod
    def _page(cls, address: str | None) -> str | None:
        if address is not None and not _is_page(address):
            raise ValueError("write an address such as https://clari.statuspage.io/api/v2/summary.json")
        return address

    @field_validator("board_url", "dagster_url")
    @classmethod
    def _linked_page(cls, address: str | None, info: ValidationInfo) -> str | None:
        if address is None:
            return None
        is_dagster = info.field_name == "dagster_url"
        example = "https://dagster.example.com" if is_dagster else "https://files.example.com/board.html"
        if not _is_page(address) or (is_dagster and set("?#") & set(address)):
            raise ValueError(f"write an http:// or https:// address without user and password, such as {example}")
        return address.rstrip("/") if is_dagster else address

    @field_validator("warehouse_url")
    @classmethod
    def _warehouse(cls, url: SecretStr) -> SecretStr:
        text = url.get_secret_value()
        if text.startswith(("postgresql://", "postgres://", "snowflake://")):
            return url
        scheme, separator, path = text.partition(":///")
        if scheme != "duckdb" or not separator or not path:
            raise ValueError(
                "write duckdb:///relative/path.duckdb, duckdb:////absolute/path.duckdb, "
                "postgresql://user:password@host:5432/database "
                "or snowflake://user:password@account/database/clari?warehouse=name&role=name"
            )
        if Path(path).stem == "clari":
            raise ValueError("a file named like the schema in it (clari) makes its tables ambiguous: rename it")
        return url

    @field_validator("data_dir")
    @classmethod
    def _warehouse_is_no_copy(cls, folder: Path, info: ValidationInfo) -> Path:
        """Raise where the warehouse is the file of the copy for readers, which each sync replaces."""
        url = info.data.get("warehouse_url", SecretStr("")).get_secret_value()
        file = Path(url.removeprefix("duckdb:///"))
        if url.startswith("duckdb:///") and file.resolve() == (folder / _COPY).resolve():
            raise ValueError("CLARI_WAREHOUSE_URL names the file that the copy for readers goes to: rename one of them")
        return folder

    @property
    def calendar(self) -> FiscalCalendar:
        """The fiscal calendar by the settings alone; `store.calendar` adds the quarters' days from the warehouse."""
        return FiscalCalendar(
            self.fiscal_year_start_month, self.fiscal_year_named_by, self.org_timezone, self.week_close
        )

    @property
    def copy_file(self) -> Path:
        """The copy of the warehouse that people read while a sync writes."""
        return self.data_dir / _COPY

    @property
    def marts_dir(self) -> Path:
        """The folder of the marts' Parquet files."""
        return self.data_dir / "marts"

    @property
    def data_docs_dir(self) -> Path:
        """The folder of Great Expectations' Data Docs."""
        return self.data_dir / DATA_DOCS

    @property
    def landing_dir(self) -> Path:
        """The folder of raw documents, kept for ever."""
        return self.data_dir / "landing"

    @property
    def suites_dir(self) -> Path:
        """The user's own project of Great Expectations: `CLARI_GX_DIR`, else `gx` in the data folder."""
        return self.gx_dir or self.data_dir / "gx"

    @property
    def brings_forecasts(self) -> bool:
        """Whether a sync exports forecasts, or only other products."""
        return "forecast" in self.products

    @property
    def other_products(self) -> tuple[str, ...]:
        """The products that a sync fetches, without the forecast."""
        return tuple(name for name in self.products if name != "forecast")

    @property
    def dagster_dir(self) -> Path:
        """Dagster's instance: `DAGSTER_HOME`, else the checkout's `dagster_home`, else one in the data folder."""
        if self.dagster_home is not None:
            return self.dagster_home
        checkout = CHECKOUT / "dagster_home"
        return checkout if (checkout / "dagster.yaml").exists() else self.data_dir / "dagster_home"

    @property
    def has_key(self) -> bool:
        """Whether a key or a key file is set."""
        return self.api_key is not None or self.api_key_file is not None

    @property
    def is_of_a_sandbox(self) -> bool:
        """Whether the key is a sandbox's, by its prefix; false where it cannot be read."""
        try:
            return _is_invented(self._current_key())
        except (SettingsError, KeyFileError):
            return False

    def key_source(self) -> SecretStr | KeyFile:
        """The key, or the file from which it is reloaded when it changes. Raises `KeyMissing`."""
        if self.api_key_file is not None:
            source = KeyFile(self.api_key_file)
            try:
                source.current()
            except KeyFileError as error:
                raise KeyMissing(f"CLARI_API_KEY_FILE: {error}") from None
            return source
        if self.api_key is None:
            raise KeyMissing(
                "CLARI_API_KEY is not set: create a token in Clari under Settings, API Token, "
                "and put it into the environment or .env (or try --sandbox)"
            )
        return self.api_key

    def required_key(self) -> SecretStr:
        """The current key. Raises `KeyMissing`, or, where `CLARI_ENV` is prod, `SandboxInProduction`."""
        key = self._current_key()
        if self.env == "prod" and _is_invented(key):
            raise SandboxInProduction(
                "the key is a sandbox's, whose figures are invented, and CLARI_ENV is prod: set CLARI_API_KEY and "
                "CLARI_BASE_URL to Clari's, or unset CLARI_ENV and name a warehouse of the sandbox's own"
            )
        return key

    def _current_key(self) -> SecretStr:
        source = self.key_source()
        return source.current() if isinstance(source, KeyFile) else source

    def required_forecasts(self) -> tuple[str, ...]:
        """The forecasts to export. Raises `ForecastsMissing`."""
        if not self.forecast_ids:
            raise ForecastsMissing(
                "CLARI_FORECAST_IDS is not set: name the forecast ids that stand in the address of Clari's "
                "Forecast tab, comma-separated, or give --forecast ID"
            )
        return self.forecast_ids


def _is_page(address: str) -> bool:
    """Whether it is an http or https address of a host, without user, password or white space."""
    try:
        parts = urlsplit(address)
        is_address = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # of a port that is none
        return False
    return is_address and not parts.username and not parts.password and not set(address) & set(' \t<>"')


def _is_invented(key: SecretStr) -> bool:
    return key.get_secret_value().strip().startswith(SANDBOX_KEY)


def read_settings(**overrides: Any) -> Settings:
    """Read the settings; `overrides` take precedence. Raises `SettingsError`, all faults in one line."""
    try:
        return Settings(**overrides)
    except ValidationError as error:
        faults = {}
        for place, remedy in faults_of(error):
            name = str(place[0]) if place else "settings"
            faults[name if name.isupper() else f"{_PREFIX}{name.upper()}"] = remedy
        raise SettingsError("; ".join(f"{name}: {said}" for name, said in faults.items()), faults=faults) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f".env cannot be read: {error}") from None


def mistyped() -> dict[str, str]:
    """Variables of the environment and of `.env` that are no settings, each with the setting that was likely meant."""
    known = {f"{_PREFIX}{name.upper()}" for name in Settings.model_fields}
    try:
        in_file = DotEnvSettingsSource(Settings).env_vars
    except (OSError, UnicodeDecodeError):
        in_file = {}  # `read_settings` says so
    names = {name.upper() for name in (*os.environ, *in_file) if name.upper().startswith(_PREFIX)}
    bare = [name.removeprefix(_PREFIX) for name in known]
    found = {}
    for name in sorted(names - known):
        alike = get_close_matches(name.removeprefix(_PREFIX), bare, n=1, cutoff=_LIKENESS)
        if alike and not name.startswith(_OF_OTHERS):
            found[name] = f"{_PREFIX}{alike[0]}"
    return found


def of_sandbox(settings: Settings) -> dict[str, Any]:
    """The settings of the sandbox's company, and those that keep its data apart: data folder, warehouse
    and Dagster's instance.

    Its fiscal year begins in February, unless a setting names another month.
    """
    folder = settings.data_dir / "sandbox"
    is_month_set = "fiscal_year_start_month" in settings.model_fields_set
    return {
        "data_dir": folder,
        "dagster_home": folder / "dagster_home",
        "gx_dir": settings.suites_dir,  # rules of one's own hold, as those of clari_pipeline.toml do
        "warehouse_url": SecretStr(f"duckdb:///{folder / 'warehouse.duckdb'}"),
        "fiscal_year_start_month": settings.fiscal_year_start_month if is_month_set else _SANDBOX_START_MONTH,
        "fiscal_year_named_by": "end",
    }


def point_dagster_at(settings: Settings) -> Path:
    """Create Dagster's folder with the instance's settings where it is missing, and point `DAGSTER_HOME` at it."""
    home = settings.dagster_dir.resolve()
    home.mkdir(parents=True, exist_ok=True)
    if not (home / "dagster.yaml").exists():
        (home / "dagster.yaml").write_bytes(project_file("dagster_home/dagster.yaml").read_bytes())
    os.environ["DAGSTER_HOME"] = str(home)
    return home
