"""The finding of a check, and the lazily cached inputs that the checks share."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Literal, TypeAlias, TypeVar

from clari_pipeline.clari import ClariError, ClariRefused, Limits, Retry
from clari_pipeline.clari.clock import read_date
from clari_pipeline.config.settings import Settings, read_settings
from clari_pipeline.core.periods import FiscalCalendar, Quarter
from clari_pipeline.core.retrying import retry_context
from clari_pipeline.core.setting_errors import SettingsError
from clari_pipeline.store.calendar import known_calendar
from clari_pipeline.sync.context import Context, clari_client
from clari_pipeline.sync.planning import plan
from clari_pipeline.warehouse.errors import WarehouseError, WarehouseLocked
from clari_pipeline.warehouse.migrations import schema_version
from clari_pipeline.warehouse.session import Record, Session, rows

_LOCK_TIMEOUT_S = 30.0
_SEE = "see "
T = TypeVar("T")
Status: TypeAlias = Literal["PASS", "WARN", "FAIL", "SKIP"]


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of a check: its status, a detail, and what to do, empty where nothing is to be done."""

    name: str
    status: Status
    detail: str
    remedy: str


class CannotCheck(Exception):
    """A check could not be run. The message is the cause; `remedy` what to do.

    A remedy "see NAME" names the check that says more: where that did not pass, this one is skipped, else it fails.
    """

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.remedy = remedy


def passed(detail: str) -> Finding:
    """A PASS: nothing is to be done."""
    return Finding("", "PASS", detail, "")


def warning(detail: str, remedy: str) -> Finding:
    """A WARN: the pipeline works, but should be looked into."""
    return Finding("", "WARN", detail, remedy)


def failed(detail: str, remedy: str) -> Finding:
    """A FAIL: to be fixed before the pipeline goes live."""
    return Finding("", "FAIL", detail, remedy)


def skipped(cause: str) -> Finding:
    """A SKIP: it cannot be checked before the check `cause` passes, which says what to do."""
    return Finding("", "SKIP", f"cannot be checked before {cause} passes", f"{_SEE}{cause}")


def cause_of(finding: Finding | CannotCheck) -> str | None:
    """The name of the check that its remedy refers to; None where it is a remedy of its own."""
    return finding.remedy.removeprefix(_SEE) if finding.remedy.startswith(_SEE) else None


def readable_settings(error: SettingsError) -> tuple[Settings, Settings]:
    """The settings without those that are invalid, which have their defaults; and the same, to be read by checks.

    Reading an invalid one there raises `CannotCheck`. Raises `SettingsError` where none can be read.
    """
    invalid = {name.lower().removeprefix("clari_") for name in error.faults} & Settings.model_fields.keys()
    if not invalid:
        raise error
    settings = read_settings(**{name: Settings.model_fields[name].get_default() for name in invalid})

    class Readable(Settings):
        def __getattribute__(self, name: str) -> Any:
            if name in invalid:
                raise CannotCheck(f"CLARI_{name.upper()} cannot be read", "see settings_are_readable")
            return super().__getattribute__(name)

    return settings, Readable.model_construct(**dict(settings))


@dataclass(frozen=True, slots=True)
class ClariAnswers:
    """Clari's limits and export types, or the errors in their place.

    `types` is None where Clari does not have the endpoint. `ahead_s` is the smallest possible lead of this machine's
    clock over Clari's, in seconds: 0 where they may agree, None where Clari sent no date.
    """

    limits: Limits | ClariError
    types: tuple[str, ...] | ClariError | None
    ahead_s: float | None

    @property
    def error(self) -> ClariError | None:
        """The error of the request for limits, if any."""
        return self.limits if isinstance(self.limits, ClariError) else None


