"""Control totals: sum and count of each measure of each field, counted in a document's own bytes.

They are counted by another parser than that of the rows, else reconciling both would prove nothing: by DuckDB's readers
of JSON and CSV, in parallel. DuckDB reads numbers as doubles: its totals are right or differ visibly, and where they
differ, the decoded text is counted in exact decimals.
"""

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

import duckdb

from clari_pipeline.core import queries
from clari_pipeline.documents.rows import MEASURES, ControlTotal, amount_of, text_of

Totals = dict[tuple[str | None, str], ControlTotal]
_BATCH = 16 << 20  # bytes that DuckDB counts at once, while the next are collected
# Clari's keys by measure; the first one with a value counts.
_RELATIONAL = {
    "forecast_value": ("forecastValue",),
    "quota_value": ("quotaValue",),
    "adjustment_value": ("adjustmentValue",),
    "crm_total": ("crmTotal", "aggregationTotal"),
    "crm_closed": ("crmClosed",),
}
_FLAT = {
    "forecast_value": ("forecastAmount",),
    "quota_value": ("quotaAmount",),
    "adjustment_value": ("adjustmentAmount",),
    "crm_total": ("crmTotal",),
    "crm_closed": ("crmClosed",),
}


class StreamTotals:
    """Counts a JSON array in a thread, by the statement `sql` of `sql/documents/`, as it is fed in order.

    What is fed begins with an element and ends before a comma, or at the array's end. `totals`, by field and measure,
    are complete once the context is closed, and None where DuckDB could not read the array.
    """

    def __init__(self, sql: str) -> None:
        self._sql = queries.text_of(f"documents/{sql}")
        self.totals: Totals | None = {}
        self._waiting: list[bytes] = []
        self._size = 0
        self._thread = ThreadPoolExecutor(1, "totals")
        self._counting: Future[None] | None = None
        self._file: Path | None = None
        self._folder = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._submit()
        self._thread.shutdown()
        self._folder.close()

    def feed(self, piece: bytes) -> None:
        """The next elements of the array, commas between them."""
        if piece:
            self._waiting += (b"," if self._waiting else b"[", piece)
            self._size += len(piece)
            if self._size >= _BATCH:
                self._submit()

    def _submit(self) -> None:
        if self._counting is not None:
            self._counting.result()
        self._counting = self._thread.submit(self._count, self._waiting)
        self._waiting, self._size = [], 0

    def _count(self, parts: list[bytes]) -> None:
        if not parts or self.totals is None:
            return
        try:
            if self._file is None:
                folder = self._folder.enter_context(
                    TemporaryDirectory(prefix="clari-totals-", ignore_cleanup_errors=True)
                )
                self._file = Path(folder) / "entries.json"
                self._file.touch()
            with self._file.open("r+b", buffering=0) as stream:  # overwritten: a new file costs half more
                for part in (*parts, b"]"):
                    stream.write(part)
                stream.truncate()
            found = count_file(self._sql, self._file)
            for key, more in found.items() if found is not None else ():
                self.totals.setdefault(key, ControlTotal()).add(more.total, more.count)
        except Exception:  # noqa: BLE001 - a full disk, say: `count_exactly` is the fallback
            found = None
        if found is None:
            self.totals = None


def count_file(sql: str, file: Path, **more: object) -> Totals | None:
    """Count a file with DuckDB; None where it cannot read it. `more` are parameters of the statement."""
    try:
        with _duckdb().cursor() as connection:
            found = connection.execute(sql, {"file": str(file), **more}).fetchall()
    except duckdb.Error:
        return None
    return {
        (field, measure): ControlTotal(total, count)
        for field, *figures in found
        for measure, total, count in zip(MEASURES, figures[0::2], figures[1::2], strict=True)
        if count
    }


def of_csv(content: bytes, header: Sequence[str]) -> Totals | None:
    """Count a long CSV with these columns, where a line that stands twice counts once; None where DuckDB cannot."""
    with TemporaryDirectory(prefix="clari-totals-") as folder:
        file = Path(folder) / "lines.csv"
        file.write_bytes(content)
        return count_file(queries.text_of("documents/totals_long_csv"), file, header=list(header))


def number_in_cell(text: str) -> str | None:
    """The number in a cell of a CSV, parsed letter by letter; None where there is none, or it is ambiguous.

    Independent of `money.py`, which parses the rows: a wrong sign or magnitude there shows as a difference.
    """
    places = [place for place, letter in enumerate(text) if letter in "0123456789."]
    if not places:
        return None
    before, number, behind = text[: places[0]], text[places[0] : places[-1] + 1], text[places[-1] + 1 :].strip()
    whole, _, part = number.partition(".")
    first, *groups = whole.split(",")
    marks = "".join(before.split())
    minus = {
        mark for mark in marks if unicodedata.category(mark) == "Pd" or "MINUS" in unicodedata.name(mark, "").split()
    }
    signs = [mark for mark in marks if mark in "(+" or mark in minus]
    if (
        len(signs) > 1
        or behind != (")" if "(" in signs else "")
        or not all(mark in signs or mark.isalpha() or unicodedata.category(mark) == "Sc" for mark in marks)
        or any(len(group) != 3 for group in groups)
        or (groups and not 0 < len(first.lstrip("0")) == len(first) < 4)
        or (not groups and part.isdecimal() and len(part) == 3 and 0 < len(whole.lstrip("0")) == len(whole) < 4)
        or "," in part
    ):
        return None
    return ("-" if signs and signs != ["+"] else "") + number.replace(",", "")


def add_entries(totals: Totals, entries: Iterable[Mapping[str, Any]], *, is_flat: bool) -> None:
    """Add the amounts of decoded JSON entries, as exact decimals. What is no amount is skipped: the gate refuses it."""
    for entry in entries:
        field = "forecast" if is_flat else text_of(entry.get("fieldId"))
        for measure, names in (_FLAT if is_flat else _RELATIONAL).items():
            written = next((text for name in names if (text := text_of(entry.get(name))) is not None), None)
            amount = None if written is None else amount_of(written)
            if amount is not None:
                totals.setdefault((field, measure), ControlTotal()).add(amount)


@cache
def _duckdb() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute("set threads = 1")
    return connection
