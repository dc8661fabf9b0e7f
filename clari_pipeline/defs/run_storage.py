"""Storage classes that `dagster.yaml` files of up to 0.1 name: each gives Dagster's own storage in SQLite.

Those files write `module: clari_pipeline.defs.run_storage`, `class: PooledSqliteRuns` and, of the event log,
`module: clari_pipeline.defs.event_log`, `class: PooledSqliteEventLog`, each with a `config` of `home: DAGSTER_HOME`.
Files and tables were always Dagster's own, in the folders of its defaults.
"""

import json
from pathlib import Path
from typing import Any

import dagster as dg


def _alias(storage: object, folder: str, documented: dict[str, str]) -> Any:
    """A class to be named in `dagster.yaml` that opens the documented storage in a folder below `home`.

    Dagster takes only a class that inherits from the abstract storage, as that of any `storage` does.
    """

    class Alias(type(storage)):  # type: ignore[misc]  # a class found at run time
        @classmethod
        def config_type(cls) -> Any:
            return {"home": dg.StringSource}

        @classmethod
        def from_config_value(cls, _inst_data: object, config: dict[str, str]) -> object:
            base_dir = json.dumps({"base_dir": str(Path(config["home"], folder))})
            spec = {"__class__": "ConfigurableClassData", **documented, "config_yaml": base_dir}
            documented_class: Any = dg.deserialize_value(json.dumps(spec))
            return documented_class.rehydrate()

    return Alias


with dg.DagsterInstance.ephemeral() as _instance:
    PooledSqliteRuns = _alias(
        _instance.run_storage,
        "history",
        {"module_name": "dagster.core.storage.runs", "class_name": "SqliteRunStorage"},
    )
    PooledSqliteEventLog = _alias(
        _instance.event_log_storage,
        "history/runs",
        {"module_name": "dagster.core.storage.event_log", "class_name": "SqliteEventLogStorage"},
    )
