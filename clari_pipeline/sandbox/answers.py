"""What the API says when it says no, and the ways in which an answer fails to arrive.

Clari's gateway, its export service and its older services each write errors in an envelope of their own; the
sandbox answers with the one that Clari's API description gives for the case.
"""

import asyncio
import gzip
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self
from uuid import uuid4

from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import Receive, Scope, Send

ORG_ID = 101
DRIPS = 20
FAULTS = (
    "500, 429:1 (Retry-After), reset, lost, late:502, cut, gzip, gzip_cut, unsized, unsized_cut:0.5, drip:0.1, "
    "hang:0.5, none, quota, garbage, envelope, two+of+them"
)
HANG_UP = "sandbox.hang_up"  # where the server puts, into a request's scope, what cuts its connection
UNSIZED = "sandbox.unsized"  # and what has its answer end with the connection


def refusal(status: int, code: str, message: str, namespace: str = "exports", **more: str) -> Response:
    """The export service's envelope."""
    body = {"code": code, "namespace": namespace, "errorId": str(uuid4()), "message": message, "orgId": ORG_ID}
    return JSONResponse(body | more, status)


def gateway_refusal(status: int, message: str) -> Response:
    """The gateway's envelope: who asks is unknown, or asks too often, or for a path that is not there."""
    return JSONResponse({"message": message, "request_id": uuid4().hex}, status)


def error_answer(status: int) -> Response:
    """The answer that goes with a status: each of the known envelopes belongs to some."""
    page = "<html><head><title>Bad gateway</title></head><body><h1>Bad gateway</h1></body></html>"
    missing = {"statusCode": 404, "reaspnPhrase": "Not Found", "description": "No such resource", "details": ""}
    closed = {"status": "503", "code": "service_unavailable", "message": "The service is being maintained."}
    match status:
        case 401:
            answer = gateway_refusal(401, "Invalid authentication credentials")
        case 403:
            answer = refusal(403, "forbidden", "You may not view this job.")
        case 404:
            answer = JSONResponse([missing], 404)
        case 429:
            answer = gateway_refusal(429, "API rate limit exceeded")
        case 502 | 504:
            answer = HTMLResponse(page, status)
        case 503:
            answer = JSONResponse({"errors": [closed]}, 503)
        case _ if status < 500:
            answer = refusal(status, "SWW", "Something went wrong")
        case _:
            answer = refusal(status, "internal_server_error", "An unexpected error occurred.")
    return answer


class HangUp(Response):
    """No answer: the connection is closed."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Close it, then wait until the server has noticed, so that it sends no answer of its own."""
        scope[HANG_UP]()
        while (await receive())["type"] != "http.disconnect":
            pass


class Wrapped(Response):
    """An answer around another one, with its headers."""

    def __init__(self, whole: Response) -> None:
        self._whole = whole
        self.raw_headers = whole.raw_headers


class CutOff(Wrapped):
    """The whole answer's headers, half of its body, and then the connection is closed."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what the whole answer sends until half of its length has gone."""
        left = int(self._whole.headers["content-length"]) // 2

        async def half(message: Any) -> None:
            nonlocal left
            if message["type"] == "http.response.body":
                body = message.get("body", b"")[:left]
                left -= len(body)
                message = {"type": "http.response.body", "body": body, "more_body": True}
            await send(message)

        await self._whole(scope, receive, half)
        # Returning with the body unfinished makes the server send what it has and close the connection.


class Rewritten(Wrapped):
    """The answer in another writing: `compressed`, or without a length, its end being that of the connection.

    Only so large a `share` of that comes, and where it is not all, nothing about the connection shows it.
    """

    def __init__(self, whole: Response, *, compressed: bool, share: float) -> None:
        super().__init__(whole)
        self._compressed, self._share = compressed, share

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Wait for all that the whole answer sends, then send it so."""
        start: dict[str, Any] = {}
        body = b""

        async def gathered(message: Any) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start":
                start = message
            else:
                body += message.get("body", b"")

        await self._whole(scope, receive, gathered)
        if self._compressed:
            body = gzip.compress(body, 1, mtime=0)
        body = body[: int(len(body) * self._share)]
        headers = [(name, value) for name, value in start["headers"] if name.lower() != b"content-length"]
        if self._compressed:
            headers += [(b"content-encoding", b"gzip"), (b"content-length", str(len(body)).encode())]
        else:
            scope[UNSIZED]()
        await send({**start, "headers": headers})
        await send({"type": "http.response.body", "body": body})


class Drip(Wrapped):
    """The answer in DRIPS pieces, a pause after each."""

    def __init__(self, whole: Response, seconds: float) -> None:
        super().__init__(whole)
        self._pause = seconds / DRIPS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what the whole answer sends, drop by drop."""
        size = int(self._whole.headers["content-length"]) // DRIPS + 1

        async def drop(message: Any) -> None:
            body = message.get("body", b"")
            while len(body) > size:
                await send({"type": "http.response.body", "body": body[:size], "more_body": True})
                await asyncio.sleep(self._pause)
                body = body[size:]
            await send({**message, "body": body} if body else message)

        await self._whole(scope, receive, drop)


