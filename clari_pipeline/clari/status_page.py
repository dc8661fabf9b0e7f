"""Clari's public status page, in the format of Statuspage's `summary.json` [evangelist]: what does not work there.

It is on another host than Clari's API: an HTTP client of its own asks it, without the key. No sync depends on it.
"""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
from pydantic import TypeAdapter, ValidationError

from clari_pipeline.clari.tls import tls_context
from clari_pipeline.core.safe_text import one_line

_PATIENCE_S = 5
_LARGEST = 1 << 20  # bytes
_LONGEST = 160  # characters of a name
_MOMENT = TypeAdapter(datetime)
_NO_TROUBLE = {"resolved", "postmortem", "completed", "scheduled", "operational"}


class StatusPageUnreadable(Exception):
    """The status page did not answer in time, or is no status page. The message is the cause, for people."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """An incident, a maintenance under way, or a component that does not work."""

    name: str
    status: str
    started_at: datetime | None
    link: str | None

    def line(self, now: datetime | None = None) -> str:
        """Name, status, since when (with `now`: for how long) and link, in one line."""
        since = ""
        if self.started_at is not None:
            hours = 0 if now is None else max(0, (now - self.started_at).total_seconds() / 3600)
            long = f"{hours:.0f} hours" if hours < 48 else f"{hours / 24:.0f} days"
            since = f", since {self.started_at:%Y-%m-%d %H:%M} UTC" if now is None else f", for {long}"
        return f"{self.name} ({self.status}{since}{f', {self.link}' if self.link else ''})"


async def read_status_page(address: str) -> list[Trouble]:
    """Incidents, then maintenance under way; without either the components that do not work, else the overall status.

    No redirect is followed. Raises `StatusPageUnreadable` after 5 seconds, above 1 MB, and for what is no status page.
    """
    try:
        async with asyncio.timeout(_PATIENCE_S):
            content = await _fetched(address)
        found = json.loads(content)
    except TimeoutError:
        raise StatusPageUnreadable(f"no answer within {_PATIENCE_S} seconds") from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise StatusPageUnreadable(one_line(error) or type(error).__name__) from None
    except (ValueError, RecursionError):
        raise StatusPageUnreadable("the answer is no JSON") from None
    if not isinstance(found, dict) or not found.keys() & {"status", "components", "incidents"}:
        raise StatusPageUnreadable("the answer is no status page's summary.json")
    troubles = [*_troubles(found, "incidents"), *_troubles(found, "scheduled_maintenances")]
    return troubles or list(_troubles(found, "components")) or list(_overall(found.get("status")))


async def outage_note(address: str | None) -> str:
    """The first trouble on the status page, to be appended to the message that Clari is down.

    Empty without an address, without a trouble, and where the page cannot be read.
    """
    try:
        troubles = await read_status_page(address) if address else []
    except StatusPageUnreadable:
        return ""
    return f"; its status page says: {troubles[0].line()}" if troubles else ""


async def _fetched(address: str) -> bytes:
    async with (
        httpx.AsyncClient(timeout=_PATIENCE_S, follow_redirects=False, verify=tls_context()) as http,
        http.stream("GET", address, headers={"Accept": "application/json"}) as answer,
    ):
        if answer.is_redirect:
            raise StatusPageUnreadable(f"it has moved to {one_line(answer.headers['location'])[:_LONGEST]}")
        if answer.status_code != httpx.codes.OK:
            raise StatusPageUnreadable(f"it answers {answer.status_code}")
        content = bytearray()
        async for piece in answer.aiter_bytes():
            content += piece
            if len(content) > _LARGEST:
                raise StatusPageUnreadable("its answer is larger than 1 MB")
        return bytes(content)


def _troubles(page: dict[str, Any], name: str) -> Iterator[Trouble]:
    items = page.get(name)
    for one in items if isinstance(items, list) else ():
        if not isinstance(one, dict) or one.get("group") or not _text(one.get("name")):
            continue
        if (status := _text(one.get("status"))) and status not in _NO_TROUBLE:
            # Of a component the page has the moment of the last change alone, not since when it does not work.
            started = one.get("started_at") or one.get("scheduled_for") or one.get("created_at")
            link = _text(one.get("shortlink"))
            yield Trouble(
                _text(one["name"]),
                status.replace("_", " "),
                None if name == "components" else _moment(started),
                link if link.startswith(("https://", "http://")) else None,
            )


def _overall(status: object) -> Iterator[Trouble]:
    if isinstance(status, dict) and (indicator := _text(status.get("indicator"))) not in {"", "none"}:
        yield Trouble(_text(status.get("description")) or "an outage", indicator, None, None)


def _text(value: object) -> str:
    return one_line(value)[:_LONGEST] if isinstance(value, str) else ""


def _moment(value: object) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        moment = _MOMENT.validate_python(value)
    except ValidationError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
