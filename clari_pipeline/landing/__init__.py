"""Raw documents on the disk, compressed and kept for ever: Clari cannot deliver an old export a second time."""

from clari_pipeline.landing.document import *  # noqa: F403 - every public name of theirs
from clari_pipeline.landing.folder import *  # noqa: F403
