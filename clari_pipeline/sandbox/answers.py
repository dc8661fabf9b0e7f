"""What the API says when it says no, and the ways in which an answer fails to arrive.

Clari's gateway, its export service and its older services each write errors in an envelope of their own; the
sandbox answers with the one that Clari's API description gives for the case.
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self
from uuid import uuid4

from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import Receive, Scope, Send

ORG_ID = 101
HANG_UP = "sandbox.hang_up"  # where the server puts, into a request's scope, what cuts its connection


def refusal(status: int, code: str, message: str, namespace: str = "exports") -> Response:
    """The export service's envelope."""
    body = {
        "code": code,
        "namespace": namespace,
        "errorId": str(uuid4()),
        "message": message,
        "orgId": ORG_ID,
    }
    return JSONResponse(body, status)


def turned_away(status: int, message: str) -> Response:
    """The gateway's envelope: who asks is unknown, or asks too often, or for a path that is not there."""
    return JSONResponse({"message": message, "request_id": uuid4().hex}, status)


def broken(status: int) -> Response:
    """The answer that goes with a status: each of the known envelopes belongs to some."""
    page = "<html><head><title>Bad gateway</title></head><body><h1>Bad gateway</h1></body></html>"
    missing = {
        "statusCode": 404,
        "reaspnPhrase": "Not Found",
        "description": "No such resource",
        "details": "",
    }
    closed = {"status": 503, "code": "service_unavailable", "message": "The service is being maintained."}
    match status:
        case 401:
            answer = turned_away(401, "Invalid authentication credentials")
        case 403:
            answer = refusal(403, "forbidden", "You may not view this job.")
        case 404:
            answer = JSONResponse([missing], 404)
        case 429:
            answer = turned_away(429, "API rate limit exceeded")
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


class CutOff(Response):
    """The whole answer's headers, half of its body, and then the connection is closed."""

    def __init__(self, whole: Response) -> None:
        self._whole = whole

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


@dataclass(frozen=True)
class Fault:
    """What happens to one request instead of its answer, or to its answer.

    `kind`: `answer` (with `status`, and `body` where the status's own envelope will not do), `reset` (closed
    without an answer, nothing done), `lost` (done, but closed without an answer), `cut` (half an answer),
    `hang` (done after `seconds`), `none` (nothing happens: a place-holder in a row of faults).
    """

    kind: str
    status: int = 500
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    seconds: float = 0

    @classmethod
    def read(cls, text: str) -> Self:
        """`500`, `429:1` (Retry-After), `reset`, `lost`, `cut`, `hang:0.5`, `none`, `quota`, `garbage`."""
        name, _, detail = text.partition(":")
        if name.isdecimal():
            return cls("answer", int(name), {"Retry-After": detail} if detail else {})
        match name:
            case "reset" | "lost" | "cut" | "none":
                return cls(name)
            case "hang":
                return cls("hang", seconds=float(detail or 1))
            case "quota":
                return cls("answer", 400, body=bytes(quota_reached(1000, 3).body))
            case "garbage":
                return cls("answer", 200, body=b"<!doctype html><p>Sign in")
        raise ValueError(f"No fault is called {text!r}: {cls.read.__doc__}")

    def answer(self) -> Response:
        """The answer of a fault of the kind `answer`."""
        response = broken(self.status) if self.body is None else Response(self.body, self.status)
        response.headers.update(self.headers)
        return response

    async def wait(self) -> None:
        """As long as the fault says."""
        await asyncio.sleep(self.seconds)


def quota_reached(monthly: int, concurrent: int) -> Response:
    """One code for two causes; only the limits tell which."""
    message = f"The monthly quota limit of {monthly} or concurrent limit of {concurrent} has been reached."
    return refusal(400, "export_monthly_quota_reached", message)


def bad_request(message: str) -> Response:
    """A request that the forecast service cannot read."""
    return refusal(400, "bad_request", message, "fcw")


def readable(body: bytes) -> object:
    """A request's body: the JSON value, or the bytes where they are none; None where there is no body."""
    try:
        return json.loads(body) if body else None
    except ValueError:
        return body
