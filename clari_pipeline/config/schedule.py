"""When figures are stale: by the moments at which `CLARI_SYNC_CRON` fires, or by `CLARI_MAX_AGE_HOURS` if it is set."""

from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

from cronsim import CronSim

from clari_pipeline.config.settings import Settings

LATE = timedelta(hours=2)
"""How long a sync may take, or run late, before its figures are missed."""
_EARLY = timedelta(minutes=15)  # that figures may be older than their tick: another sync's, or by Clari's clock


def stale_before(settings: Settings, now: datetime) -> datetime:
    """Figures that were exported before this moment are stale. UTC.

    A set `CLARI_MAX_AGE_HOURS` alone decides: so many hours ago. Without it the schedule does: figures may be as old
    as the gap between the last two moments at which it fired, and two hours; and those of its last firing, or of a
    quarter of an hour before, are not missed before it has fired again. So a daily schedule allows 26 hours, an hourly
    one 3, and one of weekdays has Friday's figures until Monday. Moments less than two hours ago do not count yet. Cron
    lines are of `CLARI_TIMEZONE`, whose clock changes make a gap an hour longer or shorter.
    """
    if settings.max_age_hours is not None:
        return now - timedelta(hours=settings.max_age_hours)
    local = (now - LATE).astimezone(ZoneInfo(settings.timezone))
    # As UTC: the difference of two local moments would leave out a change of the clock.
    last, previous = (moment.astimezone(UTC) for moment in islice(CronSim(settings.sync_cron, local, reverse=True), 2))
    return min(last - _EARLY, now - LATE - (last - previous))


def allowed_hours(settings: Settings, now: datetime) -> float:
    """How old figures may be at this moment, in hours."""
    return round((now - stale_before(settings, now)).total_seconds() / 3600, 2)
