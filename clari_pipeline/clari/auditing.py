"""Audit events, page by page: each page names the next, until one names none."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from urllib.parse import urlencode

from clari_pipeline.clari.client import ClariClient
from clari_pipeline.clari.errors import LinkAstray, UnexpectedAnswer

MOST_A_PAGE = 1000  # [spec]
_MOST_EMPTY = 10


async def audit_pages(
    client: ClariClient, *, since: datetime, until: datetime, a_page: int = MOST_A_PAGE
) -> AsyncIterator[bytes]:
    """The pages of a window as Clari sent them.

    The end is always named, so that events which come meanwhile do not shift the pages. A link is followed on Clari's
    own host only. Raises `LinkAstray` where one leads elsewhere or back, `UnexpectedAnswer` where a page is none.
    """
    window = {"limit": a_page, "dateFrom": _written(since), "dateTo": _written(until)}
    address, seen = f"/audit/events?{urlencode(window)}", set[str]()
    number = empty = 0
    while True:
        number += 1
        call = f"audit events, page {number}"
        page, answer = await client.answer(call, address)
        if not isinstance(answer, dict) or not isinstance(answer.get("items"), list):
            raise UnexpectedAnswer(f"{call}: Clari's answer is not what it documents, at items")
        yield page
        empty = 0 if answer["items"] else empty + 1
        following = answer.get("nextLink")
        if not following:
            return
        if not isinstance(following, str) or empty == _MOST_EMPTY:
            raise LinkAstray(f"{call}: Clari's link leads nowhere: ask Clari's support")
        address = client.linked(call, following, on=address)
        if address in seen:
            raise LinkAstray(f"{call}: Clari's link leads back to a page that came before: ask Clari's support")
        seen.add(address)


def _written(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
