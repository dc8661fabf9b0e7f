"""Refuse documents of a sandbox in production (`CLARI_ENV=prod`)."""

from clari_pipeline.documents import DocumentUnreadable
from clari_pipeline.landing import LandedDocument


def refuse_sandbox_document(landed: LandedDocument, people: int) -> None:
    """Raise `DocumentUnreadable` where a document was landed with a sandbox's key, or its `people` are a sandbox's.

    The manifest of a landed document says whether the key was a sandbox's. People are recognised by their addresses
    in `.example`, also in documents from elsewhere and of earlier releases.
    """
    if not (people or landed.is_invented):
        return
    why = f"its {people} people have addresses in .example, as a sandbox's have" if people else "a sandbox has made it"
    raise DocumentUnreadable(
        f"{why}, and CLARI_ENV is prod: set CLARI_BASE_URL to Clari's, and take a sandbox's documents out of the "
        "landing folder"
    )
