"""How long the searches are: an hour in all on two cores, or `SOAK_TIMES` times that."""

import os

TIMES = int(os.environ.get("SOAK_TIMES", "1"))
EACH_PART = range(10)
"""Parts of a search that share nothing, so that workers may take one each."""
