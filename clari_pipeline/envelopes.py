"""The envelopes in which Clari says that something went wrong, whichever came [spec, posthog]."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

_LONGEST = 300
_LISTS = ("entries", "fields", "users", "timeFrames", "timePeriods", "activities")
_OF_A_LISTED_ERROR = {"statusCode", "reaspnPhrase", "errorId", "code"}


@dataclass(frozen=True, slots=True)
class Words:
    """What an envelope says, each one printable line: Clari's code, message and error id, where it gave them."""

    code: str | None = None
    message: str | None = None
    error_id: str | None = None

    def __str__(self) -> str:
        where = f" (error id {self.error_id})" if self.error_id else ""
        return f"{self.message or self.code or 'no reason given'}{where}"


def words_of(body: bytes) -> Words:
    """What the body of an answer says, whatever it is."""
    try:
        return words_in(json.loads(body))
    except (ValueError, RecursionError):
        return Words(message="a web page instead of an answer" if body.lstrip()[:1] == b"<" else None)


def words_in(answer: Any) -> Words:
    """What decoded JSON says."""
    if isinstance(answer, dict) and isinstance(answer.get("errors"), list) and answer["errors"]:
        answer = answer["errors"]
    if isinstance(answer, list) and answer:
        answer = answer[0]
    if not isinstance(answer, dict):
        return Words(message=_line(answer)) if isinstance(answer, str) else Words()
    message = answer.get("message") or answer.get("description") or answer.get("reaspnPhrase")
    if details := answer.get("details"):
        message = f"{message} ({details})" if message else str(details)
    error_id = answer.get("errorId") or answer.get("request_id") or answer.get("requestId")
    return Words(_line(answer.get("code")), _line(message), _line(error_id))


def error_in(answer: Any) -> Words | None:
    """What decoded JSON says, where it is an envelope and no document: it holds none of a document's lists."""
    match answer:
        case dict() if not any(isinstance(answer.get(name), list) for name in _LISTS):
            words = words_in(answer)
            return words if words != Words() else None
        case [dict() as first, *_] if not _OF_A_LISTED_ERROR.isdisjoint(first):
            return words_in(answer)
        case _:
            return None


def error_of(body: bytes) -> Words | None:
    """The same of the bytes of what may be a document."""
    try:
        return error_in(json.loads(body))
    except (ValueError, RecursionError):
        return None


def _line(value: object) -> str | None:
    if value is None:
        return None
    text = str(value)[: 4 * _LONGEST]
    printable = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(printable.split())[:_LONGEST]
