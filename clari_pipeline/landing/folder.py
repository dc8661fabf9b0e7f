"""The landing folder: a folder a document, `<forecast>/<quarter>/<job>/`, with `document.zst` and `manifest.json`.

A document is written under another name and renamed once both files are on the disk, so that a crash leaves the whole
document or none.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, suppress
from pathlib import Path

from clari_pipeline.core.paths import PathOutside, inside
from clari_pipeline.landing.document import LandedDocument, LandingError, load
from clari_pipeline.landing.writing import Arriving, LandingWriter, folder_name

PRODUCTS = "products"  # the folder below the landing folder that is no forecast's
# Forecast, quarter, job; or product, month, fetch. What is still arriving, or was killed, stands below a dot.
_MANIFESTS = "[!.]*/[!.]*/[!.]*/manifest.json"
_ABANDONED_AFTER_S = 24 * 3600


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
