"""Events of a quarter's exports in Dagster's log of its run."""

from collections.abc import Callable

import dagster as dg

from clari_pipeline.clari import ExportEvent
from clari_pipeline.core.safe_text import printable
from clari_pipeline.sync.narration import Narrator


def log_observer(log: dg.DagsterLogManager) -> Callable[[ExportEvent], None]:
    """An observer that logs the line of each event that has one."""

    narrator = Narrator()

    def observe(event: ExportEvent) -> None:
        if line := narrator(event):
            write = log.warning if narrator.is_warning(event) else log.info
            write(printable(f"{event.at:%H:%M:%S} {event.forecast_id} {event.time_period_id}: {line}"))

    return observe
