"""Events that the pipeline emits about an export, a frozen type each, and the hooks that dispatch them to observers.

Events of the exchange with Clari are in `clari.events`. The ledger, the progress on a terminal, Dagster's log and the
JSON lines are all written from events.
"""

import logging
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from clari_pipeline.clari.events import ExportEvent
from clari_pipeline.clari.models import ExportRequest, Limits

_LOW_DIVISOR = 10
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Landed(ExportEvent):
    """The document is synced to disk. `size` (bytes) and `sha256` are of it as sent, not as compressed."""

    job_id: str
    size: int
    sha256: str
    landing_path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed(ExportEvent):
    """No document will arrive. `state` is FAILED, TIMED_OUT or CANCELLED, `error_kind` the exception's class."""

    request: ExportRequest
    attempt: int
    state: str
    clari_status: str | None
    error: str
    error_kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Deferred(ExportEvent):
    """A transient error, while Clari has or may have its job: the next run resumes it."""

    error: str
    error_kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Requeued(ExportEvent):
    """The job was lost; the same request is submitted as attempt number `attempt`."""

    attempt: int
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared(ExportEvent):
    """Another run exported the same at the same time: its export, of this `state` in the ledger, is used here, too."""

    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged(ExportEvent):
    """The document's rows are merged and committed."""

    rows_staged: int
    rows_inserted: int
    rows_updated: int
    rows_unchanged: int
    rows_disappeared: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused(ExportEvent):
    """The gate refused the document: it stays landed, and is not merged."""

    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaRead:
    """Clari's limits, read before a run requests `planned` exports. An event of the run, not of one export."""

    at: datetime
    limits: Limits
    planned: int

    @property
    def is_low(self) -> bool:
        """Whether less than a tenth of the quota is left after the planned exports."""
        quota, available = self.limits.monthly_quota, self.limits.available_monthly_quota
        return quota is not None and available is not None and _LOW_DIVISOR * (available - self.planned) < quota

    @property
    def sentence(self) -> str:
        """The warning, in one line."""
        limits = self.limits
        return (
            f"export quota is low: {limits.available_monthly_quota} of {limits.monthly_quota} were left before this "
            f"run's {self.planned}, in Clari's rolling 30 days; sync fewer quarters (CLARI_HISTORICAL_PERIODS) or less "
            "often, or ask Clari to raise the quota"
        )


Event = ExportEvent | QuotaRead
Observer = Callable[[Event], None]


class Hooks:
    """Calls observers with a run's events, from any thread, under one lock.

    Those `before` are called before an event is persisted, those `after` once it is. What an observer raises is logged
    and stops nothing.
    """

    def __init__(self, after: Iterable[Observer] = (), *, before: Iterable[Observer] = ()) -> None:
        self._before = list(before)
        self._after = list(after)
        self._lock = threading.RLock()

    def add(self, observer: Observer) -> None:
        """Add an observer that is called once an event is persisted."""
        self._after.append(observer)

    def emit(self, event: Event, persist: Observer = lambda _event: None) -> None:
        """Call the observers `before`, `persist`, then those `after`. What `persist` raises stops the export."""
        self._call(self._before, event)
        persist(event)
        self._call(self._after, event)

    def _call(self, observers: Iterable[Observer], event: Event) -> None:
        with self._lock:
            for observer in observers:
                try:
                    observer(event)
                except Exception as error:  # noqa: BLE001 - an observer must not stop a run
                    _log.warning("an observer failed on %s: %r", type(event).__name__, error)
