"""A clock that stands still until somebody waits; then it is as much later at once."""

import asyncio
import threading
from datetime import datetime, timedelta


class TurnedClock:
    """One time for the pipeline and its Clari, which calls it for its seconds."""

    def __init__(self, begins: datetime) -> None:
        self.seconds = 0.0
        self._begins = begins
        self._guard = threading.Lock()

    def __call__(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return self._begins + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        with self._guard:
            self.seconds += seconds
        await asyncio.sleep(0)
