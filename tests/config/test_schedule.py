"""When figures are stale: by the schedule's own ticks, in its time zone, or by `CLARI_MAX_AGE_HOURS`."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim

from clari_pipeline.config.schedule import LATE, allowed_hours, stale_before
from clari_pipeline.config.settings import Settings

DAILY, WEEKDAYS, WEEKLY, HOURLY = "30 8 * * *", "30 8 * * 1-5", "0 6 * * 1", "0 * * * *"
TWICE, MONTHLY, LEAP = "0 8,12 * * *", "0 6 1 * *", "0 6 29 2 *"
BERLIN, NEW_YORK = "Europe/Berlin", "America/New_York"

# A cron line, its zone, a moment and the oldest figures that are not stale then, both in UTC. 2026-11-27 is a Friday.
CASES = [
    (DAILY, "UTC", "2026-11-25 10:29", "2026-11-24 08:15"),  # today's sync may still be running
    (DAILY, "UTC", "2026-11-25 10:31", "2026-11-24 08:31"),
    (DAILY, "UTC", "2026-11-25 23:00", "2026-11-24 21:00"),
    (WEEKDAYS, "UTC", "2026-11-27 12:00", "2026-11-26 10:00"),
    (WEEKDAYS, "UTC", "2026-11-28 12:00", "2026-11-27 08:15"),  # Saturday: Friday's, by whosever clock
    (WEEKDAYS, "UTC", "2026-11-30 10:29", "2026-11-27 08:15"),  # Monday, before today's has to be there
    (WEEKDAYS, "UTC", "2026-11-30 11:00", "2026-11-27 09:00"),  # Monday, after it: Friday's are stale
    (WEEKDAYS, "UTC", "2026-12-01 12:00", "2026-11-30 10:00"),
    (WEEKLY, "UTC", "2026-11-28 12:00", "2026-11-21 10:00"),  # Saturday: Monday's, the week's gap
    (WEEKLY, "UTC", "2026-11-30 07:59", "2026-11-23 05:45"),
    (WEEKLY, "UTC", "2026-11-30 08:01", "2026-11-23 06:01"),
    (HOURLY, "UTC", "2026-11-28 12:30", "2026-11-28 09:30"),
    (TWICE, "UTC", "2026-11-28 10:30", "2026-11-27 12:30"),  # the night's gap
    (TWICE, "UTC", "2026-11-28 14:30", "2026-11-28 08:30"),  # the morning's
    (TWICE, "UTC", "2026-11-29 05:00", "2026-11-28 11:45"),
    (MONTHLY, "UTC", "2026-11-30 12:00", "2026-10-30 10:00"),
    (MONTHLY, "UTC", "2026-12-01 08:30", "2026-11-01 06:30"),
    (LEAP, "UTC", "2026-12-01 08:30", "2022-12-01 06:30"),
    # The zone decides what a weekday is: 23:30 on Friday in New York is 04:30 on Saturday.
    ("30 23 * * 1-5", NEW_YORK, "2026-11-30 12:00", "2026-11-28 04:15"),
    (DAILY, BERLIN, "2026-11-25 09:31", "2026-11-24 07:31"),
    # Clocks go back on 25 October: that day's gap is 25 hours. They go forward on 29 March: 23.
    (DAILY, BERLIN, "2026-10-25 09:29", "2026-10-24 06:15"),
    (DAILY, BERLIN, "2026-10-25 09:31", "2026-10-24 06:31"),
    (DAILY, BERLIN, "2026-03-29 08:31", "2026-03-28 07:31"),
    ("30 2 * * *", BERLIN, "2026-03-29 03:01", "2026-03-28 01:31"),  # 02:30 does not exist: it fires at 03:00
    (WEEKDAYS, BERLIN, "2026-10-25 12:00", "2026-10-23 06:15"),
    (HOURLY, BERLIN, "2026-10-25 03:30", "2026-10-25 00:30"),
]


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(("line", "zone", "now", "oldest"), CASES)
def test_figures_are_stale_once_the_schedule_should_have_brought_newer_ones(
    line: str, zone: str, now: str, oldest: str
) -> None:
    settings = Settings(sync_cron=line, timezone=zone)
    assert stale_before(settings, moment(now)) == moment(oldest)
    hours = (moment(now) - moment(oldest)).total_seconds() / 3600
    assert allowed_hours(settings, moment(now)) == round(hours, 2)


def test_a_set_age_alone_decides() -> None:
    settings = Settings(sync_cron=WEEKDAYS, max_age_hours=26)
    saturday = moment("2026-11-28 12:00")
    assert stale_before(settings, saturday) == saturday - timedelta(hours=26)
    assert allowed_hours(settings, saturday) == 26


def test_what_each_tick_brings_is_fresh_until_the_next_is_late() -> None:
    """At any moment of three weeks, over a change of the clocks."""
    for minutes in range(0, 3 * 7 * 24 * 60, 37):
        now = moment("2026-10-12 00:00") + timedelta(minutes=minutes)
        for line in (DAILY, WEEKDAYS, WEEKLY, HOURLY, TWICE):
            local = (now - LATE).astimezone(ZoneInfo(BERLIN))
            brought = next(CronSim(line, local, reverse=True)).astimezone(UTC)
            assert stale_before(Settings(sync_cron=line, timezone=BERLIN), now) <= brought, (line, now)
