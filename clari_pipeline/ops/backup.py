"""Back up what cannot be fetched from Clari a second time: the warehouse, and the landed documents.

    DIR/manifest.json            every other file with its checksum: written last, in place of the one before
    DIR/warehouse/<when>/        the DuckDB file as of one moment; a server's tables have to be backed up there
    DIR/landing/…                the landed documents, with the paths of the landing folder

A document lands before the ledger names it: so the warehouse is copied first, and every document that it names is in
the backup. A backup that did not come to its end leaves the one before as it was.
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

import duckdb
from filelock import FileLock, Timeout

from clari_pipeline.core.disk import to_disk
from clari_pipeline.core.paths import inside
from clari_pipeline.landing import Landing, LandingError
from clari_pipeline.ops.backup_manifest import (
    DOCUMENT_FILES,
    LANDING,
    NAME,
    WAREHOUSE,
    BackupError,
    BackupRefused,
    Checksum,
    Manifest,
    checksum,
    is_as_saved,
    read,
)
from clari_pipeline.warehouse import environment
from clari_pipeline.warehouse.session import Warehouse
from clari_pipeline.warehouse.statements import is_view, tables

_LOCK, _ARRIVING = ".lock", ".arriving"
_OURS = {"lost+found", NAME, f".{NAME}", _LOCK, _ARRIVING, WAREHOUSE, LANDING}


@dataclass(frozen=True, slots=True)
class Taken:
    """The result of a backup. `troubles` are documents that could not be saved, a line each."""

    manifest: Manifest
    documents: int
    copied: int
    troubles: list[str]


def take(
    warehouse: Warehouse, landing: Landing, folder: Path, *, env: str | None, now: Callable[[], datetime]
) -> Taken:
    """Save a warehouse and the landed documents into a folder. `env` is the environment of whoever has no warehouse.

    Raises `BackupError`, `BackupRefused`, `PathOutside` or `WarehouseError`.
    A sync may go on meanwhile. What the folder holds already, byte by byte, is not copied again; what the landing
    folder has lost since stays in it.
    """
    _refuse_other_folders(landing.root, folder)
    if not warehouse.exists() and not any(landing.manifests()):
        raise BackupRefused(f"there is nothing to save: {warehouse.place} is not there, and nothing has landed")
    with _saving(folder):
        try:
            before = read(folder)
        except BackupError:
            before = None  # documents without a manifest are proved by their own
        place = folder / WAREHOUSE / f"{now():%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
        try:
            files, env, rows = _save_warehouse(warehouse, place, env=env)
            documents, copied, troubles = _save_documents(landing, folder, before.files if before else {})
            manifest = Manifest(
                taken_at=now().isoformat(),
                release=version("clari-pipeline"),
                env=env,
                engine=warehouse.engine,
                warehouse=next((file.relative_to(folder).as_posix() for file in files), None),
                rows=rows,
                files={file.relative_to(folder).as_posix(): found for file, found in files.items()} | documents,
            )
            manifest.write(folder)
        except BaseException:
            shutil.rmtree(place, ignore_errors=True)
            raise
        for other in (folder / WAREHOUSE).glob("*"):
            if other != place:
                shutil.rmtree(other)
    return Taken(manifest, len(documents) // len(DOCUMENT_FILES), copied, troubles)


@contextmanager
def _saving(folder: Path) -> Iterator[None]:
    """The folder's lock for one backup; files that a killed one has left are deleted."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / _LOCK, timeout=0):
            for ours in (_ARRIVING, WAREHOUSE, LANDING):
                inside(folder, ours)
            shutil.rmtree(folder / _ARRIVING, ignore_errors=True)
            yield
    except Timeout:
        raise BackupError(f"another process is saving into {folder}: wait until it is through") from None
    except (OSError, duckdb.Error) as error:
        cause = error.strerror if isinstance(error, OSError) else "".join(str(error).splitlines()[:1])
        raise BackupError(
            f"no backup was taken in {folder} ({cause or type(error).__name__}): the one before is as it was; make the "
            "folder writable, make room on its disk, then run again"
        ) from error


