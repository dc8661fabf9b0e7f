"""An HTTP service for monitoring: `/health` for a probe, `/metrics` for Prometheus, from one snapshot of the ledger.

It sends no request to Clari, and neither creates nor writes the warehouse.
"""

import errno
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias

import uvicorn
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from clari_pipeline.config.schedule import allowed_hours, stale_before
from clari_pipeline.config.settings import Settings
from clari_pipeline.core.runbook import ExitCode, section_of, with_anchor
from clari_pipeline.core.safe_text import json_text, printable
from clari_pipeline.core.setting_errors import UsageError
from clari_pipeline.ops.freshness import CurrentQuarter, ExportHealth
from clari_pipeline.store import ledger
from clari_pipeline.store.calendar import known_calendar
from clari_pipeline.store.opening import open_warehouse
from clari_pipeline.sync.products.standing import ProductFreshness, metrics_of, product_freshness
from clari_pipeline.warehouse.errors import WarehouseError, WarehouseLocked
from clari_pipeline.warehouse.session import Record, Warehouse

Status: TypeAlias = Literal["ok", "stale", "never", "busy", "unreadable"]

_IN_FLIGHT = ("SUBMITTING", "SUBMITTED", "LANDED")
_EXPORT = ("forecast_id", "time_period_id")
_NO_STORE = {"Cache-Control": "no-store"}
_UNCHANGED_FOR_S = 30.0  # then the ledger is read even if the change token is the same: some have coarse timestamps


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The ledger as read at a moment; `states` has the count of exports by forecast × quarter × state."""

    taken_at: datetime
    exports: tuple[ExportHealth, ...] = ()
    states: tuple[Record, ...] = ()
    alerts_unsent: int = 0
    products: tuple[ProductFreshness, ...] = ()

    @property
    def jobs_in_flight(self) -> int:
        """The number of exports that are neither merged nor failed."""
        return sum(count["exports"] for count in self.states if count["state"] in _IN_FLIGHT)

    @property
    def successes(self) -> list[tuple[datetime, ExportHealth]]:
        """Each merged forecast × quarter, with the moment its figures are as of."""
        return [(export.exported_at, export) for export in self.exports if export.exported_at is not None]


@dataclass(frozen=True, slots=True)
class Health:
    """The health at a moment: a snapshot, None where there is none. `error` is one line, without a secret.

    Figures from before `stale_before` are stale; `max_age_hours` says the same in hours.
    """

    now: datetime
    stale_before: datetime
    max_age_hours: float
    snapshot: Snapshot | None
    brings_forecasts: bool = True
    current: CurrentQuarter | None = None
    failure: Literal["busy", "unreadable"] | None = None
    error: str | None = None

    @property
    def newest_success(self) -> ExportHealth | None:
        """The merged export with the newest `exported_at`; of two with the same, the later quarter's."""
        successes = self.snapshot.successes if self.snapshot else []
        newest = max(successes, key=lambda success: (success[0], success[1].time_period_id), default=None)
        return newest[1] if newest else None

    @property
    def status(self) -> Status:
        """`ok`, or why not: `stale` also where a product named in the settings is."""
        if self.failure is not None:
            return self.failure
        products = self.snapshot.products if self.snapshot else ()
        if self.brings_forecasts:
            newest = self.newest_success.exported_at if self.newest_success else None
        else:
            newest = max((one.exported_at for one in products if one.exported_at), default=None)
        if newest is None:
            return "never"
        is_fresh = newest >= self.stale_before and not self.behind
        return "ok" if is_fresh and all(one.is_well(self.stale_before) for one in products) else "stale"

    @property
    def behind(self) -> list[str]:
        """Ids of forecasts whose figures of the current quarter are too old."""
        if self.current is None or not self.brings_forecasts or self.snapshot is None:
            return []
        return self.current.behind(self.snapshot.exports, self.stale_before)

    def age_seconds(self, moment: datetime) -> float:
        """Seconds from a moment to now."""
        return (self.now - moment).total_seconds()

    def as_document(self) -> dict[str, Any]:
        """The JSON document of `/health`. Counts are null where the ledger could not be read."""
        snapshot, newest = self.snapshot, self.newest_success
        return {
            "status": self.status,
            "error": self.error,
            "taken_at": _iso(snapshot.taken_at if snapshot else None),
            "newest_success": newest
            and {
                "forecast_id": newest.forecast_id,
                "time_period_id": newest.time_period_id,
                "exported_at": _iso(newest.exported_at),
                "loaded_at": _iso(newest.loaded_at),
            },
            "age_hours": self._age_hours(newest),
            "max_age_hours": self.max_age_hours,
            "current_quarter": self.current.quarter_id if self.current else None,
            "behind": self.behind,
            "exports": [
                {
                    "forecast_id": export.forecast_id,
                    "time_period_id": export.time_period_id,
                    "state": export.state,
                    "last_success_at": _iso(export.loaded_at),
                    "exported_at": _iso(export.exported_at),
                    "age_hours": self._age_hours(export),
                }
                for export in (snapshot.exports if snapshot else ())
            ],
            "products": [
                one.as_document(self.now, self.stale_before) for one in (snapshot.products if snapshot else ())
            ],
            "jobs_in_flight": snapshot.jobs_in_flight if snapshot else None,
            "alerts_unsent": snapshot.alerts_unsent if snapshot else None,
        }

    def as_metrics(self) -> Iterator[Metric]:
        """Yield the metrics of `/metrics`; an unknown value has no sample."""
        yield _gauge("clari_up", "1 if the current quarter's figures are not stale.", self.status == "ok")
        if (snapshot := self.snapshot) is None:
            return
        yield _gauge(
            "clari_warehouse_read_timestamp_seconds",
            "When the ledger was read; older than the scrape while a sync holds the warehouse.",
            snapshot.taken_at.timestamp(),
        )
        merged = [((one.forecast_id, one.time_period_id), one, exported_at) for exported_at, one in snapshot.successes]
        yield _gauge(
            "clari_last_success_timestamp_seconds",
            "When a sync last merged an export of the quarter.",
            {which: one.loaded_at.timestamp() for which, one, _ in merged if one.loaded_at is not None},
            labels=_EXPORT,
        )
        yield _gauge(
            "clari_export_age_seconds",
            "Time since Clari made the newest merged figures of the quarter.",
            {which: self.age_seconds(exported_at) for which, _, exported_at in merged},
            labels=_EXPORT,
        )
        newest = self.newest_success
        if newest is not None and newest.exported_at is not None:
            yield _gauge(
                "clari_newest_success_age_seconds",
                "Time since Clari made the newest merged figures of all.",
                self.age_seconds(newest.exported_at),
            )
        yield _gauge(
            "clari_exports",
            "Exports in the ledger by the state in which they stand.",
            {(one["forecast_id"], one["time_period_id"], one["state"]): one["exports"] for one in snapshot.states},
            labels=(*_EXPORT, "state"),
        )
        yield _gauge("clari_jobs_in_flight", "Exports begun, not merged and not given up.", snapshot.jobs_in_flight)
        yield from metrics_of(snapshot.products, self.now, self.stale_before)
        yield _gauge(
            "clari_alerts_unsent", "Alerts that have not been sent to every channel yet.", snapshot.alerts_unsent
        )

    def _age_hours(self, export: ExportHealth | None) -> float | None:
        if export is None or export.exported_at is None:
            return None
        return round(self.age_seconds(export.exported_at) / 3600, 2)


