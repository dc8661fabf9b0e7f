import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any, TypeVar

import httpx
import pytest
from pydantic import SecretStr

from clari_pipeline.clari import ClariClient, Export, Exporter, ExportEvent, ExportRequest, Job, LeftBehind, Retry
from clari_pipeline.sandbox import Fault, Sandbox

NOW = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)
CURRENT, NEWEST_PAST = "2026_Q4", "2026_Q3"
QUARTERS = [CURRENT, NEWEST_PAST, "2026_Q2", "2026_Q1", "2025_Q4", "2025_Q3", "2025_Q2"]
TYPES = ("forecast", "forecast_updated", "quota", "adjustment", "crm_total", "crm_closed")
QUICK = Retry(attempts=10, first_wait_s=0.001, max_wait_s=0.002)
# As often as anybody asks: failures that a proxy or a tired server gives.
MIXED = ["429", "500", "502", "reset", "503", "garbage", "cut", "504"]
_tabs = count(1)
_T = TypeVar("_T")


class FakeClock:
    """Stands still until somebody waits; then it is as much later at once."""

    def __init__(self) -> None:
        self.moment = NOW
        self.passed = timedelta()
        self.slept: list[float] = []

    def now(self) -> datetime:
        return self.moment

    def monotonic(self) -> float:
        return self.passed.total_seconds()

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.moment += timedelta(seconds=seconds)
        self.passed += timedelta(seconds=seconds)
        await asyncio.sleep(0)


class Sink:
    """A document's bytes, and how often they began anew."""

    def __init__(self) -> None:
        self.content = b""
        self.begun = 0

    def write(self, chunk: bytes) -> None:
        self.content += chunk

    def restart(self) -> None:
        self.content = b""
        self.begun += 1


def answer(body: bytes, status: int = 200) -> Fault:
    """A fault: this body in place of the answer."""
    return Fault("answer", status, {}, body)


def client_of(sandbox: Sandbox, **more: Any) -> ClariClient:
    settings: dict[str, Any] = {"retry": QUICK, "request_timeout_s": 5} | more
    return ClariClient(base_url=sandbox.base_url, api_key=SecretStr(sandbox.api_key), **settings)


def request_for(forecast_id: str = "total_new", time_period: str = CURRENT, **more: Any) -> ExportRequest:
    return ExportRequest(forecast_id=forecast_id, time_period=time_period, **{"types": TYPES} | more)


def export_of(request: ExportRequest, request_id: str = "1", left_behind: LeftBehind | None = None) -> Export:
    return Export(request_id=request_id, request=request, left_behind=left_behind)


def call_at(url: str, use: Callable[[ClariClient], Coroutine[Any, Any, _T]], key: str = "k-123", **more: Any) -> _T:
    """What comes of one use of a client at that address."""

    async def used() -> _T:
        async with ClariClient(base_url=url, api_key=SecretStr(key), **({"retry": QUICK} | more)) as client:
            return await use(client)

    return asyncio.run(used())


def call(sandbox: Sandbox, use: Callable[[ClariClient], Coroutine[Any, Any, _T]], **more: Any) -> _T:
    """What comes of one use of a client at a sandbox."""
    return call_at(sandbox.base_url, use, sandbox.api_key, **({"request_timeout_s": 5} | more))


async def done(client: ClariClient, request: ExportRequest) -> Job:
    """A job of that request that is at its end."""
    job_id = await client.submit_export(request)
    while not (job := await client.job(job_id)).state.is_end:
        pass
    return job


def posts(sandbox: Sandbox, forecast_id: str = "") -> list[Any]:
    """The exports that the sandbox was asked for."""
    return [seen for seen in sandbox.requests if seen.method == "POST" and seen.path.endswith(forecast_id)]


def jobs_of(sandbox: Sandbox, forecast_id: str) -> list[str]:
    """The jobs that the sandbox has of a forecast."""
    return [job.job_id for job in sandbox.jobs if job.forecast_id == forecast_id]


class Runner:
    """Runs exports at a sandbox, and keeps the events that it emits."""

    def __init__(self, sandbox: Sandbox, clock: Any, *, client: dict[str, Any] | None = None, **more: Any) -> None:
        self.sandbox = sandbox
        self.clock = clock
        self.events: list[ExportEvent] = []
        self._client = client or {}
        self._settings: dict[str, Any] = {"clock": clock, "observe": self.events.append} | more

    def export(
        self, *requests: ExportRequest, at_once: bool = True, left_behind: LeftBehind | None = None
    ) -> list[Any]:
        """The jobs, or the exceptions, in the order of the requests."""

        async def made() -> list[Any]:
            async with client_of(self.sandbox, **self._client) as client:
                exporter = Exporter(client, **self._settings)
                jobs = [exporter.make(export_of(request, str(n), left_behind)) for n, request in enumerate(requests)]
                if at_once:
                    return await asyncio.gather(*jobs, return_exceptions=True)
                return [(await asyncio.gather(job, return_exceptions=True))[0] for job in jobs]

        return asyncio.run(made())

    def emitted(self, kind: type[ExportEvent]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]


