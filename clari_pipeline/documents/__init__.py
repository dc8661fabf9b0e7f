"""Reads a landed document, in any of the shapes that Clari writes, into typed entries and the lists beside them."""

from clari_pipeline.documents.control_totals import *  # noqa: F403 - every public name of theirs
from clari_pipeline.documents.dates import *  # noqa: F403
from clari_pipeline.documents.reading import *  # noqa: F403
from clari_pipeline.documents.rows import *  # noqa: F403

READER = 2
"""Version of the reader: raised where a document would be read into other rows, so that none is taken for known."""
