"""What happens to a quarter's exports, in Dagster's log of its run."""

from __future__ import annotations

from collections.abc import Callable

import dagster as dg

from clari_pipeline.clari import ExportEvent
from clari_pipeline.core.safe_text import printable
from clari_pipeline.sync.narration import Narrator


def log_observer(log: dg.DagsterLogManager) -> Callable[[ExportEvent], None]:
    """An observer that writes each event that has words as a line."""

    in_words = Narrator()

    def hear(event: ExportEvent) -> None:
        if line := in_words(event):
            say = log.warning if in_words.is_warning(event) else log.info
            say(printable(f"{event.at:%H:%M:%S} {event.forecast_id} {event.time_period_id}: {line}"))

    return hear
