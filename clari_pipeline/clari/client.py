"""A typed client of Clari's API. Idempotent calls are retried; the export call only where it queued nothing."""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from copy import copy
from dataclasses import dataclass, field, replace
from functools import partial
from time import monotonic
from typing import Any, Literal, Self, TypeVar

import httpx
from pydantic import SecretStr, ValidationError

from clari_pipeline.clari import connecting, errors
from clari_pipeline.clari.bodies import ENCODINGS, LARGEST_ERROR, Body, ResultSink
from clari_pipeline.clari.keys import KeyAuth, KeySource
from clari_pipeline.clari.models import ExportRequest, Job, JobState, Limits, path_segment
from clari_pipeline.clari.retries import Circuit, Retry, RetryDeadline, cause_of, is_passing, was_not_queued
from clari_pipeline.clari.status_page import outage_note
from clari_pipeline.clari.tls import tls_context
from clari_pipeline.core.envelopes import ErrorDetails, find_error, find_error_in_body
from clari_pipeline.core.retrying import retry_context

_LARGEST_ANSWER = 16 << 20  # bytes of a response other than a document's
_MOST_COPIES = 4  # downloads of a document without proof that it is complete
_MOST_EMPTY, _MOST_PAGES = 10, 10_000  # in a row; in all
_CONNECT_TIMEOUT_S = 10.0
_PROBE_TIMEOUT_S = 10.0
_SLOWEST_BYTES_PER_S = 1024
_Result = TypeVar("_Result")
_Typed = TypeVar("_Typed", Job, Limits)
RetryHook = Callable[[str, str], None]
"""Called before a retry, with the name of the call and the cause."""


@dataclass(frozen=True, slots=True)
class Download:
    """A downloaded document: `size` in bytes, decompressed.

    `is_whole`: it is proved complete. `digest` is its SHA-256, None unless a single download had no such proof. `date`
    is the `Date` header of the response.
    """

    size: int
    digest: str | None = None
    is_whole: bool = True
    date: str | None = field(default=None, compare=False)


