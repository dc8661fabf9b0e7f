"""The fiscal calendar from the warehouse: a quarter has the days that documents gave, else those by the settings."""

from clari_pipeline.core.periods import FiscalCalendar, Quarter
from clari_pipeline.warehouse.session import Session, rows


def known_calendar(session: Session, calendar: FiscalCalendar) -> FiscalCalendar:
    """The calendar of the settings with every quarter's days that `clari.time_period` holds.

    These days come from merged documents alone: a document that the gate has refused moves no quarter.
    """
    return calendar.knowing(
        {
            Quarter.parse(found["quarter_id"]): (found["start_date"], found["end_date"])
            for found in rows(session, "calendar/quarters")
        }
    )
