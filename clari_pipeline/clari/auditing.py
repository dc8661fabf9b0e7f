"""Audit events, page by page."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from urllib.parse import urlencode

from clari_pipeline.clari.client import ClariClient
from clari_pipeline.clari.paging import pages

MOST_A_PAGE = 1000  # [spec]


async def audit_pages(
    client: ClariClient, *, since: datetime, until: datetime, a_page: int = MOST_A_PAGE
) -> AsyncIterator[bytes]:
    """The pages of a window as Clari sent them.

    The end is always named, so that events which come meanwhile do not shift the pages. Raises as `pages` does.
    """
    window = {"limit": a_page, "dateFrom": _written(since), "dateTo": _written(until)}
    async for page, _events in pages(client, "audit events", f"/audit/events?{urlencode(window)}", lists=("items",)):
        yield page


def _written(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
