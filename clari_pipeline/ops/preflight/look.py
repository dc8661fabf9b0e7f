"""What the checks look at: Clari is asked at most three times, and only what counts against no quota."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from clari_pipeline.clari import ClariError, ClariRefused, Limits, Retry
from clari_pipeline.clari.clock import read_date
from clari_pipeline.config.settings import Settings
from clari_pipeline.core.periods import Quarter
from clari_pipeline.core.retrying import retry_context
from clari_pipeline.core.setting_errors import SettingsError
from clari_pipeline.ops.preflight.findings import NotSeen
from clari_pipeline.sync.context import Context, clari_client
from clari_pipeline.sync.products.quota import syncs_a_month
from clari_pipeline.warehouse.errors import WarehouseError, WarehouseLocked
from clari_pipeline.warehouse.migrations import SCHEMA_VERSION
from clari_pipeline.warehouse.session import Session
from clari_pipeline.warehouse.statements import Record, rows

NO_FORECASTS = "not asked for: forecast is not in CLARI_PRODUCTS"
COVERED = 4  # quarters before the current one
_PATIENCE_S = 30.0


@dataclass(frozen=True, slots=True)
class Heard:
    """What Clari said. `types` is None where it does not offer the call, `types_error` is why it could not be asked;
    `ahead_s` is by how much this machine's clock is ahead of Clari's, at least: 0 where they may agree.
    """

    limits: Limits | None
    error: ClariError | None
    types: tuple[str, ...] | None
    types_error: ClariError | None
    ahead_s: float | None


class Look:
    """One look at everything, each thing at most once."""

    def __init__(self, settings: Settings, now: Callable[[], datetime]) -> None:
        self.settings = settings
        self.now = now
        self._trouble: WarehouseError | None = None

    @cached_property
    def context(self) -> Context:
        """Warehouse, landing folder and calendar; nothing is opened yet."""
        return Context.of(self.settings.model_copy(update={"log_format": "text"}), now=self.now)

    @cached_property
    def heard(self) -> Heard:
        """Clari's answers. Raises `NotSeen` where there is no key to ask with."""
        try:
            self.settings.required_key()
        except SettingsError as error:
            raise NotSeen("there is no key to ask Clari with", "see key_is_present") from error
        return asyncio.run(self._ask())

    @property
    def limits(self) -> Limits:
        """What Clari leaves free. Raises `NotSeen`."""
        if self.heard.limits is None:
            raise NotSeen(f"Clari did not say: {self.heard.error}", "see key_is_accepted")
        return self.heard.limits

    async def _ask(self) -> Heard:
        client = clari_client(self.settings, Retry(attempts=2, patience_s=15))
        limits: Limits | None = None
        error: ClariError | None = None
        types: tuple[str, ...] | None = None
        types_error: ClariError | None = None
        async with client:
            before = self.now()
            try:
                limits = await client.limits()
            except ClariError as found:
                error = types_error = found
            ahead_s = _ahead(client.date, before, self.now())
            if error is None or isinstance(error, ClariRefused):
                try:
                    types, types_error = await client.types() or None, None
                except ClariError as found:
                    is_not_offered = isinstance(found, ClariRefused) and found.status in {400, 404, 405, 501}
                    types_error = None if is_not_offered else found
        return Heard(limits, error, types, types_error, ahead_s)

    # The schedule

    @cached_property
    def quarters(self) -> list[Quarter]:
        """The quarters that each sync exports."""
        return self.context.current_quarters()

    @property
    def past_quarters(self) -> list[Quarter]:
        """The current quarter and the four before it."""
        return list(self.context.calendar.around(self.context.calendar.day_of(self.now()), before=COVERED, after=0))

    @property
    def forecasts(self) -> tuple[str, ...]:
        """The forecasts that each sync exports. Raises `NotSeen`."""
        if not self.settings.forecast_ids:
            raise NotSeen("no forecast is named", "see forecast_ids_are_set")
        return self.settings.forecast_ids

    @property
    def exports(self) -> list[tuple[str, str]]:
        """Forecast and quarter of what each sync exports; none where forecasts are not asked for. Raises `NotSeen`."""
        if not self.settings.brings_forecasts:
            return []
        return [(forecast, str(quarter)) for forecast in self.forecasts for quarter in self.quarters]

    @cached_property
    def syncs_a_month(self) -> int:
        """How often `CLARI_SYNC_CRON` comes round in thirty days."""
        return syncs_a_month(self.settings, self.now())

    # The warehouse

    @contextmanager
    def read_only(self) -> Iterator[Session | None]:
        """The warehouse, to read only; who holds it is waited for. Once it could not be read, nobody tries again."""
        if self._trouble is not None:
            raise NotSeen(str(self._trouble), "see warehouse_is_reachable") from self._trouble
        try:
            with ExitStack() as opened:
                for attempt in retry_context(
                    on=WarehouseLocked, attempts=None, timeout=_PATIENCE_S, wait_initial=0.1, wait_max=1
                ):
                    with attempt:
                        session = opened.enter_context(self.context.warehouse.read_only())
                yield session
        except WarehouseError as error:
            self._trouble = error
            raise

    @cached_property
    def made_by(self) -> str | None:
        """Which definition made the tables; None where nothing was ever written. Raises `WarehouseError`."""
        with self.read_only() as session:
            if session is None:
                return None
            try:
                found = rows(session, "schema_made_by")
            except Exception:  # noqa: BLE001 - a warehouse of a release that did not write it down, or no warehouse of ours
                return ""
            return str(found[0]["schema_sha256"]) if found else ""

    @property
    def is_current(self) -> bool:
        """Whether the tables stand as this release defines them."""
        return self.made_by == SCHEMA_VERSION

    def rows(self, name: str) -> list[Record]:
        """What a statement answers; nothing where nothing was ever written. Raises `NotSeen` or `WarehouseError`."""
        if self.made_by is None:
            return []
        if not self.is_current:
            raise NotSeen("the tables are not as this release defines them", "see warehouse_schema_is_current")
        with self.read_only() as session:
            return rows(session, name) if session is not None else []


def _ahead(date: str | None, before: datetime, after: datetime) -> float | None:
    """Seconds by which this clock is ahead, behind where negative. `Date` is cut to the second, and may be kept for one
    more: what both explain together is no difference.
    """
    clari = read_date(date)
    if clari is None:
        return None
    earliest, latest = (before - clari).total_seconds(), (after - clari).total_seconds()
    if latest < 0:
        return latest
    return max(0.0, earliest - 2)
