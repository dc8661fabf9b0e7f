"""A landed document, in any of the shapes that Clari writes, becomes raw rows."""

from clari_pipeline.documents.reading import Document, read_document
from clari_pipeline.documents.rows import MEASURES, ControlTotal, DocumentUnreadable

__all__ = ["MEASURES", "ControlTotal", "Document", "DocumentUnreadable", "read_document"]
