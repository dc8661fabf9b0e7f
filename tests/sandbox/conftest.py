import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from typing import Any

import httpx
import pytest

from clari_pipeline.sandbox import Sandbox
from tests.helpers.fake_clock import FakeClock

NOW = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)
CURRENT, NEWEST_PAST, OLDER = "2026_Q4", "2026_Q3", "2026_Q2"
WEEK = "TF:2026-11-18"  # the newest that has begun, the eighth
ALL_TYPES = ["forecast", "forecast_updated", "quota", "adjustment", "crm_total", "crm_closed"]
TRUST = ssl.create_default_context()  # read once: every client would read the certificates anew
Clock = partial(FakeClock, NOW)  # seconds that pass when the test says so, and the wall clock goes along
FINISHED = {"DONE", "COMPLETED", "FAILED", "CANCELLED", "ABORTED"}


class Caller:
    """Talks to a sandbox the way anybody would: over HTTP, with its key."""

    def __init__(self, sandbox: Sandbox, http: httpx.Client) -> None:
        self.sandbox = sandbox
        self.http = http

    def submit(self, period: str = CURRENT, forecast: str = "total_new", **more: Any) -> httpx.Response:
        body = {"timePeriod": period, "typesToExport": ALL_TYPES, "includeHistorical": True} | more
        return self.http.post(f"/export/forecast/{forecast}", json=body)

    def status(self, job_id: str) -> dict[str, Any]:
        answer = self.http.get(f"/export/jobs/{job_id}").json()
        return answer.get("job", answer)

    def finished(self, job_id: str, patience: float = 5) -> dict[str, Any]:
        until = time.monotonic() + patience
        while (job := self.status(job_id))["status"] not in FINISHED:
            assert time.monotonic() < until, job
            time.sleep(0.003)
        return job

    def results(self, job_id: str) -> httpx.Response:
        return self.http.get(f"/export/jobs/{job_id}/results")

    def export(self, period: str = CURRENT, **more: Any) -> bytes:
        job_id = self.submit(period, **more).json()["jobId"]
        assert self.finished(job_id)["status"] in {"DONE", "COMPLETED"}
        answer = self.results(job_id)
        assert answer.status_code == 200, answer.text
        return answer.content

    def document(self, period: str = CURRENT, **more: Any) -> dict[str, Any]:
        # Amounts as text: what matters is which characters came.
        return httpx.Response(200, content=self.export(period, **more)).json(parse_float=str)


@pytest.fixture
def open_sandbox() -> Iterator[Callable[..., Caller]]:
    """Starts sandboxes of the same morning, on free ports, and stops them after the test."""
    with ExitStack() as stack:

        def opened(scenario: str = "calm", **more: Any) -> Caller:
            settings: dict[str, Any] = {"now": lambda: NOW, "job_seconds": 0.02} | more
            sandbox = stack.enter_context(Sandbox(scenario=scenario, **settings))
            http = httpx.Client(base_url=sandbox.base_url, headers={"apikey": sandbox.api_key}, verify=TRUST)
            return Caller(sandbox, stack.enter_context(http))

        yield opened


@pytest.fixture(scope="module")
def _lasting() -> Iterator[Caller]:
    with (
        Sandbox(now=lambda: NOW, job_seconds=0.02, concurrent_limit=1000) as sandbox,
        httpx.Client(base_url=sandbox.base_url, headers={"apikey": sandbox.api_key}, verify=TRUST) as http,
    ):
        yield Caller(sandbox, http)


@pytest.fixture
def in_scenario(_lasting: Caller) -> Iterator[Callable[[str], Caller]]:
    """Gives the module's one sandbox a scenario for this test: starting and stopping takes longer than an export."""

    def changed(scenario: str) -> Caller:
        _lasting.sandbox.scenario = scenario
        return _lasting

    yield changed
    _lasting.sandbox.scenario, _lasting.sandbox.now = "calm", lambda: NOW


@pytest.fixture
def calm(in_scenario: Callable[[str], Caller]) -> Caller:
    return in_scenario("calm")