class Probe:
    """Settings, Clari's answers and the warehouse, each read when first needed and then cached."""

    def __init__(self, settings: Settings, now: Callable[[], datetime], *, defaults: Settings | None = None) -> None:
        """Take `defaults` where some of the settings cannot be read: the same with defaults in their place."""
        self.settings = settings
        self._defaults = defaults or settings
        self.now = now
        self._read_error: WarehouseError | None = None

    @cached_property
    def context(self) -> Context:
        """Warehouse, landing folder and calendar; nothing is opened yet.

        Raises `CannotCheck` where a setting that says where they are cannot be read: what a swing is does not matter.
        """
        settings = self.settings
        named = {name: getattr(settings, name) for name in ("warehouse_url", "data_dir", "env")}
        return Context.of(self._defaults.model_copy(update={"log_format": "text"} | named), now=self.now)

    @cached_property
    def answers(self) -> ClariAnswers:
        """Clari's answers. Raises `CannotCheck` where there is no key."""
        try:
            self.settings.required_key()
        except SettingsError as error:
            raise CannotCheck("there is no key to ask Clari with", "see key_is_present") from error
        return asyncio.run(self._ask())

    def has_current_call(self) -> bool:
        """Ask Clari whether the organisation has the call without a job. Raises `CannotCheck`."""

        async def ask() -> bool:
            (planned, *_) = plan(self.settings, self.quarters[:1], self.forecasts[:1], is_current=True).exports
            async with clari_client(self.settings, Retry(attempts=2, patience_s=15)) as client:
                return await client.has_current_call(planned.request)

        if (error := self.answers.error) is not None and not isinstance(error, ClariRefused):
            raise CannotCheck(f"Clari did not say: {error}", "see key_is_accepted")
        try:
            return asyncio.run(ask())
        except ClariError as error:
            raise CannotCheck(f"Clari did not say: {error}", "see key_is_accepted") from error

    @property
    def limits(self) -> Limits:
        """Clari's limits on exports. Raises `CannotCheck`."""
        if isinstance(limits := self.answers.limits, ClariError):
            raise CannotCheck(f"Clari did not say: {limits}", "see key_is_accepted")
        return limits

    async def _ask(self) -> ClariAnswers:
        limits: Limits | ClariError
        types: tuple[str, ...] | ClariError | None
        async with clari_client(self.settings, Retry(attempts=2, patience_s=15)) as client:
            before = self.now()
            try:
                limits = await client.limits()
            except ClariError as found:
                limits = found
            ahead_s = _ahead(client.date, before, self.now())
            if isinstance(limits, ClariError) and not isinstance(limits, ClariRefused):
                return ClariAnswers(limits, limits, ahead_s)
            try:
                types = await client.types() or None
            except ClariError as found:
                is_not_offered = isinstance(found, ClariRefused) and found.status in {400, 404, 405, 501}
                types = None if is_not_offered else found
        return ClariAnswers(limits, types, ahead_s)

    # The schedule

    @cached_property
    def calendar(self) -> FiscalCalendar:
        """The fiscal calendar with the quarters' days in the warehouse; by the settings alone if it cannot be read."""
        try:
            known = self.read(lambda session: known_calendar(session, self.settings.calendar))
        except (CannotCheck, WarehouseError):
            known = None
        return known or self.settings.calendar

    @cached_property
    def quarters(self) -> list[Quarter]:
        """The quarters that each sync exports."""
        before, after = self.settings.historical_periods, self.settings.future_periods
        return list(self.calendar.around(self.calendar.day_of(self.now()), before=before, after=after))

    @property
    def forecasts(self) -> tuple[str, ...]:
        """The forecasts that each sync exports. Raises `CannotCheck`."""
        if not self.settings.forecast_ids:
            raise CannotCheck("no forecast is named", "see forecast_ids_are_set")
        return self.settings.forecast_ids

    @property
    def exports(self) -> list[tuple[str, str]]:
        """Forecast and quarter of what each sync exports; empty where no forecasts are synced. Raises `CannotCheck`."""
        if not self.settings.brings_forecasts:
            return []
        return [(forecast, str(quarter)) for forecast in self.forecasts for quarter in self.quarters]

    # The warehouse

    @contextmanager
    def read_only(self) -> Iterator[Session | None]:
        """A read-only session, None without a warehouse; waits up to 30 s for its lock. Raises `WarehouseError`.

        After one such error every later call raises `CannotCheck` at once.
        """
        if self._read_error is not None:
            raise CannotCheck(str(self._read_error), "see warehouse_is_reachable") from self._read_error
        try:
            with ExitStack() as opened:
                for attempt in retry_context(
                    on=WarehouseLocked, attempts=None, timeout=_LOCK_TIMEOUT_S, wait_initial=0.1, wait_max=1
                ):
                    with attempt:
                        session = opened.enter_context(self.context.warehouse.read_only())
                yield session
        except WarehouseError as error:
            self._read_error = error
            raise

    @cached_property
    def schema_version(self) -> str | None:
        """The schema fingerprint of the tables, empty if unknown, None without a warehouse. Raises `WarehouseError`."""
        with self.read_only() as session:
            if session is None:
                return None
            try:
                found = rows(session, "schema_made_by")
            except Exception:  # noqa: BLE001 - a warehouse of a release that did not write it down, or no warehouse of ours
                return ""
            return str(found[0]["schema_sha256"]) if found else ""

    @property
    def is_schema_current(self) -> bool:
        """Whether the tables have the schema version of this release."""
        return self.schema_version == schema_version()

    def require_current_schema(self) -> None:
        """Raise `CannotCheck` where the tables have another schema version."""
        if not self.is_schema_current:
            raise CannotCheck("the tables are not as this release defines them", "see warehouse_schema_is_current")

    def read(self, query: Callable[[Session], T]) -> T | None:
        """The result of `query`, None without a warehouse. Raises `CannotCheck` or `WarehouseError`."""
        if self.schema_version is None:
            return None
        self.require_current_schema()
        with self.read_only() as session:
            return None if session is None else query(session)

    def rows(self, name: str) -> list[Record]:
        """The rows of a named query, by way of `read`; empty without a warehouse."""
        return self.read(lambda session: rows(session, name)) or []


def _ahead(date: str | None, before: datetime, after: datetime) -> float | None:
    """Seconds by which this clock is ahead of Clari's, behind where negative.

    `Date` is cut to the second and may be cached for another: up to two seconds count as no difference.
    """
    clari = read_date(date)
    if clari is None:
        return None
    earliest, latest = (before - clari).total_seconds(), (after - clari).total_seconds()
    if latest < 0:
        return latest
    return max(0.0, earliest - 2)
