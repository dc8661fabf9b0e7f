"""Parse a landed document of any of the three shapes into entries and the lists beside them."""

import io
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, Any, cast

import pyarrow as pa
import pyarrow.compute as pc

from clari_pipeline.core.periods import FiscalCalendar, Quarter
from clari_pipeline.documents import control_totals
from clari_pipeline.documents.arrow_entries import ArrowEntries, ArrowPiece
from clari_pipeline.documents.contract import SAMPLED, Contract, KeysSeen
from clari_pipeline.documents.control_totals import StreamTotals, Totals
from clari_pipeline.documents.json_shapes import (
    ENTRY_KEYS,
    FLAT_AMOUNTS,
    FLAT_KEYS,
    FlatPeople,
    is_flat,
    objects,
    read_lists,
    row_of,
)
from clari_pipeline.documents.json_stream import JsonStream, NotFinite, Number, no_document
from clari_pipeline.documents.long_csv import KEYS_READ as CSV_KEYS
from clari_pipeline.documents.long_csv import count_lines, delivered_line, header_of, is_header, lines_of, read_long_csv
from clari_pipeline.documents.rows import (
    JSON_LISTS,
    MEASURES,
    DocumentUnreadable,
    EntryRows,
    Lists,
    NoDocument,
    Rounded,
    Row,
    decimal_of,
)

_OTHER_FILES = {  # by their first bytes
    b"\x1f\x8b": "it is compressed by gzip, and is to be unpacked first (gzip -d, which tells a file that is cut)",
    b"PK\x03\x04": "it is a ZIP archive or an Excel workbook, and is to be unpacked or saved as CSV UTF-8",
    b"\xff\xfe": "it is UTF-16, and is to be saved as CSV UTF-8",
    b"\xfe\xff": "it is UTF-16, and is to be saved as CSV UTF-8",
}

_TYPE_OF = {column: column.removesuffix("_value") for column in MEASURES} | {"is_updated": "forecast_updated"}
_AMOUNT_KEYS = {key for key, column in (ENTRY_KEYS | FLAT_AMOUNTS).items() if column in MEASURES}
_NUMERIC_KEYS = _AMOUNT_KEYS | {"updatedOn", "adjustedOn"}
_KEYS_READ: dict[str, Mapping[str, Iterable[str]]] = {  # of each list, by shape
    "relational": {
        "": ("entries", *JSON_LISTS),
        "entries": ENTRY_KEYS,
        **{name: keys for name, (_, keys) in JSON_LISTS.items()},
    },
    "flat": {"": ("entries",), "entries": FLAT_KEYS},
    "long_csv": CSV_KEYS,
}
_PEEKED = 4096
_BLANK = b" \t\r\n"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

Take = Callable[[pa.Table], None]


@dataclass(slots=True)
class Document:
    """What a document holds besides its entries, which were passed on as they were read.

    `tables` are Arrow tables, every column text, named as in `rows.LISTS`, and `raw_unreadable`: one row per amount
    that is no number. `control_totals`, by field and measure, were counted in the document's bytes and not in those
    tables, so that they can be reconciled; None where DuckDB could not count, and `count_exactly` is needed.
    `rounded` are amounts that had more decimals than are kept. `unknown_keys` counts the values under keys that we do
    not know. `types` are the export types of which any entry holds a value. `contract` are all keys, with their kinds.
    """

    shape: str
    entry_count: int = 0
    rounded: Rounded = field(default_factory=Rounded)
    unknown_keys: Counter[str] = field(default_factory=Counter)
    control_totals: Totals | None = None
    types: set[str] = field(default_factory=set)
    tables: dict[str, pa.Table] = field(default_factory=dict)
    contract: Contract = field(default_factory=lambda: Contract("", (), frozenset()))


def read_document(
    stream: IO[bytes],
    calendar: FiscalCalendar,
    take: Take,
    *,
    currency: str | None = None,
    asked: Quarter | None = None,
) -> Document:
    """Read a document of any shape, in bounded memory where it is JSON.

    `take` is given the entries, in tables of the schema `rows.ENTRY`, as they are read. `currency` is that of a CSV's
    amounts, whatever sign or code stands before them; JSON names its own. `asked` is the quarter that it is to be of,
    which gives a CSV's `Q2` its year. Raises `DocumentUnreadable` where the document is of no shape; what was passed on
    until then is to be discarded.
    """
    reader = _Reader(calendar, take, currency, asked)
    try:
        with _sniffed(stream) as (buffered, is_json):
            return reader.read_json(buffered) if is_json else reader.read_csv(buffered)
    except UnicodeEncodeError as error:
        raise DocumentUnreadable(f"a text holds half a character: {error.reason}") from None
    except RecursionError:
        raise DocumentUnreadable("the document is nested too deeply") from None


