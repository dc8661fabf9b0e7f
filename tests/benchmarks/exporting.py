"""How long a document waits at Clari after its job is DONE, by a clock that is turned instead of waited for."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime

from pydantic import SecretStr

from clari_pipeline.clari import ClariClient, Export, Exporter, ExportRequest
from clari_pipeline.config.settings import EXPORT_TYPES, Settings
from clari_pipeline.sandbox import Sandbox
from clari_pipeline.sandbox.server import Seen
from tests.helpers.turned_clock import TurnedClock

_MORNING = datetime(2025, 11, 20, 6, tzinfo=UTC)
_QUARTER = "2025_Q4"
_UNSET = Settings.model_fields
# Seconds that jobs take, uneven so that they end anywhere between two polls; all below the export timeout.
SHORT = tuple(0.07 + 0.37 * number for number in range(27))
LONG = tuple(10.3 * 1.105**number for number in range(40))


class _Sink:
    """Takes a document and keeps nothing of it."""

    def write(self, chunk: bytes) -> None:
        pass

    def restart(self) -> None:
        pass


def delays(jobs: Sequence[float]) -> list[tuple[float, float]]:
    """For jobs that take so many seconds: those seconds, and those from DONE to the download's begin.

    With the settings as they are when nothing is set.
    """
    clock = TurnedClock(_MORNING)
    found: list[tuple[float, float]] = []
    sandbox = Sandbox(now=clock.now, clock=clock, write_at_once=True, people=3, monthly_quota=len(jobs) + 1)
    request = ExportRequest(forecast_id="total_new", time_period=_QUARTER, types=EXPORT_TYPES)
    sandbox.serve("total_new", _QUARTER, b'{"entries": []}')

    async def export() -> None:
        async with ClariClient(base_url=sandbox.base_url, api_key=SecretStr(sandbox.api_key)) as client:
            for number, seconds in enumerate(jobs):
                sandbox.job_seconds = seconds
                exporter = Exporter(
                    client,
                    export_timeout_s=_UNSET["export_timeout_s"].default,
                    poll_interval_s=_UNSET["poll_interval_s"].default,
                    clock=clock,
                )
                begun = clock.seconds
                export = Export(request_id=str(number), request=request)
                job = await exporter.make(export)
                waited = clock.seconds - begun
                await exporter.fetch(export, job, _Sink())
                found.append((seconds, waited - seconds))

    with sandbox:
        asyncio.run(export())
    return found


class Noted(deque[Seen]):
    """A sandbox's requests, and when each job's result was asked for (seconds since 1970)."""

    def __init__(self) -> None:
        super().__init__()
        self.downloads: dict[str, float] = {}

    def append(self, seen: Seen) -> None:
        super().append(seen)
        if seen.path.endswith("/results"):
            self.downloads.setdefault(seen.path.split("/")[-2], time.time())
