"""The fiscal calendar as the warehouse knows it: the quarters' days that documents gave decide, else the settings."""

from clari_pipeline.core.periods import FiscalCalendar, Quarter
from clari_pipeline.warehouse.session import Session, rows


def known_calendar(session: Session, calendar: FiscalCalendar) -> FiscalCalendar:
    """The calendar of the settings with every quarter's days that `clari.time_period` holds.

    Those are of merged documents alone: one that the gate has refused moves nothing.
    """
    return calendar.knowing(
        {
            Quarter.parse(found["quarter_id"]): (found["start_date"], found["end_date"])
            for found in rows(session, "calendar/quarters")
        }
    )
