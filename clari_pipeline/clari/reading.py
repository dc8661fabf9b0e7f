"""What every answer of Clari's has to be before anything is made of it."""

from __future__ import annotations

import json
from typing import Any, TypeVar

import httpx
from pydantic import ValidationError

from clari_pipeline.clari.errors import ErrorAsDocument, ResultTooLarge, ServerFault, UnexpectedAnswer
from clari_pipeline.clari.models import Job, Limits
from clari_pipeline.envelopes import Words, error_of

Typed = TypeVar("Typed", Job, Limits)


def json_of(call: str, response: httpx.Response, body: bytes) -> Any:
    """The answer's JSON; no body at all is an empty object."""
    refuse_web_page(call, response, body)
    if not body.strip():
        return {}
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise UnexpectedAnswer(f"{call}: Clari's answer is no JSON") from error


def refuse_web_page(call: str, response: httpx.Response, body: bytes) -> None:
    """The page of a proxy, whatever its status, is a fault of the server."""
    if is_web_page(body):
        raise ServerFault(call, response.status_code, Words(message="a web page instead of an answer"))


def refuse_error(call: str, response: httpx.Response, document: bytes) -> None:
    """Raise `ErrorAsDocument` where the document is an envelope of Clari's that says what went wrong."""
    if (words := error_of(document)) is not None:
        raise ErrorAsDocument(call, response.status_code, words)


def is_web_page(body: bytes) -> bool:
    """Whether it is a page for people."""
    return body.lstrip()[:1] == b"<"


def refuse_too_large(call: str, size: int, max_bytes: int | None) -> None:
    """Raise `ResultTooLarge` where it is more than is allowed."""
    if max_bytes is not None and size > max_bytes:
        raise ResultTooLarge(
            f"{call}: {size:,} bytes are more than the {max_bytes:,} allowed: raise CLARI_MAX_RESULT_BYTES"
        )


def typed(call: str, kind: type[Typed], answer: object) -> Typed:
    """The answer as one of our types, or `UnexpectedAnswer`."""
    try:
        return kind.model_validate(answer)
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"]) or "its whole"
        raise UnexpectedAnswer(f"{call}: Clari's answer is not what it documents, at {where}") from None


def unwrapped(job: object) -> object:
    """The job itself, where it comes wrapped."""
    return job["job"] if isinstance(job, dict) and isinstance(job.get("job"), dict) else job