class ClariClient:
    """A client with one connection pool and one circuit breaker. The key is sent in a header, and appears nowhere else.

    A key from a `KeySource` can be rotated at any time: the next call sends the new one. Every call raises
    `ClariError`.
    """

    def __init__(
        self,
        *,
        base_url: str,
        api_key: SecretStr | KeySource,
        auth_scheme: Literal["apikey", "bearer"] = "apikey",
        request_timeout_s: float = 30,
        status_url: str | None = None,
        retry: Retry | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._key = KeyAuth(api_key, auth_scheme)
        self._retry = retry or Retry()
        self._request_timeout_s = request_timeout_s
        self._circuit = Circuit()
        self._on_retry: RetryHook = lambda _call, _cause: None
        self._status_url = status_url
        self._newest_date = deque[str](maxlen=1)  # shared with the copies of `with_retry_hook`
        self._outage_note = deque[str](maxlen=1)  # likewise
        self._http = httpx.AsyncClient(
            auth=self._key,
            headers={"Accept-Encoding": ENCODINGS},
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

    async def __aexit__(self, *_error: object) -> None:
        await self._http.aclose()

    @property
    def date(self) -> str | None:
        """The `Date` header of Clari's newest response; None before the first."""
        return self._newest_date[0] if self._newest_date else None

    def with_retry_hook(self, on_retry: RetryHook) -> Self:
        """A copy that shares connections and circuit breaker, and calls the hook before each retry."""
        hooked = copy(self)
        hooked._on_retry = on_retry  # noqa: SLF001 - a copy of itself
        return hooked

    async def limits(self) -> Limits:
        """The concurrency limit and export quota, and what is left of them."""
        _, answer = await self._ask("limits", "GET", "/admin/limits")
        return _typed("limits", Limits, answer.get("jobs", answer) if isinstance(answer, dict) else answer)

    async def types(self) -> tuple[str, ...]:
        """The export types that Clari offers, in lower case. Raises `ClariRefused` where it does not have the endpoint.

        The response is undocumented: accepted are a list of names, or of objects with a `type`, `name` or `id`, bare or
        as a value of an object.
        """
        _, answer = await self._ask("types", "GET", "/forecast/types")
        if isinstance(answer, dict):
            answer = next((value for value in answer.values() if isinstance(value, list)), [])
        names = []
        for entry in answer if isinstance(answer, list) else []:
            keys = [key for key in ("type", "name", "id") if key in entry] if isinstance(entry, dict) else []
            names.append(entry[keys[0]] if keys else entry)
        return tuple(name.strip().lower() for name in names if isinstance(name, str))

    async def submit_export(self, request: ExportRequest) -> str:
        """Queue an export; returns the job's id.

        Clari has no idempotency key: the call is retried only where no job can have been queued, after 429 or a refused
        connection. Any other missing or unreadable response raises `AnswerLost`.
        """
        call = f"export of {request.forecast_id} {request.time_period}"
        return await self._repeated(call, was_not_queued, lambda: self._submit(call, request), needs_good_key=True)

    async def job(self, job_id: str, *, within_s: float | None = None) -> Job:
        """The status of a job. In production it is wrapped in `job` [gitlab, posthog], in the description bare [spec].

        Retried for `within_s` seconds at most. Raises `ErrorAsAnswer` where every attempt returns an error envelope.
        """
        call = f"status of job {job_id}"
        deadline, path = RetryDeadline(self._retry, within_s), f"/export/jobs/{path_segment(job_id)}"
        job = _unwrapped((await self._ask(call, "GET", path, refuse=_refuse_error_as_job, deadline=deadline))[1])
        return _typed(call, Job, {"jobId": job_id, **job} if isinstance(job, dict) else job)

    async def jobs(self) -> list[Job]:
        """The key's jobs, of all pages, without unreadable entries. Raises `UnexpectedAnswer` if all are."""
        jobs, unreadable = [], None
        async for _page, listed in self.pages("list of jobs", "/export/jobs", ("jobs", "items"), needs_good_key=True):
            for entry in listed:
                try:
                    jobs.append(_typed("list of jobs", Job, _unwrapped(entry)))
                except errors.UnexpectedAnswer as error:
                    unreadable = error
        if unreadable is not None and not jobs:
            raise unreadable
        return jobs

    async def pages(
        self, name: str, address: str, lists: tuple[str, ...], *, needs_good_key: bool = False
    ) -> AsyncIterator[tuple[bytes, list[Any]]]:
        """Yield each page's bytes and its list, bare or under one of the keys `lists`; `nextLink` names the next page.

        Links are followed on Clari's own host only; `needs_good_key` as for `answer`. Raises `LinkAstray` for a link to
        another host, to a page already read, after 10 empty pages in a row or 10,000 in all; `UnexpectedAnswer` for a
        page without a list.
        """
        seen = set[str]()
        number = empty = 0
        while True:
            number += 1
            call = f"{name}, page {number}"
            page, answer = await self.answer(call, address, needs_good_key=needs_good_key)
            listed = next((answer[key] for key in lists if key in answer), None) if isinstance(answer, dict) else answer
            if not isinstance(listed, list):
                raise errors.UnexpectedAnswer(f"{call}: Clari's answer is not what it documents, at {lists[0]}")
            yield page, listed
            empty = 0 if listed else empty + 1
            following = answer.get("nextLink") if isinstance(answer, dict) else None
            if not following:
                return
            if not isinstance(following, str) or empty == _MOST_EMPTY or number == _MOST_PAGES:
                raise errors.LinkAstray(f"{call}: Clari's link leads nowhere: ask Clari's support")
            address = self.resolve_link(call, following, on=address)
            if address in seen:
                raise errors.LinkAstray(
                    f"{call}: Clari's link leads back to a page that came before: ask Clari's support"
                )
            seen.add(address)

    async def answer(self, call: str, path: str, *, needs_good_key: bool = False) -> tuple[bytes, Any]:
        """GET a path or link, with retries: the bytes of the response, and its decoded JSON.

        With `needs_good_key` a 403 opens the circuit breaker. An error envelope with status 200 raises `ErrorAsAnswer`.
        """

        def refuse(call: str, answer: object) -> None:
            if isinstance(answer, dict):
                _refuse_error_as_answer(call, answer)

        return await self._ask(call, "GET", path, refuse=refuse, needs_good_key=needs_good_key)

    def resolve_link(self, call: str, link: str, *, on: str = "") -> str:
        """Resolve a `nextLink` against the page at path or URL `on` that held it (RFC 3986); returns an absolute URL.

        A link to the page's own path as Clari's documents write it, such as `/audit/events`, is below the base URL.
        Raises `LinkAstray` for another scheme, host or port, as the key would be sent there.
        """
        ours = httpx.URL(self._base_url)
        try:
            page = httpx.URL(f"{self._base_url}{on}" if on.startswith("/") else on or self._base_url)
            theirs = page.join(link)
            if theirs.path == page.path.removeprefix(ours.path.rstrip("/")) and link.startswith("/"):
                theirs = theirs.copy_with(path=page.path)
        except (httpx.InvalidURL, UnicodeError) as error:
            raise errors.LinkAstray(f"{call}: Clari's link is no address: ask Clari's support") from error
        origin, own_origin = ((one.scheme, one.host, one.port) for one in (theirs, ours))
        if origin != own_origin or theirs.userinfo:
            raise errors.LinkAstray(
                f"{call}: Clari's link leads to {_shown(theirs, ours)}, away from {_shown(ours, theirs)}, and was not "
                "followed, since the key would travel there: check CLARI_BASE_URL"
            )
        return str(theirs)

    async def cancel(self, job_id: str) -> None:
        """Cancel a job, which frees its quota. Raises `CancelFailed` where it has already ended."""
        await self._ask(
            f"cancelling of job {job_id}", "PATCH", f"/export/jobs/{path_segment(job_id)}", body={"type": "CANCEL"}
        )

    async def download(self, job_id: str, sink: ResultSink, *, max_bytes: int | None = None) -> Download:
        """Stream a job's document into `sink`; a truncated or slow body, or an error envelope, restarts the download.

        Raises `JobNotReady`, `NotFound`, and `ResultTooLarge` above `max_bytes`.
        """
        path = f"/export/jobs/{path_segment(job_id)}/results"
        return await self._stream(f"result of job {job_id}", path, sink, max_bytes)

    async def current_forecast(
        self, request: ExportRequest, sink: ResultSink, *, max_bytes: int | None = None
    ) -> Download:
        """Stream the newest week of a forecast's quarter into `sink`, without a job [gitlab, singer]; as `download`.

        It counts against no quota. Raises `NoCurrentCall` where the organisation does not have the call,
        `TypeNotSupported`, and `ResultTooLarge` above `max_bytes`.
        """
        call = f"forecast {request.forecast_id} {request.time_period} without a job"
        try:
            return await self._stream(call, request.current_path, sink, max_bytes)
        except (errors.NotFound, errors.AuthFailed) as error:
            if (missing := errors.no_current_call(error)) is None:
                raise
            raise missing from error

    async def has_current_call(self, request: ExportRequest) -> bool:
        """Whether the organisation has the call that `current_forecast` makes, by its answer to this request.

        Only the beginning of the document is read. A refusal of types is an answer of the call: it is there. Raises
        `ClariError` for any answer that leaves it open.
        """
        call = f"forecast {request.forecast_id} {request.time_period} without a job"

        async def once() -> None:
            async with self._answer(call, "GET", request.current_path) as response:
                start = await Body(call, response).start(LARGEST_ERROR)
                _refuse_web_page(call, response, start)
                if (details := find_error_in_body(self._key.masked(start))) is not None:
                    raise errors.ErrorAsAnswer(call, response.status_code, details)

        try:
            await self._repeated(call, is_passing, once)
        except errors.TypeNotSupported:
            return True
        except (errors.NotFound, errors.AuthFailed) as error:
            if errors.no_current_call(error) is None:
                raise
            return False
        return True

    async def _stream(self, call: str, path: str, sink: ResultSink, max_bytes: int | None) -> Download:
        """Stream a document into `sink`; a truncated or slow body, or an error envelope, restarts the download.

        A document without proof that it is complete (`Body.is_whole`) is downloaded until two copies are identical and
        none was longer; after 4 copies the last is kept, with `is_whole` false. Raises `ResultTooLarge` as soon as more
        than `max_bytes` are announced or received. The first `LARGEST_ERROR` bytes are held back: some gateways send an
        error with status 200, which may echo the request, so that keys are masked in so short a body.
        """
        copies: list[Download] = []
        while True:
            deadline = RetryDeadline(self._retry)
            once = partial(self._download, call, path, sink, max_bytes, deadline)
            copy_ = await self._repeated(call, is_passing, once, deadline)
            is_repeated = copy_ in copies and copy_.size == max(one.size for one in copies)
            copies.append(copy_)
            if copy_.is_whole or is_repeated or len(copies) == _MOST_COPIES:
                return replace(copy_, is_whole=True) if is_repeated else copy_
            self._on_retry(call, "nothing shows where it ends")

    async def _download(
        self, call: str, path: str, sink: ResultSink, max_bytes: int | None, deadline: RetryDeadline
    ) -> Download:
        sink.restart()
        size, begun, start = 0, monotonic(), b""
        async with self._answer(call, "GET", path) as response:
            announced = response.headers.get("content-length", "")
            refuse_too_large(call, int(announced) if announced.isdecimal() else 0, max_bytes)
            body = Body(call, response)
            async for piece in body.pieces():
                if size == 0:
                    _refuse_web_page(call, response, piece)
                size += len(piece)
                refuse_too_large(call, size, max_bytes)
                missing = LARGEST_ERROR - len(start)
                start += piece[:missing]
                if size > LARGEST_ERROR:
                    if size - len(piece) <= LARGEST_ERROR:
                        sink.write(start)
                    sink.write(piece[missing:])
                deadline.renew()
                seconds = monotonic() - begun
                if seconds > self._request_timeout_s and size < seconds * _SLOWEST_BYTES_PER_S:
                    raise httpx.ReadTimeout("the body trickles")
        if response.status_code == httpx.codes.NO_CONTENT:
            raise errors.UnexpectedAnswer(f"{call}: Clari's answer is empty")
        if (details := find_error_in_body(start := self._key.masked(start))) is not None:
            raise errors.ErrorAsDocument(call, response.status_code, details)
        if 0 < size <= LARGEST_ERROR:
            sink.write(start)
        return Download(size, body.digest, body.is_whole, response.headers.get("date"))

    async def _submit(self, call: str, request: ExportRequest) -> str:
        try:
            answer = (await self._read(call, "POST", request.path, request.body()))[1]
            job = _unwrapped(answer)
            if not isinstance(job, dict) or not job.get("jobId"):
                _refuse_error_as_answer(call, answer)
            return _typed(call, Job, {"jobId": job.get("jobId")} if isinstance(job, dict) else job).job_id
        except errors.ErrorAsAnswer as error:
            if (kind := errors.refusal_by(error.code)) is not None:
                raise kind(call, error.status, ErrorDetails(error.code, error.clari_message, error.error_id)) from error
            raise errors.AnswerLost(str(error)) from error
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise errors.ClariUnreachable(f"{call}: no connection to {self._base_url} ({cause_of(error)})") from error
        except errors.ServerFault as error:
            raise errors.AnswerLost(str(error)) from error
        except (httpx.HTTPError, errors.UnexpectedAnswer) as error:
            raise errors.AnswerLost(f"{call}: Clari's answer was lost ({cause_of(error)})") from error

    async def _ask(
        self,
        call: str,
        method: str,
        path: str,
        *,
        body: dict[str, Any] | None = None,
        refuse: Callable[[str, Any], None] = lambda _call, _answer: None,
        deadline: RetryDeadline | None = None,
        needs_good_key: bool = False,
    ) -> tuple[bytes, Any]:
        """Send an idempotent call, with retries: its bytes and decoded JSON. `refuse` raises for an error envelope."""

        async def once() -> tuple[bytes, Any]:
            content, answer = await self._read(call, method, path, body)
            refuse(call, answer)
            return content, answer

        return await self._repeated(call, is_passing, once, deadline, needs_good_key=needs_good_key)

    async def _read(self, call: str, method: str, path: str, body: dict[str, Any] | None) -> tuple[bytes, Any]:
        """Send once and read the response: its bytes and decoded JSON, `{}` for an empty body. A slow one times out."""
        try:
            async with asyncio.timeout(2 * self._request_timeout_s), self._answer(call, method, path, body) as response:
                content = await Body(call, response).start(_LARGEST_ANSWER + 1)
                if len(content) > _LARGEST_ANSWER:
                    raise errors.UnexpectedAnswer(f"{call}: Clari's answer is larger than {_LARGEST_ANSWER:,} bytes")
                content = self._key.masked(content)
                _refuse_web_page(call, response, content)
        except TimeoutError as error:
            raise httpx.ReadTimeout("the answer trickles") from error
        try:
            return content, json.loads(content) if content.strip() else {}
        except (ValueError, RecursionError) as error:
            raise errors.UnexpectedAnswer(f"{call}: Clari's answer is no JSON") from error

    async def _repeated(
        self,
        call: str,
        is_retried: Callable[[Exception], bool],
        once: Callable[[], Awaitable[_Result]],
        deadline: RetryDeadline | None = None,
        *,
        needs_good_key: bool = False,
    ) -> _Result:
        """Call `once` with retries; after the last, httpx's errors are translated to `ClariUnreachable`.

        Any call is repeated once after a 401 (`errors.may_be_stray`). One that is given up opens the circuit breaker,
        unless Clari answers one of two probe calls.
        """
        deadline, causes = deadline or RetryDeadline(self._retry), deque[Exception](maxlen=1)
        refusals: list[Exception] = []

        def wait(error: Exception) -> bool | float:
            is_late = deadline.is_over() and not isinstance(error, errors.RateLimited)
            is_stray = errors.may_be_stray(error) and not refusals
            if is_late or self._circuit.is_open or not (is_stray or is_retried(error)):
                return False
            if is_stray:
                refusals.append(error)
            causes.append(error)
            asked = error.retry_after_s if isinstance(error, errors.RateLimited | errors.ServerFault) else None
            if not asked:
                return True
            return asked if deadline.allows(asked) else False

        with self._circuit.guarding(needs_good_key=needs_good_key):
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
                        self._on_retry(call, cause_of(causes.pop()))
                    with attempt, self._key.hiding():
                        return await once()
            except (errors.AnswerLost, errors.ClariDown):
                raise
            except httpx.HTTPError as error:
                silence = f"{call}: {self._base_url} does not answer ({cause_of(error)})"
                raise await self._given_up(errors.ClariUnreachable(silence)) from error
            except (errors.ClariUnreachable, errors.ServerFault) as error:
                raise await self._given_up(error) from error
        raise AssertionError("unreachable")

    async def _given_up(self, error: errors.ClariError) -> errors.ClariError:
        """The error to raise: `ClariDown` where neither of two concurrent probe calls is answered, else `error`."""

        async def answers(path: str) -> bool:
            try:
                async with (
                    asyncio.timeout(min(self._request_timeout_s, _PROBE_TIMEOUT_S)),
                    self._http.stream("GET", f"{self._base_url}{path}") as answer,
                ):
                    start = await Body("probe", answer).start(LARGEST_ERROR)
            except (httpx.HTTPError, TimeoutError, errors.UnexpectedAnswer):
                return False
            return answer.status_code < 500 and not _is_web_page(start)

        if not self._circuit.is_open:
            if any(await asyncio.gather(answers("/admin/limits"), answers("/export/jobs"))):
                return error
            self._outage_note.append(await outage_note(self._status_url))
        cause = f"{error}{''.join(self._outage_note)}"
        return errors.ClariDown(f"{self._base_url} is down: {cause}; run again later, what has begun is continued")

    @asynccontextmanager
    async def _answer(
        self, call: str, method: str, path: str, body: dict[str, Any] | None = None
    ) -> AsyncIterator[httpx.Response]:
        address = f"{self._base_url}{path}" if path.startswith("/") else self.resolve_link(call, path)
        async with AsyncExitStack() as opened:
            try:
                response = await opened.enter_async_context(self._http.stream(method, address, json=body))
            except httpx.RequestError as error:
                if (unconnected := connecting.named(error, address)) is not None:
                    raise unconnected from error
                raise
            if date := response.headers.get("date"):
                self._newest_date.append(date)
            if (refused := connecting.refused_by_proxy(response.status_code, address)) is not None:
                raise refused
            if response.status_code >= 300:
                error_body = self._key.masked(await Body(call, response).start(LARGEST_ERROR))
                raise errors.refusal(call, response.status_code, response.headers, error_body)
            yield response


def _shown(address: httpx.URL, other: httpx.URL) -> str:
    """The host of an address, for a message; scheme and port as well where the other address has the same host."""
    return address.host or "nowhere" if address.host != other.host else f"{address.scheme}://{address.netloc.decode()}"


def _refuse_web_page(call: str, response: httpx.Response, body: bytes) -> None:
    """Raise `ServerFault` for an HTML page, which a proxy sends in place of the response, whatever its status."""
    if _is_web_page(body):
        raise errors.ServerFault(call, response.status_code, ErrorDetails(message="a web page instead of an answer"))


def _refuse_error_as_answer(call: str, answer: object) -> None:
    """Raise `ErrorAsAnswer` for an error envelope: it has an error's keys, and none of a document's lists."""
    if (details := find_error(answer)) is not None:
        raise errors.ErrorAsAnswer(call, 200, details)


def _refuse_error_as_job(call: str, answer: object) -> None:
    """Raise `ErrorAsAnswer` where there is no job status: an error envelope may have a `status`, but no `jobId`."""
    job = _unwrapped(answer)
    status, job_id = (job.get("status"), job.get("jobId")) if isinstance(job, dict) else (None, None)
    if status is None or (job_id is None and JobState(str(status)) is JobState.UNKNOWN):
        _refuse_error_as_answer(call, answer)


def _is_web_page(body: bytes) -> bool:
    """Whether the body is HTML."""
    return body.lstrip()[:1] == b"<"


def refuse_too_large(call: str, size: int, max_bytes: int | None) -> None:
    """Raise `ResultTooLarge` for a size in bytes above `max_bytes`."""
    if max_bytes is not None and size > max_bytes:
        raise errors.ResultTooLarge(
            f"{call}: {size:,} bytes are more than the {max_bytes:,} allowed: raise CLARI_MAX_RESULT_BYTES"
        )


def _typed(call: str, kind: type[_Typed], answer: object) -> _Typed:
    """Validate decoded JSON as `kind`. Raises `UnexpectedAnswer`."""
    try:
        return kind.model_validate(answer)
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"]) or "its whole"
        raise errors.UnexpectedAnswer(f"{call}: Clari's answer is not what it documents, at {where}") from None


def _unwrapped(job: object) -> object:
    """The value of `job` where the job is wrapped in it."""
    return job["job"] if isinstance(job, dict) and isinstance(job.get("job"), dict) else job
