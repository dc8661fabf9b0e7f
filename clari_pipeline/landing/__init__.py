"""Raw documents, compressed, kept for ever: Clari cannot give an old export again.

A landed export is a folder of its own, `landing/<forecast>/<quarter>/<job>/`, holding `document.zst` and
`manifest.json`. It is written under another name and renamed once both files are on the disk, so that
a crash leaves the whole document or none.
"""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import shutil
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

import zstandard

from clari_pipeline.core.disk import to_disk
from clari_pipeline.core.paths import PathOutside, inside
from clari_pipeline.core.runbook import UNFORESEEN, PipelineError

PRODUCTS = "products"  # the folder below the landing folder that is no forecast's
IS_WHOLE = "is_whole"  # in a manifest: false where nothing shows that the download came to its end
IS_INVENTED = "is_invented"  # in a manifest: a sandbox has made the document
_A_DOCUMENT = "[!.]*/[!.]*/[!.]*"  # forecast, quarter, job; product, month, fetch
_LONGEST_NAME = 120
_READ_AT_ONCE = 1 << 20
_TAKEN_AT_ONCE = 8 << 20  # beside a thread that imports: after each it waits for its turn
_PIECES_AHEAD = 3
_ABANDONED_AFTER_S = 24 * 3600
_COMPRESSION = zstandard.ZstdCompressionParameters.from_level(3, threads=2, job_size=_READ_AT_ONCE)


class LandingError(PipelineError):
    """The landing folder cannot be written, or what stands in it is not what was landed."""


@dataclass(frozen=True, slots=True)
class LandedDocument:
    """One export on the disk.

    `sha256` and `size` (bytes) are of the document as Clari sent it, before compression.
    `manifest` holds all that the ledger needs to know it again: request, job and times.
    """

    folder: Path
    sha256: str
    size: int
    manifest: Mapping[str, Any]

    @property
    def is_whole(self) -> bool:
        """Whether something shows that its download came to its end; releases before this one did not ask."""
        return bool(self.manifest.get(IS_WHOLE, True))

    @property
    def is_invented(self) -> bool:
        """Whether it was asked for with a sandbox's key."""
        return bool(self.manifest.get(IS_INVENTED, False))

    def open(self) -> IO[bytes]:
        """The document's bytes as Clari sent them. Whoever reads to the end has them proved.

        Reading raises `LandingError` where the document is damaged, or at its end is not what was landed.
        """
        try:
            compressed = (self.folder / "document.zst").open("rb")
        except OSError as error:
            raise LandingError(f"landed document {self.folder} cannot be read: {error.strerror}") from error
        return io.BufferedReader(_Ahead(_Proved(self, compressed)), _READ_AT_ONCE)

    def read(self) -> bytes:
        """The whole document. Raises `LandingError` where it is not what was landed."""
        with self.open() as stream:
            return stream.read()

    def prove(self) -> None:
        """Raise `LandingError` where the document is not what was landed."""
        with self.open() as stream:
            while stream.read(_READ_AT_ONCE):
                pass


class _Proved(io.RawIOBase):
    """A landed document, decompressed; its end is reached only where the whole is what was landed."""

    def __init__(self, document: LandedDocument, compressed: IO[bytes]) -> None:
        self._document = document
        self._stream = zstandard.ZstdDecompressor().stream_reader(compressed, closefd=True)
        self._hash = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            size = self._stream.readinto(buffer)
        except (OSError, EOFError, zstandard.ZstdError) as error:
            raise LandingError(
                f"landed document {self._document.folder} is damaged ({error}): restore it from a backup"
            ) from error
        self._hash.update(memoryview(buffer)[:size])
        if not size and self._hash.hexdigest() != self._document.sha256:
            raise LandingError(
                f"landed document {self._document.folder} is not what was landed: restore it from a backup"
            )
        return size

    def close(self) -> None:
        self._stream.close()  # type: ignore[no-untyped-call]
        super().close()


class _Ahead(io.RawIOBase):
    """A stream that a thread of its own reads, some pieces before they are wanted."""

    def __init__(self, stream: io.RawIOBase) -> None:
        self._stream = stream
        self._thread = ThreadPoolExecutor(1, "ahead")
        self._coming = deque(self._ask(bytearray(_READ_AT_ONCE)) for _ in range(_PIECES_AHEAD))
        self._piece, self._rest = bytearray(), memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._rest:
            if self._piece:
                self._coming.append(self._ask(self._piece))
            self._piece, size = self._coming.popleft().result()
            self._rest = memoryview(self._piece)[:size]
        taken = min(len(buffer), len(self._rest))
        buffer[:taken] = self._rest[:taken]
        self._rest = self._rest[taken:]
        return taken

    def close(self) -> None:
        self._thread.shutdown(cancel_futures=True)
        self._stream.close()
        super().close()

    def _ask(self, piece: bytearray) -> Future[tuple[bytearray, int]]:
        return self._thread.submit(lambda: (piece, self._stream.readinto(piece) or 0))


