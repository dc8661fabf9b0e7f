"""Which shape a document has, and the reader for it."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from typing import IO, Any, NoReturn

import pyarrow as pa

from clari_pipeline.documents.flat import read_flat
from clari_pipeline.documents.long_csv import read_long_csv
from clari_pipeline.documents.relational import is_relational, read_relational
from clari_pipeline.documents.rows import ControlTotal, DocumentUnreadable, RawRows
from clari_pipeline.periods import FiscalCalendar

__all__ = ["Document", "DocumentUnreadable", "read_document"]

_TYPE_OF = {
    "forecast_value": "forecast",
    "is_updated": "forecast_updated",
    "quota_value": "quota",
    "adjustment_value": "adjustment",
    "crm_total": "crm_total",
    "crm_closed": "crm_closed",
}
_BLANK = b" \t\r\n"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Document:
    """One document as raw rows.

    `tables` are Arrow tables named as in `rows.COLUMNS`, every column text. `entry_count` and
    `control_totals` (by field and measure) are counted here, not in the tables, so that they prove them.
    """

    shape: str
    entry_count: int
    unknown_keys: dict[str, int]
    control_totals: dict[tuple[str | None, str], ControlTotal]
    tables: dict[str, pa.Table]

    @property
    def types(self) -> set[str]:
        """The export types that the document carries: those of which any entry holds a value."""
        entries = self.tables["raw_entry"]
        return {name for column, name in _TYPE_OF.items() if entries[column].null_count < entries.num_rows}


def read_document(stream: IO[bytes], calendar: FiscalCalendar) -> Document:
    """Read a document of any shape; raises `DocumentUnreadable` where it is none of them."""
    content = stream.read()
    start = content[:4096].removeprefix(_BYTE_ORDER_MARK).lstrip(_BLANK)
    if not start:
        raise DocumentUnreadable("the document has no bytes")
    if start.startswith(b"<"):
        raise DocumentUnreadable("the document is a web page, not an export")
    rows = _read_json(content, calendar) if start[:1] in {b"{", b"["} else _read_csv(content, calendar)
    rows.complete_periods(calendar)
    return Document(rows.shape, rows.entry_count, dict(rows.unknown_keys), rows.control_totals, rows.tables())


def _read_json(content: bytes, calendar: FiscalCalendar) -> RawRows:
    try:
        document: Any = json.loads(
            content.decode("utf-8-sig"),
            parse_float=str,
            parse_int=str,
            parse_constant=_refuse_constant,
            object_pairs_hook=_object,
        )
        if not isinstance(document, dict):
            raise DocumentUnreadable("the document is no JSON object")
        return read_relational(document) if is_relational(document) else read_flat(document, calendar)
    except UnicodeDecodeError as error:
        raise DocumentUnreadable(f"the document is not UTF-8: {error.reason} at byte {error.start}") from None
    except RecursionError:
        raise DocumentUnreadable("the document is nested too deeply") from None
    except ValueError as error:
        raise DocumentUnreadable(f"the document is not JSON: {error}") from None


def _read_csv(content: bytes, calendar: FiscalCalendar) -> RawRows:
    try:
        return read_long_csv(io.StringIO(content.decode("utf-8-sig"), newline=""), calendar)
    except UnicodeDecodeError as error:
        raise DocumentUnreadable(f"the document is not UTF-8: {error.reason} at byte {error.start}") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose keys all differ: of two values one would be lost in silence."""
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise DocumentUnreadable(f"the key {twice!r} stands twice in one object")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")
