"""A sandbox's documents never get into production, whose figures somebody decides by."""

from __future__ import annotations

from clari_pipeline.documents import DocumentUnreadable
from clari_pipeline.landing import LandedDocument


def refuse_invented(landed: LandedDocument, people: int) -> None:
    """Raise `DocumentUnreadable` where a document was landed with a sandbox's key, or its `people` are a sandbox's.

    The landing folder remembers whose key it was, of every product; people are known by their addresses alone, which
    also holds of documents from elsewhere and from earlier releases.
    """
    if not (people or landed.is_invented):
        return
    why = f"its {people} people have addresses in .example, as a sandbox's have" if people else "a sandbox has made it"
    raise DocumentUnreadable(
        f"{why}, and CLARI_ENV is prod: set CLARI_BASE_URL to Clari's, and take a sandbox's documents out of the "
        "landing folder"
    )