class Watched(Wrapped):
    """An answer, and what is to be noted as soon as the connection has taken all of it."""

    def __init__(self, whole: Response, note: Callable[[], None]) -> None:
        super().__init__(whole)
        self._note = note

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what the answer sends. One that is cut or lost never sends its end."""

        async def watched(message: Any) -> None:
            await send(message)
            if message["type"] == "http.response.body" and not message.get("more_body"):
                self._note()

        await self._whole(scope, receive, watched)


@dataclass(frozen=True)
class Fault:
    """What happens to one request instead of its answer, or to its answer.

    `kind`: `answer` (with `status`, and `body` where the status's own envelope will not do), `reset` (closed
    without an answer, nothing done), `lost` (done, but closed without an answer), `late` (done, but answered with
    `status`), `cut` (half an answer), `gzip` (compressed), `unsized` (its end is that of the connection), `gzip_cut`
    and `unsized_cut` (a `share` of that, and nothing else shows it), `drip` (an answer in small pieces, over so many
    `seconds`), `hang` (done after `seconds`), `none` (nothing happens: a place-holder in a row of faults). `also`
    happens to the same request.
    """

    kind: str
    status: int = 500
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    seconds: float = 0
    share: float = 1
    also: "Fault | None" = None

    @classmethod
    def read(cls, text: str) -> Self:
        """One of FAULTS, or several that meet the same request (`cut+drip:0.1`)."""
        first, _, others = text.partition("+")
        fault = cls._read_one(first)
        return replace(fault, also=cls.read(others)) if others else fault

    @classmethod
    def _read_one(cls, text: str) -> Self:
        name, _, detail = text.partition(":")
        if name.isdecimal():
            return cls("answer", int(name), {"Retry-After": detail} if detail else {})
        match name:
            case "reset" | "lost" | "cut" | "none" | "gzip" | "unsized":
                return cls(name)
            case "gzip_cut" | "unsized_cut":
                return cls(name, share=float(detail or 0.5))
            case "late":
                return cls("late", int(detail or 500))
            case "hang" | "drip":
                return cls(name, seconds=float(detail or 1))
            case "quota" | "envelope" | "garbage":
                return cls._answering(name)
        raise ValueError(f"No fault is called {text!r}. There are: {FAULTS}.")

    @classmethod
    def _answering(cls, name: str) -> Self:
        if name == "garbage":
            return cls("answer", 200, body=b"<!doctype html><p>Sign in")
        failed = refusal(200, "SWW", "The report could not be generated.")
        said = quota_reached(1000, 3) if name == "quota" else failed
        return cls("answer", said.status_code, {"content-type": "application/json"}, bytes(said.body))

    @property
    def withholds(self) -> bool:
        """Whether the end of the call's own answer never comes."""
        return self.kind in {"answer", "reset", "lost", "late", "cut", "gzip_cut", "unsized_cut"} or bool(
            self.also and self.also.withholds
        )

    async def instead(self) -> Response | None:
        """What comes in place of the call, once the fault has waited as long as it says; None where it is done."""
        if self.kind == "hang":
            await asyncio.sleep(self.seconds)
        if self.kind == "answer":
            response = error_answer(self.status) if self.body is None else Response(self.body, self.status)
            response.headers.update(self.headers)
            return response
        if self.kind == "reset":
            return HangUp()
        return await self.also.instead() if self.also else None

    def spoilt(self, response: Response) -> Response:
        """What becomes of the answer of a call that was done."""
        match self.kind:
            case "lost":
                response = HangUp()
            case "late":
                response = error_answer(self.status)
            case "cut":
                response = CutOff(response)
            case "gzip" | "gzip_cut" | "unsized" | "unsized_cut":
                response = Rewritten(response, compressed="gzip" in self.kind, share=self.share)
            case "drip":
                response = Drip(response, self.seconds)
        return self.also.spoilt(response) if self.also else response


def quota_reached(monthly: int, concurrent: int) -> Response:
    """One code for two causes; only the limits tell which."""
    message = f"The monthly quota limit of {monthly} or concurrent limit of {concurrent} has been reached."
    return refusal(400, "export_monthly_quota_reached", message, source="Export")


def bad_request(message: str) -> Response:
    """A request that the forecast service cannot read."""
    return refusal(400, "bad_request", message, "fcw")


def json_or_bytes(body: bytes) -> object:
    """A request's body: the JSON value, or the bytes where they are none; None where there is no body."""
    try:
        return json.loads(body) if body else None
    except ValueError:
        return body
