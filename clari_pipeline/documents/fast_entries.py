"""Entries read by Arrow's JSON parser: as strict as the standard library's, exact for money, many times as fast.

A piece is taken whole or not at all. Not taken is whatever this parser would read in another way than
`relational.entry_row` does: a key that it has not met, another kind of value, an amount that is none, a key that
stands twice. Keys that we do not know are learnt from the entries that were read one by one, so that the next piece
of the same document can be taken.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj

from clari_pipeline.documents.json_text import Number
from clari_pipeline.documents.rows import ENTRY, MEASURES

_TEXT = pa.string()
_AMOUNT = pa.decimal128(38, 4)  # a number, or a text that is one; Arrow reads both exactly or not at all
_NOTHING = pa.null()
_DEEPEST = 8
_NO_JSON = (b"NaN", b"Inf")  # numbers to this parser


class FastEntries:
    """Reads pieces of `entries` into tables of `ENTRY`. `columns` says which key is which column."""

    def __init__(self, columns: Mapping[str, str]) -> None:
        self._columns = dict(columns)
        self._kinds: dict[str, pa.DataType] = {key: _kind_of_column(name) for key, name in columns.items()}
        self._options = self._parse_options()

    def learn(self, entries: Iterable[Any]) -> None:
        """Take note of keys, and of the way in which a currency is written."""
        kinds = dict(self._kinds)
        for entry in entries:
            for key, value in entry.items():
                if key not in self._columns or key == "currency":
                    kinds[key] = _either(kinds.get(key, _NOTHING), _kind_of(value))
        if kinds != self._kinds:
            self._kinds = kinds
            self._options = self._parse_options()

    def read(self, piece: bytes, rows: int, unknown: Counter[str]) -> pa.Table | None:
        """So many objects that stand one after the other, as `ENTRY`; None where they are to be read one by one."""
        if self._has_floats and any(word in piece for word in _NO_JSON):
            return None
        try:
            parsed = pj.read_json(
                pa.BufferReader(piece),
                read_options=pj.ReadOptions(use_threads=False, block_size=len(piece) + 1),
                parse_options=self._options,
            )
            if parsed.num_rows != rows:
                return None
            table = pa.table([self._column(parsed, field) for field in ENTRY], schema=ENTRY)
        except pa.ArrowException:
            return None
        for key in self._kinds.keys() - self._columns.keys():
            unknown[f"entries.{key}"] += rows - parsed[key].null_count
        return table

    def _parse_options(self) -> pj.ParseOptions:
        self._has_floats = any("double" in str(kind) for kind in self._kinds.values())
        return pj.ParseOptions(
            explicit_schema=pa.schema(list(self._kinds.items())),
            unexpected_field_behavior="error",
            newlines_in_values=True,
        )

    def _column(self, parsed: pa.Table, field: pa.Field) -> pa.ChunkedArray:
        columns = [parsed[key] for key, name in self._columns.items() if name == field.name]
        found = columns[0]
        if field.name == "currency_code" and pa.types.is_struct(found.type):
            found = pc.struct_field(found, "code")
        if len(columns) > 1:  # the last name is the one that counts
            found = pc.coalesce(*reversed(columns))
        if pa.types.is_string(found.type):
            return _none_for_empty(found)
        return found.cast(field.type)


def _kind_of_column(name: str) -> pa.DataType:
    if name in MEASURES or name in {"updated_at", "adjusted_at"}:
        return _AMOUNT
    if name == "is_updated":
        return pa.bool_()
    return pa.struct([("code", _TEXT)]) if name == "currency_code" else _TEXT


def _kind_of(value: object, depth: int = 0) -> pa.DataType:
    """The type of a value that was decoded; none where it is null, or too deep to be read but one by one."""
    match value:
        case bool():
            return pa.bool_()
        case Number():
            return pa.float64()
        case str():
            return _TEXT
        case dict() if depth < _DEEPEST:
            return pa.struct([(key, _kind_of(item, depth + 1)) for key, item in value.items()])
        case list() if depth < _DEEPEST:
            kind = _NOTHING
            for item in value:
                kind = _either(kind, _kind_of(item, depth + 1))
            return pa.list_(kind)
        case _:
            return _NOTHING


def _either(known: pa.DataType, found: pa.DataType) -> pa.DataType:
    """The type that holds both, where there is one, else the newer."""
    if known == _NOTHING:
        return found
    if found == _NOTHING:
        return known
    if pa.types.is_struct(known) and pa.types.is_struct(found):
        kinds = {field.name: field.type for field in known}
        for field in found:
            kinds[field.name] = _either(kinds.get(field.name, _NOTHING), field.type)
        return pa.struct(list(kinds.items()))
    if pa.types.is_list(known) and pa.types.is_list(found):
        return pa.list_(_either(known.value_type, found.value_type))
    return found


def _none_for_empty(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    is_empty = pc.equal(texts, "")
    return pc.if_else(is_empty, None, texts) if pc.any(is_empty).as_py() else texts
