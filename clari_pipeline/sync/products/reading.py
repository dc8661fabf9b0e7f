"""What was read in a product's document, and the way through it: a stream of bytes in, some records at a time out."""

import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import IO, Any, cast

from clari_pipeline.documents.json_stream import JsonStream
from clari_pipeline.documents.rows import DocumentUnreadable
from clari_pipeline.sync.products.values import kind, moment, token

_LOOKED_AT = 1 << 16
_MOST_SHOWN = 10
_COUNTED = ("records_without_key", "unreadable_moments", "parts_without_key")
Rows = dict[str, list[dict[str, Any]]]
Take = Callable[[Rows], None]


@dataclass(slots=True)
class ReadResult:
    """How many records a document holds, and what is wrong with it: facts for the gate, examples of each by fact.

    `values` is what a product reads that needs no staging.
    """

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

    def note_left_out(self, odd: Sequence[str]) -> None:
        """Records that do not say what they are: where there are no others, the document is refused for them."""
        fact = "parts_without_key" if len(odd) < self.rows_exported else "records_without_key"
        for one in odd:
            self.note(fact, one)

    def moment(self, value: Any) -> datetime | None:
        """The moment that a value is; one that is none is noted."""
        try:
            return moment(value)
        except ValueError:
            self.note("unreadable_moments", of=value)
            return None

    def objects(self, values: Any, fact: str) -> Iterator[dict[str, Any]]:
        """Those of a list that are objects; others are noted, and so is what is no list."""
        listed: Iterable[Any] = values if isinstance(values, list) else [] if values is None else [values]
        for value in listed:
            if isinstance(value, dict):
                yield value
            else:
                self.note(fact, f"a {kind(value) or 'nothing'}")  # what it says may name people


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
