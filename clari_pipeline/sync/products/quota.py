"""How many exports of the organisation's quota a product may use, so that forecasts always have theirs."""

from collections.abc import Callable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim

from clari_pipeline.clari import Limits, QuotaExhausted
from clari_pipeline.config.settings import Settings

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
    """What one sync of a product may use of the quota.

    `limits` asks Clari, each time: others export meanwhile. `reserve` says how many exports are kept for forecasts.
    """

    def __init__(self, limits: Callable[[], Limits], reserve: Callable[[], int]) -> None:
        self._limits = limits
        self._reserve = reserve
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
        limits, reserve = self._limits(), self._reserve()
        left = limits.available_monthly_quota
        room = None if left is None else max(left - reserve, 0)
        if is_first:
            self.most = most_of(room)
        if room == 0:
            self.trouble = _exhausted(limits, reserve)
            return 0
        more = self.most - self._made
        return more if room is None else min(more, room)


def _exhausted(limits: Limits, reserve: int) -> QuotaExhausted:
    left = limits.available_monthly_quota
    kept = f"the {left} that are left are kept for forecasts, which need {reserve}" if left else "none is left"
    return QuotaExhausted(
        f"not asked for: {limits.used} of Clari's {limits.monthly_quota} exports are used up in its rolling 30 days, "
        f"and {kept}: wait until the oldest fall out of them, or ask Clari to raise the quota"
    )
