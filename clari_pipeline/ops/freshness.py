"""Which figures are to be fresh: the current quarter's, whatever has come of others and of the past."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from clari_pipeline.config.settings import Settings


@dataclass(frozen=True, slots=True)
class ExportHealth:
    """A forecast's quarter: the state of its newest export, and the newest that Clari gave and was merged."""

    forecast_id: str
    time_period_id: str
    state: str
    exported_at: datetime | None
    loaded_at: datetime | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """The current quarter of these forecasts; none are named where commands name them.

    `is_new`: it has just begun, and Clari may have nothing for it yet.
    """

    quarter_id: str
    forecast_ids: tuple[str, ...]
    is_new: bool

    @staticmethod
    def at(now: datetime, settings: Settings) -> Wanted:
        """As the settings have it at that moment."""
        calendar = settings.calendar
        today = calendar.day_of(now)
        current = calendar.quarter_of(today)
        is_new = today < calendar.first_day(current) + timedelta(days=settings.quarter_grace_days)
        return Wanted(str(current), settings.forecast_ids, is_new)

    def behind(self, exports: Iterable[ExportHealth], not_before: datetime) -> list[str]:
        """Forecasts of which the quarter's newest merged figures are older than that.

        One of which nothing was ever merged is none. Where only other quarters' figures have come, that is excused in
        the quarter's first days.
        """
        listed = list(exports)
        named = self.forecast_ids or [one.forecast_id for one in listed if one.time_period_id == self.quarter_id]
        known = {one.forecast_id for one in listed if one.exported_at is not None}
        newest = {one.forecast_id: one.exported_at for one in listed if one.time_period_id == self.quarter_id}
        return sorted(
            forecast_id
            for forecast_id in known.intersection(named)
            if (not self.is_new if (moment := newest.get(forecast_id)) is None else moment < not_before)
        )
