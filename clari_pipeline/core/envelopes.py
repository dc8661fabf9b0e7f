"""Parse the JSON error envelopes that Clari sends, in any of their forms [spec, posthog]."""

import json
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

_LONGEST = 300  # characters of a message
_MOST_PARTS = 200  # JSON values of a response that are searched
_LISTS = {"entries", "fields", "users", "timeFrames", "timePeriods", "activities", "jobs", "items"}
_OF_A_LISTED_ERROR = {"statusCode", "reaspnPhrase", "errorId", "code"}
_OF_AN_ERROR = _OF_A_LISTED_ERROR | {"error", "error_description"}  # keys that only an error envelope has
_ERRORS = ("errors", "error")
_MESSAGES = ("message", "description", "reaspnPhrase", "error_description", "detail", "error", "reason", "title")
_IDS = ("errorId", "request_id", "requestId")


@dataclass(frozen=True, slots=True)
class ErrorDetails:
    """Code, message and error id of an error envelope, each one printable line, None where it has none."""

    code: str | None = None
    message: str | None = None
    error_id: str | None = None

    def __str__(self) -> str:
        where = f" (error id {self.error_id})" if self.error_id else ""
        return f"{self.message or self.code or 'no reason given'}{where}"


def error_details(body: bytes) -> ErrorDetails:
    """Parse the body of an error response; no JSON gives no details, or that it is a web page."""
    try:
        return details_in(json.loads(body))
    except (ValueError, RecursionError):
        return ErrorDetails(message="a web page instead of an answer" if body.lstrip()[:1] == b"<" else None)


def details_in(answer: Any) -> ErrorDetails:
    """Find the error in decoded JSON, at any depth: an inner one wins over its container, the first over others."""
    return _details_from(answer, _parts(answer))


def find_error(answer: Any) -> ErrorDetails | None:
    """The error in decoded JSON, None where it is a document: one of a document's lists stands outside of an error.

    A list of strings is not counted, nor what is inside an error: an error may list the fields that it is about.
    """
    if isinstance(answer, list) and answer and isinstance(answer[0], dict) and _OF_A_LISTED_ERROR.isdisjoint(answer[0]):
        return None
    without_errors = answer
    if isinstance(answer, dict):
        without_errors = {name: value for name, value in answer.items() if name not in _ERRORS}
    lists = (part.get(name) for part, _ in _parts(without_errors) for name in _LISTS)
    if any(isinstance(one, list) and not (one and isinstance(one[0], str)) for one in lists):
        return None

    def is_envelope(part: dict[str, Any]) -> bool:
        return not _OF_AN_ERROR.isdisjoint(part) and _details(part).message is not None

    envelopes = ((part, is_error) for part, is_error in _parts(answer) if is_error or is_envelope(part))
    error = _details_from(answer, envelopes)
    return error if error != ErrorDetails() else None


def find_error_in_body(body: bytes) -> ErrorDetails | None:
    """`find_error` for the bytes of what may be a document; None where they are no JSON."""
    try:
        return find_error(json.loads(body))
    except (ValueError, RecursionError):
        return None


def _parts(answer: Any) -> Iterator[tuple[dict[str, Any], bool]]:
    """Yield the objects in decoded JSON breadth-first, errors before their container, of a list only the first item.

    With each, whether it is at the top or under `error` or `errors`; anywhere else it may be data.
    """
    waiting: deque[tuple[Any, bool]] = deque([(answer, True)])
    seen = 0
    while waiting and seen < _MOST_PARTS:
        (part, is_error), seen = waiting.popleft(), seen + 1
        if isinstance(part, list):
            waiting.extendleft((one, is_error) for one in part[:1])
        elif isinstance(part, str) and is_error:
            yield {"message": part}, True
        elif isinstance(part, dict):
            inner = [(part[name], True) for name in _ERRORS if part.get(name) and isinstance(part[name], dict | list)]
            if inner:
                rest = {name: value for name, value in part.items() if name not in _ERRORS}
                waiting.extendleft([(rest, is_error), *reversed(inner)])
                continue
            yield part, is_error
            waiting.extend((value, False) for value in part.values() if isinstance(value, dict | list))


def _details_from(answer: Any, parts: Iterable[tuple[dict[str, Any], bool]]) -> ErrorDetails:
    if isinstance(answer, str):
        try:  # some gateways embed a response as a JSON string
            inner = json.loads(answer)
        except (ValueError, RecursionError):
            inner = None
        return details_in(inner) if isinstance(inner, dict | list) else ErrorDetails(message=_line(answer))
    found = [details for part, _ in parts if (details := _details(part)) != ErrorDetails()]
    error_id = next((details.error_id for details in found if details.error_id), None)
    return replace(found[0], error_id=error_id) if found else ErrorDetails()


def _details(part: dict[str, Any]) -> ErrorDetails:
    texts = (part.get(name) for name in _MESSAGES)
    message = next((one for one in texts if one), None)
    if details := part.get("details"):
        message = f"{message} ({details})" if message else str(details)
    error_id = next((part[name] for name in _IDS if part.get(name)), None)
    return ErrorDetails(_line(part.get("code")), _line(message), _line(error_id))


def _line(value: object) -> str | None:
    if value is None:
        return None
    text = str(value)[: 4 * _LONGEST]
    printable = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(printable.split())[:_LONGEST]
