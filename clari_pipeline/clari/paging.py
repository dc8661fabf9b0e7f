"""Answers page by page: each page names the next in `nextLink`, until one names none."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from clari_pipeline.clari.errors import LinkAstray, UnexpectedAnswer

if TYPE_CHECKING:
    from clari_pipeline.clari.client import ClariClient

_MOST_EMPTY = 10
_MOST_PAGES = 10_000


async def pages(
    client: ClariClient, name: str, address: str, *, lists: tuple[str, ...], needs_good_key: bool = False
) -> AsyncIterator[tuple[bytes, list[Any]]]:
    """Each page as Clari sent it, and what it lists under one of those keys, or bare.

    A link is followed on Clari's own host only; `needs_good_key` as for `ClariClient.answer`. Raises `LinkAstray`
    where one leads elsewhere, back or on for ever, `UnexpectedAnswer` where a page is none.
    """
    seen = set[str]()
    number = empty = 0
    while True:
        number += 1
        call = f"{name}, page {number}"
        page, answer = await client.answer(call, address, needs_good_key=needs_good_key)
        listed = next((answer[key] for key in lists if key in answer), None) if isinstance(answer, dict) else answer
        if not isinstance(listed, list):
            raise UnexpectedAnswer(f"{call}: Clari's answer is not what it documents, at {lists[0]}")
        yield page, listed
        empty = 0 if listed else empty + 1
        following = answer.get("nextLink") if isinstance(answer, dict) else None
        if not following:
            return
        if not isinstance(following, str) or empty == _MOST_EMPTY or number == _MOST_PAGES:
            raise LinkAstray(f"{call}: Clari's link leads nowhere: ask Clari's support")
        address = client.linked(call, following, on=address)
        if address in seen:
            raise LinkAstray(f"{call}: Clari's link leads back to a page that came before: ask Clari's support")
        seen.add(address)
