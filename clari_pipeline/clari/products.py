"""Calls for products other than the forecast: audit events page by page, opportunities by their ids."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from urllib.parse import urlencode

from clari_pipeline.clari.client import ClariClient
from clari_pipeline.clari.errors import BadRequest, NotFound, UnexpectedAnswer

MOST_A_PAGE = 1000  # audit events [spec]
MOST_A_CALL = 100  # opportunities [spec]
_MOST_REFUSED = 20


async def audit_pages(
    client: ClariClient, *, since: datetime, until: datetime, a_page: int = MOST_A_PAGE
) -> AsyncIterator[bytes]:
    """Yield the pages of audit events from `since` to `until`, each the bytes of a response.

    `dateTo` is always sent, so that events which occur during pagination do not shift the pages.
    Raises as `ClariClient.pages` does.
    """
    first, last = (f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" for moment in (since, until))
    window = urlencode({"limit": a_page, "dateFrom": first, "dateTo": last})
    async for page, _events in client.pages("audit events", f"/audit/events?{window}", ("items",)):
        yield page


async def opportunities(
    client: ClariClient, ids: Sequence[str], refused: list[str], *, a_call: int = MOST_A_CALL
) -> AsyncIterator[bytes]:
    """Yield responses, each the bytes for `a_call` ids at most; ids that Clari refuses are appended to `refused`.

    One invalid id has Clari refuse the whole call: such a call is bisected until the id is found. Raises `BadRequest`
    or `NotFound` where all ids are refused, or more than 20 before any was answered.
    """
    queue = [list(ids[at : at + a_call]) for at in range(0, len(ids), a_call)][::-1]
    answered = 0
    while queue:
        some = queue.pop()
        call = f"opportunities {answered + 1} to {answered + len(some)} of {len(ids)}"
        try:
            content, answer = await client.answer(call, f"/opportunity?{urlencode([('oppId', one) for one in some])}")
        except (BadRequest, NotFound):
            if len(some) == 1:
                refused.append(some[0])
            if (len(refused) > _MOST_REFUSED and not answered) or len(refused) == len(ids):
                raise
            if len(some) > 1:
                middle = len(some) // 2
                queue += [some[middle:], some[:middle]]
            continue
        if not isinstance(answer, list):
            raise UnexpectedAnswer(f"{call}: Clari's answer is not what it documents: it is no list")
        answered += len(some)
        yield content
