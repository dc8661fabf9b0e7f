"""Opportunities by their ids, as many a call as Clari takes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from urllib.parse import urlencode

from clari_pipeline.clari.client import ClariClient
from clari_pipeline.clari.errors import BadRequest, NotFound, UnexpectedAnswer

MOST_A_CALL = 100  # [spec]
_MOST_REFUSED = 20


async def opportunities(
    client: ClariClient, ids: Sequence[str], refused: list[str], *, a_call: int = MOST_A_CALL
) -> AsyncIterator[bytes]:
    """Clari's answers, some ids each, as Clari sent them. Ids that Clari refuses by themselves go into `refused`.

    One id that Clari does not take would else keep out the others of its call: that call is halved until it is found.
    Where all are refused, or so many before any was answered, so is the call: raises `BadRequest` or `NotFound`.
    """
    waiting = [list(ids[at : at + a_call]) for at in range(0, len(ids), a_call)][::-1]
    answered = 0
    while waiting:
        some = waiting.pop()
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
                waiting += [some[middle:], some[:middle]]
            continue
        if not isinstance(answer, list):
            raise UnexpectedAnswer(f"{call}: Clari's answer is not what it documents: it is no list")
        answered += len(some)
        yield content
