"""What a product is, all of it: its tables and checks, what to ask Clari for, how to read and merge what comes.

A product is one module of this package, named as `CLARI_PRODUCTS` names it, and its `SPEC`. It keeps nothing: what is
known stands in the warehouse.
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
from clari_pipeline.sync.products.reading import ReadResult, Take, buffered
from clari_pipeline.sync.products.windows import Window, midnight
from clari_pipeline.warehouse.session import Session

READABLE = ("export_is_readable", "records_are_complete")
"""The checks of every product."""

RECORDS = (*READABLE, "moments_are_readable", "parts_are_complete", "window_is_not_empty", "row_counts_reconcile")
"""The checks of every product whose records are rows."""


class Sink(Protocol):
    """Takes a document's bytes; `restart` means that they come once more from the first."""

    def write(self, chunk: bytes) -> object:
        """Take the next bytes."""
        ...

    def restart(self) -> None:
        """Forget what came so far."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetch:
    """One document that is to be fetched. `ids` are the records asked for, where they are asked for by name."""

    request_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    window_from: datetime | None = None
    window_to: datetime | None = None
    gap_from: datetime | None = None
    gap_to: datetime | None = None
    ids: tuple[str, ...] = ()

    @classmethod
    def of_days(cls, days: Window) -> Fetch:
        """All records of these days."""
        return cls(window_from=midnight(days.first), window_to=midnight(days.last))

    @property
    def days(self) -> Window:
        """The days of the window."""
        return Window.of(self)


class ProductSpec(ABC):
    """One of the products beside the forecast."""

    name: ClassVar[str]
    noun: ClassVar[str]
    """What its records are called, for people."""

    tables: ClassVar[Mapping[str, str]]
    """What the tables are that it fills, the one of its records first, each with the grain of its rows."""

    checks: ClassVar[Sequence[str]] = RECORDS
    """Those of `PRODUCT_CHECKS` that its documents are held to."""

    needs: ClassVar[str | None] = None
    """The product that says what there is to ask for: it is brought first, in the same Dagster run."""

    reads: ClassVar[Sequence[str]] = ()
    """The tables of that product which it reads."""

    names_people: ClassVar[bool] = False
    """Whether `stage_NAME_invented` of `sql/products.sql` tells a sandbox's people in its documents."""

    has_parts: ClassVar[bool] = False
    """Whether a record has parts that may go while it stays: `NAME_hide` of `sql/products.sql` marks those."""

    @abstractmethod
    def plan(self, session: Session, settings: Settings, now: datetime) -> list[Fetch]:
        """What is to be asked for now; nothing where there is nothing to ask for."""

    @abstractmethod
    def read(self, stream: io.BufferedReader, take: Take, fetch: FetchRow) -> ReadResult:
        """Hand out the records of a landed document. Raises `DocumentUnreadable`."""

    @property
    def staged(self) -> Sequence[str]:
        """The tables whose records are staged before they are merged."""
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
        """Merge what is staged. The caller holds the transaction."""
        return product_rows.merge(session, self.name, self.staged, fetch, has_parts=self.has_parts)

    def forget(self, session: Session) -> None:
        """Empty its tables, which are filled again in the same transaction."""
        product_rows.forget(session, self.name)

    def has_something_to_ask(self, session: Session) -> bool:
        """Whether there is anything that it could ask for yet."""
        return True

    def warnings(self, session: Session, settings: Settings, fetches: Sequence[FetchRow]) -> list[Problem]:
        """What people must know of these fetches beside their checks."""
        return []


class AskedProduct(ProductSpec):
    """A product that Clari answers with at once, without a job."""

    @abstractmethod
    async def fetch(self, client: ClariClient, fetch: Fetch, sink: Sink) -> int:
        """Write what Clari answers as one document; how many answers it is made of. Raises `ClariError`."""


class ExportedProduct(ProductSpec):
    """A product that is exported in windows of whole days by jobs, which count against the quota that forecasts use."""

    @abstractmethod
    def request(self, days: Window) -> ActivityRequest:
        """What is asked of Clari for these days."""
