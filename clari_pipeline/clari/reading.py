"""What every answer of Clari's has to be before anything is made of it."""

from __future__ import annotations

from typing import TypeVar

import httpx
from pydantic import ValidationError

from clari_pipeline.clari.errors import ErrorAsAnswer, ResultTooLarge, ServerFault, UnexpectedAnswer
from clari_pipeline.clari.models import Job, JobState, Limits
from clari_pipeline.core.envelopes import Words, error_in

Typed = TypeVar("Typed", Job, Limits)


def refuse_web_page(call: str, response: httpx.Response, body: bytes) -> None:
    """The page of a proxy, whatever its status, is a fault of the server."""
    if is_web_page(body):
        raise ServerFault(call, response.status_code, Words(message="a web page instead of an answer"))


def refuse_error_as_answer(call: str, answer: object) -> None:
    """Raise `ErrorAsAnswer` where it says what went wrong, and lists nothing."""
    if (words := error_in(answer)) is not None:
        raise ErrorAsAnswer(call, 200, words)


def refuse_error_as_job(call: str, answer: object) -> None:
    """Raise the same where it has no state of a job. An error may have a `status` of its own, and no `jobId`."""
    job = unwrapped(answer)
    status, job_id = (job.get("status"), job.get("jobId")) if isinstance(job, dict) else (None, None)
    if status is None or (job_id is None and JobState(str(status)) is JobState.UNKNOWN):
        refuse_error_as_answer(call, answer)


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
