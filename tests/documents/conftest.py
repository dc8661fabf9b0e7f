import io
from dataclasses import dataclass
from datetime import date
from typing import Any

import pyarrow as pa

from clari_pipeline.core.periods import FiscalCalendar, Quarter
from clari_pipeline.documents import Document, Totals, count_exactly, read_document
from clari_pipeline.documents.rows import ENTRY
from clari_pipeline.sandbox import company
from clari_pipeline.sandbox.quarters import read_quarter

TODAY = date(2026, 11, 21)


@dataclass
class Read:
    """A document and the entries that were handed out as it was read."""

    content: bytes
    document: Document
    entries: pa.Table
    calendar: FiscalCalendar
    asked: Quarter | None

    @property
    def tables(self) -> dict[str, pa.Table]:
        return {**self.document.tables, "raw_entry": self.entries}

    @property
    def unreadable(self) -> list[tuple[str, str]]:
        """Measure and writing of the amounts that are none."""
        rows = self.document.tables["raw_unreadable"].to_pylist()
        return [(row["measure"], row["written"]) for row in rows]

    @property
    def exact_totals(self) -> Totals:
        """The control totals, counted digit by digit."""
        return count_exactly(io.BytesIO(self.content), self.calendar, self.asked)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.document, name)


def read(
    content: str | bytes,
    calendar: FiscalCalendar | None = None,
    *,
    currency: str | None = None,
    asked: Quarter | None = None,
) -> Read:
    """A document from its text."""
    content = content.encode() if isinstance(content, str) else content
    taken: list[pa.Table] = []
    calendar = calendar or FiscalCalendar()
    document = read_document(io.BytesIO(content), calendar, taken.append, currency=currency, asked=asked)
    entries = pa.concat_tables([ENTRY.empty_table(), *taken]).combine_chunks()
    return Read(content, document, entries, calendar, asked)


def only(document: Read, table: str) -> dict[str, Any]:
    (row,) = document.tables[table].to_pylist()
    return row


def exported(period: str = "2026_Q4", *, people: int, start_month: int = 1, **order: Any) -> company.Document:
    """What the sandbox's company of so many people exports."""
    quarter = read_quarter(period, start_month)
    invented = company.Company(seed=7, people=people, fiscal_year_start_month=start_month)
    return invented.export(company.Order("total_new", quarter, TODAY, **order))
