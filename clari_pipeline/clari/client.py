"""Clari's calls, typed. Calls that are safe to repeat are repeated; the export call is not."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from copy import copy
from dataclasses import dataclass
from time import monotonic
from types import TracebackType
from typing import Any, Literal, Protocol, Self, TypeVar

import httpx
from pydantic import SecretStr

from clari_pipeline.clari.circuit import Circuit
from clari_pipeline.clari.errors import (
    AnswerLost,
    ClariDown,
    ClariError,
    ClariUnreachable,
    LinkAstray,
    RateLimited,
    ServerFault,
    UnexpectedAnswer,
    refusal,
)
from clari_pipeline.clari.keys import KeyAuth, KeySource, Unkeyed
from clari_pipeline.clari.models import ExportRequest, Job, Limits, offered_types
from clari_pipeline.clari.paths import segment
from clari_pipeline.clari.reading import (
    is_web_page,
    json_of,
    refuse_too_large,
    refuse_web_page,
    typed,
    unwrapped,
)
from clari_pipeline.clari.tls import tls_context
from clari_pipeline.retrying import retry_context

_LONGEST_WAIT_S = 60.0
_CONNECT_TIMEOUT_S = 10.0
_PROBE_TIMEOUT_S = 10.0
_SLOWEST_BYTES_PER_S = 1024
_Result = TypeVar("_Result")
RetryHook = Callable[[str, str], None]
"""Given the call that is made once more, and why."""


@dataclass(frozen=True, slots=True)
class Retry:
    """How often a call is tried and how long is waited between: exponential, with jitter, in seconds.

    After `patience_s` no further try is begun, unless Clari only asks to come back later (429).
    """

    attempts: int = 10
    first_wait_s: float = 0.1
    max_wait_s: float = 5.0
    patience_s: float = 45.0


class _Patience:
    """How long a call is tried: so many seconds since it began, or since a try that made progress."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._since = monotonic()
        self._has_progressed = False

    def renew(self) -> None:
        """This try makes progress."""
        self._has_progressed = True

    def is_over(self) -> bool:
        """Whether, after this try, no further one is worth it."""
        if self._has_progressed:
            self._since, self._has_progressed = monotonic(), False
            return False
        return monotonic() - self._since > self._seconds


class ResultSink(Protocol):
    """Takes a document's bytes; `restart` means that they come anew from the first."""

    def write(self, chunk: bytes) -> object:
        """Take the next bytes."""
        ...

    def restart(self) -> None:
        """Forget what came so far."""
        ...


