"""The landing folder: a folder a document, `<forecast>/<quarter>/<job>/`, with `document.zst` and `manifest.json`.

A document is written under another name and renamed once both files are on the disk, so that a crash leaves the whole
document or none.
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

PRODUCTS = "products"  # the folder below the landing folder that is no forecast's
# Forecast, quarter, job; or product, month, fetch. What is still arriving, or was killed, stands below a dot.
_MANIFESTS = "[!.]*/[!.]*/[!.]*/manifest.json"
_ABANDONED_AFTER_S = 24 * 3600
_LONGEST_NAME = 120
_COPIED_AT_ONCE = 8 << 20  # bytes; the thread that imports holds Python's lock between two reads
_COMPRESSION = zstandard.ZstdCompressionParameters.from_level(3, threads=2, job_size=1 << 20)


class Landing:
    """The folder of landed documents. `is_of_a_sandbox`: those that are asked for from now on are a sandbox's."""

    def __init__(self, root: Path, *, is_of_a_sandbox: bool = False) -> None:
        self.root = root
        self.is_of_a_sandbox = is_of_a_sandbox

    def check_writable(self) -> None:
        """Raise `LandingError` where nothing could be landed."""
        self.writer().discard()

    def sweep(self) -> None:
        """Remove what killed downloads have left, once nothing has been written to it for a day."""
        for folder in self.root.glob(".arriving/*"):
            with suppress(OSError):  # another process may be sweeping too
                newest = max((file.stat().st_mtime for file in folder.iterdir()), default=folder.stat().st_mtime)
                if newest < time.time() - _ABANDONED_AFTER_S:
                    shutil.rmtree(folder)

    def writer(self) -> LandingWriter:
        """A new document, to be written and then kept with `keep`."""
        return LandingWriter(self.root, is_invented=self.is_of_a_sandbox)

    def arriving(self, file: Path) -> AbstractContextManager[Arriving]:
        """A file from elsewhere that a thread writes within this context; what was not kept by its end is removed."""
        return closing(Arriving(self.root, file))

    def holds(self, forecast_id: str, time_period: str, size: int) -> bool:
        """Whether a document of the quarter was as large: most likely it is the same."""
        for manifest in (self.root / folder_name(forecast_id) / folder_name(time_period)).glob("[!.]*/manifest.json"):
            with suppress(LandingError):  # a guess: what is damaged is found out where it is read
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
        """What a ledger row writes down for this document."""
        return document.folder.relative_to(self.root).as_posix()

    def readable(self, damaged: Callable[[str, LandingError], object]) -> Iterator[LandedDocument]:
        """The documents whose manifests can be read; `damaged` is called with the path of each of the others."""
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
        """The manifest of every landed document, those of products beside the forecast in a folder of their own."""
        for pattern in (_MANIFESTS, f"{PRODUCTS}/{_MANIFESTS}"):
            yield from sorted(self.root.glob(pattern))

    def _paths(self) -> list[str]:
        return [manifest.parent.relative_to(self.root).as_posix() for manifest in sorted(self.root.glob(_MANIFESTS))]


class LandingWriter:
    """Takes a document's bytes as they arrive; nothing of it is seen until `keep`."""

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
        """Forget what came so far: the download begins anew."""
        with self._writing():
            self._file.close()
            self._begin()

    @property
    def sha256(self) -> str:
        """Of what has been written so far."""
        return self._hash.hexdigest()

    def keep(self, *, forecast_id: str, time_period: str, job_id: str, facts: Mapping[str, Any]) -> LandedDocument:
        """Put the document where it stays.

        The same document of the same job, landed before, is left as it is and returned; another document
        under a job id that is known (another organisation's, say) gets a folder beside it.
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
        """Rename the document to its place, unless it is there already; False where another stands there."""
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
        """Leave nothing behind."""
        self._file.close()
        shutil.rmtree(self._folder, ignore_errors=True)


class Arriving:
    """A file from elsewhere that a thread writes into the landing folder `root` while the caller does other things."""

    def __init__(self, root: Path, file: Path) -> None:
        self._file = file
        self._root = root
        self._is_unwanted = False
        self._thread = ThreadPoolExecutor(1, "arriving")
        self._writing = self._thread.submit(self._write)

    def written(self) -> LandingWriter:
        """The whole document, to be kept. Raises `LandingError`, or `OSError` where the file cannot be read."""
        return self._writing.result()

    @property
    def changed_at(self) -> datetime:
        """When the file that was written was last changed."""
        self.written()
        return self._changed_at

    def close(self) -> None:
        """Leave nothing behind but what was kept."""
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
                raise OSError(error.errno, error.strerror, str(self._file)) from error  # which file it is of
            raise
        return writer


def folder_name(identifier: str) -> str:
    """A folder name for any id: another one for each, never a separator, never `.` or `..`, never too long.

    `=` and, in `keep`, `+` stand in no quoted id, so that what is made here is never somebody's plain id.
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
