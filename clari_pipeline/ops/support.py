"""`clari-pipeline debug-bundle`: a tar archive for support, of versions, settings, ledger, health and Dagster's runs.

A part that cannot be read is replaced by a file with the error, as a bundle is made when something is broken.
"""

import io
import json
import os
import platform
import re
import sys
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from clari_pipeline.config.rules import read_rules
from clari_pipeline.config.settings import Settings, point_dagster_at, read_settings
from clari_pipeline.core.safe_text import json_text
from clari_pipeline.core.setting_errors import SettingsError
from clari_pipeline.ops import preflight
from clari_pipeline.ops.health import HealthReader
from clari_pipeline.ops.preflight.probe import CannotCheck
from clari_pipeline.store.opening import open_warehouse
from clari_pipeline.sync.masking import MASK, Mask
from clari_pipeline.warehouse.catalogue import tables
from clari_pipeline.warehouse.errors import WarehouseError
from clari_pipeline.warehouse.session import Record, Warehouse, rows

_RUNS = 20
_REQUIRED = re.compile(r"[A-Za-z0-9._-]+")
_NAMES_PEOPLE = {"top_user"}  # settings
_PEOPLE_KEYS = {"name", "user_name", "email", "updated_by_name", "adjusted_by_name", "CLARI_TOP_USER"}  # of evidence
_ABOUT_PEOPLE = {"totals_have_one_top"}  # checks whose evidence names people of refused documents, whom no table knows
_ABOUT = "What clari-pipeline debug-bundle has put together. A file NAME.error.txt says why there is no NAME.json.\n"


def bundle(output: Path | None, *, with_people: bool) -> tuple[Path, list[str]]:
    """Write the archive, readable by its owner alone; returns its path, and a line for each part that is missing.

    Without `with_people` the names and addresses of all people in the warehouse are masked. Raises `OSError`.
    """
    taken_at = datetime.now(UTC)
    file = output or Path(f"clari-debug-{taken_at:%Y%m%dT%H%M%SZ}.tar.gz")
    try:
        settings, trouble = read_settings(), None
    except SettingsError as error:
        settings, trouble = None, str(error)
    parts: dict[str, Callable[[], Any]] = {
        "versions": lambda: _versions(taken_at),
        "preflight": lambda: [asdict(one) for one in preflight.inspect()],
    }
    people: list[str] | None = None if with_people else []
    if settings is not None:
        warehouse = open_warehouse(settings.warehouse_url, data_dir=settings.data_dir, env=settings.env)
        parts |= {
            "settings": lambda: _settings(settings, with_people=with_people),
            "tables": partial(_counts, warehouse),
            "export_job": partial(_rows, warehouse, "jobs"),
            "product_fetch": partial(_rows, warehouse, "products"),
            "export_check": lambda: _checks(warehouse, with_people=with_people),
            "export_quota": partial(_rows, warehouse, "quota"),
            "alert": partial(_rows, warehouse, "alerts_with_people" if with_people else "alerts"),
            "health": lambda: HealthReader(warehouse, settings).read().as_document(),
            "dagster_runs": lambda: _dagster_runs(settings, message_of=_message if with_people else _unnamed_message),
        }
        if with_people:
            parts["rules"] = lambda: repr(read_rules())
        else:
            if not warehouse.exists():  # so that no names are known to mask in Dagster's messages
                parts["dagster_runs"] = lambda: _dagster_runs(settings, message_of=lambda _: "left out")
            try:
                people = [one["known_as"] for one in _rows(warehouse, "people")]
            except WarehouseError as unknown:
                # Masking needs the names: parts that may name people are left out.
                names = ("export_job", "product_fetch", "export_check", "dagster_runs")
                parts |= dict.fromkeys(names, partial(_left_out, unknown))
    mask = Mask(settings, people=people)
    made, troubles = _made(parts, mask)
    if trouble is not None:
        troubles.append(f"settings: {trouble}")
        made["settings.error.txt"] = mask.text(trouble)
    _write(file, made, taken_at)
    return file, [mask.text(one) for one in troubles]


def _made(parts: Mapping[str, Callable[[], Any]], mask: Mask) -> tuple[dict[str, str], list[str]]:
    """Render the parts: texts by file name, and a line for each part that failed."""
    made, troubles = {"README.txt": _ABOUT}, []
    for name, part in parts.items():
        try:
            content = mask.everywhere(_plain(part()))
        except Exception as error:  # noqa: BLE001 - the other parts are still useful
            reason = mask.text(f"{type(error).__name__}: {error}")
            made[f"{name}.error.txt"] = reason
            troubles.append(f"{name}: {' '.join(reason.split())}")
        else:
            made[f"{name}.json"] = json_text(content, indent=1)
    return made, troubles


