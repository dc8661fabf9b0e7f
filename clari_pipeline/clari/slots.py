"""How many exports may run at once, and whether the quota has room: what Clari allows, and what it leaves free."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from clari_pipeline.clari.client import ClariClient
from clari_pipeline.clari.clock import Clock
from clari_pipeline.clari.errors import AuthFailed, ClariDown, ClariError, NoSlot, QuotaExhausted
from clari_pipeline.clari.models import Export, Limits

_LONGEST_PAUSE_S = 30.0
_PAUSE_S = 5.0


class Slots:
    """The slots of one run. `pause` waits so many seconds and emits for which export."""

    def __init__(
        self,
        client: ClariClient,
        *,
        clock: Clock,
        timeout_s: float,
        poll_interval_s: float,
        max_concurrent: int | None,
        pause: Callable[[Export, float], Awaitable[None]],
    ) -> None:
        self._client = client
        self._clock = clock
        self._timeout_s = timeout_s
        self._poll_interval_s = poll_interval_s
        self._max_concurrent = max_concurrent
        self._pause = pause
        self._semaphore: asyncio.Semaphore | None = None
        self._deciding = asyncio.Lock()
        self._width = 0
        self._concurrent_limit: int | None = None
        self._exhausted: QuotaExhausted | None = None
        self._waiting_since: float | None = None  # by the clock's `monotonic`

    def check_quota(self) -> None:
        """Raise `QuotaExhausted` where Clari has said so, without asking again."""
        if self._exhausted is not None:
            raise self._exhausted

    def note_accepted(self) -> None:
        """Clari has accepted an export: the time that others may wait begins afresh."""
        self._waiting_since = None

    def note_cancelled(self) -> None:
        """A job was cancelled, and its quota is free again."""
        self._exhausted = None

    async def limits(self) -> Limits:
        """What Clari leaves free, all unknown where it does not say. Raises `ClariDown` and `AuthFailed`."""
        try:
            limits = await self._client.limits()
        except AuthFailed as error:
            if error.status != 403:  # 403: the key is good, and may not look at limits
                raise
            return Limits()
        except ClariDown:
            raise
        except ClariError:
            return Limits()
        self._concurrent_limit = limits.concurrent_limit
        return limits

    async def semaphore(self, export: Export) -> asyncio.Semaphore:
        """How many may run at once, decided when the first export asks: as many as Clari leaves free, or one."""
        async with self._deciding:
            self.check_quota()
            if self._semaphore is None:
                limits = await self.wait(export)
                self._waiting_since = None
                self._width = max(1, self._bounded(limits.available_concurrent_limit) or 1)
                self._semaphore = asyncio.Semaphore(self._width)
            return self._semaphore

    async def widen(self, slots: asyncio.Semaphore) -> None:
        """More at once, where somebody else's exports have ended meanwhile. Called when a job of ours has."""
        most = self._bounded(self._concurrent_limit)
        if most is None or self._width >= most:
            return
        try:
            free = (await self.limits()).available_concurrent_limit or 0
        except ClariError:
            return  # the next export meets with the same
        width = min(most, self._width - 1 + free)
        for _ in range(width - self._width):
            slots.release()
        self._width = max(width, self._width)

    def _bounded(self, count: int | None) -> int | None:
        """No more than the settings allow."""
        return min((bound for bound in (count, self._max_concurrent) if bound is not None), default=None)

    async def wait(self, export: Export, *, is_refused: bool = False) -> Limits:
        """Wait until Clari leaves a slot free; `QuotaExhausted` at once where no quota is left.

        The time allowed is the run's: it begins when the first export finds none free, and afresh when one is accepted.
        Where Clari has just refused, its limits are believed only after a pause. Where `/admin/limits` itself fails,
        they are unknown, and an export is tried now and then.
        """
        while True:
            if self._waiting_since is None:
                self._waiting_since = self._clock.monotonic()
            since = self._waiting_since
            limits = await self.limits()
            if limits.available_monthly_quota is not None and limits.available_monthly_quota <= 0:
                self._exhausted = QuotaExhausted(
                    f"no export is left: {limits.used or 'all'} of {limits.monthly_quota or 'them'} are used up in "
                    "Clari's rolling 30 days: wait until the oldest fall out of them, or ask Clari to raise the quota"
                )
                raise self._exhausted
            is_free = limits.available_concurrent_limit is None or limits.available_concurrent_limit > 0
            if is_free and not is_refused:
                return limits
            is_refused = False
            waited = self._clock.monotonic() - since
            if waited >= self._timeout_s:
                raise NoSlot(f"Clari had no free slot for {waited:.0f} s ({_allowed(limits)}")
            longest = _LONGEST_PAUSE_S if limits.available_concurrent_limit is None else _PAUSE_S
            await self._pause(export, min(max(waited / 10, self._poll_interval_s), longest))


def _allowed(limits: Limits) -> str:
    """How many slots there are, as far as Clari says, and what to do."""
    remedy = "run again later, or raise CLARI_SLOT_TIMEOUT_S"
    if limits.concurrent_limit is None:
        return f"or no quota: its limits cannot be read with this key): {remedy}"
    return f"{limits.concurrent_limit} at once are allowed): {remedy}"
