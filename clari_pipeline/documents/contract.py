"""The contract of a document: the keys that it has, the kind of each, and a fingerprint of both.

A path is a key of the document (`users`), of the elements of one of its five lists (`entries[].forecastValue`), or, of
a CSV, a column (`Email`) or a word of Data Type (`Data Type[].CRM Total`). Keys of objects below those are left out:
they may be data, such as people's ids.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, NamedTuple

import pyarrow as pa

from clari_pipeline.documents.json_stream import NotFinite, Number
from clari_pipeline.documents.rows import decimal_of, without_nul

NOTHING = "null"
"""The kind of a key that has no value anywhere in a document: no kind, so that no value contradicts it."""
SAMPLED = 100
"""How many elements at the beginning of `entries` are decoded for their keys, where Arrow parses the document."""
_KINDS: dict[type, str] = {
    bool: "boolean",
    dict: "object",
    list: "list",
    str: "text",
    Number: "number",
    NotFinite: NOTHING,
    type(None): NOTHING,
}
# Filled only by what people do: a document that leaves out keys without a value may have none of these on any day.
_BY_HAND = {"updatedBy", "updatedOn", "adjustmentValue", "adjustmentAmount", "adjustedBy", "adjustedOn"}
_BY_HAND |= {"Adjustment Value"}
_MOST_UNKNOWN, _LONGEST_PATH = 200, 200  # a document may invent keys
CONTRACT = pa.schema(
    [
        ("shape", pa.string()),
        ("path", pa.string()),
        ("kind", pa.string()),
        ("is_always", pa.bool_()),
        ("is_known", pa.bool_()),
    ]
)


class Key(NamedTuple):
    """A path and one of its kinds: `number`, `text`, `boolean`, `object`, `list`, or `null` for a key without value.

    `is_always`: each element of its list has the key. `is_known`: the pipeline reads it.
    """

    path: str
    kind: str
    is_always: bool
    is_known: bool


@dataclass(frozen=True, slots=True)
class Contract:
    """The keys of a document of one shape, sorted, and of which lists it has elements."""

    shape: str
    keys: tuple[Key, ...]
    filled: frozenset[str]

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits of the SHA-256 of the shape and a line a key: path, kind, `?` if it may be missing."""
        lines = [self.shape, *(f"{key.path} {key.kind}{'' if key.is_always else '?'}" for key in self.keys)]
        return sha256("\n".join(lines).encode()).hexdigest()[:16]

    def kinds(self) -> dict[str, set[str]]:
        """The kinds of each path."""
        found: defaultdict[str, set[str]] = defaultdict(set)
        for key in self.keys:
            found[key.path].add(key.kind)
        return found

    def could_have(self, path: str) -> bool:
        """Whether the document has elements that could have had the key."""
        name, mark, _ = path.rpartition("[].")
        return not mark or name in self.filled

    def table(self) -> pa.Table:
        """One row per key and kind, with its shape."""
        rows = [key._asdict() | {"shape": self.shape} for key in self.keys]
        return pa.Table.from_pylist(rows, schema=CONTRACT)


class KeysSeen:
    """Collects the keys of a document while it is read.

    Decoded elements have their keys with kinds. Of elements that Arrow parsed only the number of values is known:
    whether a key without a value is written at all is judged by the first `SAMPLED` elements. Texts under the keys
    `numeric` that are no number (`N/A` in a calculated column) have no kind.
    """

    def __init__(self, numeric: Iterable[str] = ()) -> None:
        self._numeric = set(numeric)
        self._kinds: defaultdict[str, set[str]] = defaultdict(set)
        self._values: Counter[str] = Counter()
        self._elements: Counter[str] = Counter()
        self._written: Counter[str] = Counter()  # among the decoded elements
        self._decoded: Counter[str] = Counter()

    def add(self, name: str, elements: Sequence[Mapping[str, Any]], *, is_sample: bool = False) -> None:
        """Add decoded elements of a list; `name` is empty for the document itself.

        With `is_sample` the same elements are added once more later: they are not counted.
        """
        alike: Counter[tuple[Any, ...]] = Counter()
        for one in elements:
            alike[*one, *map(type, one.values())] += 1
        self._decoded[name] += len(elements)
        self._elements[name] += 0 if is_sample else len(elements)
        for signature, count in alike.items():
            half = len(signature) // 2
            for key, kind in zip(signature[:half], signature[half:], strict=True):
                path = _path(name, key)
                self._written[path] += count
                self._values[path] += 0 if is_sample or kind is type(None) else count
                if kind is not str or key not in self._numeric:
                    self._kinds[path].add(_KINDS[kind])
                elif "text" not in self._kinds[path]:
                    texts = (one[key] for one in elements if type(one.get(key)) is str)
                    self._kinds[path].add("text" if any(decimal_of(text) is not None for text in texts) else NOTHING)

    def add_parsed(
        self, name: str, count: int, values: Mapping[str, int], kind_of: Callable[[str], str | None]
    ) -> None:
        """Add `count` elements of which only the number of `values` of each key is known.

        `kind_of` returns the kind of a key's first value; it is called while no kind of the key is known.
        """
        self._elements[name] += count
        for key, filled in values.items():
            path = _path(name, key)
            self._values[path] += filled
            if filled and not self._kinds[path] - {NOTHING} and (kind := kind_of(key)) is not None:
                self._kinds[path].add(kind)

    def contract(self, shape: str, known: Mapping[str, Iterable[str]]) -> Contract:
        """The contract of the elements added; `known` are the keys of each list that the pipeline reads.

        Of keys that it does not read, the first 200 are kept.
        """
        read = {_path(name, key) for name, keys in known.items() for key in keys}
        unread = sorted(path for path, kinds in self._kinds.items() if kinds and path not in read)[:_MOST_UNKNOWN]
        keys = {
            Key(without_nul(path[:_LONGEST_PATH]), kind, self._is_always(path), path in read)
            for path in (*(read & self._kinds.keys()), *unread)
            for kind in self._kinds[path] - {NOTHING} or self._kinds[path]
        }
        return Contract(shape, tuple(sorted(keys)), frozenset(name for name, count in self._elements.items() if count))

    def _is_always(self, path: str) -> bool:
        """Whether each element has the key, with a value, or, as those that were decoded show, without one."""
        name, mark, key = path.rpartition("[].")
        name = name if mark else ""
        if self._values[path] == self._elements[name] and key not in _BY_HAND:
            return True
        return NOTHING in self._kinds[path] and self._written[path] == self._decoded[name] > 0


def _path(name: str, key: str) -> str:
    return f"{name}[].{key}" if name else key
