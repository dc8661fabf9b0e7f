"""What a document amounts to, counted in its own bytes by another parser than the one that stages it, or the
reconciliation would prove nothing of how the rows were made.

JSON and CSV are counted by DuckDB's readers, while the rows are made. DuckDB takes numbers for binary fractions: what
it counts is right or differs visibly, and where it differs `add` counts anew from the decoded text, digit by digit.
So a total that is wrong is never believed, and one that is right never doubted for long.
"""

from __future__ import annotations

import threading
import unicodedata
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from queue import Queue
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Self

import duckdb

from clari_pipeline.core import queries
from clari_pipeline.documents.rows import MEASURES, ControlTotal, amount_of, text_of

Totals = dict[tuple[str | None, str], ControlTotal]
_AHEAD = 16  # pieces that may wait
_BATCH = 24 << 20
# By Clari's own names, the one that counts first.
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
    """Sum and count of each measure, by field, of an array of JSON that is fed to it in order, as `sql` says.

    What is fed begins with an element and ends before a comma, or at the array's end.
    """

    def __init__(self, sql: str) -> None:
        self._sql = queries.text_of(f"documents/{sql}")
        self._totals: Totals | None = {}
        self._queue: Queue[bytes | None] = Queue(_AHEAD)
        self._has_ended = False
        self._thread = threading.Thread(target=self._run, name="totals", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._queue.put(None)
        self._thread.join()

    def feed(self, piece: bytes) -> None:
        """The next elements of the array, commas between them."""
        self._queue.put(piece)

    @property
    def totals(self) -> Totals | None:
        """By field and measure, once the context is closed; None where DuckDB could not read the array."""
        return self._totals

    def _run(self) -> None:
        try:
            self._count_all()
        except Exception:  # noqa: BLE001 - no room for the pieces, say: whoever feeds must not wait for ever
            self._totals = None
            while not self._has_ended:
                self._has_ended = self._queue.get() is None

    def _count_all(self) -> None:
        with TemporaryDirectory(prefix="clari-totals-") as folder:
            file = Path(folder) / "entries.json"
            waiting: list[bytes] = []
            with file.open("wb", buffering=0) as stream:
                while not self._has_ended:
                    piece = self._queue.get()
                    self._has_ended = piece is None
                    if piece:
                        waiting += (b"," if waiting else b"[", piece)
                    if waiting and (self._has_ended or sum(map(len, waiting)) >= _BATCH):
                        stream.seek(0)  # over what was counted: a new file costs half as much again
                        for part in (*waiting, b"]"):
                            stream.write(part)
                        stream.truncate()
                        waiting.clear()
                        self._count(file)

    def _count(self, file: Path) -> None:
        if self._totals is not None:
            found = count_file(self._sql, file)
            self._totals = None if found is None else _added(self._totals, found)


def count_file(sql: str, file: Path) -> Totals | None:
    """What DuckDB counts in a file; None where it cannot read it."""
    try:
        with _duckdb().cursor() as connection:
            found = connection.execute(sql, {"file": str(file)}).fetchall()
    except duckdb.Error:
        return None
    return {
        (field, measure): ControlTotal(total, count)
        for field, *figures in found
        for measure, total, count in zip(MEASURES, figures[0::2], figures[1::2], strict=True)
        if count
    }


def _added(known: Totals, more: Totals) -> Totals:
    for key, total in more.items():
        sum_ = known.setdefault(key, ControlTotal())
        sum_.total += total.total
        sum_.count += total.count
    return known


def of_csv(content: bytes) -> Totals | None:
    """The same of a long CSV, where a line that stands twice counts once; None where DuckDB could not read it."""
    with TemporaryDirectory(prefix="clari-totals-") as folder:
        file = Path(folder) / "lines.csv"
        file.write_bytes(content)
        return count_file(queries.text_of("documents/totals_long_csv"), file)


def number_in_cell(text: str) -> str | None:
    """The number that a cell of a CSV holds, found letter by letter; None where it holds none, or two could be meant.

    The rows are made by `money`, of which nothing is used here: a sign or a size that it got wrong shows itself.
    """
    places = [place for place, letter in enumerate(text) if letter in "0123456789."]
    if not places:
        return None
    before, number, behind = text[: places[0]], text[places[0] : places[-1] + 1], text[places[-1] + 1 :].strip()
    whole, _, part = number.partition(".")
    first, *groups = whole.split(",")
    marks = "".join(before.split())
    signs = [mark for mark in marks if mark in "(+" or _is_minus(mark)]
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


def _is_minus(letter: str) -> bool:
    return unicodedata.category(letter) == "Pd" or "MINUS" in unicodedata.name(letter, "").split()


def add(totals: Totals, entries: Iterable[Mapping[str, Any]], *, is_flat: bool) -> None:
    """Add what decoded entries of JSON amount to, digit by digit. Amounts that are none are left to the gate."""
    for entry in entries:
        field = "forecast" if is_flat else text_of(entry.get("fieldId"))
        for measure, names in (_FLAT if is_flat else _RELATIONAL).items():
            written = next((text for name in names if (text := text_of(entry.get(name))) is not None), None)
            amount = None if written is None else amount_of(written)
            if amount is not None:
                total = totals.setdefault((field, measure), ControlTotal())
                total.total += amount
                total.count += 1


@cache
def _duckdb() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute("set threads = 1")
    return connection
