"""`ProductSpec`, the whole definition of a product: tables, checks, what to fetch, how to read and merge a document.

A product is one module of this package, named as `CLARI_PRODUCTS` names it, with an instance `SPEC`. It is stateless:
state is in the warehouse.
"""

from __future__ import annotations

import io
import uuid
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import IO, ClassVar, Protocol

from clari_pipeline.clari import ClariClient
from clari_pipeline.clari.models import ActivityRequest
from clari_pipeline.config.settings import Settings
from clari_pipeline.core.runbook import Problem
from clari_pipeline.documents.rows import DocumentUnreadable
from clari_pipeline.store import product_rows
from clari_pipeline.store.ledger_rows import FetchRow
from clari_pipeline.store.product_rows import Merged, Staging
from clari_pipeline.sync.products.reading import ReadResult, StageRows, buffered
from clari_pipeline.sync.products.windows import Window, midnight
from clari_pipeline.warehouse.session import Session

READABLE = ("export_is_readable", "records_are_complete")
"""The checks of every product."""

RECORDS = (*READABLE, "moments_are_readable", "parts_are_complete", "window_is_not_empty", "row_counts_reconcile")
"""The checks of every product whose records are rows."""


class Sink(Protocol):
    """Receives a document's bytes; after `restart` they begin again with the first."""

    def write(self, chunk: bytes) -> object:
        """Append bytes."""
        ...

    def restart(self) -> None:
        """Discard all bytes so far."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetch:
    """One document to be fetched. `window_*` and `gap_*` are UTC; `ids` are its records, if requested by id."""

    request_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    window_from: datetime | None = None
    window_to: datetime | None = None
    gap_from: datetime | None = None
    gap_to: datetime | None = None
    ids: tuple[str, ...] = ()

    @classmethod
    def of_days(cls, days: Window) -> Fetch:
        """A fetch of all records of these days."""
        return cls(window_from=midnight(days.first), window_to=midnight(days.last))

    @property
    def days(self) -> Window:
        """The days of the window."""
        return Window.of(self)


class ProductSpec(ABC):
    """A product other than the forecast."""

    name: ClassVar[str]
    noun: ClassVar[str]
    """What messages call its records."""

    tables: ClassVar[Mapping[str, str]]
    """Its tables and a description of each, beginning with the grain; the table of the records is first."""

    checks: ClassVar[Sequence[str]] = RECORDS
    """Names of the `PRODUCT_CHECKS` that its documents are judged by."""

    needs: ClassVar[str | None] = None
    """The product whose tables say what to fetch: it is synced first, in the same Dagster run."""

    reads: ClassVar[Sequence[str]] = ()
    """The tables of that product which it reads."""

    names_people: ClassVar[bool] = False
    """Whether `stage_NAME_invented` of `sql/products.sql` counts a sandbox's people among its staged rows."""

    has_parts: ClassVar[bool] = False
    """Whether parts of a record may disappear while it stays: `NAME_hide` of `sql/products.sql` marks those."""

    @abstractmethod
    def plan(self, session: Session, settings: Settings, now: datetime) -> list[Fetch]:
        """The fetches to make now; may be none."""

    @abstractmethod
    def read(self, stream: io.BufferedReader, stage_rows: StageRows, fetch: FetchRow) -> ReadResult:
        """Pass the rows of a landed document to `stage_rows`, in batches. Raises `DocumentUnreadable`."""

    @property
    def staged(self) -> Sequence[str]:
        """The tables whose rows are staged before the merge, in `stage_NAME`."""
        return tuple(self.tables)

    def stage(self, session: Session, stream: IO[bytes], fetch: FetchRow) -> ReadResult:
        """Read a document into this session's `stage_*` tables. Raises `DocumentUnreadable`."""
        staging = Staging(session, self.name, self.staged)
        try:
            found = self.read(buffered(stream), staging.take, fetch)
        except UnicodeEncodeError as error:
            raise DocumentUnreadable(f"a text holds half a character: {error.reason}") from None
        staging.end()
        return found

    def merge(self, session: Session, fetch: FetchRow, found: ReadResult) -> Merged:
        """Merge the staged rows. The caller holds the transaction."""
        return product_rows.merge(session, self.name, self.staged, fetch, has_parts=self.has_parts)

    def forget(self, session: Session) -> None:
        """Delete its rows; the same transaction rebuilds them."""
        product_rows.forget(session, self.name)

    def has_anything_to_fetch(self, session: Session) -> bool:
        """Whether there is anything to fetch yet."""
        return True

    def warnings(self, session: Session, settings: Settings, fetches: Sequence[FetchRow]) -> list[Problem]:
        """Problems to report on these fetches, besides their checks."""
        return []


class AskedProduct(ProductSpec):
    """A product that Clari answers synchronously, without an export job."""

    @abstractmethod
    async def fetch(self, client: ClariClient, fetch: Fetch, sink: Sink) -> int:
        """Write Clari's answers as one document; returns how many answers it holds. Raises `ClariError`."""


class ExportedProduct(ProductSpec):
    """A product that is exported in windows of whole days by jobs, which count against the quota that forecasts use."""

    @abstractmethod
    def request(self, days: Window) -> ActivityRequest:
        """The export request for these days."""
