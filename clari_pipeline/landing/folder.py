"""The landing folder: one folder a document, `<forecast>/<quarter>/<job>/`, with `document.zst` and `manifest.json`.

A document is written below `.arriving/`, synced to disk, and renamed into its place: a crash leaves all of it or none.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

import zstandard

from clari_pipeline.core.disk import to_disk
from clari_pipeline.core.paths import PathOutside, inside
from clari_pipeline.landing.document import IS_INVENTED, LandedDocument, LandingError, load

PRODUCTS = "products"  # subfolder of the documents of products beside the forecast
# Forecast, quarter, job; or product, month, fetch. Unfinished documents are below a folder with a leading dot.
_MANIFESTS = "[!.]*/[!.]*/[!.]*/manifest.json"
_ABANDONED_AFTER_S = 24 * 3600
_LONGEST_NAME = 120
_COPIED_AT_ONCE = 8 << 20  # bytes; large, as the thread needs the GIL for each read
_COMPRESSION = zstandard.ZstdCompressionParameters.from_level(3, threads=2, job_size=1 << 20)


class Landing:
    """The folder of landed documents. `is_of_a_sandbox` marks new documents as a sandbox's in their manifests."""

    def __init__(self, root: Path, *, is_of_a_sandbox: bool = False) -> None:
        self.root = root
        self.is_of_a_sandbox = is_of_a_sandbox

    def check_writable(self) -> None:
        """Raise `LandingError` where the folder cannot be written."""
        self.writer().discard()

    def sweep(self) -> None:
        """Delete the unfinished documents of killed downloads, a day after their last write."""
        for folder in self.root.glob(".arriving/*"):
            with suppress(OSError):  # another process may be sweeping too
                newest = max((file.stat().st_mtime for file in folder.iterdir()), default=folder.stat().st_mtime)
                if newest < time.time() - _ABANDONED_AFTER_S:
                    shutil.rmtree(folder)

    def writer(self) -> LandingWriter:
        """A writer of a new document. Raises `LandingError`."""
        return LandingWriter(self.root, is_invented=self.is_of_a_sandbox)

    def arriving(self, file: Path) -> AbstractContextManager[Arriving]:
        """Copy a file from elsewhere in a thread; what was not kept by the end of the context is deleted."""
        return closing(Arriving(self.root, file))

    def holds(self, forecast_id: str, time_period: str, size: int) -> bool:
        """Whether a landed document of the quarter has this size in bytes: then it is probably the same one."""
        for manifest in (self.root / folder_name(forecast_id) / folder_name(time_period)).glob("[!.]*/manifest.json"):
            with suppress(LandingError):  # a guess: damage is reported where the document is read
                if load(manifest.parent).size == size:
                    return True
        return False

    def find(self, folder: str) -> LandedDocument:
        """The document that a ledger row's `landing_path` names (relative to the landing folder).

        Raises `LandingError` for one that is not there, or not below the landing folder.
        """
        try:
            return load(inside(self.root, folder))
        except PathOutside as error:
            raise LandingError(f"landed document {error}; restore it from a backup") from error

    def path_of(self, document: LandedDocument) -> str:
        """The document's `landing_path`, relative to the landing folder."""
        return document.folder.relative_to(self.root).as_posix()

    def readable(self, damaged: Callable[[str, LandingError], object]) -> Iterator[LandedDocument]:
        """Forecasts' documents with a readable manifest; `damaged` is called with the path of each of the others."""
        for path in self._paths():
            try:
                document = load(self.root / path)
            except LandingError as error:
                damaged(path, error)
            else:
                yield document

    def __iter__(self) -> Iterator[LandedDocument]:
        return (self.find(path) for path in self._paths())

    def manifests(self) -> Iterator[Path]:
        """Paths of the manifests of all landed documents, of forecasts and then of other products."""
        for pattern in (_MANIFESTS, f"{PRODUCTS}/{_MANIFESTS}"):
            yield from sorted(self.root.glob(pattern))

    def _paths(self) -> list[str]:
        return [manifest.parent.relative_to(self.root).as_posix() for manifest in sorted(self.root.glob(_MANIFESTS))]


