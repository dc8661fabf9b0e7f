"""Time as this room sees it, so that tests can advance it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from time import monotonic
from typing import Protocol


class Clock(Protocol):
    """What tells the time, measures it, and waits."""

    def now(self) -> datetime:
        """The present moment, aware. It may be set, so that nothing is measured by it."""
        ...

    def monotonic(self) -> float:
        """Seconds since some moment, whatever the clock is set to: what timeouts count."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The present moment, UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds since some moment."""
        return monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)


def read_date(header: str | None) -> datetime | None:
    """The moment in a `Date` header, which is cut to the second; None where it says none."""
    try:
        moment = parsedate_to_datetime(header or "")
    except (ValueError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
