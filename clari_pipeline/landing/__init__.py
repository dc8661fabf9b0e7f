"""Raw documents on disk, compressed and never deleted: Clari cannot deliver an old export a second time."""

from clari_pipeline.landing.document import CONTRACT_FILE, IS_WHOLE, LandedDocument, LandingError
from clari_pipeline.landing.folder import PRODUCTS, Arriving, Landing, LandingWriter

__all__ = [
    "CONTRACT_FILE",
    "IS_WHOLE",
    "PRODUCTS",
    "Arriving",
    "LandedDocument",
    "Landing",
    "LandingError",
    "LandingWriter",
]