class Company:
    """A Clari whose jobs take three seconds of a clock that it shares with whoever asks it, unless that one is set."""

    def __init__(self, **more: Any) -> None:
        self.clock = FakeClock()
        settings = {"write_at_once": True, "job_seconds": 3, "people": 1, "concurrent_limit": 1000} | more
        self.sandbox = Sandbox(now=lambda: NOW + self.clock.passed, clock=self.clock.monotonic, **settings)

    def tab(self, scenario: str = "calm") -> str:
        """A forecast that nobody has exported, in a Clari of that kind, its clock and ours at one."""
        self.sandbox.scenario = scenario
        self.sandbox.requests.clear()
        for faults in self.sandbox._faults.values():
            faults.clear()
        self.clock.moment = NOW + self.clock.passed
        self.clock.slept.clear()
        forecast_id = f"tab{next(_tabs)}"
        for quarter in QUARTERS:
            self.sandbox.serve(forecast_id, quarter, b'{"entries": []}')
        return forecast_id

    def queued(self, forecast_id: str) -> str:
        """A job of that forecast that no client of ours has asked for."""
        headers, body = {"apikey": self.sandbox.api_key}, {"timePeriod": CURRENT}
        httpx.post(f"{self.sandbox.base_url}/export/forecast/{forecast_id}", headers=headers, json=body)
        return jobs_of(self.sandbox, forecast_id)[-1]

    def runner(self, **more: Any) -> Runner:
        return Runner(self.sandbox, self.clock, **more)

    def exported(self, request: ExportRequest, **settings: Any) -> tuple[Runner, Any]:
        """A runner that has run this one export, and the job or the exception that came of it."""
        runner = self.runner(**settings)
        (came,) = runner.export(request)
        return runner, came

    def all_quarters(self, number: int = 7, *, at_once: bool = True, **settings: Any) -> tuple[Runner, list[Any]]:
        """The same of exports of so many quarters."""
        runner = self.runner(**settings)
        requests = [request_for(time_period=quarter) for quarter in QUARTERS[:number]]
        return runner, runner.export(*requests, at_once=at_once)


@pytest.fixture(scope="module")
def company() -> Iterator[Company]:
    """The module's one; `company.tab()` makes it calm, with nothing asked of it yet."""
    shared = Company()
    with shared.sandbox:
        yield shared


@pytest.fixture
def own_company() -> Iterator[Callable[..., Company]]:
    """Companies of a test's own: limits and jobs that are left over matter to nobody else."""
    with ExitStack() as opened:

        def start(scenario: str = "calm", **more: Any) -> Company:
            company = Company(scenario=scenario, **{"people": 3, "concurrent_limit": 3} | more)
            opened.enter_context(company.sandbox)
            return company

        yield start


@pytest.fixture(scope="module")
def _lasting() -> Iterator[Sandbox]:
    with Sandbox(now=lambda: NOW, job_seconds=0.02, people=3, concurrent_limit=1000) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(_lasting: Sandbox) -> Iterator[Sandbox]:
    """The module's one sandbox, calm, in whose time jobs take a moment, with nothing asked of it yet."""
    _lasting.requests.clear()
    yield _lasting
    _lasting.scenario, _lasting.now = "calm", lambda: NOW


@pytest.fixture
def tab(sandbox: Sandbox) -> str:
    """A forecast that no other test exports."""
    forecast_id = f"tab{next(_tabs)}"
    sandbox.serve(forecast_id, CURRENT, b'{"entries": []}')
    return forecast_id


class Recorder(ThreadingHTTPServer):
    """Answers every call the same way and keeps each call's address and headers, which a sandbox does not show."""

    daemon_threads = True

    def __init__(self, status: int = 200, body: bytes = b"{}", headers: dict[str, str] | None = None) -> None:
        self.seen: list[tuple[str, dict[str, str]]] = []
        recorder = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                sent = {name.lower(): value for name, value in self.headers.items()}
                recorder.seen.append((self.path, sent))
                said = body.replace(b"{sent}", repr(sent).encode())
                self.send_response(status)
                for name, value in {**(headers or {}), "Content-Length": str(len(said))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, *_: object) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v4"

    def __enter__(self) -> "Recorder":
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()
