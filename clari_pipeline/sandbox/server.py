"""The sandbox's HTTP server: Clari's endpoints on a loopback address, for an invented company."""

import json
import os
import socket
import threading
import time
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import format_datetime
from itertools import count
from typing import NamedTuple, Self, cast

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from .activity import activity_document
from .answers import (
    Connection,
    DeliveryTracker,
    Fault,
    error_answer,
    gateway_refusal,
    json_or_bytes,
    quota_reached,
    refusal,
    unknown_forecast,
)
from .audit import AuditLog
from .chaos import Chaos, ChaosDraws
from .company import FORECASTS, Company, Order
from .documents import TYPES, long_csv
from .draws import draw
from .faults import TABLE, Scenario
from .jobs import MOMENT, READY, Export, Job, JobBehaviour, JobStore, Result
from .products import audit_page, opportunities, read_activity
from .status_page import status_page
from .submission import RefusedError, document, read_submission

CALLS = frozenset(
    {"limits", "submit", "status", "jobs", "results", "cancel", "current", "types", "audit", "activity", "opportunity"}
)
PIECE = 1 << 16  # bytes of a chunk of a response

Handler = Callable[[Request], Awaitable[Response]]


class ReceivedRequest(NamedTuple):
    """A received request; `body` is as `json_or_bytes` decodes it."""

    method: str
    path: str
    body: object