def _write(file: Path, made: Mapping[str, str], taken_at: datetime) -> None:
    folder = file.name.removesuffix(".tar.gz").removesuffix(".tgz")
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    os.fchmod(descriptor, 0o600)  # an existing file keeps its mode otherwise
    with os.fdopen(descriptor, "wb") as stream, tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, text in made.items():
            content = text.encode(errors="backslashreplace")
            entry = tarfile.TarInfo(f"{folder}/{name}")
            entry.size, entry.mtime, entry.mode = len(content), int(taken_at.timestamp()), 0o600
            archive.addfile(entry, io.BytesIO(content))


def _rows(warehouse: Warehouse, name: str) -> list[Record]:
    """The rows of a query of topic `support`; empty without a warehouse."""
    with warehouse.read_only() as session:
        return [] if session is None else rows(session, f"support/{name}")


def _counts(warehouse: Warehouse) -> dict[str, int]:
    """The row count of each table."""
    with warehouse.read_only() as session:
        return {} if session is None else {table: session.count(table) for table in tables()}


def _left_out(reason: Exception) -> Any:
    raise CannotCheck(f"left out, as the people whom it may name are not known ({reason}); --with-people puts it in")


def _versions(taken_at: datetime) -> dict[str, Any]:
    """The release, Python, the platform, and the installed packages."""
    required = {
        found[0]
        for line in metadata.requires("clari-pipeline") or ()
        if "extra ==" not in line and (found := _REQUIRED.match(line))
    }
    drivers = ("psycopg", "adbc-driver-postgresql", "snowflake-connector-python", "sqlglot")
    installed = {}
    for name in sorted({*required, *drivers}):
        try:
            installed[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return {
        "taken_at": taken_at,
        "clari-pipeline": metadata.version("clari-pipeline"),
        "python": sys.version,
        "platform": platform.platform(),
        "packages": installed,
    }


def _settings(settings: Settings, *, with_people: bool) -> dict[str, Any]:
    """Each setting; secrets are masked."""
    shown: dict[str, Any] = {}
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        hidden = isinstance(value, SecretStr) or (name in _NAMES_PEOPLE and not with_people)
        shown[name] = MASK if value is not None and hidden else value
    return shown | {"warehouse": open_warehouse(settings.warehouse_url, data_dir=settings.data_dir, env=None).place}


def _checks(warehouse: Warehouse, *, with_people: bool) -> list[Record]:
    """The rows of `export_check`, people masked in their evidence unless `with_people`."""
    found = [one | {"evidence": _parsed(one["evidence"])} for one in _rows(warehouse, "checks")]
    if with_people:
        return found
    return [
        one | {"evidence": MASK if one["check_name"] in _ABOUT_PEOPLE else _unnamed(one["evidence"])} for one in found
    ]


def _parsed(evidence: Any) -> Any:
    try:
        return json.loads(evidence) if isinstance(evidence, str) else evidence
    except ValueError:
        return evidence


def _unnamed(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: MASK if name in _PEOPLE_KEYS and isinstance(entry, str) else _unnamed(entry)
            for name, entry in value.items()
        }
    return [_unnamed(entry) for entry in value] if isinstance(value, list) else value


def _dagster_runs(settings: Settings, *, message_of: Callable[[Any], str]) -> list[dict[str, Any]]:
    """The newest 20 runs with their events; `message_of` extracts the message of a log entry."""
    if not (settings.dagster_dir / "dagster.yaml").exists():
        return []
    import dagster as dg  # noqa: PLC0415 - takes a second

    point_dagster_at(settings)
    with dg.DagsterInstance.get() as instance:
        return [
            {
                "run_id": record.dagster_run.run_id,
                "job": record.dagster_run.job_name,
                "status": record.dagster_run.status.value,
                "tags": dict(record.dagster_run.tags),
                "created_at": record.create_timestamp,
                "events": [
                    {
                        "at": datetime.fromtimestamp(entry.timestamp, UTC),
                        "kind": entry.dagster_event.event_type_value if entry.dagster_event else "LOG",
                        "message": message_of(entry),
                    }
                    for entry in instance.all_logs(record.dagster_run.run_id)
                ],
            }
            for record in instance.get_run_records(limit=_RUNS)
        ]


def _message(entry: Any) -> str:
    return str(entry.user_message or entry.message)


def _unnamed_message(entry: Any) -> str:
    """The message without a check's evidence, which may name people who are no longer in the warehouse."""
    event = entry.dagster_event
    if event is None or event.event_type_value != "ASSET_CHECK_EVALUATION":
        return _message(entry)
    found = event.asset_check_evaluation_data
    return f"{found.check_name} {'passed' if found.passed else 'did not pass'}"


def _plain(value: Any) -> Any:
    """Convert a value to JSON types: moments in ISO 8601, others as text, the home folder as `~`."""
    match value:
        case Mapping():
            return {str(key): _plain(entry) for key, entry in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_plain(entry) for entry in value]
        case bool() | int() | None:
            return value
        case datetime():
            return value.isoformat()
        case _:
            home = str(Path.home())
            return str(value).replace(home, "~") if len(home) > 1 else str(value)
