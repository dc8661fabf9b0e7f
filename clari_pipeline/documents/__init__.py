"""Reads a landed document, in any of the shapes that Clari writes, into typed entries and the lists beside them."""

from clari_pipeline.documents.control_totals import Totals
from clari_pipeline.documents.dates import with_days
from clari_pipeline.documents.reading import Document, count_exactly, read_document
from clari_pipeline.documents.rows import MEASURES, DocumentUnreadable, Rounded

__all__ = [
    "MEASURES",
    "READER",
    "Document",
    "DocumentUnreadable",
    "Rounded",
    "Totals",
    "count_exactly",
    "read_document",
    "with_days",
]

READER = 2
"""Version of the reader: raised where a document would be read into other rows, so that none is taken for known."""
