"""Parse entries with Arrow: as strict as the standard library's JSON, exact for money, many times as fast.

A piece is parsed whole, or rejected and read one entry at a time by `json_shapes.row_of`. Rejected is whatever Arrow
would read differently: a key outside the schema, another type of value, an amount that is no number, a duplicate key.
Unknown keys are added to the schema from the entries that were read one by one, so that the next piece is accepted.
"""

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj

from clari_pipeline.documents.json_shapes import ENTRY_KEYS
from clari_pipeline.documents.json_stream import Number
from clari_pipeline.documents.rows import (
    AMOUNT,
    BEYOND_TIME,
    ENTRY,
    FIRST_MOMENT,
    MEASURES,
    TOO_LARGE,
    Rounded,
    texts,
)

_TEXT = pa.string()
# For a JSON number, or a text that is one: Arrow parses both exactly or fails. 22 decimals hold what doubles print.
_AMOUNT = pa.decimal128(37, 22)
_MOMENT = pa.decimal128(38, 4)
_NOTHING = pa.null()
_KINDS = {
    **dict.fromkeys(MEASURES, _AMOUNT),
    **dict.fromkeys(("updated_at", "adjusted_at"), _MOMENT),
    "is_updated": pa.bool_(),
    "currency_code": pa.struct([("code", _TEXT)]),
}
_EMPTY, _NONE = texts([""])[0], texts([None])[0]
_DEEPEST = 8
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")  # JSON can escape one, UTF-8 and so Arrow cannot hold it
_MOST_TYPES = 500  # in the schema, at all depths: no more are learnt from a document that invents keys
_NO_JSON = (b"NaN", b"Inf")  # which Arrow parses as numbers where they are values
_AS_VALUES = re.compile(rb"[:,\[][ \t\r\n]*-?(?:NaN|Inf)")
# Arrow parses the texts 1e+-2 and 1e0x2 as amounts, also with escaped characters.
_SIGNS = re.compile(rb"\+-(?<=[eE]\+-)")
_HEXES = {
    b"x": re.compile(rb"x(?:(?<=[eE]0x)|(?<=[eE]\+0x))"),
    b"X": re.compile(rb"X(?:(?<=[eE]0X)|(?<=[eE]\+0X))"),
}
_BEFORE_HEX = re.compile(rb"[+-]?[0-9.]+[eE]\+?0")
_ESCAPE = b"\\"  # searched for first: one byte is found many times faster
_NUL = b"\\u0000"  # which `row_of` replaces
_ESCAPED = re.compile(rb"\\u00(?:2[bBdD]|30|45|58|65|78)")


class ArrowPiece(NamedTuple):
    """Some entries: a table of the schema `ENTRY`, what was rounded for it, and how many values each key has.

    `text` is the JSON of these entries.
    """

    table: pa.Table
    rounded: Rounded
    values: dict[str, int]
    text: bytes

    def kind_of(self, key: str) -> str:
        """The kind of a known key's first value; the JSON decides where Arrow parses numbers and texts alike."""
        match _KINDS.get(ENTRY_KEYS[key]):
            case None:
                return "text"
            case kind if pa.types.is_boolean(kind):
                return "boolean"
            case kind if pa.types.is_struct(kind):
                return "object"
        written = re.search(rb'"%s"[ \t\r\n]*:[ \t\r\n]*["0-9-]' % key.encode(), self.text)
        return "text" if written and written[0].endswith(b'"') else "number"


