"""A landed document: its folder, its manifest, and its bytes, which are verified while they are read."""

import hashlib
import io
import json
import uuid
from collections import deque
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import zstandard

from clari_pipeline.core.runbook import UNFORESEEN, PipelineError

IS_WHOLE = "is_whole"  # in a manifest: false where nothing proves that the download is complete
IS_INVENTED = "is_invented"  # in a manifest: true where a sandbox made the document
CONTRACT_FILE = "contract.json"  # beside the manifest, once the document was read
_READ_AT_ONCE = 1 << 20  # bytes: the size of a piece
_PIECES_AHEAD = 3


class LandingError(PipelineError):
    """The landing folder cannot be written, or a document in it is missing, damaged or not what was landed."""


@dataclass(frozen=True, slots=True)
class LandedDocument:
    """One export on disk.

    `sha256` (hexadecimal) and `size` (bytes) are of the document as Clari sent it, before compression. `manifest` holds
    what restores its row of the ledger: request, job and times.
    """

    folder: Path
    sha256: str
    size: int
    manifest: Mapping[str, Any]

    @property
    def is_whole(self) -> bool:
        """Whether its download is known to be complete; true where the manifest, of an earlier release, has no mark."""
        return bool(self.manifest.get(IS_WHOLE, True))

    @property
    def is_invented(self) -> bool:
        """Whether it was exported with a sandbox's key."""
        return bool(self.manifest.get(IS_INVENTED, False))

    def keep_contract(self, fingerprint: str, kinds: Mapping[str, Iterable[str]]) -> None:
        """Write `CONTRACT_FILE` beside the manifest, which stays as it was when the document landed.

        Each reading of the document rewrites the file if its keys differ; an `OSError` is ignored.
        """
        keys = {path: sorted(found) for path, found in sorted(kinds.items())}
        content = json.dumps({"contract": fingerprint, "keys": keys}, indent=1).encode()
        file = self.folder / CONTRACT_FILE
        with suppress(OSError):
            if not file.exists() or file.read_bytes() != content:
                arriving = file.with_name(f".contract.{uuid.uuid4().hex}")
                arriving.write_bytes(content)
                arriving.replace(file)

    def open(self) -> IO[bytes]:
        """The document's bytes as Clari sent them; reading to the end verifies their SHA-256.

        Opening and reading raise `LandingError`: for a missing or damaged file, and at the end for another SHA-256.
        """
        try:
            compressed = (self.folder / "document.zst").open("rb")
        except OSError as error:
            raise LandingError(f"landed document {self.folder} cannot be read: {error.strerror}") from error
        return io.BufferedReader(_Bytes(self, compressed), _READ_AT_ONCE)

    def read(self) -> bytes:
        """The whole document. Raises `LandingError` where it is not what was landed."""
        with self.open() as stream:
            return stream.read()

    def prove(self) -> None:
        """Read to the end, and raise `LandingError` where the document is damaged or has another SHA-256."""
        with self.open() as stream:
            while stream.read(_READ_AT_ONCE):
                pass


class _Bytes(io.RawIOBase):
    """A landed document, decompressed and hashed by a thread, `_PIECES_AHEAD` pieces ahead of its reader.

    Its end is reached only if the SHA-256 is that of the manifest; else it raises `LandingError`.
    """

    def __init__(self, document: LandedDocument, compressed: IO[bytes]) -> None:
        self._document = document
        self._stream = zstandard.ZstdDecompressor().stream_reader(compressed, closefd=True)
        self._hash = hashlib.sha256()
        self._thread = ThreadPoolExecutor(1, "ahead")
        pieces = (bytearray(_READ_AT_ONCE) for _ in range(_PIECES_AHEAD))
        self._ahead = deque(self._thread.submit(self._filled, piece) for piece in pieces)
        self._piece, self._rest = bytearray(), memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._rest:
            if self._piece:
                self._ahead.append(self._thread.submit(self._filled, self._piece))
            self._piece, size = self._ahead.popleft().result()
            self._rest = memoryview(self._piece)[:size]
        taken = min(len(buffer), len(self._rest))
        buffer[:taken] = self._rest[:taken]
        self._rest = self._rest[taken:]
        return taken

    def _filled(self, piece: bytearray) -> tuple[bytearray, int]:
        try:
            size = self._stream.readinto(piece)
        except (OSError, EOFError, zstandard.ZstdError) as error:
            raise LandingError(
                f"landed document {self._document.folder} is damaged ({error}): restore it from a backup"
            ) from error
        self._hash.update(memoryview(piece)[:size])
        if not size and self._hash.hexdigest() != self._document.sha256:
            raise LandingError(
                f"landed document {self._document.folder} is not what was landed: restore it from a backup"
            )
        return piece, size

    def close(self) -> None:
        self._thread.shutdown(cancel_futures=True)
        self._stream.close()  # type: ignore[no-untyped-call]
        super().close()


def load(folder: Path) -> LandedDocument:
    """The document in a folder, by its manifest; its bytes are not read. Raises `LandingError`."""
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        return LandedDocument(folder, manifest["sha256"], manifest["size"], manifest)
    except (OSError, *UNFORESEEN) as error:
        raise LandingError(f"landed document {folder} has no readable manifest: {error}") from error
