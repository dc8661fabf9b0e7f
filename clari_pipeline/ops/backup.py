"""Back up what Clari cannot deliver again: the warehouse, and the landed documents.

    DIR/manifest.json            every other file with its checksum: replaced atomically, last
    DIR/warehouse/<when>/        the DuckDB file as of one moment; a server's tables have to be backed up there
    DIR/landing/…                the landed documents, with the paths of the landing folder

A document is landed before it is in the ledger, so the warehouse is copied first, and every document that it names is
in the backup. An unfinished backup leaves the previous one intact.
"""

import json
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from hashlib import file_digest, sha256
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from typing import Any

import duckdb
from filelock import FileLock, Timeout
from pydantic import TypeAdapter

from clari_pipeline.core.disk import to_disk
from clari_pipeline.core.paths import PathOutside, inside
from clari_pipeline.core.runbook import PipelineError
from clari_pipeline.core.setting_errors import SettingsError
from clari_pipeline.landing import CONTRACT_FILE, Landing, LandingError
from clari_pipeline.warehouse import environment
from clari_pipeline.warehouse.catalogue import is_view, tables
from clari_pipeline.warehouse.session import Warehouse

NAME = "manifest.json"
WAREHOUSE, LANDING = "warehouse", "landing"
DOCUMENT_FILES = ("document.zst", "manifest.json")
_FORMAT = 1
_LOCK, _ARRIVING = ".lock", ".arriving"
_OURS = {"lost+found", NAME, f".{NAME}", _LOCK, _ARRIVING, WAREHOUSE, LANDING}


class BackupRefused(SettingsError):
    """A backup or restore was refused before anything was written."""


class BackupError(PipelineError):
    """A backup failed, or is damaged. One line: cause and remedy."""


@dataclass(frozen=True, slots=True)
class Checksum:
    """SHA-256 and size of one file; `size` in bytes."""

    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """The manifest of one backup. Paths are relative to its folder, with `/`.

    `warehouse` is the path of the DuckDB file, None where a server keeps the tables; `env` its environment; `rows` the
    number of rows of each table. `taken_at` is ISO 8601.
    """

    taken_at: str
    release: str
    env: str | None
    engine: str
    warehouse: str | None
    rows: Mapping[str, int]
    files: Mapping[str, Checksum] = field(default_factory=dict)
    format: int = _FORMAT

    def write(self, folder: Path) -> None:
        """Replace the folder's manifest atomically. Raises `OSError`."""
        content = asdict(self)
        arriving = folder / f".{NAME}"
        text = json.dumps({"checksum": _checksum(content), **content}, indent=1, ensure_ascii=False)
        arriving.write_text(text, encoding="utf-8")
        to_disk(arriving)
        arriving.replace(folder / NAME)
        to_disk(folder)


def read(folder: Path) -> Manifest | None:
    """Read a backup's manifest; None where there is none.

    Raises `BackupError` where it is damaged, or names a path that no backup writes.
    """
    try:
        content: dict[str, Any] = json.loads((folder / NAME).read_text(encoding="utf-8"))
        is_whole = content.pop("checksum") == _checksum(content) and content["format"] == _FORMAT
        manifest = TypeAdapter(Manifest).validate_python(content)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _damaged(folder) from error
    if not is_whole:
        raise _damaged(folder)
    _refuse_odd_paths(folder, manifest)
    return manifest


def checksum(file: Path) -> Checksum:
    """Compute a file's checksum. Raises `OSError`."""
    with file.open("rb") as stream:
        return Checksum(file_digest(stream, "sha256").hexdigest(), file.stat().st_size)


def is_as_saved(folder: Path, path: str, saved: Checksum) -> bool:
    """Whether a file of the backup still has the saved checksum; reads every byte."""
    try:
        return (folder / path).stat().st_size == saved.size and checksum(folder / path) == saved
    except OSError:
        return False


def verify(folder: Path, manifest: Manifest) -> None:
    """Raise `BackupError` where a file of the backup is missing or changed."""
    broken = [path for path, saved in manifest.files.items() if not is_as_saved(folder, path, saved)]
    if broken:
        more = f" and {len(broken) - 1} more" if len(broken) > 1 else ""
        raise BackupError(
            f"backup {folder} is damaged ({broken[0]}{more} of {len(manifest.files)} files): nothing was restored; "
            "take another backup, or with clari-pipeline backup mend this one where the documents are still there"
        )