class ArrowEntries:
    """Parses pieces of `entries` into tables of `ENTRY`."""

    def __init__(self) -> None:
        self._columns = ENTRY_KEYS
        self._kinds: dict[str, pa.DataType] = {key: _KINDS.get(name, _TEXT) for key, name in ENTRY_KEYS.items()}
        self._options = self._parse_options()

    def learn(self, entries: Iterable[Any]) -> None:
        """Extend the schema by the unknown keys of decoded entries, and by the type of their `currency`."""
        kinds = dict(self._kinds)
        for entry in entries:
            for key, value in entry.items():
                if key not in self._columns or key == "currency":
                    kinds[key] = _unified(kinds.get(key, _NOTHING), _kind_of(value))
        if kinds != self._kinds and sum(map(_type_count, kinds.values())) <= _MOST_TYPES:
            self._kinds = kinds
            self._options = self._parse_options()

    def read(self, piece: bytes, rows: int) -> ArrowPiece | None:
        """Parse `rows` JSON objects, separated by line ends; None where they are to be read one by one.

        Thread-safe.
        """
        # Before the first object Arrow skips a byte-order mark, and crashes on a null.
        if not piece.startswith(b"{") or _has_odd_exponent(piece) or (_ESCAPE in piece and _NUL in piece):
            return None
        if self._has_floats and any(word in piece for word in _NO_JSON) and _AS_VALUES.search(piece):
            return None
        try:
            parsed = pj.read_json(
                pa.BufferReader(piece),
                read_options=pj.ReadOptions(use_threads=False, block_size=len(piece) + 1),
                parse_options=self._options,
            )
            if parsed.num_rows != rows:
                return None
            rounded = Rounded()
            table = pa.table([self._column(parsed, field) for field in ENTRY], names=ENTRY.names)
            for number, field in enumerate(ENTRY):
                if field.name in MEASURES:
                    table = table.set_column(number, field, _with_four_decimals(table, field.name, rounded))
            table = table.cast(ENTRY)
        except pa.ArrowException:
            return None
        return ArrowPiece(table, rounded, {key: rows - parsed[key].null_count for key in self._kinds}, piece)

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
        if len(columns) > 1:  # of several keys of one column the last counts
            found = pc.coalesce(*reversed(columns))
        if pa.types.is_string(field.type):
            if not pa.types.is_string(found.type):  # Arrow has converted it, and how it was written is lost
                raise pa.ArrowInvalid(f"{field.name} is no text")
            is_empty = pc.equal(found, _EMPTY)
            return pc.if_else(is_empty, _NONE, found) if pc.any(is_empty).as_py() else found
        if field.name in MEASURES:
            return found
        typed = found.cast(field.type)
        if pa.types.is_int64(field.type):
            ends = pc.min_max(typed).as_py()
            if ends["min"] is not None and (ends["min"] < FIRST_MOMENT or ends["max"] >= BEYOND_TIME):
                raise pa.ArrowInvalid(f"{field.name} is no moment")
        return typed


def _kind_of(value: object, depth: int = 0) -> pa.DataType:
    """The Arrow type of a decoded value; the null type where it is null, or nested too deeply for this parser."""
    match value:
        case bool():
            return pa.bool_()
        case Number():
            return pa.float64()
        case str():
            return _TEXT
        case dict() if depth < _DEEPEST and not _LONE_SURROGATE.search("".join(value)):
            return pa.struct([(key, _kind_of(item, depth + 1)) for key, item in value.items()])
        case list() if depth < _DEEPEST:
            kind = _NOTHING
            for item in value:
                kind = _unified(kind, _kind_of(item, depth + 1))
            return pa.list_(kind)
        case _:
            return _NOTHING


def _unified(known: pa.DataType, found: pa.DataType) -> pa.DataType:
    """The type that holds values of both, where there is one, else `found`."""
    if known == _NOTHING:
        return found
    if found == _NOTHING:
        return known
    if pa.types.is_struct(known) and pa.types.is_struct(found):
        kinds = {field.name: field.type for field in known}
        for field in found:
            kinds[field.name] = _unified(kinds.get(field.name, _NOTHING), field.type)
        return pa.struct(list(kinds.items()))
    if pa.types.is_list(known) and pa.types.is_list(found):
        return pa.list_(_unified(known.value_type, found.value_type))
    return found


def _type_count(kind: pa.DataType) -> int:
    """The number of types that a nested type consists of."""
    return 1 + sum(_type_count(kind.field(number).type) for number in range(kind.num_fields))


def _has_odd_exponent(piece: bytes) -> bool:
    """Whether an amount may have an exponent that only Arrow accepts. No false negatives."""
    if (b"+" in piece and _SIGNS.search(piece)) or (_ESCAPE in piece and _ESCAPED.search(piece)):
        return True
    return any(
        _BEFORE_HEX.fullmatch(piece, piece.rfind(b'"', 0, found.start()) + 1, found.start())
        for letter, hexes in _HEXES.items()
        if letter in piece
        for found in hexes.finditer(piece)
    )


def _with_four_decimals(table: pa.Table, measure: str, rounded: Rounded) -> pa.ChunkedArray:
    """A measure rounded half-even to four decimals, counted in `rounded`. Raises `pa.ArrowInvalid` from 10^14 on."""
    exact = table[measure]
    try:
        return exact.cast(AMOUNT)
    except pa.ArrowInvalid:  # too many decimals, or digits
        if pc.max(pc.abs(exact)).as_py() >= TOO_LARGE:  # Arrow would round a value of too many digits to 0
            raise
        kept = pc.round(exact, 4, round_mode="half_to_even")
    fields = table["field_id"].filter(pc.not_equal(kept, exact))
    counts = {(found["values"].as_py(), measure): found["counts"].as_py() for found in pc.value_counts(fields)}
    amounts = kept.cast(AMOUNT)
    if counts:
        rounded.add(counts, pc.max(pc.abs(pc.subtract(kept, exact))).as_py())
    return amounts
