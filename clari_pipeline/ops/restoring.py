"""A backup put back: read in full and proved before anything is touched."""

from __future__ import annotations

import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from clari_pipeline.core.disk import to_disk
from clari_pipeline.core.paths import inside
from clari_pipeline.landing import Landing
from clari_pipeline.ops.backup import copy_document, prove
from clari_pipeline.ops.backup_manifest import (
    DOCUMENT_FILES,
    LANDING,
    BackupError,
    BackupRefused,
    Manifest,
    checksum,
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
    """What there is to do: `missing` documents are not there, `differing` ones are there and not what was saved.

    `unknown` counts documents that have landed since, which stay. `has_warehouse`: a warehouse stands in the place.
    """

    folder: Path
    manifest: Manifest
    missing: tuple[str, ...]
    differing: tuple[str, ...]
    unknown: int
    has_warehouse: bool
    documents_only: bool

    @property
    def with_warehouse(self) -> bool:
        """Whether the warehouse is put back, too."""
        return self.manifest.warehouse is not None and not self.documents_only


def plan(
    warehouse: Warehouse, landing: Landing, folder: Path, *, env: str | None, documents_only: bool, force: bool
) -> Restoring:
    """Prove the backup, and see what it meets in the places that it is to be put back to, in environment `env`.

    Raises `BackupError`, `PathOutside` where a document would be put elsewhere than below the landing folder, or, where
    it may not go on, `BackupRefused` or `SandboxInProduction`.
    """
    manifest = read(folder)
    if manifest is None:
        raise BackupRefused(f"{folder} holds no backup: name the folder that clari-pipeline backup was given")
    verify(folder, manifest)
    if manifest.warehouse is not None and not documents_only and not isinstance(warehouse, DuckWarehouse):
        raise BackupRefused(
            f"{folder} holds a DuckDB file, and CLARI_WAREHOUSE_URL names a server: restore with --documents-only, "
            "then clari-pipeline replay makes the tables there"
        )
    if manifest.warehouse is not None and not documents_only:
        # One of an earlier release may lack a table that is asked; it is asked once more when it has its environment.
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
        has_warehouse=warehouse.exists(),
        documents_only=documents_only,
    )
    if not force and found.with_warehouse and found.has_warehouse:
        raise BackupRefused(
            f"warehouse {warehouse.place} is there already: --force puts the saved one in its place, "
            "--documents-only leaves it alone"
        )
    if not force and found.differing:
        raise BackupRefused(
            f"{len(found.differing)} landed documents are not what was saved, such as {here[found.differing[0]]}: "
            "--force puts the saved ones in their place"
        )
    return found


def restore(warehouse: Warehouse, root: Path, work: Restoring) -> None:
    """Put back what was planned: the documents below `root`, each whole, then the warehouse.

    Raises `BackupError`, `PathOutside`, `WarehouseError`. Where it stops in between, the next goes on.
    """
    try:
        arriving = inside(root, ".arriving")
        for path in (*work.missing, *work.differing):
            saved = {name: work.manifest.files[f"{path}/{name}"] for name in DOCUMENT_FILES}
            target = _landed(root, path)
            copy_document(work.folder / path, target, arriving=arriving, expected=saved)
        if not work.with_warehouse or work.manifest.warehouse is None:
            return
        assert isinstance(warehouse, DuckWarehouse)
        place = Path(warehouse.place)
        place.parent.mkdir(parents=True, exist_ok=True)
        coming = place.with_name(f".{place.name}.restoring")
        try:
            shutil.copyfile(work.folder / work.manifest.warehouse, coming)
            was = work.manifest.files[work.manifest.warehouse]
            prove({"warehouse": checksum(coming)}, {"warehouse": was}, work.folder)
            to_disk(coming)
            warehouse.replace_with(coming)
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
