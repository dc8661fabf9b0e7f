"""Read a product's document in batches from a stream of bytes, and collect counts and faults for the gate."""

import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import IO, Any, cast

from clari_pipeline.documents.json_stream import JsonStream
from clari_pipeline.documents.rows import DocumentUnreadable
from clari_pipeline.sync.products.values import kind, moment, shown_value

_BUFFER_BYTES = 1 << 16
_MOST_EXAMPLES = 10
_COUNTED = ("records_without_key", "unreadable_moments", "parts_without_key")
Rows = dict[str, list[dict[str, Any]]]
StageRows = Callable[[Rows], None]


@dataclass(slots=True)
class ReadResult:
    """How many records a document holds, and what is wrong with it: facts for the gate, examples of each by fact.

    `values` holds a parsed value of a product that stages no rows.
    """

    rows_exported: int = 0
    facts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_COUNTED, 0))
    examples: dict[str, list[str]] = field(default_factory=dict)
    values: Any = None

    def note(self, fact: str, what: str = "", *, of: object = "") -> None:
        """Count a fault. The example is `what`, our words, and `of`, a value of Clari's, masked if it is free text."""
        self.facts[fact] = self.facts.get(fact, 0) + 1
        shown = self.examples.setdefault(fact, [])
        example = " of ".join(filter(None, (what, shown_value(of))))
        if example and len(shown) < _MOST_EXAMPLES:
            shown.append(example)

    def note_keyless(self, keyless: Sequence[str]) -> None:
        """Count records without a key: a warning (`parts_without_key`), unless there are no others: that refuses it."""
        fact = "parts_without_key" if len(keyless) < self.rows_exported else "records_without_key"
        for one in keyless:
            self.note(fact, one)

    def moment(self, value: Any) -> datetime | None:
        """The value as a UTC timestamp; None, and noted, if it is none."""
        try:
            return moment(value)
        except ValueError:
            self.note("unreadable_moments", of=value)
            return None

    def objects(self, values: Any, fact: str) -> Iterator[dict[str, Any]]:
        """The elements of a list that are JSON objects; others are noted as `fact`. A single value is a list of one."""
        listed: Iterable[Any] = values if isinstance(values, list) else [] if values is None else [values]
        for value in listed:
            if isinstance(value, dict):
                yield value
            else:
                self.note(fact, f"a {kind(value) or 'nothing'}")  # its value may name people


def buffered(stream: IO[bytes]) -> io.BufferedReader:
    """The stream, buffered."""
    return io.BufferedReader(cast(io.RawIOBase, stream), _BUFFER_BYTES)


def read_members(
    stream: io.BufferedReader, arrays: Mapping[str, Callable[[list[Any]], None]], *, batch: int = 1
) -> dict[str, Any]:
    """Read a document that is one JSON object: pass elements of `arrays` on in batches, return all other members.

    Raises `DocumentUnreadable`, also if one of the arrays is missing or no list.
    """
    if not stream.peek(1):
        raise DocumentUnreadable("the document has no bytes")
    document, others, missing = JsonStream(stream), dict[str, Any](), set(arrays)
    for member in document.members():
        if member not in arrays:
            others[member] = document.value()
        elif document.is_array():
            missing.discard(member)
            for elements in document.decoded_elements(at_once=batch):
                arrays[member](elements)
        else:
            document.value()
            raise DocumentUnreadable(f"{member} is no list")
    if missing:
        raise DocumentUnreadable(f"it holds no {' and no '.join(sorted(missing))}")
    return others
