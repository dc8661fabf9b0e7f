"""Records of a document that do not say what they are."""

from __future__ import annotations

from collections.abc import Sequence

from clari_pipeline.sync.products.spec import Found


def leave_out(found: Found, odd: Sequence[str]) -> None:
    """Note those that were left out: they keep out no others; where there are no others, the document is refused."""
    fact = "parts_without_key" if len(odd) < found.rows_exported else "records_without_key"
    for one in odd:
        found.note(fact, one)