def _refuse_other_folders(landing: Path, folder: Path) -> None:
    target, source = folder.resolve(), landing.resolve()
    if target.is_relative_to(source) or source.is_relative_to(target):
        raise BackupRefused(f"{folder} and the landing folder {landing} stand in each other: name another folder")
    if folder.is_dir() and {found.name for found in folder.iterdir()} - _OURS:
        raise BackupRefused(f"{folder} holds other things than a backup: name an empty folder, or one with a backup")


def _save_warehouse(
    warehouse: Warehouse, place: Path, *, env: str | None
) -> tuple[dict[Path, Checksum], str | None, dict[str, int]]:
    """Copy the warehouse; returns the checksum (none on a server), the environment, and the rows of each table."""
    if not warehouse.exists():
        return {}, env, {}
    with warehouse.session():
        pass  # raises where it is of another environment, and migrates the tables to this release
    place.mkdir(parents=True)
    file = place / "warehouse.duckdb"
    with warehouse.copied(file) as session:
        env = environment.belongs_to(session)
        rows = {table: session.count(table) for table in tables() if not is_view(table)}
    if not file.exists():
        place.rmdir()
        return {}, env, rows
    to_disk(file)
    to_disk(place)
    return {file: checksum(file)}, env, rows


def _save_documents(
    landing: Landing, folder: Path, known: Mapping[str, Checksum]
) -> tuple[dict[str, Checksum], int, list[str]]:
    """Copy the landed documents; returns the files in the backup, how many were copied, and the troubles."""
    files: dict[str, Checksum] = {}
    copied, troubles = 0, []
    for manifest in sorted(landing.manifests()):
        source = manifest.parent
        path = f"{LANDING}/{source.relative_to(landing.root).as_posix()}"
        try:
            if kept := _kept(folder, path, known) or _left_over(folder, path, source):
                files |= kept
                continue
            landing.find(source.relative_to(landing.root).as_posix()).prove()
        except LandingError as error:
            troubles.append(f"not saved: {error}")
            continue
        saved = copy_document(source, inside(folder, path), arriving=folder / _ARRIVING)
        files |= {f"{path}/{name}": checked for name, checked in saved.items()}
        copied += 1
    for path in sorted({path.rpartition("/")[0] for path in known if path.startswith(f"{LANDING}/")}):
        if f"{path}/{NAME}" in files:
            continue
        if kept := _kept(folder, path, known):
            files |= kept
        else:
            troubles.append(f"{folder / path} is damaged, and no longer in {landing.root}: it is lost")
    return files, copied, troubles


def _kept(folder: Path, path: str, known: Mapping[str, Checksum]) -> dict[str, Checksum]:
    """A document's files where the backup holds them, each byte as it was saved; else empty."""
    names = [f"{path}/{name}" for name in DOCUMENT_FILES]
    if all(name in known and is_as_saved(folder, name, known[name]) for name in names):
        return {name: known[name] for name in names}
    return {}


def _left_over(folder: Path, path: str, source: Path) -> dict[str, Checksum]:
    """A document's files where an unfinished backup has copied them, proved by their own manifest; else empty."""
    target = folder / path
    try:
        if (target / NAME).read_bytes() != (source / NAME).read_bytes():
            return {}
        Landing(target.parents[2]).find(target.relative_to(target.parents[2]).as_posix()).prove()
        return {f"{path}/{name}": checksum(target / name) for name in DOCUMENT_FILES}
    except (OSError, LandingError):
        return {}


def copy_document(
    source: Path, target: Path, *, arriving: Path, expected: Mapping[str, Checksum] | None = None
) -> dict[str, Checksum]:
    """Copy a document's folder, atomically; returns the checksums of its files by name.

    Raises `BackupError` where they differ from `expected`, and leaves the target as it was.
    """
    copy = arriving / secrets.token_hex(8)
    copy.mkdir(parents=True)
    for name in DOCUMENT_FILES:
        shutil.copyfile(source / name, copy / name)
        to_disk(copy / name)
    checksums = {name: checksum(copy / name) for name in DOCUMENT_FILES}
    if expected is not None:
        prove(checksums, expected, source)
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        shutil.rmtree(target)
    copy.rename(target)
    to_disk(target.parent)
    return checksums


def prove(copied: Mapping[str, Checksum], saved: Mapping[str, Checksum], place: Path) -> None:
    """Raise `BackupError` where files copied from a backup differ from what was saved."""
    if copied != saved:
        raise BackupError(f"{place} has changed while it was restored: use another backup")
