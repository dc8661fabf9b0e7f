"""Which warehouse an address names: the only place where engines are told apart."""

from __future__ import annotations

from pathlib import Path

from pydantic import SecretStr

from clari_pipeline.core.setting_errors import DriverMissing
from clari_pipeline.store.work_tables import work_tables
from clari_pipeline.warehouse.environment import belonging
from clari_pipeline.warehouse.session import Warehouse

_ENGINES = {"postgresql": "postgres", "postgres": "postgres", "snowflake": "snowflake", "duckdb": "duckdb"}


def engine_of(url: SecretStr) -> str:
    """The engine's short name: what its extra and its own files in `sql/` are called."""
    return _ENGINES[url.get_secret_value().partition("://")[0]]


def open_warehouse(url: SecretStr, *, data_dir: Path, env: str | None) -> Warehouse:
    """The warehouse of `CLARI_WAREHOUSE_URL`; nothing is opened yet. Raises `DriverMissing` without its extra.

    `data_dir` is where a server's warehouse keeps what this machine alone needs. Its sessions refuse to go on where
    they find that it belongs to another environment than `env`.
    """
    match engine_of(url):
        case "postgres":
            try:
                from clari_pipeline.warehouse.postgres.engine import PostgresWarehouse  # noqa: PLC0415 - an extra
            except ImportError as error:
                raise _missing("PostgreSQL", "postgres", error) from error
            return belonging(PostgresWarehouse, env)(url, data_dir=data_dir)
        case "snowflake":
            try:
                from clari_pipeline.warehouse.snowflake.engine import SnowflakeWarehouse  # noqa: PLC0415 - an extra
            except ImportError as error:
                raise _missing("Snowflake", "snowflake", error) from error
            return belonging(SnowflakeWarehouse, env)(url, data_dir=data_dir, work_tables=work_tables)
        case _:
            from clari_pipeline.warehouse.duckdb.engine import DuckWarehouse  # noqa: PLC0415 - the others import their own

            return belonging(DuckWarehouse, env)(Path(url.get_secret_value().removeprefix("duckdb:///")))


def _missing(engine: str, extra: str, error: ImportError) -> DriverMissing:
    return DriverMissing(
        f"CLARI_WAREHOUSE_URL names {engine}, and {error.name or 'its driver'} is not installed: "
        f"pip install 'clari-pipeline[{extra}]'"
    )
