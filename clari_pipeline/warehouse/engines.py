"""Which warehouse an address names: the only place where engines are told apart."""

from __future__ import annotations

from pathlib import Path

from pydantic import SecretStr

from clari_pipeline.settings import SettingsError
from clari_pipeline.warehouse.session import Warehouse


def open_warehouse(url: SecretStr, *, data_dir: Path) -> Warehouse:
    """The warehouse of `CLARI_WAREHOUSE_URL`; nothing is opened yet. Raises `SettingsError` where its extra is missing.

    `data_dir` is where a server's warehouse keeps what this machine alone needs.
    """
    scheme, _, rest = url.get_secret_value().partition("://")
    match scheme:
        case "postgresql":
            try:
                from clari_pipeline.warehouse.postgres import PostgresWarehouse  # noqa: PLC0415 - an extra
            except ModuleNotFoundError as error:
                raise _missing("PostgreSQL", "postgres", error) from error
            return PostgresWarehouse(url, data_dir=data_dir)
        case _:
            from clari_pipeline.warehouse.duck import DuckWarehouse  # noqa: PLC0415 - only where it is the one

            return DuckWarehouse(Path(rest.removeprefix("/")))


def _missing(engine: str, extra: str, error: ModuleNotFoundError) -> SettingsError:
    return SettingsError(
        f"CLARI_WAREHOUSE_URL names {engine}, and {error.name} is not installed: pip install 'clari-pipeline[{extra}]'"
    )