class ClariClient:
    """One connection pool to Clari. The key travels in a header and stands nowhere else.

    One that comes from a source may be replaced at any time: the next call carries the new one.
    """

    def __init__(
        self,
        *,
        base_url: str,
        api_key: SecretStr | KeySource,
        auth_scheme: Literal["apikey", "bearer"] = "apikey",
        request_timeout_s: float = 30,
        retry: Retry | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._key = KeyAuth(api_key, auth_scheme)
        self._retry = retry or Retry()
        self._request_timeout_s = request_timeout_s
        self._circuit = Circuit()
        self._on_retry: RetryHook = lambda _call, _cause: None
        self.date: str | None = None
        """What Clari's clock said in its newest answer, as HTTP writes moments."""
        self._http = httpx.AsyncClient(
            auth=self._key,
            timeout=httpx.Timeout(request_timeout_s, connect=min(request_timeout_s, _CONNECT_TIMEOUT_S)),
            follow_redirects=False,  # a redirect would carry the key to another host
            transport=transport,
            verify=tls_context(),
            trust_env=True,
        )

    def __repr__(self) -> str:
        return f"ClariClient({self._base_url!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    def heard_by(self, on_retry: RetryHook) -> Self:
        """The same client, same connections and circuit, that tells of each call that it makes once more."""
        heard = copy(self)
        heard._on_retry = on_retry
        return heard

    async def limits(self) -> Limits:
        """What Clari leaves free of concurrency and quota."""
        answer = await self._ask("limits", "GET", "/admin/limits")
        return typed("limits", Limits, answer.get("jobs", answer) if isinstance(answer, dict) else answer)

    async def types(self) -> tuple[str, ...]:
        """The types that Clari offers for export. Not every organisation's Clari knows the call: `ClariRefused`."""
        return offered_types(await self._ask("types", "GET", "/forecast/types"))

    async def submit_export(self, request: ExportRequest) -> str:
        """Queue an export; the job's id.

        Clari has no idempotency key, so it is asked again only where nothing can have been queued: 429, and a
        connection that was refused. Any other silence raises `AnswerLost`.
        """
        call = f"export of {request.forecast_id} {request.time_period}"
        answer = await self._repeated(call, _was_not_queued, lambda: self._submit(call, request))
        if isinstance(answer, dict) and (job_id := answer.get("jobId")):
            return str(job_id)
        raise AnswerLost(f"{call}: Clari's answer names no job")

    async def job(self, job_id: str) -> Job:
        """How a job stands. In production it comes wrapped [gitlab, posthog], in the description bare [spec]."""
        call = f"status of job {job_id}"
        job = unwrapped(await self._ask(call, "GET", f"/export/jobs/{segment(job_id)}"))
        return typed(call, Job, {"jobId": job_id, **job} if isinstance(job, dict) else job)

    async def jobs(self) -> list[Job]:
        """The token's jobs, without entries that cannot be read; a list of which nothing can be read is none."""
        answer = await self._ask("list of jobs", "GET", "/export/jobs")
        listed = answer.get("jobs") if isinstance(answer, dict) else answer
        if not isinstance(listed, list):
            raise UnexpectedAnswer("list of jobs: Clari's answer is no list")
        jobs, odd = [], None
        for entry in listed:
            try:
                jobs.append(typed("list of jobs", Job, unwrapped(entry)))
            except UnexpectedAnswer as error:
                odd = error
        if odd is not None and not jobs:
            raise odd
        return jobs

    async def answer(self, call: str, path: str) -> tuple[bytes, Any]:
        """A call that is safe to repeat: the answer as Clari sent it, and its JSON. `path` may be a link of Clari's."""
        return await self._repeated(call, _is_passing, lambda: self._read(call, "GET", path, None))

    def linked(self, call: str, link: str, *, on: str = "") -> str:
        """The address of a link that Clari gave on a page of that path or address, resolved against it (RFC 3986).

        One that names the page's own path as Clari's documents do, `/audit/events`, is meant below the base URL.
        Raises `LinkAstray` where it leads to another host, or out of TLS: the key would travel there.
        """
        ours = httpx.URL(self._base_url)
        try:
            page = httpx.URL(f"{self._base_url}{on}" if on.startswith("/") else on or self._base_url)
            theirs = page.join(link)
            if theirs.path == page.path.removeprefix(ours.path.rstrip("/")) and link.startswith("/"):
                theirs = theirs.copy_with(path=page.path)
        except (httpx.InvalidURL, UnicodeError) as error:
            raise LinkAstray(f"{call}: Clari's link is no address: ask Clari's support") from error
        if _origin(theirs) != _origin(ours) or theirs.userinfo:
            raise LinkAstray(
                f"{call}: Clari's link leads to {_shown(theirs, ours)}, away from {_shown(ours, theirs)}, and was not "
                "followed, since the key would travel there: check CLARI_BASE_URL"
            )
        return str(theirs)

    async def cancel(self, job_id: str) -> None:
        """Cancel a job, which frees quota. Raises `CancelFailed` where it had already ended."""
        await self._ask(f"cancelling of job {job_id}", "PATCH", f"/export/jobs/{segment(job_id)}", {"type": "CANCEL"})

    async def download(self, job_id: str, sink: ResultSink, *, max_bytes: int | None = None) -> int:
        """Stream a result into `sink`; its size in bytes. A body that is cut, or trickles, begins anew.

        Raises `ResultTooLarge` as soon as more than `max_bytes` are announced or have come.
        """
        call = f"result of job {job_id}"
        patience, unkeyed = _Patience(self._retry.patience_s), Unkeyed(sink, self._key.masked)
        size = await self._repeated(
            call, _is_passing, lambda: self._download(call, job_id, unkeyed, max_bytes, patience), patience
        )
        unkeyed.end()
        return size

    async def _download(
        self, call: str, job_id: str, sink: ResultSink, max_bytes: int | None, patience: _Patience
    ) -> int:
        sink.restart()
        size, begun = 0, monotonic()
        async with self._answer(call, "GET", f"/export/jobs/{segment(job_id)}/results") as response:
            announced = response.headers.get("content-length", "")
            refuse_too_large(call, int(announced) if announced.isdecimal() else 0, max_bytes)
            async for chunk in response.aiter_bytes():
                if size == 0:
                    refuse_web_page(call, response, chunk)
                size += len(chunk)
                refuse_too_large(call, size, max_bytes)
                sink.write(chunk)
                patience.renew()
                seconds = monotonic() - begun
                if seconds > self._request_timeout_s and size < seconds * _SLOWEST_BYTES_PER_S:
                    raise httpx.ReadTimeout("the body trickles")
        return size

    async def _submit(self, call: str, request: ExportRequest) -> Any:
        try:
            return (await self._read(call, "POST", request.path, request.body()))[1]
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise ClariUnreachable(f"{call}: no connection to {self._base_url}") from error
        except ServerFault as error:
            raise AnswerLost(str(error)) from error
        except (httpx.HTTPError, UnexpectedAnswer) as error:
            raise AnswerLost(f"{call}: Clari's answer was lost ({_cause(error)})") from error

    async def _ask(self, call: str, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """A call that is safe to repeat: its JSON."""
        return (await self._repeated(call, _is_passing, lambda: self._read(call, method, path, body)))[1]

    async def _read(self, call: str, method: str, path: str, body: dict[str, Any] | None) -> tuple[bytes, Any]:
        """An answer's bytes and its JSON; one that trickles is as good as none."""
        try:
            async with asyncio.timeout(2 * self._request_timeout_s), self._answer(call, method, path, body) as response:
                content = self._key.masked(await response.aread())
                return content, json_of(call, response, content)
        except TimeoutError as error:
            raise httpx.ReadTimeout("the answer trickles") from error

    async def _repeated(
        self,
        call: str,
        again: Callable[[Exception], bool],
        once: Callable[[], Awaitable[_Result]],
        patience: _Patience | None = None,
    ) -> _Result:
        """What `once` brings, tried as long as patience lasts; errors of the connection translated at the end.

        A call that is given up opens the circuit, unless Clari answers another one: then only this one is broken.
        """
        lasting, causes = patience or _Patience(self._retry.patience_s), deque[Exception](maxlen=1)

        def wait(error: Exception) -> bool | float:
            is_late = lasting.is_over() and not isinstance(error, RateLimited)
            if is_late or self._circuit.is_open or not again(error):
                return False
            causes.append(error)
            asked = error.retry_after_s if isinstance(error, RateLimited | ServerFault) else None
            return min(asked, _LONGEST_WAIT_S) if asked else True

        with self._circuit.guarding():
            try:
                async for attempt in retry_context(
                    on=wait,
                    attempts=self._retry.attempts,
                    timeout=None,
                    wait_initial=self._retry.first_wait_s,
                    wait_max=self._retry.max_wait_s,
                    wait_jitter=self._retry.first_wait_s,
                ):
                    if causes:
                        self._on_retry(call, _cause(causes.pop()))
                    with attempt, self._key.hiding():
                        return await once()
            except AnswerLost:
                raise
            except httpx.HTTPError as error:
                raise await self._given_up(ClariUnreachable(f"{call}: {self._silence(error)}")) from error
            except (ClariUnreachable, ServerFault) as error:
                raise await self._given_up(error) from error
        raise AssertionError("unreachable")

    async def _given_up(self, error: ClariError) -> ClariError:
        """The error, or `ClariDown` where nothing else is answered either."""
        if not self._circuit.is_open and await self._is_answering():
            return error
        return ClariDown(f"{self._base_url} is down: {error}; run again later, what has begun is continued")

    async def _is_answering(self) -> bool:
        """Whether Clari answers another call: two are tried at once, each once."""

        async def answers(path: str) -> bool:
            try:
                async with asyncio.timeout(min(self._request_timeout_s, _PROBE_TIMEOUT_S)):
                    answer = await self._http.get(f"{self._base_url}{path}")
            except (httpx.HTTPError, TimeoutError):
                return False
            return answer.status_code < 500 and not is_web_page(answer.content)

        return any(await asyncio.gather(answers("/admin/limits"), answers("/export/jobs")))

    def _address(self, call: str, path: str) -> str:
        return f"{self._base_url}{path}" if path.startswith("/") else self.linked(call, path)

    def _silence(self, error: Exception) -> str:
        return f"{self._base_url} does not answer ({_cause(error)})"

    @asynccontextmanager
    async def _answer(
        self, call: str, method: str, path: str, body: dict[str, Any] | None = None
    ) -> AsyncIterator[httpx.Response]:
        async with self._http.stream(method, self._address(call, path), json=body) as response:
            self.date = response.headers.get("date", self.date)
            if response.status_code >= 300:
                said = self._key.masked(await response.aread())
                raise refusal(call, response.status_code, response.headers, said)
            yield response


def _origin(address: httpx.URL) -> tuple[str, str, int | None]:
    return address.scheme, address.host, address.port


def _shown(address: httpx.URL, other: httpx.URL) -> str:
    """Its host; where the other has the same one, what else tells them apart."""
    return address.host or "nowhere" if address.host != other.host else f"{address.scheme}://{address.netloc.decode()}"


def _is_passing(error: Exception) -> bool:
    """Whether the same call may well succeed a moment later."""
    return isinstance(error, RateLimited | ServerFault | UnexpectedAnswer | httpx.RequestError)


def _was_not_queued(error: Exception) -> bool:
    """Whether the export call has certainly queued nothing."""
    return isinstance(error, RateLimited) or (isinstance(error, ClariUnreachable) and not isinstance(error, AnswerLost))


def _cause(error: Exception) -> str:
    match error:
        case httpx.ConnectTimeout() | httpx.ConnectError():
            return "no connection"
        case httpx.TimeoutException():
            return "timed out"
        case ClariError():
            return str(error)
        case _:
            return "connection broken"