class Landing:
    """The folder of landed documents. `is_of_a_sandbox`: those that are asked for from now on are a sandbox's."""

    def __init__(self, root: Path, *, is_of_a_sandbox: bool = False) -> None:
        self.root = root
        self.is_of_a_sandbox = is_of_a_sandbox

    def check_writable(self) -> None:
        """Raise `LandingError` where nothing could be landed."""
        self.writer().discard()

    def sweep(self) -> None:
        """Take away what downloads that were killed have left, once nothing has been written to it for a day."""
        for folder in self.root.glob(".arriving/*"):
            with suppress(OSError):  # another process may be sweeping too
                newest = max((file.stat().st_mtime for file in folder.iterdir()), default=folder.stat().st_mtime)
                if newest < time.time() - _ABANDONED_AFTER_S:
                    shutil.rmtree(folder)

    def writer(self) -> LandingWriter:
        """A new document, to be written and then kept with `keep`."""
        return LandingWriter(self.root, is_invented=self.is_of_a_sandbox)

    @contextmanager
    def arriving(self, file: Path) -> Iterator[Arriving]:
        """A file from elsewhere that is written by a thread while this is on; what nobody has kept by then is gone."""
        arriving = Arriving(self, file)
        try:
            yield arriving
        finally:
            arriving.end()

    def holds(self, forecast_id: str, time_period: str, size: int) -> bool:
        """Whether a document of the quarter was as large: most likely it is the same."""
        for manifest in (self.root / _name(forecast_id) / _name(time_period)).glob("[!.]*/manifest.json"):
            with suppress(LandingError):  # a guess: what is damaged is found out where it is read
                if _load(manifest.parent).size == size:
                    return True
        return False

    def find(self, folder: str) -> LandedDocument:
        """The document that a ledger row's `landing_path` names (relative to the landing folder).

        Raises `LandingError` for one that is not there, or not below the landing folder.
        """
        try:
            return _load(inside(self.root, folder))
        except PathOutside as error:
            raise LandingError(f"landed document {error}; restore it from a backup") from error

    def path_of(self, document: LandedDocument) -> str:
        """What a ledger row writes down for this document."""
        return document.folder.relative_to(self.root).as_posix()

    def readable(self, damaged: Callable[[str, LandingError], object]) -> Iterator[LandedDocument]:
        """The documents whose manifests can be read; of each of the others `damaged` is told the path."""
        for manifest in self._kept(f"{_A_DOCUMENT}/manifest.json"):
            try:
                document = _load(manifest.parent)
            except LandingError as error:
                damaged(manifest.parent.relative_to(self.root).as_posix(), error)
            else:
                yield document

    def __iter__(self) -> Iterator[LandedDocument]:
        return (
            self.find(manifest.parent.relative_to(self.root).as_posix())
            for manifest in self._kept(f"{_A_DOCUMENT}/manifest.json")
        )

    def manifests(self) -> Iterator[Path]:
        """The manifest of every landed document, those of products beside the forecast in a folder of their own."""
        yield from self._kept(f"{_A_DOCUMENT}/manifest.json")
        yield from self._kept(f"{PRODUCTS}/{_A_DOCUMENT}/manifest.json")

    def _kept(self, pattern: str) -> list[Path]:
        """What is still arriving, or was when it was killed, is none: it stands below a folder with a dot."""
        return sorted(self.root.glob(pattern))


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
        target = self._root / _name(forecast_id) / _name(time_period) / _name(job_id)
        with self._writing():
            self._compressed.close()  # type: ignore[no-untyped-call]
            _to_disk(self._file)
            with (self._folder / "manifest.json").open("w", encoding="utf-8") as file:
                json.dump(manifest, file, indent=1, sort_keys=True)
                _to_disk(file)
            to_disk(self._folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            for place in (target, target.with_name(f"{target.name}+{self.sha256[:16]}")):
                if self._is_there(place):
                    return _load(place)
        raise LandingError(f"landed document {target} is there and is another: restore it from a backup")

    def _is_there(self, place: Path) -> bool:
        """Put the document there, unless it is; False where another stands there."""
        try:
            self._folder.rename(place)
        except OSError as error:
            if error.errno not in {errno.EEXIST, errno.ENOTEMPTY}:
                raise
            if _load(place).sha256 != self.sha256:
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
    """A file from elsewhere on its way, in a thread of its own: whatever it is merged with is imported meanwhile."""

    def __init__(self, landing: Landing, file: Path) -> None:
        self._file = file
        self._landing = landing
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

    def end(self) -> None:
        """Leave nothing behind but what was kept."""
        self._is_unwanted = True
        self._thread.shutdown()
        if self._writing.exception() is None:
            self.written().discard()

    def _write(self) -> LandingWriter:
        writer = LandingWriter(self._landing.root)
        try:
            with self._file.open("rb") as stream:
                self._changed_at = datetime.fromtimestamp(os.fstat(stream.fileno()).st_mtime, UTC)
                while not self._is_unwanted and (chunk := self._next_of(stream)):
                    writer.write(chunk)
        except BaseException:
            writer.discard()
            raise
        return writer

    def _next_of(self, stream: IO[bytes]) -> bytes:
        try:
            return stream.read(_TAKEN_AT_ONCE)
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self._file)) from error  # which file it is of


def _name(identifier: str) -> str:
    """A folder name for any id: another one for each, never a separator, never `.` or `..`, never too long.

    `=` and, in `keep`, `+` stand in no quoted id, so that what is made here is never somebody's plain id.
    """
    name = quote(identifier, safe="", errors="surrogatepass").replace(".", "%2E")
    if len(name) <= _LONGEST_NAME and name:
        return name
    digest = hashlib.sha256(identifier.encode(errors="surrogatepass")).hexdigest()
    return f"{name[: _LONGEST_NAME - 20]}={digest[:16]}"


def _load(folder: Path) -> LandedDocument:
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        return LandedDocument(folder, manifest["sha256"], manifest["size"], manifest)
    except (OSError, *UNFORESEEN) as error:
        raise LandingError(f"landed document {folder} has no readable manifest: {error}") from error


def _to_disk(file: IO[Any]) -> None:
    file.flush()
    os.fsync(file.fileno())
    file.close()
