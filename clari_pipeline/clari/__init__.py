"""Clari's API, and nothing else: what its modules define stands here, too."""

from clari_pipeline.clari.bodies import *  # noqa: F403 - every public name of theirs
from clari_pipeline.clari.client import *  # noqa: F403
from clari_pipeline.clari.clock import *  # noqa: F403
from clari_pipeline.clari.errors import *  # noqa: F403
from clari_pipeline.clari.events import *  # noqa: F403
from clari_pipeline.clari.exporting import *  # noqa: F403
from clari_pipeline.clari.models import *  # noqa: F403
from clari_pipeline.clari.patience import *  # noqa: F403