class Sandbox:
    """A Clari API for one invented company. A scenario set while it runs applies from the next request.

    `chaos` are the fault rates of the scenario of that name, from the next time that it is set.

    Figures depend on the seed, the number of people and the date of `now()`, which is also the start of a job. A job's
    progress, and how long other users hold slots, are read from `clock` (seconds), so that a test can advance time. A
    document is written by a thread, and its job is not done before that; with `write_at_once` it is written before the
    job is accepted. `job_seconds` is the duration of a job.
    """

    def __init__(
        self,
        *,
        scenario: str = "calm",
        chaos: Chaos | None = None,
        seed: int = 7,
        people: int = 40,
        port: int = 0,
        now: Callable[[], datetime] | None = None,
        clock: Callable[[], float] = time.monotonic,
        write_at_once: bool = False,
        job_seconds: float = 0.4,
        fiscal_year_start_month: int = 1,
        concurrent_limit: int = 3,
        monthly_quota: int = 1000,
    ) -> None:
        self.seed = seed
        self.chaos = chaos or Chaos()
        self.now = now or (lambda: datetime.now(UTC))
        self.clock = clock
        self.job_seconds = job_seconds
        self.api_key = f"sandbox-key-{draw(seed, 'key'):016x}"
        self.base_url = self.status_url = ""
        self.requests: deque[ReceivedRequest] = deque(maxlen=10_000)
        self.scenario = scenario
        self._port = port
        self._company = Company(seed=seed, people=people, fiscal_year_start_month=fiscal_year_start_month)
        self._jobs = JobStore(
            concurrent_limit=concurrent_limit, monthly_quota=monthly_quota, clock=clock, write_at_once=write_at_once
        )
        self._log = AuditLog(seed, self._company.people)
        self._numbers = count(1)
        self._faults: defaultdict[str, deque[Fault]] = defaultdict(deque)
        self._asked: dict[tuple[str, str], Job | None] = {}
        """By requested forecast and quarter: another user's job, None until it is first listed; it never ends."""
        self._served: dict[tuple[str, str], tuple[bytes, str]] = {}
        self._served_now: dict[tuple[str, str], bytes] = {}
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def scenario(self) -> str:
        """The name of the current one of `SCENARIOS`; setting an unknown one raises `ValueError`."""
        return self._scenario_name

    @scenario.setter
    def scenario(self, name: str) -> None:
        if name not in TABLE:
            raise ValueError(f"No scenario is called {name!r}. There are: {', '.join(TABLE)}.")
        self._scenario_name = name
        self._scenario_since = self.clock()
        self._chaos_draws = (
            ChaosDraws(self.chaos, self.seed if self.chaos.seed is None else self.chaos.seed)
            if TABLE[name].chaos
            else None
        )

    @property
    def _scenario(self) -> Scenario:
        return TABLE[self._scenario_name]

    @property
    def jobs(self) -> tuple[Export, ...]:
        """Snapshots of all accepted exports, in the order of acceptance."""
        counted = {job.id for job in self._jobs.counted(self._now())}
        return tuple(job.seen(counted=job.id in counted) for job in self._jobs.by_id.values())

    def fail_next(self, call: str, faults: Sequence[str | Fault]) -> None:
        """Queue faults (`Fault.read`): each following request of that call gets the next one."""
        if call not in CALLS:
            raise ValueError(f"No call is called {call!r}. There are: {', '.join(sorted(CALLS))}.")
        self._faults[call].extend(Fault.read(fault) if isinstance(fault, str) else fault for fault in faults)

    def serve(self, forecast_id: str, time_period: str, body: bytes, file_type: str = "JSON") -> None:
        """Let every following export of that forecast and quarter deliver exactly these bytes."""
        self._served[forecast_id, time_period] = (body, file_type)

    def screen(self, forecast_id: str) -> Iterator[bytes]:
        """Yield the CSV that a manager exports from Clari's screen: the current quarter, without a job."""
        today = self._now().date()
        exported = self._company.export(Order(forecast_id, self._company.current(today), today))
        return (piece.encode() for piece in long_csv(exported, TYPES, from_screen=True))

    def serve_current(self, forecast_id: str, time_period: str, body: bytes) -> None:
        """Let the call without a job answer exactly these bytes for that forecast and quarter from now on."""
        self._served_now[forecast_id, time_period] = body

    # Running

    def start(self) -> None:
        """Serve from a thread; returns once it accepts connections. Raises `OSError` if the port is taken."""
        try:
            listener = socket.create_server(("127.0.0.1", self._port))
        except OSError as error:
            message = f"The sandbox cannot have port {self._port} on this machine: {os.strerror(error.errno or 0)}."
            raise OSError(error.errno, f"{message} Name another one, or 0 for any that is free.") from error
        origin = f"http://127.0.0.1:{listener.getsockname()[1]}"
        self.base_url, self.status_url = f"{origin}/v4", f"{origin}/api/v2/summary.json"
        config = uvicorn.Config(
            self._application(),
            http=Connection,
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="critical",
            access_log=False,
            date_header=False,  # set by `_guarded`, from the sandbox's clock
            timeout_graceful_shutdown=1,
        )
        self._scenario_since = self.clock()
        self._jobs.open()
        self._server = server = uvicorn.Server(config)
        self._thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="sandbox", daemon=True)
        self._thread.start()
        while not server.started:
            if not self._thread.is_alive():
                raise OSError("The sandbox could not be started.")
            time.sleep(0.002)

    def stop(self) -> None:
        """Close the connections and the port; does nothing where it is not running."""
        if self._server is None or self._thread is None:
            return
        self._server.should_exit = self._server.force_exit = True
        self._thread.join()
        self._server = self._thread = None
        self._jobs.close()

    def run_forever(self) -> None:
        """Block until Ctrl-C, then stop."""
        try:
            while self._thread is not None and self._thread.is_alive():
                self._thread.join(0.5)
        except KeyboardInterrupt:
            pass
        finally:
            self.stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # Answering

    def _application(self) -> Starlette:
        def route(call: str, path: str, method: str, handler: Handler) -> Route:
            return Route(f"/v4{path}", self._guarded(call, handler), methods=[method])

        return Starlette(
            routes=[
                route("submit", "/export/forecast/{forecast_id:path}", "POST", self._submit),
                route("jobs", "/export/jobs", "GET", self._list_jobs),
                route("results", "/export/jobs/{job_id}/results", "GET", self._results),
                route("status", "/export/jobs/{job_id}", "GET", self._status),
                route("cancel", "/export/jobs/{job_id}", "PATCH", self._cancel),
                route("limits", "/admin/limits", "GET", self._limits),
                route("audit", "/audit/events", "GET", self._audit),
                route("activity", "/export/activity", "POST", self._submit_activity),
                route("opportunity", "/opportunity", "GET", self._opportunities),
                route(
                    "types", "/forecast/types", "GET", _no_such_path
                ),  # undocumented; 404 unless a test injects a response
                Route("/api/v2/summary.json", self._status_page),  # of another host, which asks for no key
                route("current", "/forecast/{forecast_id:path}", "GET", self._current),
                Route("/{path:path}", self._guarded("", _no_such_path), methods=["GET", "POST", "PUT", "PATCH"]),
            ]
        )

    def _guarded(self, call: str, handler: Handler) -> Handler:
        """Wrap a handler: record the request, inject its fault, check the key, and set the `Date` header."""

        async def answer(request: Request) -> Response:
            seen = ReceivedRequest(request.method, request.url.path, json_or_bytes(await request.body()))
            self.requests.append(seen)
            job = self._jobs.by_id.get(request.path_params.get("job_id", ""))
            fault = self._next_fault(call, request, seen.body, job)
            instead = await fault.instead()
            if instead is not None:
                return instead
            bearer = f"Bearer {self.api_key}"
            if request.headers.get("apikey") != self.api_key and request.headers.get("authorization") != bearer:
                return gateway_refusal(401, "Invalid authentication credentials")
            response = await handler(request)
            damaged = fault.damaged(response)
            delivers = call == "results" and response.status_code == 200 and not fault.withholds
            return DeliveryTracker(damaged, job.note_delivery) if job and delivers else damaged

        async def dated(request: Request) -> Response:
            response = await answer(request)
            response.headers["date"] = format_datetime(self._now(), usegmt=True)
            return response

        return dated

    def _next_fault(self, call: str, request: Request, body: object, job: Job | None) -> Fault:
        period = (body if isinstance(body, dict) else request.query_params).get("timePeriod")
        asked = (str(request.path_params.get("forecast_id")), str(period))
        if call == "submit":
            self._asked.setdefault(asked, None)
        if self._faults[call]:
            return self._faults[call].popleft()
        if self._chaos_draws:
            return self._chaos_draws.request(call, (job.forecast_id, job.period_id, job.earlier) if job else asked)
        traffic = self._scenario.traffic
        text = traffic(self.seed, next(self._numbers)) if traffic else None
        return Fault.read(text or "none")

    async def _submit(self, request: Request) -> Response:
        forecast_id = request.path_params["forecast_id"]
        if not forecast_id:
            return refusal(400, "missing_forecast_id", "The forecastId parameter is required.", "fcw")
        if forecast_id not in FORECASTS and not any(forecast_id == served for served, _ in self._served):
            return unknown_forecast(forecast_id)
        now = self._now()
        try:
            asked = read_submission(await request.body(), forecast_id, now.date(), self._company, self._scenario)
        except RefusedError as refused:
            return cast(Response, refused.args[0])
        order, scenario = asked.order, self._scenario
        which = (forecast_id, order.quarter.id)
        if self._chaos_draws:
            scenario = self._chaos_draws.job(*which, self._jobs.exports_of(*which))
        if self._company.current(now.date()).index - order.quarter.index not in scenario.hits:
            scenario = TABLE["calm"]
        body, file_type = self._served.get(which, (None, asked.file_type))
        job = Job(*which, scenario.behaviour, now, self.job_seconds, self.clock, file_type, order.currency)
        return self._queued(job, document(self._company, asked, scenario) if body is None else lambda: [body])

    async def _current(self, request: Request) -> Response:
        """Answer with the newest week at once: no job, no quota, and also the types that exports refuse."""
        scenario, forecast_id = self._scenario, request.path_params["forecast_id"]
        if not scenario.has_current_call:
            return await _no_such_path(request)
        if forecast_id not in FORECASTS and not any(forecast_id == served for served, _ in self._served_now):
            return unknown_forecast(forecast_id)
        today = self._now().date()
        asked: dict[str, object] = {
            **request.query_params,
            "typesToExport": request.query_params.getlist("typesToExport"),
        }
        try:
            submission = read_submission(
                json.dumps(asked).encode(), forecast_id, today, self._company, replace(scenario, forbidden=frozenset())
            )
        except RefusedError as refused:
            return cast(Response, refused.args[0])
        if self._company.current(today).index - submission.order.quarter.index not in scenario.hits:
            scenario = TABLE["calm"]
        body = self._served_now.get((forecast_id, submission.order.quarter.id))
        body = b"".join(document(self._company, submission, scenario)()) if body is None else body
        kind = "text/csv" if submission.file_type == "CSV" else "application/json"
        return Response(body, media_type=kind)

    async def _submit_activity(self, request: Request) -> Response:
        now = self._now()
        try:
            days, behaviour, found = read_activity(await request.body(), self._company, self._scenario, now)
        except RefusedError as refused:
            return cast(Response, refused.args[0])
        job = Job("activity", days, behaviour, now, self.job_seconds, self.clock)
        return self._queued(job, lambda: activity_document(found), status=202)

    def _queued(self, job: Job, chunks: Callable[[], Iterable[bytes]], status: int = 200) -> Response:
        if not all(self._left(job.started)):
            return quota_reached(self._jobs.monthly_quota, self._jobs.concurrent_limit)
        return JSONResponse({"jobId": self._jobs.add(job, chunks).id}, status)

    async def _audit(self, request: Request) -> Response:
        return audit_page(request.query_params, self._log, self._scenario.audit, self._now(), self.base_url)

    async def _opportunities(self, request: Request) -> Response:
        return opportunities(request.query_params.getlist("oppId"), self._company, self._now().date())

    async def _list_jobs(self, request: Request) -> Response:
        """The listed jobs, newest first: a bare list, or a page of it."""
        how = self._chaos_draws or self._scenario
        jobs = list(self._jobs.by_id.values())[::-1]
        if how.has_foreign_jobs:
            for which, other in self._asked.items():
                self._asked[which] = other or Job(
                    *which, JobBehaviour(("SCHEDULED", "STARTED")), self._now(), 1, self.clock
                )
            jobs = [*filter(None, self._asked.values()), *jobs]
        shown = [job.described for job in jobs if job.is_listed]
        if how.page is None:
            return JSONResponse(shown)
        skip = int(request.query_params.get("skip", 0))
        end = skip + how.page
        more = {"nextLink": f"{self.base_url}/export/jobs?skip={end}"} if end < len(shown) else {}
        return JSONResponse({"jobs": shown[skip:end], **more})

    async def _status(self, request: Request) -> Response:
        job_id = request.path_params["job_id"]
        job = self._jobs.by_id.get(job_id)
        if any(other.id == job_id for other in self._asked.values() if other):
            return error_answer(403)
        if job is None:
            return refusal(400, "SWW", "Something went wrong: there is no such job.")
        if job.behaviour.hidden:
            return error_answer(404)
        return JSONResponse({"job": job.described} if job.behaviour.wrapped else job.described)

    async def _results(self, request: Request) -> Response:
        job = self._jobs.by_id.get(request.path_params["job_id"])
        if job is None or job.status not in READY:
            message = "Cannot retrieve data for job because it has not finished executing."
            return refusal(400, "invalid_jobId", message if job else "There is no such job.")
        if job.expired:
            return refusal(400, "invalid_jobId", "Cannot retrieve data for job because its results have expired.")
        job.downloads += 1
        result = job.result.result()
        kind = "text/csv" if job.file_type == "CSV" else "application/json"
        return StreamingResponse(_pieces(result), headers={"content-length": str(result.size)}, media_type=kind)

    async def _cancel(self, request: Request) -> Response:
        job = self._jobs.by_id.get(request.path_params["job_id"])
        asked = json_or_bytes(await request.body())
        if job is None:
            return refusal(400, "invalid_jobId", "There is no such job.")
        if asked != {"type": "CANCEL"}:
            return refusal(400, "bad_request", "Only the type CANCEL is supported.")
        if not job.cancel():
            message = "Cannot cancel the job because it already finished executing."
            return refusal(400, "export_failed_to_cancel", message)
        return JSONResponse({"status": job.status, "successful": True})

    async def _status_page(self, request: Request) -> Response:
        self.requests.append(ReceivedRequest(request.method, request.url.path, None))
        return JSONResponse(status_page(self._now(), is_down=self._scenario.is_down))

    async def _limits(self, _request: Request) -> Response:
        now = self._now()
        places, exports = self._left(now)
        running = [job.id for job in self._jobs.unfinished() if job.status != "SCHEDULED"] + self._others()
        submitted = [job.id for job in self._jobs.counted(now)]
        if self._scenario.quota_used_up:
            others = self._jobs.monthly_quota - len(submitted)
            submitted += [f"{number:024x}" for number in range(others)]
        jobs = {
            "concurrentLimit": self._jobs.concurrent_limit,
            "monthlyQuota": self._jobs.monthly_quota,
            **({"runningJobIds": running} if running else {}),
            "submittedJobIds": submitted,
            "availableConcurrentLimit": places,
            "availableMonthlyQuota": exports,
        }
        return JSONResponse({"jobs": jobs})

    def _now(self) -> datetime:
        """The sandbox's time, UTC, with the scenario's clock skew."""
        return self.now().astimezone(UTC) + (self._chaos_draws or self._scenario).ahead

    def _others(self) -> list[str]:
        """The ids of other users' running jobs: as many as the concurrent limit, or none."""
        jobs_long = (self.clock() - self._scenario_since) / max(self.job_seconds, MOMENT)
        taken = jobs_long < self._scenario.slots_taken or (
            self._chaos_draws and self._chaos_draws.slots_taken(jobs_long)
        )
        return [f"{number:024x}" for number in range(self._jobs.concurrent_limit if taken else 0)]

    def _left(self, now: datetime) -> tuple[int, int]:
        """Free slots, and exports left of the monthly quota."""
        places = self._jobs.concurrent_limit - len(self._jobs.unfinished()) - len(self._others())
        exports = 0 if self._scenario.quota_used_up else self._jobs.monthly_quota - len(self._jobs.counted(now))
        return max(places, 0), max(exports, 0)


async def _no_such_path(_request: Request) -> Response:
    return gateway_refusal(404, "no Route matched with those values")


async def _pieces(result: Result) -> AsyncIterator[bytes]:
    for place in range(0, result.size, PIECE):
        yield result.read(place, PIECE)