def count_exactly(stream: IO[bytes], calendar: FiscalCalendar, asked: Quarter | None = None) -> Totals:
    """Count a document's control totals in its decoded text: exactly, and slowly. Raises `DocumentUnreadable`."""
    with _sniffed(stream) as (buffered, is_json):
        if not is_json:
            return count_lines(io.StringIO(buffered.read().decode("utf-8-sig"), newline=""), calendar, asked)
        text = JsonStream(buffered, maybe_nan=_AMOUNT_KEYS)
        found: Totals = {}
        for key in text.members():
            if key == "entries" and text.is_array():
                is_flat_shape = is_flat(text.first())
                for entries in text.decoded_elements():
                    control_totals.add_entries(found, entries, is_flat=is_flat_shape)
            else:
                text.value()
        return found


def read_delivered(stream: IO[bytes], take: Callable[[list[dict[str, Any]]], None]) -> None:
    """Read the entries of a document of any shape as Clari delivered them, by Clari's keys; nothing is merged.

    `take` is given them in lists. Of JSON: each entry, its numbers as `Decimal` by their digits (one that no decimal
    can hold as its text). Of CSV: each line, every column as text, and beside them `amount`, the `Decimal` in Data
    Value, and `currency`, the sign or code before it; None where it is no money. Raises `DocumentUnreadable`.
    """
    with _sniffed(stream) as (buffered, is_json):
        if not is_json:
            take([delivered_line(line) for line in lines_of(_csv_text(buffered.read()))])
            return
        text = JsonStream(buffered, maybe_nan=_AMOUNT_KEYS)
        for key in text.members():
            if key == "entries" and text.is_array():
                for entries in text.decoded_elements():
                    take([_delivered(entry) for entry in objects(entries, "entries")])
            else:
                text.value()


def _delivered(value: Any) -> Any:
    """A decoded value with its numbers as `Decimal`."""
    kind = type(value)  # compared by identity: most of the time goes into this
    if kind is Number:
        exact = decimal_of(value)
        return str(value) if exact is None else exact
    if kind is dict:
        return {key: _delivered(item) for key, item in value.items()}
    if kind is list:
        return [_delivered(item) for item in value]
    return str(value) if kind is NotFinite else value


