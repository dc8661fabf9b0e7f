"""Restore a backup; all of its checksums are verified before anything is written."""

import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from clari_pipeline.core.disk import to_disk
from clari_pipeline.core.paths import inside
from clari_pipeline.landing import Landing
from clari_pipeline.ops.backup import (
    DOCUMENT_FILES,
    LANDING,
    BackupError,
    BackupRefused,
    Manifest,
    checksum,
    copy_document,
    prove,
    read,
    verify,
)
from clari_pipeline.warehouse.duckdb.engine import DuckWarehouse
from clari_pipeline.warehouse.environment import refuse_invented_people
from clari_pipeline.warehouse.errors import WarehouseError
from clari_pipeline.warehouse.session import Warehouse

_LANDING = f"{LANDING}/"


@dataclass(frozen=True, slots=True)
class Restoring:
    """The plan of a restore: `missing` documents are not landed, `differing` ones are landed with other bytes.

    `landing` is the landing folder. `unknown` counts landed documents that the backup lacks, which are kept. `target`
    is the warehouse that the saved one replaces, None where documents alone are restored.
    """

    folder: Path
    manifest: Manifest
    missing: tuple[str, ...]
    differing: tuple[str, ...]
    unknown: int
    landing: Path
    target: DuckWarehouse | None


def plan(
    warehouse: Warehouse, landing: Landing, folder: Path, *, env: str | None, documents_only: bool, force: bool
) -> Restoring:
    """Verify the backup, and compare it with what is there, in environment `env`. `force` allows to replace it.

    Raises `BackupError`, `PathOutside` for a document outside of the landing folder, and, where the restore is refused,
    `BackupRefused` or `SandboxInProduction`.
    """
    manifest = read(folder)
    if manifest is None:
        raise BackupRefused(f"{folder} holds no backup: name the folder that clari-pipeline backup was given")
    verify(folder, manifest)
    target: DuckWarehouse | None = None
    if manifest.warehouse is not None and not documents_only:
        if not isinstance(warehouse, DuckWarehouse):
            raise BackupRefused(
                f"{folder} holds a DuckDB file, and CLARI_WAREHOUSE_URL names a server: restore with --documents-only, "
                "then clari-pipeline replay makes the tables there"
            )
        target = warehouse
        # A backup of an earlier release may lack a queried table; opening the restored warehouse checks people again.
        with suppress(WarehouseError), DuckWarehouse(folder / manifest.warehouse).read_only() as session:
            if session is not None:
                refuse_invented_people(session, env, place=f"the warehouse in {folder}")
    saved = sorted({path.rpartition("/")[0] for path in manifest.files if path.startswith(_LANDING)})
    here = {path: _landed(landing.root, path) for path in saved}
    found = Restoring(
        folder,
        manifest,
        missing=tuple(path for path in saved if not here[path].exists()),
        differing=tuple(path for path in saved if here[path].exists() and not _is_same(here[path], path, manifest)),
        unknown=sum(1 for _ in landing.manifests()) - sum(1 for folder in here.values() if folder.exists()),
        landing=landing.root,
        target=target,
    )
    if not force and target is not None and target.exists():
        raise BackupRefused(
            f"warehouse {target.place} is there already: --force puts the saved one in its place, "
            "--documents-only leaves it alone"
        )
    if not force and found.differing:
        raise BackupRefused(
            f"{len(found.differing)} landed documents are not what was saved, such as {here[found.differing[0]]}: "
            "--force puts the saved ones in their place"
        )
    return found


def restore(work: Restoring) -> None:
    """Restore what was planned: the documents, each atomically, then the warehouse.

    Raises `BackupError`, `PathOutside` or `WarehouseError`. An interrupted restore is continued by the next.
    """
    try:
        arriving = inside(work.landing, ".arriving")
        for path in (*work.missing, *work.differing):
            saved = {name: work.manifest.files[f"{path}/{name}"] for name in DOCUMENT_FILES}
            copy_document(work.folder / path, _landed(work.landing, path), arriving=arriving, expected=saved)
        if work.target is None or work.manifest.warehouse is None:
            return
        place = Path(work.target.place)
        place.parent.mkdir(parents=True, exist_ok=True)
        coming = place.with_name(f".{place.name}.restoring")
        try:
            shutil.copyfile(work.folder / work.manifest.warehouse, coming)
            was = work.manifest.files[work.manifest.warehouse]
            prove({"warehouse": checksum(coming)}, {"warehouse": was}, work.folder)
            to_disk(coming)
            work.target.replace_with(coming)
        finally:
            coming.unlink(missing_ok=True)
    except OSError as error:
        raise BackupError(
            f"backup {work.folder} was not restored ({error.strerror or type(error).__name__}): the warehouse is as it "
            "was; make room, make its folder writable, then run again"
        ) from error


def _landed(root: Path, path: str) -> Path:
    return inside(root, path.removeprefix(_LANDING))


def _is_same(folder: Path, path: str, manifest: Manifest) -> bool:
    try:
        return all(checksum(folder / name) == manifest.files[f"{path}/{name}"] for name in DOCUMENT_FILES)
    except OSError:
        return False
