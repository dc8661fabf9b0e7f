"""Limit a product's exports, so that the organisation's quota lasts for forecasts."""

from collections.abc import Callable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim

from clari_pipeline.clari import Limits, QuotaExhausted
from clari_pipeline.config.settings import Settings

MONTH = timedelta(days=30)  # Clari's quota is of a rolling 30 days
MOST_EXPORTS = 30
_SHARE = 8  # a sync uses an eighth of what is left, so that it lasts until the oldest exports leave the 30 days


def syncs_a_month(settings: Settings, now: datetime) -> int:
    """How often `CLARI_SYNC_CRON` fires within 30 days."""
    begin = now.astimezone(ZoneInfo(settings.timezone))
    count = 0
    for moment in CronSim(settings.sync_cron, begin):
        if moment > begin + MONTH:
            break
        count += 1
    return count


def exports_a_sync(available: int | None) -> int:
    """The most exports of one sync: an eighth of those `available` (None: unknown), at least 1, at most 30."""
    if available is None:
        return MOST_EXPORTS
    return min(available, MOST_EXPORTS, max(1, available // _SHARE))


class QuotaShare:
    """Counts the exports of one sync of a product against its share of the quota.

    `limits` requests Clari's limits, each time: others export meanwhile. `reserve` returns how many exports
    are kept for forecasts. `limit` is the most of this sync, set at the first call of `remaining`.
    """

    def __init__(self, limits: Callable[[], Limits], reserve: Callable[[], int]) -> None:
        self._limits = limits
        self._reserve = reserve
        self._made = 0
        self.limit = MOST_EXPORTS
        self.exhausted: QuotaExhausted | None = None

    def made(self, count: int) -> None:
        """Count exports that were made."""
        self._made += count

    def remaining(self, *, is_first: bool) -> int:
        """How many more exports may be made now. If the quota leaves none, `exhausted` holds the error, else None."""
        self.exhausted = None
        if self._made >= self.limit:
            return 0
        limits, reserve = self._limits(), self._reserve()
        left = limits.available_monthly_quota
        available = None if left is None else max(left - reserve, 0)
        if is_first:
            self.limit = exports_a_sync(available)
        if available == 0:
            self.exhausted = _exhausted(limits, reserve)
            return 0
        more = self.limit - self._made
        return more if available is None else min(more, available)


def _exhausted(limits: Limits, reserve: int) -> QuotaExhausted:
    left = limits.available_monthly_quota
    kept = f"the {left} that are left are kept for forecasts, which need {reserve}" if left else "none is left"
    return QuotaExhausted(
        f"not asked for: {limits.used} of Clari's {limits.monthly_quota} exports are used up in its rolling 30 days, "
        f"and {kept}: wait until the oldest fall out of them, or ask Clari to raise the quota"
    )