class LandingWriter:
    """Writes a document's bytes as they arrive; it is not visible as landed until `keep`. Raises `LandingError`."""

    def __init__(self, root: Path, *, is_invented: bool = False) -> None:
        self._root = root
        self._marks = {IS_INVENTED: True} if is_invented else {}
        self._folder = root / ".arriving" / uuid.uuid4().hex
        with self._writing():
            self._folder.mkdir(parents=True)
            self._begin()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise LandingError(
                f"landing folder {self._root} cannot be written ({error.strerror}): "
                "make it writable, make room, or set CLARI_DATA_DIR"
            ) from error

    def _begin(self) -> None:
        self._file = (self._folder / "document.zst").open("wb")
        self._compressed = zstandard.ZstdCompressor(compression_params=_COMPRESSION).stream_writer(
            self._file, closefd=False
        )
        self._hash = hashlib.sha256()
        self._size = 0

    def write(self, chunk: bytes) -> None:
        """Add the next bytes."""
        self._hash.update(chunk)
        self._size += len(chunk)
        with self._writing():
            self._compressed.write(chunk)

    def restart(self) -> None:
        """Discard the bytes so far: the download restarts."""
        with self._writing():
            self._file.close()
            self._begin()

    @property
    def sha256(self) -> str:
        """SHA-256 of the bytes so far, in hexadecimal."""
        return self._hash.hexdigest()

    def keep(self, *, forecast_id: str, time_period: str, job_id: str, facts: Mapping[str, Any]) -> LandedDocument:
        """Write the manifest, with `facts` in it, and move the document to its place. Returns it as landed.

        The same document of the same job that landed before is left as it is and returned; another document under the
        same job id (of another organisation, say) gets a folder beside it, `<job>+<start of its SHA-256>`.
        """
        manifest = {**facts, **self._marks, "sha256": self.sha256, "size": self._size}
        target = self._root / folder_name(forecast_id) / folder_name(time_period) / folder_name(job_id)
        with self._writing():
            self._compressed.close()  # type: ignore[no-untyped-call]
            _close_on_disk(self._file)
            with (self._folder / "manifest.json").open("w", encoding="utf-8") as file:
                json.dump(manifest, file, indent=1, sort_keys=True)
                _close_on_disk(file)
            to_disk(self._folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            for place in (target, target.with_name(f"{target.name}+{self.sha256[:16]}")):
                if self._put(place):
                    return load(place)
        raise LandingError(f"landed document {target} is there and is another: restore it from a backup")

    def _put(self, place: Path) -> bool:
        """Rename the document to its place, or discard it where the same is there already; False where another is."""
        try:
            self._folder.rename(place)
        except OSError as error:
            if error.errno not in {errno.EEXIST, errno.ENOTEMPTY}:
                raise
            if load(place).sha256 != self.sha256:
                return False
            self.discard()
        else:
            for folder in (place.parent, place.parent.parent, self._root):
                to_disk(folder)
        return True

    def discard(self) -> None:
        """Delete what was written."""
        self._file.close()
        shutil.rmtree(self._folder, ignore_errors=True)


class Arriving:
    """A file from elsewhere that a thread copies into the landing folder `root` while the caller does other things."""

    def __init__(self, root: Path, file: Path) -> None:
        self._file = file
        self._root = root
        self._is_unwanted = False
        self._thread = ThreadPoolExecutor(1, "arriving")
        self._writing = self._thread.submit(self._write)

    def written(self) -> LandingWriter:
        """Wait for the copy, to be kept. Raises `LandingError`, or `OSError` where the file cannot be read."""
        return self._writing.result()

    @property
    def changed_at(self) -> datetime:
        """Time of the file's last modification, in UTC. Waits for the copy."""
        self.written()
        return self._changed_at

    def close(self) -> None:
        """Stop the copy, and delete it unless it was kept."""
        self._is_unwanted = True
        self._thread.shutdown()
        if self._writing.exception() is None:
            self.written().discard()

    def _write(self) -> LandingWriter:
        writer = LandingWriter(self._root)
        try:
            with self._file.open("rb") as stream:
                self._changed_at = datetime.fromtimestamp(os.fstat(stream.fileno()).st_mtime, UTC)
                while not self._is_unwanted and (chunk := stream.read(_COPIED_AT_ONCE)):
                    writer.write(chunk)
        except BaseException as error:
            writer.discard()
            if isinstance(error, OSError):
                raise OSError(error.errno, error.strerror, str(self._file)) from error  # with the file's name
            raise
        return writer


def folder_name(identifier: str) -> str:
    """A folder name for any id: injective, at most 120 characters, without separators, never `.` or `..`.

    `=`, and `+` in `keep`, never occur in a percent-encoded id, so that a name made with them is no other id's.
    """
    name = quote(identifier, safe="", errors="surrogatepass").replace(".", "%2E")
    if len(name) <= _LONGEST_NAME and name:
        return name
    digest = hashlib.sha256(identifier.encode(errors="surrogatepass")).hexdigest()
    return f"{name[: _LONGEST_NAME - 20]}={digest[:16]}"


def _close_on_disk(file: IO[Any]) -> None:
    file.flush()
    os.fsync(file.fileno())
    file.close()
