"""The clock that the export runner reads and sleeps by; tests substitute one that they advance."""

import asyncio
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from time import monotonic


class Clock:
    """Wall-clock time, monotonic time and asynchronous sleep of this machine; a fake clock overrides all three."""

    def now(self) -> datetime:
        """Wall-clock time, UTC. It can be set back or forward, so that no duration is measured by it."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Monotonic seconds since an arbitrary origin: timeouts and durations are measured by it."""
        return monotonic()

    async def sleep(self, seconds: float) -> None:
        """Sleep for so many seconds."""
        await asyncio.sleep(seconds)


def read_date(header: str | None) -> datetime | None:
    """Parse an HTTP `Date` header, to the second, UTC unless it names a zone; None where it is missing or invalid."""
    try:
        moment = parsedate_to_datetime(header or "")
    except (ValueError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
