"""Values of a decoded document as columns have them."""

import hashlib
import json
import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from clari_pipeline.documents.json_stream import Number
from clari_pipeline.documents.rows import exact_amount_of, moment_of, without_nul

_TOKEN = re.compile(r"(?=.*[0-9])[A-Za-z0-9:.+_-]{1,60}")  # no blank, no @, and a digit: nobody's name


def text(value: Any) -> str | None:
    """A text as `without_nul` has it, anything else as JSON; nothing where it is null or empty."""
    if value is None or value == "":
        return None
    return without_nul(value) if isinstance(value, str) else written(value)


def token(value: Any) -> str:
    """A value of Clari's that may be shown to anybody: an id, a number, a day. Of free text, which may name people, no
    more than its length; of anything else its kind.
    """
    if value is None or value == "":
        return ""
    if not isinstance(value, str):
        return kind(value) or ""
    return value if _TOKEN.fullmatch(value) else f"a text of {len(value)} letters"


def kind(value: Any) -> str | None:
    """What JSON calls it; None for null, and for a text that is empty: neither is a value."""
    match value:
        case None | "":
            return None
        case bool():
            return "boolean"
        case Number():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case _:
            return "object"


def number(value: Any) -> Decimal | None:
    """A JSON number exactly, where it has at most 14 digits and four decimals; a text is none."""
    return exact_amount_of(value) if isinstance(value, Number) else None


def moment(value: Any) -> datetime | None:
    """Milliseconds since 1970, as a number or its text, or ISO 8601, UTC where it names no zone.

    Raises `ValueError` where it is there, and no moment.
    """
    said = text(value)
    if said is None:
        return None
    try:
        if (milliseconds := moment_of(said)) is not None:
            seconds, rest = divmod(milliseconds, 1000)
            return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest * 1000)
        found = datetime.fromisoformat(said)
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError, OSError):
        raise ValueError(said) from None


def truth(value: Any) -> bool | None:
    """A boolean, or its word."""
    return {"true": True, "false": False}.get(str(value).strip().lower())


def written(value: Any) -> str:
    """JSON in one fixed writing: keys in order, numbers as they came."""
    match value:
        case Number():
            return str(value)
        case dict():
            return "{" + ", ".join(f"{json.dumps(key)}: {written(value[key])}" for key in sorted(value)) + "}"
        case list():
            return "[" + ", ".join(map(written, value)) + "]"
        case _:
            return json.dumps(value, ensure_ascii=False)


def identity(*parts: Any) -> str:
    """An id for what has none: the same parts, the same id."""
    return hashlib.sha256(written(list(parts)).encode()).hexdigest()
