"""Time as this room sees it, so that tests can advance it."""

import asyncio
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from time import monotonic


class Clock:
    """The machine's clock; another one tells the time, measures it, and waits in the same way."""

    def now(self) -> datetime:
        """The present moment, UTC. A clock may be set, so that nothing is measured by it."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds since some moment, whatever the clock is set to: what timeouts count."""
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
