"""Convert values of a decoded JSON document to column values."""

import hashlib
import json
import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from clari_pipeline.documents.json_stream import Number
from clari_pipeline.documents.rows import exact_amount_of, moment_of, without_nul

_TOKEN = re.compile(r"(?=.*[0-9])[A-Za-z0-9:.+_-]{1,60}")  # no blank, no @, and a digit: no person's name


def text(value: Any) -> str | None:
    """A string without NUL characters, anything else as JSON; None for null and the empty string."""
    if value is None or value == "":
        return None
    return without_nul(value) if isinstance(value, str) else canonical_json(value)


def shown_value(value: Any) -> str:
    """A value that is safe to show: an id or a day as it is, free text, which may name people, as its length only,
    anything else as its kind.
    """
    if value is None or value == "":
        return ""
    if not isinstance(value, str):
        return kind(value) or ""
    return value if _TOKEN.fullmatch(value) else f"a text of {len(value)} letters"


def kind(value: Any) -> str | None:
    """Its JSON type; None for null and the empty string."""
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
    """A JSON number as an exact decimal, if it has at most 14 digits and four decimals; None for anything else."""
    return exact_amount_of(value) if isinstance(value, Number) else None


def moment(value: Any) -> datetime | None:
    """A UTC timestamp from epoch milliseconds, as number or string, or ISO 8601, taken as UTC if it has no zone.

    None for null and the empty string. Raises `ValueError` for anything else.
    """
    written = text(value)
    if written is None:
        return None
    try:
        if (milliseconds := moment_of(written)) is not None:
            seconds, rest = divmod(milliseconds, 1000)
            return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest * 1000)
        found = datetime.fromisoformat(written)
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError, OSError):
        raise ValueError(written) from None


def boolean(value: Any) -> bool | None:
    """A boolean, or its string in any case; None for anything else."""
    return {"true": True, "false": False}.get(str(value).strip().lower())


def canonical_json(value: Any) -> str:
    """Canonical JSON: keys sorted, numbers with their original digits."""
    match value:
        case Number():
            return str(value)
        case dict():
            return "{" + ", ".join(f"{json.dumps(key)}: {canonical_json(value[key])}" for key in sorted(value)) + "}"
        case list():
            return "[" + ", ".join(map(canonical_json, value)) + "]"
        case _:
            return json.dumps(value, ensure_ascii=False)


def identity(*parts: Any) -> str:
    """A stable id for a record without one: SHA-256 of its parts' canonical JSON, in hex."""
    return hashlib.sha256(canonical_json(list(parts)).encode()).hexdigest()
