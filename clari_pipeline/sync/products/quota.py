"""How many exports of the organisation's quota a product may use, so that forecasts always have theirs."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim

from clari_pipeline.clari import ClariError, Limits, QuotaExhausted, Retry
from clari_pipeline.config.settings import Settings
from clari_pipeline.store import fetches
from clari_pipeline.sync.context import Context, clari_client

MONTH = timedelta(days=30)  # Clari's quota is of the last thirty days
MOST_EXPORTS = 30
_SHARE = 8  # of what is left for it a sync uses an eighth: so it lasts until the oldest exports are a month old


def syncs_a_month(settings: Settings, now: datetime) -> int:
    """How often `CLARI_SYNC_CRON` comes round in thirty days."""
    begin = now.astimezone(ZoneInfo(settings.timezone))
    count = 0
    for moment in CronSim(settings.sync_cron, begin):
        if moment > begin + MONTH:
            break
        count += 1
    return count


def most_of(room: int | None) -> int:
    """How many exports a sync makes, where the quota has room for so many: one at least, if for any."""
    if room is None:
        return MOST_EXPORTS
    return min(room, MOST_EXPORTS, max(1, room // _SHARE))


class QuotaShare:
    """What one sync of a product may use. Clari is asked each time: others export meanwhile."""

    def __init__(self, context: Context, retry: Retry | None) -> None:
        self._context = context
        self._retry = retry
        self._made = 0
        self.most = MOST_EXPORTS
        self.trouble: QuotaExhausted | None = None

    def made(self, count: int) -> None:
        """So many were made."""
        self._made += count

    def room(self, *, is_first: bool) -> int:
        """How many more may be made now; where none, `trouble` says that it is the quota's fault, if it is."""
        self.trouble = None
        if self._made >= self.most:
            return 0
        limits, reserve = asyncio.run(self._limits()), self.reserve()
        left = limits.available_monthly_quota
        room = None if left is None else max(left - reserve, 0)
        if is_first:
            self.most = most_of(room)
        if room == 0:
            self.trouble = _exhausted(limits, reserve)
            return 0
        more = self.most - self._made
        return more if room is None else min(more, room)

    def reserve(self) -> int:
        """What forecasts need in a month of the schedule, less what falls out of it meanwhile: a sync's at least."""
        settings = self._context.settings
        if not settings.brings_forecasts:
            return 0
        a_sync = len(settings.forecast_ids) * len(self._context.current_quarters())
        now = self._context.now()
        with self._context.warehouse.session() as session:
            lately = fetches.forecasts_since(session, now - MONTH)
        return max(a_sync, a_sync * syncs_a_month(settings, now) - lately)

    async def _limits(self) -> Limits:
        async with clari_client(self._context.settings, self._retry) as client:
            try:
                return await client.limits()
            except ClariError:
                return Limits()  # each export meets with the same, and is reported


def _exhausted(limits: Limits, reserve: int) -> QuotaExhausted:
    left = limits.available_monthly_quota
    kept = f"the {left} that are left are kept for forecasts, which need {reserve}" if left else "none is left"
    return QuotaExhausted(
        f"not asked for: {limits.used} of Clari's {limits.monthly_quota} exports are used up in its rolling 30 days, "
        f"and {kept}: wait until the oldest fall out of them, or ask Clari to raise the quota"
    )