class HealthReader(Collector):
    """Reads the ledger for concurrent requests, under a lock; a Prometheus collector.

    A warehouse in a file is opened only when its change token has changed, and as briefly as possible: while it is
    open, no sync can write it. While a sync holds the file's lock, the last snapshot is served.
    """

    def __init__(self, warehouse: Warehouse, settings: Settings) -> None:
        self._warehouse = warehouse
        self._settings = settings
        self._guard = threading.Lock()
        self._calendar = settings.calendar  # each snapshot replaces it by the warehouse's
        self._last: Snapshot | None = None
        self._last_token: object = None
        self._taken_at = self._closed_at = float("-inf")  # monotonic

    def read(self) -> Health:
        """The current health. A `WarehouseError` becomes the status `busy` or `unreadable`."""
        failure: Literal["busy", "unreadable"] | None = None
        error: str | None = None
        settings = self._settings
        with self._guard:
            try:
                self._refresh()
            except WarehouseLocked as locked:
                if self._last is None:
                    failure, error = "busy", str(locked)
            except WarehouseError as unreadable:
                failure, error = "unreadable", str(unreadable)
            snapshot, now = None if failure else self._last, datetime.now(UTC)
            calendar = self._calendar
        current = CurrentQuarter.at(now, settings, calendar)
        limits = stale_before(settings, now), allowed_hours(settings, now)
        return Health(now, *limits, snapshot, settings.brings_forecasts, current, failure, error)

    def describe(self) -> Sequence[Metric]:
        """No metrics, so that registering the collector does not open the warehouse."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Yield all current metrics."""
        return self.read().as_metrics()

    def _refresh(self) -> None:
        """Take a snapshot, unless the change token is that of the last one, less than 30 s ago."""
        token = self._warehouse.change_token()
        is_unchanged = token is not None and token == self._last_token
        if self._last and is_unchanged and time.monotonic() - self._taken_at < _UNCHANGED_FOR_S:
            return
        time.sleep(max(0, self._closed_at + self._warehouse.read_pause_s - time.monotonic()))
        # The token is read before the warehouse is opened: what is written in between changes the next one.
        self._taken_at = time.monotonic()
        now, token = datetime.now(UTC), self._warehouse.change_token()
        products = self._settings.other_products
        with self._warehouse.read_only() as session:
            if session is None:
                snapshot = Snapshot(now, products=product_freshness(None, products))
            else:
                self._calendar = known_calendar(session, self._settings.calendar)
                snapshot = Snapshot(
                    now,
                    exports=tuple(ExportHealth.all(session)),
                    states=tuple(ledger.health_states(session)),
                    alerts_unsent=ledger.alerts_pending(session),
                    products=product_freshness(session, products),
                )
        if session is not None:
            self._closed_at = time.monotonic()
        self._last, self._last_token = snapshot, token


