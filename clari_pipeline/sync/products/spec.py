"""What every product is: a plan of what to ask for, a way to ask, and a way to read what came."""

from __future__ import annotations

import io
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import IO, Any, ClassVar, Protocol, cast

from clari_pipeline.clari import ClariClient
from clari_pipeline.config.settings import Settings
from clari_pipeline.documents.json_stream import JsonStream
from clari_pipeline.documents.rows import DocumentUnreadable
from clari_pipeline.store import product_rows
from clari_pipeline.store.product_rows import Merged, Staging
from clari_pipeline.sync.products.values import kind, moment, token
from clari_pipeline.warehouse.session import Session
from clari_pipeline.warehouse.statements import Record

_LOOKED_AT = 1 << 16
_MOST_SHOWN = 10
_COUNTED = ("records_without_key", "unreadable_moments", "parts_without_key")
Rows = dict[str, list[dict[str, Any]]]
Take = Callable[[Rows], None]


class Sink(Protocol):
    """Takes a document's bytes; `restart` means that they come anew from the first."""

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


@dataclass(slots=True)
class Found:
    """What was read in a document, and what is wrong with it: facts for the gate, examples of each by fact."""

    rows_exported: int = 0
    facts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_COUNTED, 0))
    examples: dict[str, list[str]] = field(default_factory=dict)
    values: Any = None

    def note(self, fact: str, what: str = "", *, of: object = "") -> None:
        """One more of these. `what` are words of ours, `of` a value of Clari's: an id is shown, free text is not."""
        self.facts[fact] = self.facts.get(fact, 0) + 1
        shown = self.examples.setdefault(fact, [])
        example = " of ".join(filter(None, (what, token(of))))
        if example and len(shown) < _MOST_SHOWN:
            shown.append(example)

    def moment(self, value: Any) -> datetime | None:
        """The moment that a value is; one that is none is noted."""
        try:
            return moment(value)
        except ValueError:
            self.note("unreadable_moments", of=value)
            return None


class Product(ABC):
    """One of the products beside the forecast, exported by a job as forecasts are.

    It keeps nothing: what is known stands in the warehouse.
    """

    name: ClassVar[str]
    noun: ClassVar[str]  # what its records are called

    @property
    def tables(self) -> tuple[str, ...]:
        """Those that it fills, the one of its records first."""
        return tuple(product_rows.TABLES[self.name])

    @abstractmethod
    def plan(self, session: Session, settings: Settings, now: datetime) -> list[Fetch]:
        """What is to be asked for now; nothing where there is nothing to ask for."""

    def parts(self, fetch: Record) -> list[Fetch]:
        """What to ask for in place of a window that Clari has cut off; nothing where less cannot be asked for."""
        return []

    @abstractmethod
    def read(self, stream: io.BufferedReader, take: Take, fetch: Record) -> Found:
        """Hand out the records of a landed document. Raises `DocumentUnreadable`."""

    def stage(self, session: Session, stream: IO[bytes], fetch: Record) -> Found:
        """Read a document into this session's tables."""
        staging = Staging(session, self.name)
        try:
            found = self.read(buffered(stream), staging.take, fetch)
        except UnicodeEncodeError as error:
            raise DocumentUnreadable(f"a text holds half a character: {error.reason}") from None
        staging.end()
        return found

    def merge(self, session: Session, fetch: Record, found: Found) -> Merged:
        """Merge what is staged. The caller holds the transaction."""
        return product_rows.merge(session, self.name, request_id=fetch["request_id"], exported_at=fetch["exported_at"])

    def forget(self, session: Session) -> None:
        """Empty its tables, which are filled again in the same transaction."""
        product_rows.forget(session, self.name)


class AskedProduct(Product):
    """A product that Clari answers with at once, without a job."""

    @abstractmethod
    async def fetch(self, client: ClariClient, fetch: Fetch, sink: Sink) -> int:
        """Write what Clari answers as one document; how many answers it is made of. Raises `ClariError`."""


def buffered(stream: IO[bytes]) -> io.BufferedReader:
    """The stream, to be read in pieces."""
    return io.BufferedReader(cast(io.RawIOBase, stream), _LOOKED_AT)


def read_members(
    stream: io.BufferedReader, arrays: Mapping[str, Callable[[list[Any]], None]], *, at_once: int = 1
) -> dict[str, Any]:
    """A document's one object: elements of these arrays handed out so many at a time, all other members returned.

    Raises `DocumentUnreadable`, also where one of the arrays is missing.
    """
    if not stream.peek(1):
        raise DocumentUnreadable("the document has no bytes")
    document, others, missing = JsonStream(stream), dict[str, Any](), set(arrays)
    for member in document.members():
        if member not in arrays:
            others[member] = document.value()
        elif document.is_array():
            missing.discard(member)
            for elements in document.decoded_elements(at_once=at_once):
                arrays[member](elements)
        else:
            document.value()
            raise DocumentUnreadable(f"{member} is no list")
    if missing:
        raise DocumentUnreadable(f"it holds no {' and no '.join(sorted(missing))}")
    return others


def objects(values: Any, found: Found, fact: str) -> Iterator[dict[str, Any]]:
    """Those of a list that are objects; others are noted, and so is what is no list."""
    listed: Iterable[Any] = values if isinstance(values, list) else [] if values is None else [values]
    for value in listed:
        if isinstance(value, dict):
            yield value
        else:
            found.note(fact, f"a {kind(value) or 'nothing'}")  # what it says may name people
