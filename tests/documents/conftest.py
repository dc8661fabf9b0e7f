import io
from datetime import date

from clari_pipeline.documents import Document, read_document
from clari_pipeline.periods import FiscalCalendar

TODAY = date(2026, 11, 21)


def read(content: str | bytes, calendar: FiscalCalendar | None = None) -> Document:
    """A document from its text."""
    content = content.encode() if isinstance(content, str) else content
    return read_document(io.BytesIO(content), calendar or FiscalCalendar())