def application(reader: HealthReader) -> Starlette:
    """`/health` and `/metrics`. Plain functions: Starlette runs them in worker threads, so that none blocks another."""
    registry = CollectorRegistry()
    registry.register(reader)

    def health(_request: Request) -> Response:
        current = reader.read()
        document = json_text(current.as_document(), separators=(",", ":"))
        return Response(document, 200 if current.status == "ok" else 503, _NO_STORE, "application/json")

    def metrics(_request: Request) -> Response:
        content_type = {"Content-Type": CONTENT_TYPE_PLAIN_0_0_4}
        return Response(generate_latest(registry), headers=_NO_STORE | content_type)

    return Starlette(
        routes=[Route("/health", health), Route("/metrics", metrics)],
        exception_handlers={HTTPException: _rejected, Exception: _failed},
    )


def serve(settings: Settings, *, host: str, port: int) -> int:
    """Serve until Ctrl-C or SIGTERM; the exit code is 0.

    Raises `SettingsError` for an address that this machine does not have, `OSError` for a port that is taken.
    """
    warehouse = open_warehouse(settings.warehouse_url, data_dir=settings.data_dir, env=settings.env)
    reader = HealthReader(warehouse, settings)
    reader.read()  # the first snapshot, before a sync may hold the lock
    with _listener(host, port) as listener:
        config = uvicorn.Config(
            application(reader),
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="warning" if settings.debug else "critical",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=2,
        )
        server = uvicorn.Server(config)
        with _ended_by_signals(server):
            name = f"[{host}]" if ":" in host else host
            address = f"http://{name}:{listener.getsockname()[1]}"
            line = f"clari-pipeline: {address}/health and {address}/metrics answer, until Ctrl-C"
            print(line, file=sys.stderr, flush=True)  # noqa: T201 - for the operator
            server.run(sockets=[listener])
    return ExitCode.DONE


def _listener(host: str, port: int) -> socket.socket:
    try:
        if not host:
            raise UsageError("--host is empty: write 127.0.0.1, or 0.0.0.0 for all of this machine's addresses")
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address, family=family)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            message = f"port {port} of {host} is taken: end what answers there, or name another with --port"
            raise OSError(error.errno, message) from error
        if isinstance(error, socket.gaierror):
            raise UsageError(f"--host {host!r} is no address of this machine: write 127.0.0.1") from error
        cause = os.strerror(error.errno or 0)
        raise UsageError(f"--host {host} --port {port} cannot be had ({cause}): name others") from error
    except UnicodeError as error:
        raise UsageError(f"--host {host!r} is no address: write 127.0.0.1") from error


@contextmanager
def _ended_by_signals(server: uvicorn.Server) -> Iterator[None]:
    """Stop the server at SIGINT or SIGTERM; uvicorn's own handler re-raises them, which would set the exit code."""

    def end(*_: object) -> None:
        server.should_exit = True

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


async def _rejected(_request: Request, error: Exception) -> Response:
    status, headers = (error.status_code, error.headers) if isinstance(error, HTTPException) else (400, None)
    nowhere, another_method = "there is nothing here: ask for /health or /metrics", "only GET and HEAD are answered"
    return JSONResponse({"error": nowhere if status == 404 else another_method}, status, headers=headers)


async def _failed(_request: Request, error: Exception) -> Response:
    first = "".join(str(error).strip().splitlines()[:1])
    message = with_anchor(f"{type(error).__name__}: {first}; CLARI_DEBUG=1 shows where", section_of(error))
    print(f"clari-pipeline: {printable(message)}", file=sys.stderr)  # noqa: T201
    return JSONResponse({"error": "a fault of this service: its standard error says which"}, 500, headers=_NO_STORE)


def _gauge(
    name: str, documentation: str, value: float | Mapping[tuple[str, ...], float], labels: Sequence[str] = ()
) -> Metric:
    """A gauge with one value, or with one for each tuple of label values."""
    if not isinstance(value, Mapping):
        return GaugeMetricFamily(name, documentation, value=value)
    metric = GaugeMetricFamily(name, documentation, labels=labels)
    for of_labels, one in value.items():
        metric.add_metric(of_labels, one)
    return metric


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
