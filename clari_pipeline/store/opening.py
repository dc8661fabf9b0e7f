"""Open the warehouse of `CLARI_WAREHOUSE_URL`, by the registry of engines."""

from pathlib import Path

from pydantic import SecretStr

from clari_pipeline.core.setting_errors import DriverMissing
from clari_pipeline.store.work_tables import work_tables
from clari_pipeline.warehouse import registry
from clari_pipeline.warehouse.environment import guarded
from clari_pipeline.warehouse.session import Warehouse


def engine_of(url: SecretStr) -> str:
    """The engine's short name, also that of its extra and of its files in `sql/`."""
    return registry.engine_of(url).name


def open_warehouse(url: SecretStr, *, data_dir: Path, env: str | None) -> Warehouse:
    """The warehouse; nothing is opened yet. Raises `DriverMissing` where the engine's extra is not installed.

    `data_dir` holds the local files of a warehouse on a server. Sessions raise where the warehouse belongs to another
    environment than `env`.
    """
    engine = registry.engine_of(url)
    try:
        kind = engine.load()
    except ImportError as error:
        raise DriverMissing(
            f"CLARI_WAREHOUSE_URL names {engine.title}, and {error.name or 'its driver'} is not installed: "
            f"pip install 'clari-pipeline[{engine.name}]'"
        ) from error
    return guarded(kind, env).at(url, data_dir=data_dir, work_tables=work_tables)
