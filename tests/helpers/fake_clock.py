"""A fake clock: `sleep` advances it at once, and nothing else does."""

import asyncio
import threading
from datetime import datetime, timedelta


class FakeClock:
    """The `Clock` of the client, and, by `__call__`, the sandbox's clock in seconds."""

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
