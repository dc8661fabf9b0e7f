"""`Context`, which every step of a sync is given: settings, clock, and what the settings open."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Literal, Protocol, TypeAlias

from clari_pipeline.clari import ClariClient, Retry
from clari_pipeline.config.rules import read_rules
from clari_pipeline.config.settings import Settings
from clari_pipeline.core.periods import FiscalCalendar, Quarter
from clari_pipeline.core.setting_errors import DataFolderUnwritable
from clari_pipeline.landing import Landing, LandingError
from clari_pipeline.store.calendar import known_calendar
from clari_pipeline.store.marts import CallRules
from clari_pipeline.store.opening import open_warehouse
from clari_pipeline.sync.events import Hooks
from clari_pipeline.sync.log_lines import JsonLines
from clari_pipeline.sync.own_rules import check_own_rules
from clari_pipeline.sync.planning import Runs
from clari_pipeline.sync.publishing import Places
from clari_pipeline.warehouse import environment
from clari_pipeline.warehouse.session import Warehouse

StartedBy: TypeAlias = Literal["schedule", "person"]
"""Who started a sync: a schedule, or a command without a terminal, as cron runs it; or a person."""


class Stoppable(Protocol):
    """Work in the background that can be stopped."""

    def stop(self) -> None:
        """Cancel what is still running, without waiting for it."""
        ...


class StopSignal:
    """Set by Ctrl-C: cancels exports in the background; the merge in progress is finished, and nothing after it."""

    def __init__(self) -> None:
        self._is_set = False
        self._running: Stoppable | None = None

    def set(self) -> None:
        """Set the signal, and stop the background work that is registered."""
        self._is_set = True
        if self._running is not None:
            self._running.stop()

    def check(self) -> None:
        """Raise `KeyboardInterrupt` if the signal is set: called where it is safe to stop, as between quarters."""
        if self._is_set:
            raise KeyboardInterrupt

    @contextmanager
    def stops(self, running: Stoppable) -> Iterator[None]:
        """While the context is open, `set` stops this work, too. Raises `KeyboardInterrupt` if it is set already."""
        before, self._running = self._running, running
        try:
            self.check()
            yield
        finally:
            self._running = before


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """One set of settings and what they open: warehouse, landing folder, run locks, files for readers, rules.

    `now` is this machine's clock, UTC. `hooks` observe what happens to each export. `started_by` is kept with each
    export. Nothing is opened before its use.
    """

    settings: Settings
    warehouse: Warehouse
    landing: Landing
    runs: Runs
    places: Places
    rules: CallRules
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    hooks: Hooks = field(default_factory=Hooks)
    stop: StopSignal = field(default_factory=StopSignal)
    started_by: StartedBy | None = None

    @classmethod
    def of(
        cls,
        settings: Settings,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        hooks: Hooks | None = None,
        started_by: StartedBy | None = None,
    ) -> Context:
        """Build it from the settings. Raises `DriverMissing` where the warehouse's driver is not installed."""
        hooks = hooks or Hooks()
        if settings.log_format == "json":
            hooks.add(JsonLines(settings.env))
        warehouse = open_warehouse(settings.warehouse_url, data_dir=settings.data_dir, env=settings.env)
        return cls(
            settings=settings,
            warehouse=warehouse,
            landing=Landing(settings.landing_dir, is_of_a_sandbox=settings.is_of_a_sandbox),
            runs=Runs(warehouse.folder / "runs"),  # beside the ledger, so that all who share it see the same locks
            places=Places(settings.copy_file, settings.marts_dir, settings.weekly_files_max_rows),
            rules=CallRules(
                use_adjusted=settings.call == "adjusted",
                quota_field=settings.quota_field,
                top_user=settings.top_user,
                swing_threshold=settings.swing_threshold,
                swing_min_amount=settings.swing_min_amount,
                calendar=settings.calendar,
                rules=read_rules(),
            ),
            now=now,
            hooks=hooks,
            started_by=started_by,
        )

    @property
    def calendar(self) -> FiscalCalendar:
        """The calendar by the settings alone: enough for days. For quarters use `fiscal_calendar`."""
        return self.settings.calendar

    def fiscal_calendar(self) -> FiscalCalendar:
        """The calendar with every quarter's days in the warehouse. Opens a session, if the warehouse exists."""
        if not self.warehouse.exists():
            return self.calendar
        with self.warehouse.session() as session:
            return known_calendar(session, self.calendar)

    def today(self) -> date:
        """Today's date in the organisation's time zone."""
        return self.calendar.day_of(self.now())

    def current_quarter(self) -> Quarter:
        """The quarter that contains today. Opens a session, as `fiscal_calendar` does."""
        return self.fiscal_calendar().quarter_of(self.today())

    def current_quarters(self, last: int | None = None) -> list[Quarter]:
        """The current quarter, with those before and after it that the settings name, or with `last` - 1 before it.

        Opens a session, as `fiscal_calendar` does.
        """
        before = self.settings.historical_periods if last is None else last - 1
        after = self.settings.future_periods if last is None else 0
        return list(self.fiscal_calendar().around(self.today(), before=before, after=after))

    def prepare(self) -> None:
        """Check the user's own rules, and that landing folder and warehouse are writable, before any request to Clari.

        Claims the environment. Raises `RulesError`, `WarehouseUnwritable`, `WarehouseLocked`, `WrongEnvironment` or
        `DataFolderUnwritable`.
        """
        check_own_rules(self.settings, self.rules.rules)
        try:
            self.landing.check_writable()
            self.landing.sweep()
        except LandingError as error:
            raise DataFolderUnwritable(str(error)) from error
        self.warehouse.prepare()
        if self.settings.env is not None:
            with self.warehouse.session() as session:
                environment.claim(session, self.settings.env)


def clari_client(settings: Settings, retry: Retry | None = None) -> ClariClient:
    """Build the client for Clari's API; nothing else builds one. Raises `SettingsError` where there is no key."""
    return ClariClient(
        base_url=settings.base_url,
        api_key=settings.key_source(),
        auth_scheme=settings.auth_scheme,
        request_timeout_s=settings.request_timeout_s,
        status_url=settings.status_url,
        retry=retry,
    )
