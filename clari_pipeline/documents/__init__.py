"""Parse a landed document, in any of Clari's three shapes, into typed entries and the lists beside them."""

from clari_pipeline.documents.contract import Contract
from clari_pipeline.documents.control_totals import Totals
from clari_pipeline.documents.dates import with_days
from clari_pipeline.documents.reading import Document, count_exactly, read_delivered, read_document
from clari_pipeline.documents.rows import MEASURES, DocumentUnreadable, Rounded

__all__ = [
    "MEASURES",
    "READER",
    "Contract",
    "Document",
    "DocumentUnreadable",
    "Rounded",
    "Totals",
    "count_exactly",
    "read_delivered",
    "read_document",
    "with_days",
]

READER = 3
"""Version of the reader. Raise it where a document would be read into other rows or another contract: kept lists are
then not reused."""