@dataclass(frozen=True, slots=True)
class Taken:
    """The result of a backup: counts of documents in it, and of those copied.

    `troubles` are documents that could not be saved, a line each.
    """

    manifest: Manifest
    documents: int
    copied: int
    troubles: list[str]


def take(
    warehouse: Warehouse, landing: Landing, folder: Path, *, env: str | None, now: Callable[[], datetime]
) -> Taken:
    """Save a warehouse and the landed documents into a folder. `env` is for the manifest where there is no warehouse.

    Incremental: documents that the folder has with the same bytes are not copied again; documents that are no longer
    landed stay in it. A sync may run concurrently. Raises `BackupError`, `BackupRefused`, `PathOutside` or
    `WarehouseError`.
    """
    _refuse_other_folders(landing.root, folder)
    if not warehouse.exists() and not any(landing.manifests()):
        raise BackupRefused(f"there is nothing to save: {warehouse.place} is not there, and nothing has landed")
    with _saving(folder):
        try:
            before = read(folder)
        except BackupError:
            before = None  # documents are then verified by their own manifests
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
    """Hold the folder's exclusive lock, delete what a killed backup left, and translate errors to `BackupError`."""
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
    """Copy the warehouse; returns its file's checksum (none on a server), its environment, and row counts by table."""
    if not warehouse.exists():
        return {}, env, {}
    with warehouse.session():
        pass  # raises for another environment, and migrates the tables to this release
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
    """Copy the landed documents; returns the checksums by path, the number copied, and the troubles."""
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
    """The checksums of a document's files where the backup has them unchanged; else empty."""
    names = [f"{path}/{name}" for name in DOCUMENT_FILES]
    if all(name in known and is_as_saved(folder, name, known[name]) for name in names):
        return {name: known[name] for name in names}
    return {}


def _left_over(folder: Path, path: str, source: Path) -> dict[str, Checksum]:
    """The checksums of a document that an unfinished backup has copied, verified by its own manifest; else empty."""
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
    """Copy a document's folder by way of `arriving`, atomically; returns the checksums of its files by name.

    Raises `BackupError` where they differ from `expected`, and leaves the target as it was.
    """
    copy = arriving / secrets.token_hex(8)
    copy.mkdir(parents=True)
    for name in DOCUMENT_FILES:
        shutil.copyfile(source / name, copy / name)
        to_disk(copy / name)
    derived = source / CONTRACT_FILE  # from the document: copied, but not verified, as nothing depends on it
    if derived.is_file() and not derived.is_symlink():
        shutil.copyfile(derived, copy / CONTRACT_FILE)
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
    """Raise `BackupError` where files copied from a backup differ from the saved checksums."""
    if copied != saved:
        raise BackupError(f"{place} has changed while it was restored: use another backup")


def _refuse_odd_paths(folder: Path, manifest: Manifest) -> None:
    """Raise `BackupError` for a path outside of a backup's folders, or a document with a file missing."""
    documents = {path.rpartition("/")[0] for path in manifest.files if path != manifest.warehouse}
    whole = {f"{path}/{name}" for path in documents for name in DOCUMENT_FILES}
    whole |= {manifest.warehouse} if manifest.warehouse is not None else set()
    odd = {
        *(whole ^ set(manifest.files)),
        *(path for path in documents if not _lies_below(LANDING, path)),
        *(path for path in [manifest.warehouse] if path is not None and not _lies_below(WAREHOUSE, path)),
    }
    try:
        for path in manifest.files:
            inside(folder, path)
    except PathOutside as error:
        raise BackupError(f"backup {folder} is not to be trusted ({error}): use another backup") from error
    if odd:
        raise BackupError(
            f"backup {folder} is not to be trusted ({min(odd)!r} in {NAME} is none of a backup's own files): nothing "
            "was touched; use another backup"
        )


def _lies_below(name: str, path: str) -> bool:
    """Whether a path is normalised and below that folder, without a part that begins with a dot."""
    first, *others = parts = PurePosixPath(path).parts or ("",)
    return first == name and bool(others) and "/".join(parts) == path and not any(one.startswith(".") for one in others)


def _checksum(content: Mapping[str, Any]) -> str:
    return sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _damaged(folder: Path) -> BackupError:
    return BackupError(f"backup {folder} is damaged ({NAME} is not what was written): use another backup")
