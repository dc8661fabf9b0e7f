"""Error responses in Clari's envelopes, and faults that delay, damage or drop a response.

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
from uvicorn.protocols.http.h11_impl import H11Protocol

ORG_ID = 101
DRIPS = 20
FAULTS = (
    "500, 429:1 (Retry-After), reset, lost, late:502, cut, gzip, gzip_cut, unsized, unsized_cut:0.5, drip:0.1, "
    "hang:0.5, none, quota, garbage, envelope, two+of+them"
)
HANG_UP, UNSIZED = "sandbox.hang_up", "sandbox.unsized"


class Connection(H11Protocol):
    """Adds to each request's ASGI scope two functions that ASGI lacks: HANG_UP aborts the connection; UNSIZED
    sends the response without Content-Length and chunks, ended by closing the connection.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wrap the application of this connection."""
        super().connection_made(transport)
        served = self.app

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await served({**scope, HANG_UP: transport.abort, UNSIZED: unsized}, receive, send)

        def unsized() -> None:
            self.conn.their_http_version = b"1.0"  # HTTP/1.0 has no chunked encoding

        self.app = app


def refusal(status: int, code: str, message: str, namespace: str = "exports", **more: str) -> Response:
    """An error response in the export service's envelope."""
    body = {"code": code, "namespace": namespace, "errorId": str(uuid4()), "message": message, "orgId": ORG_ID}
    return JSONResponse(body | more, status)


def gateway_refusal(status: int, message: str) -> Response:
    """An error response in the gateway's envelope: unauthenticated, rate limited, or an unknown path."""
    return JSONResponse({"message": message, "request_id": uuid4().hex}, status)


def error_answer(status: int) -> Response:
    """The error response for a status, in the envelope that Clari uses for it."""
    page = "<html><head><title>Bad gateway</title></head><body><h1>Bad gateway</h1></body></html>"
    missing = {"statusCode": 404, "reaspnPhrase": "Not Found", "description": "No such resource", "details": ""}
    closed = {"status": "503", "code": "service_unavailable", "message": "The service is being maintained."}
    of_their_own = {
        401: gateway_refusal(401, "Invalid authentication credentials"),
        403: refusal(403, "forbidden", "You may not view this job."),
        404: JSONResponse([missing], 404),
        429: gateway_refusal(429, "API rate limit exceeded"),
        502: HTMLResponse(page, 502),
        503: JSONResponse({"errors": [closed]}, 503),
        504: HTMLResponse(page, 504),
    }
    other = (
        ("internal_server_error", "An unexpected error occurred.") if status >= 500 else ("SWW", "Something went wrong")
    )
    return of_their_own.get(status) or refusal(status, *other)


class HangUp(Response):
    """No response: the connection is aborted."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Abort the connection, then wait until the server has noticed, so that it sends no response of its own."""
        scope[HANG_UP]()
        while (await receive())["type"] != "http.disconnect":
            pass


class ResponseWrapper(Response):
    """A response that wraps another one, with its headers."""

    def __init__(self, whole: Response) -> None:
        self._whole = whole
        self.raw_headers = whole.raw_headers


class DamagedResponse(ResponseWrapper):
    """A response damaged by a fault: `cut`, `drip`, `gzip`, `unsized`, `gzip_cut` or `unsized_cut`.

    All of it is in memory meanwhile: faults are for documents of a test's size.
    """

    def __init__(self, whole: Response, fault: "Fault") -> None:
        super().__init__(whole)
        self._fault = fault

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Collect the whole response, then send it with the fault."""
        kind, size = self._fault.kind, int(self._whole.headers["content-length"])
        sent: list[Any] = []

        async def gather(message: Any) -> None:
            sent.append(message)

        await self._whole(scope, receive, gather)
        if not sent:  # the whole response has aborted the connection
            return
        start, *bodies = sent
        body = b"".join(message.get("body", b"") for message in bodies)
        is_ended = kind != "cut" and not bodies[-1].get("more_body")
        if kind == "cut":
            body = body[: size // 2]
        elif kind != "drip":
            headers = [(name, value) for name, value in start["headers"] if name.lower() != b"content-length"]
            if "gzip" in kind:
                body = gzip.compress(body, 1, mtime=0)
            body = body[: int(len(body) * self._fault.share)]
            if "gzip" in kind:
                headers += [(b"content-encoding", b"gzip"), (b"content-length", str(len(body)).encode())]
            else:
                scope[UNSIZED]()
            start = {**start, "headers": headers}
        await send(start)
        at_once = size // DRIPS + 1 if kind == "drip" else max(len(body), 1)
        for place in range(0, len(body), at_once):
            if place:
                await asyncio.sleep(self._fault.seconds / DRIPS)
            await send({"type": "http.response.body", "body": body[place : place + at_once], "more_body": True})
        if is_ended:  # else the server sends what it has and closes the connection
            await send({"type": "http.response.body", "body": b""})


class DeliveryTracker(ResponseWrapper):
    """A response that calls `note` once the connection has accepted all of it."""

    def __init__(self, whole: Response, note: Callable[[], None]) -> None:
        super().__init__(whole)
        self._note = note

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward the messages. A response that is cut or lost never sends its last one."""

        async def watched(message: Any) -> None:
            await send(message)
            if message["type"] == "http.response.body" and not message.get("more_body"):
                self._note()

        await self._whole(scope, receive, watched)