class _Reader:
    """Reads one document."""

    def __init__(self, calendar: FiscalCalendar, take: Take, currency: str | None, asked: Quarter | None) -> None:
        self._calendar = calendar
        self._asked = asked
        self._take = take
        self._currency = currency
        self._lists = Lists()
        self._periods: set[str] = set()
        self._unreadable: list[pa.Table] = [EntryRows().unreadable_table()]
        self._document = Document("relational")
        self._seen = KeysSeen(_NUMERIC_KEYS)

    def read_json(self, stream: io.BufferedReader) -> Document:
        text, lists = JsonStream(stream, maybe_nan=_AMOUNT_KEYS), dict[str, Any]()
        has_entries = has_others = False
        for key in text.members():
            if key != "entries":
                lists[key] = text.value()
            elif not text.is_array():
                lists[key], has_others = text.value(), True
            else:
                has_entries = True
                self._read_entries(text)
        if has_others or not has_entries:
            raise no_document(lists, "entries is no list")
        if not self._document.entry_count and not lists.keys() & JSON_LISTS.keys():
            self._document.shape = "flat"
        self._seen.add("", [{"entries": [], **lists}])
        if self._document.shape == "relational":
            read_lists(lists, self._lists, self._document.unknown_keys, self._seen)
        else:
            for key, value in lists.items():
                self._document.unknown_keys[key] += value is not None
        return self._finished()

    def _read_entries(self, text: JsonStream) -> None:
        document, people, fast = self._document, FlatPeople(), ArrowEntries()
        unknown, seen = document.unknown_keys, self._seen

        def take(piece: ArrowPiece) -> None:
            self._pass_on(piece.table)
            document.rounded.add(piece.rounded.counts, piece.rounded.most)
            unknown.update({f"entries.{key}": count for key, count in piece.values.items() if key not in ENTRY_KEYS})
            seen.add_parsed("entries", piece.table.num_rows, piece.values, piece.kind_of)

        is_flat_shape = is_flat(text.first())
        if not is_flat_shape:
            sample = [entry for entry in text.sample(SAMPLED) if isinstance(entry, dict)]
            seen.add("entries", sample, is_sample=True)
        with StreamTotals("totals_flat" if is_flat_shape else "totals_relational") as counting:
            feed = counting.feed
            for batch in text.decoded_elements(feed) if is_flat_shape else text.elements(fast.read, take, feed):
                entries = objects(batch, "entries", first=document.entry_count)
                seen.add("entries", entries)
                if is_flat_shape:
                    self._pass_on_rows(people.entry_row(entry, unknown) for entry in entries)
                else:
                    self._pass_on_rows(row_of(entry, ENTRY_KEYS, "entries", unknown) for entry in entries)
                    fast.learn(entries)
        document.control_totals = counting.totals
        if is_flat_shape:
            document.shape = "flat"
            people.fill(self._lists, self._calendar)

    def read_csv(self, stream: IO[bytes]) -> Document:
        self._document.shape = "long_csv"
        content = stream.read()
        lines = _csv_text(content)
        unknown = self._document.unknown_keys
        entries = read_long_csv(
            lines, self._calendar, self._lists, unknown, self._seen, currency=self._currency, asked=self._asked
        )
        self._pass_on_rows(entries)
        lines.seek(0)
        self._document.control_totals = control_totals.of_csv(content, header_of(lines))
        return self._finished()

    def _pass_on_rows(self, entries: Iterable[Row]) -> None:
        rows = EntryRows()
        for entry in entries:
            rows.add(entry)
        self._document.rounded.add(rows.rounded.counts, rows.rounded.most)
        self._unreadable.append(rows.unreadable_table())
        self._pass_on(rows.table())

    def _pass_on(self, table: pa.Table) -> None:
        document = self._document
        document.entry_count += table.num_rows
        document.types |= {name for column, name in _TYPE_OF.items() if table[column].null_count < table.num_rows}
        self._periods.update(period for period in pc.unique(table["time_period_id"]).to_pylist() if period)
        self._take(table)

    def _finished(self) -> Document:
        "".join(self._document.unknown_keys).encode()  # a key may hold half a character
        self._lists.complete_periods(self._periods, self._calendar)
        document = self._document
        document.contract = self._seen.contract(document.shape, _KEYS_READ[document.shape])
        document.tables = {**self._lists.tables(), "raw_unreadable": pa.concat_tables(self._unreadable)}
        return document


def _csv_text(content: bytes) -> io.StringIO:
    """A CSV's text. Raises `DocumentUnreadable`, and `NoDocument` for another file."""
    try:
        return io.StringIO(content.decode("utf-8-sig"), newline="")
    except UnicodeDecodeError as error:
        remedy = next((f": {hint}" for mark, hint in _OTHER_FILES.items() if content.startswith(mark)), "")
        is_ours = remedy or is_header(content[:_PEEKED].decode("latin-1"))
        kind = DocumentUnreadable if is_ours else NoDocument
        raise kind(f"the document is not UTF-8: {error.reason} at byte {error.start}{remedy}") from None


@contextmanager
def _sniffed(raw: IO[bytes]) -> Iterator[tuple[io.BufferedReader, bool]]:
    """Yield the stream, buffered, and whether it begins as JSON; it stays open.

    Raises `DocumentUnreadable` for no bytes, or a web page.
    """
    stream: io.BufferedReader = io.BufferedReader(cast(io.RawIOBase, raw), _PEEKED)
    try:
        start = stream.peek(_PEEKED).removeprefix(_BYTE_ORDER_MARK).lstrip(_BLANK)
        while not start:
            if not stream.read(len(stream.peek(_PEEKED)) or 1):
                raise DocumentUnreadable("the document has no bytes")
            start = stream.peek(_PEEKED).lstrip(_BLANK)
        if start.startswith(b"<"):
            raise NoDocument("the document is a web page, not an export")
        yield stream, start[:1] in {b"{", b"["}
    finally:
        stream.detach()
