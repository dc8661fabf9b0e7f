"""`manifest.json` of a backup: each file with its checksum, written once all of them are on disk."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from hashlib import file_digest, sha256
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import TypeAdapter

from clari_pipeline.core.disk import to_disk
from clari_pipeline.core.paths import PathOutside, inside
from clari_pipeline.core.runbook import PipelineError
from clari_pipeline.core.setting_errors import SettingsError

NAME = "manifest.json"
WAREHOUSE, LANDING = "warehouse", "landing"
DOCUMENT_FILES = ("document.zst", "manifest.json")
_FORMAT = 1


class BackupRefused(SettingsError):
    """A backup or restore that is refused before anything is touched."""


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
        """Write it into the folder, in place of the one before."""
        content = asdict(self)
        arriving = folder / f".{NAME}"
        text = json.dumps({"checksum": _checksum(content), **content}, indent=1, ensure_ascii=False)
        arriving.write_text(text, encoding="utf-8")
        to_disk(arriving)
        arriving.replace(folder / NAME)
        to_disk(folder)


def read(folder: Path) -> Manifest | None:
    """Read a backup's manifest; None where there is none.

    Raises `BackupError` for one that is damaged, or that names a path outside of what a backup writes.
    """
    try:
        text = (folder / NAME).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise _damaged(folder) from error
    try:
        content: dict[str, Any] = json.loads(text)
        is_whole = content.pop("checksum") == _checksum(content) and content["format"] == _FORMAT
        manifest = TypeAdapter(Manifest).validate_python(content)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _damaged(folder) from error
    if not is_whole:
        raise _damaged(folder)
    _refuse_odd_paths(folder, manifest)
    return manifest


def checksum(file: Path) -> Checksum:
    """Read a file's checksum. Raises `OSError`."""
    with file.open("rb") as stream:
        return Checksum(file_digest(stream, "sha256").hexdigest(), file.stat().st_size)


def is_as_saved(folder: Path, path: str, saved: Checksum) -> bool:
    """Whether a file of the backup has the checksum of when it was saved; reads every byte."""
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


def _refuse_odd_paths(folder: Path, manifest: Manifest) -> None:
    """Raise `BackupError` for a path that leads out of the folder, or a document of which a file is missing."""
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
    """Whether a path is in normal form and below that folder, with no part that begins with a dot."""
    first, *others = parts = PurePosixPath(path).parts or ("",)
    return first == name and bool(others) and "/".join(parts) == path and not any(one.startswith(".") for one in others)


def _checksum(content: Mapping[str, Any]) -> str:
    return sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _damaged(folder: Path) -> BackupError:
    return BackupError(f"backup {folder} is damaged ({NAME} is not what was written): use another backup")