@dataclass(frozen=True)
class Fault:
    """A fault injected into one request.

    `kind`: `answer` (respond with `status`, with `body` in place of the status's own envelope), `reset` (abort the
    connection, call not executed), `lost` (executed, then aborted), `late` (executed, then answered with `status`),
    `cut` (half of the response), `gzip` (compressed), `unsized` (no length: ends with the connection), `gzip_cut` and
    `unsized_cut` (a `share` of such a body, undetectable otherwise), `drip` (sent in small pieces over `seconds`),
    `hang` (executed after `seconds`), `none` (no fault: a placeholder in a list). `also` applies to the same request.
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
        """Parse one of FAULTS, or several for the same request (`cut+drip:0.1`). Raises `ValueError`."""
        one, _, others = text.partition("+")
        name, _, detail = one.partition(":")
        is_json = {"content-type": "application/json"}
        match name:
            case "reset" | "lost" | "cut" | "none" | "gzip" | "unsized":
                fault = cls(name)
            case "gzip_cut" | "unsized_cut":
                fault = cls(name, share=float(detail or 0.5))
            case "late":
                fault = cls(name, int(detail or 500))
            case "hang" | "drip":
                fault = cls(name, seconds=float(detail or 1))
            case "garbage":
                fault = cls("answer", 200, body=b"<!doctype html><p>Sign in")
            case "envelope":
                failed = refusal(200, "SWW", "The report could not be generated.")
                fault = cls("answer", 200, is_json, bytes(failed.body))
            case "quota":
                fault = cls("answer", 400, is_json, bytes(quota_reached(1000, 3).body))
            case _ if name.isdecimal():
                fault = cls("answer", int(name), {"Retry-After": detail} if detail else {})
            case _:
                raise ValueError(f"No fault is called {one!r}. There are: {FAULTS}.")
        return replace(fault, also=cls.read(others)) if others else fault

    @property
    def withholds(self) -> bool:
        """Whether the client never gets the end of the call's own response."""
        return self.kind in {"answer", "reset", "lost", "late", "cut", "gzip_cut", "unsized_cut"} or bool(
            self.also and self.also.withholds
        )

    async def instead(self) -> Response | None:
        """The response in place of executing the call, after the wait of a `hang`; None where it is executed."""
        if self.kind == "hang":
            await asyncio.sleep(self.seconds)
        if self.kind == "answer":
            response = error_answer(self.status) if self.body is None else Response(self.body, self.status)
            response.headers.update(self.headers)
            return response
        if self.kind == "reset":
            return HangUp()
        return await self.also.instead() if self.also else None

    def damaged(self, response: Response) -> Response:
        """The response of an executed call, with the fault applied."""
        match self.kind:
            case "lost":
                response = HangUp()
            case "late":
                response = error_answer(self.status)
            case "cut" | "drip" | "gzip" | "gzip_cut" | "unsized" | "unsized_cut":
                response = DamagedResponse(response, self)
        return self.also.damaged(response) if self.also else response


def quota_reached(monthly: int, concurrent: int) -> Response:
    """One error code for quota and concurrency; only `/admin/limits` shows which is exhausted [spec]."""
    message = f"The monthly quota limit of {monthly} or concurrent limit of {concurrent} has been reached."
    return refusal(400, "export_monthly_quota_reached", message, source="Export")


def unknown_forecast(forecast_id: str) -> Response:
    """The forecast service's error response for a forecast that the organisation does not have."""
    message = f"Forecast {forecast_id} does not exist in the ForecastTemplate."
    return refusal(400, "no_such_forecast_config", message, "fcw")


def bad_request(message: str) -> Response:
    """The forecast service's error response for an invalid request."""
    return refusal(400, "bad_request", message, "fcw")


NO_ROUTE = Fault("answer", 404, body=bytes(gateway_refusal(404, "no Route matched with those values").body))
"""The gateway's answer to a path that it does not have."""


def json_or_bytes(body: bytes) -> object:
    """Decode a request's body: the JSON value, the bytes where they are not JSON, None for an empty body."""
    try:
        return json.loads(body) if body else None
    except ValueError:
        return body
