"""Read the envelopes in which Clari reports an error, in any of their forms [spec, posthog]."""

import json
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

_LONGEST = 300
_MOST_PARTS = 200  # of an answer that are looked at
_LISTS = {"entries", "fields", "users", "timeFrames", "timePeriods", "activities", "jobs", "items"}
_OF_A_LISTED_ERROR = {"statusCode", "reaspnPhrase", "errorId", "code"}
_OF_AN_ERROR = _OF_A_LISTED_ERROR | {"error", "error_description"}  # tells an error from anything else
_ERRORS = ("errors", "error")
_MESSAGES = ("message", "description", "reaspnPhrase", "error_description", "detail", "error", "reason", "title")
_IDS = ("errorId", "request_id", "requestId")


@dataclass(frozen=True, slots=True)
class Words:
    """Code, message and error id of an envelope, where it has them, each one printable line."""

    code: str | None = None
    message: str | None = None
    error_id: str | None = None

    def __str__(self) -> str:
        where = f" (error id {self.error_id})" if self.error_id else ""
        return f"{self.message or self.code or 'no reason given'}{where}"


def words_of(body: bytes) -> Words:
    """Read the body of an answer, whatever it is."""
    try:
        return words_in(json.loads(body))
    except (ValueError, RecursionError):
        return Words(message="a web page instead of an answer" if body.lstrip()[:1] == b"<" else None)


def words_in(answer: Any) -> Words:
    """Read decoded JSON, however deep: an error before what it stands in, of several the first."""
    return _words_of(answer, _parts(answer))


def error_in(answer: Any) -> Words | None:
    """Read decoded JSON where it is an envelope and no document: nothing in it is one of a document's lists.

    An error may name the fields that it is about: what stands in it, or lists texts, is none of those.
    """
    if isinstance(answer, list) and answer and isinstance(answer[0], dict) and _OF_A_LISTED_ERROR.isdisjoint(answer[0]):
        return None
    beside = answer
    if isinstance(answer, dict):
        beside = {name: value for name, value in answer.items() if name not in _ERRORS}
    lists = (part.get(name) for part, _ in _parts(beside) for name in _LISTS)
    if any(isinstance(one, list) and not (one and isinstance(one[0], str)) for one in lists):
        return None

    def is_envelope(part: dict[str, Any]) -> bool:
        return not _OF_AN_ERROR.isdisjoint(part) and _words(part).message is not None

    said = _words_of(answer, ((part, is_said) for part, is_said in _parts(answer) if is_said or is_envelope(part)))
    return said if said != Words() else None


def error_of(body: bytes) -> Words | None:
    """`error_in` the bytes of what may be a document."""
    try:
        return error_in(json.loads(body))
    except (ValueError, RecursionError):
        return None


def _parts(answer: Any) -> Iterator[tuple[dict[str, Any], bool]]:
    """The objects in an answer, errors before what holds them, what lies deeper later; of a list the first alone.

    With each, whether it is the answer itself or stands where errors are said: elsewhere it may be anything.
    """
    waiting: deque[tuple[Any, bool]] = deque([(answer, True)])
    seen = 0
    while waiting and seen < _MOST_PARTS:
        (part, is_said), seen = waiting.popleft(), seen + 1
        if isinstance(part, list):
            waiting.extendleft((one, is_said) for one in part[:1])
        elif isinstance(part, str) and is_said:
            yield {"message": part}, True
        elif isinstance(part, dict):
            inner = [(part[name], True) for name in _ERRORS if part.get(name) and isinstance(part[name], dict | list)]
            if inner:
                rest = {name: value for name, value in part.items() if name not in _ERRORS}
                waiting.extendleft([(rest, is_said), *reversed(inner)])
                continue
            yield part, is_said
            waiting.extend((value, False) for value in part.values() if isinstance(value, dict | list))


def _words_of(answer: Any, parts: Iterable[tuple[dict[str, Any], bool]]) -> Words:
    if isinstance(answer, str):
        try:  # some gateways put one answer into another as its text
            inner = json.loads(answer)
        except (ValueError, RecursionError):
            inner = None
        return words_in(inner) if isinstance(inner, dict | list) else Words(message=_line(answer))
    said = [words for part, _ in parts if (words := _words(part)) != Words()]
    error_id = next((words.error_id for words in said if words.error_id), None)
    return replace(said[0], error_id=error_id) if said else Words()


def _words(part: dict[str, Any]) -> Words:
    said = (part.get(name) for name in _MESSAGES)
    message = next((one for one in said if one), None)
    if details := part.get("details"):
        message = f"{message} ({details})" if message else str(details)
    error_id = next((part[name] for name in _IDS if part.get(name)), None)
    return Words(_line(part.get("code")), _line(message), _line(error_id))


def _line(value: object) -> str | None:
    if value is None:
        return None
    text = str(value)[: 4 * _LONGEST]
    printable = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(printable.split())[:_LONGEST]
