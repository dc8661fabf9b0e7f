"""Limits on submitting exports: the concurrency limit, the quota, and when to give up after lost responses.

After a lost response the export's job is looked for before it is submitted again, which takes half a minute each time.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from clari_pipeline.clari import errors
from clari_pipeline.clari.client import ClariClient
from clari_pipeline.clari.clock import Clock
from clari_pipeline.clari.models import Export, ExportRequest, Limits

_LONGEST_PAUSE_S = 30.0
_PAUSE_S = 5.0
_MOST_LOST = 10
_LONGEST_LOST_S, _LONGEST_LOST_ALIKE_S = 600.0, 75.0
_MOST_GIVEN_UP = 2


@dataclass
class Slots:
    """The concurrency limit and quota of one run, read from `/admin/limits`.

    `timeout_s` bounds the wait for a free slot; `pause` sleeps so many seconds and emits `Waited` of an export.
    """

    client: ClariClient
    clock: Clock
    timeout_s: float
    poll_interval_s: float
    max_concurrent: int | None
    pause: Callable[[Export, float], Awaitable[None]]
    _semaphore: asyncio.Semaphore | None = None
    _deciding: asyncio.Lock = field(default_factory=asyncio.Lock)
    _width: int = 0
    _concurrent_limit: int | None = None
    exhausted: errors.QuotaExhausted | None = None  # until a job is cancelled, which frees quota
    waiting_since: float | None = None  # since no slot was free, and no export was accepted; by the clock's `monotonic`

    def check_quota(self) -> None:
        """Raise `QuotaExhausted` where an earlier response reported it; sends no request."""
        if self.exhausted is not None:
            raise self.exhausted

    async def limits(self) -> Limits:
        """What Clari leaves free, all unknown where it does not say. Raises `ClariDown` and `AuthFailed`."""
        try:
            limits = await self.client.limits()
        except errors.AuthFailed as error:
            if error.status != 403:  # 403: the key is good, and may not look at limits
                raise
            return Limits()
        except errors.ClariDown:
            raise
        except errors.ClariError:
            return Limits()
        self._concurrent_limit = limits.concurrent_limit
        return limits

    async def semaphore(self, export: Export) -> asyncio.Semaphore:
        """The semaphore that bounds concurrent exports: Clari's free slots when the first export asks, at least 1."""
        async with self._deciding:
            self.check_quota()
            if self._semaphore is None:
                limits = await self.wait(export)
                self.waiting_since = None
                self._width = max(1, self._bounded(limits.available_concurrent_limit) or 1)
                self._semaphore = asyncio.Semaphore(self._width)
            return self._semaphore

    async def widen(self, slots: asyncio.Semaphore) -> None:
        """Widen the semaphore where other users' exports have ended; called after a job of this run has ended."""
        most = self._bounded(self._concurrent_limit)
        if most is None or self._width >= most:
            return
        try:
            free = (await self.limits()).available_concurrent_limit or 0
        except errors.ClariError:
            return  # the next export fails with the same error
        width = min(most, self._width - 1 + free)
        for _ in range(width - self._width):
            slots.release()
        self._width = max(width, self._width)

    def _bounded(self, count: int | None) -> int | None:
        """The lower of a count and `max_concurrent`; None where neither is known."""
        return min((bound for bound in (count, self.max_concurrent) if bound is not None), default=None)

    async def wait(self, export: Export, *, is_refused: bool = False) -> Limits:
        """Poll the limits until a slot is free. Raises `QuotaExhausted` at once where no quota is left, or `NoSlot`.

        The timeout is shared by the run's exports: it begins when the first finds no free slot, and restarts when one
        is accepted. With `is_refused` Clari has just refused an export: a free slot counts only after a pause. Where
        `/admin/limits` fails, the limits are unknown, and a slot counts as free.
        """
        while True:
            if self.waiting_since is None:
                self.waiting_since = self.clock.monotonic()
            since = self.waiting_since
            limits = await self.limits()
            if limits.available_monthly_quota is not None and limits.available_monthly_quota <= 0:
                self.exhausted = errors.QuotaExhausted(
                    f"no export is left: {limits.used or 'all'} of {limits.monthly_quota or 'them'} are used up in "
                    "Clari's rolling 30 days: wait until the oldest fall out of them, or ask Clari to raise the quota"
                )
                raise self.exhausted
            is_free = limits.available_concurrent_limit is None or limits.available_concurrent_limit > 0
            if is_free and not is_refused:
                return limits
            is_refused = False
            waited = self.clock.monotonic() - since
            if waited >= self.timeout_s:
                remedy = "run again later, or raise CLARI_SLOT_TIMEOUT_S"
                allowed = f"{limits.concurrent_limit} at once are allowed)"
                if limits.concurrent_limit is None:
                    allowed = "or no quota: its limits cannot be read with this key)"
                raise errors.NoSlot(f"Clari had no free slot for {waited:.0f} s ({allowed}: {remedy}")
            longest = _LONGEST_PAUSE_S if limits.available_concurrent_limit is None else _PAUSE_S
            await self.pause(export, min(max(waited / 10, self.poll_interval_s), longest))


@dataclass
class Acceptance:
    """Stops submissions after two exports in a row were given up for lost responses, with none accepted in between.

    The first may be the fault of its own quarter; after it, the next export gets one attempt. `last` is the error of
    the export that was given up last.
    """

    given_up: int = 0
    last: errors.ClariError | None = None

    def check(self, request: ExportRequest) -> None:
        """Raise `ClariUnreachable`, without a request, where submissions have stopped."""
        if self.given_up >= _MOST_GIVEN_UP:
            raise errors.ClariUnreachable(
                f"export of {request.forecast_id} {request.time_period}: not asked for, since Clari accepts none "
                f"({self.last}): run again later"
            ) from self.last


@dataclass
class LostAnswers:
    """Counts the lost responses of one export. Times are seconds of the clock's `monotonic`."""

    acceptance: Acceptance
    count: int = 0
    _alike: int = 0
    _first: float = 0.0
    _kind: object = None

    def is_last(self, error: errors.AnswerLost, *, asked: float, now: float) -> bool:
        """Count a lost response to the request sent at `asked`; whether to give the export up until the next run.

        Given up: after 10 lost responses, after 600 s, after 75 s of the same error, or at once where an export before
        it was given up.
        """
        self._first = self._first if self.count else asked
        cause = error.__cause__
        # Not the message: it holds an error id, which is new each time.
        kind = (type(cause), cause.status if isinstance(cause, errors.ClariRefused) else None)
        self._alike = self._alike + 1 if kind == self._kind else 1
        self._kind = kind
        self.count += 1
        spent = now - self._first
        is_alike_too_long = self._alike > 1 and spent > _LONGEST_LOST_ALIKE_S
        is_hopeless = self.count >= _MOST_LOST or spent > _LONGEST_LOST_S or is_alike_too_long
        return is_hopeless or self.acceptance.given_up > 0
