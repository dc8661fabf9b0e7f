"""Freshness: a forecast is behind where the figures of its current quarter are, however fresh other quarters are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from clari_pipeline.config.settings import Settings
from clari_pipeline.core.periods import FiscalCalendar
from clari_pipeline.store import ledger
from clari_pipeline.warehouse.session import Session


@dataclass(frozen=True, slots=True)
class ExportHealth:
    """One forecast × quarter: `state` of its newest export; both moments are of the newest merged one, None without."""

    forecast_id: str
    time_period_id: str
    state: str
    exported_at: datetime | None
    loaded_at: datetime | None

    @classmethod
    def all(cls, session: Session) -> list[ExportHealth]:
        """Every forecast × quarter of the ledger, the newest quarter first."""
        return [cls(**one) for one in ledger.health_exports(session)]


@dataclass(frozen=True, slots=True)
class CurrentQuarter:
    """The quarter that has to be fresh, and the forecasts in the settings, none where only commands name them.

    `is_new`: it began less than `CLARI_QUARTER_GRACE_DAYS` ago, and Clari may have nothing for it yet.
    """

    quarter_id: str
    forecast_ids: tuple[str, ...]
    is_new: bool

    @staticmethod
    def at(now: datetime, settings: Settings, calendar: FiscalCalendar) -> CurrentQuarter:
        """The current quarter at a moment, by this calendar."""
        today = calendar.day_of(now)
        current = calendar.quarter_of(today)
        is_new = today < calendar.first_day(current) + timedelta(days=settings.quarter_grace_days)
        return CurrentQuarter(str(current), settings.forecast_ids, is_new)

    def behind(self, exports: Iterable[ExportHealth], not_before: datetime) -> list[str]:
        """Ids of forecasts whose newest merged figures of this quarter are older than `not_before`.

        A forecast of which nothing was ever merged is not behind; one of which only other quarters were merged is, but
        not while this quarter is new.
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
