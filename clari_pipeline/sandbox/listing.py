"""The list of jobs: what stands in it, and when; other people's jobs among it."""

from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from .jobs import Job, Manner, Result


@dataclass(frozen=True)
class Listing:
    """How the list of jobs is: in pages of so many, each with a link to the next; other people's jobs in it.

    Each export that was asked for has one beside it, of the same forecast and quarter and this very moment, which the
    key that asks may not see.
    """

    page: int | None = None
    others: bool = False


class OtherJobs:
    """Jobs that somebody else has made."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._jobs: dict[tuple[str, str], Job] = {}

    def beside(self, asked: Iterable[tuple[str, str]], now: datetime) -> list[Job]:
        """One for each of these forecasts and quarters; it never ends."""
        for forecast_id, period_id in asked:
            if (forecast_id, period_id) not in self._jobs:
                self._jobs[forecast_id, period_id] = Job(
                    forecast_id=forecast_id,
                    period_id=period_id,
                    file_type="JSON",
                    currency="USD",
                    manner=Manner(("SCHEDULED", "STARTED")),
                    started=now,
                    seconds=1,
                    clock=self._clock,
                    result=Future[Result](),
                    earlier=0,
                )
        return list(self._jobs.values())

    def __contains__(self, job_id: str) -> bool:
        return any(job.id == job_id for job in self._jobs.values())


def listed(request: Request, jobs: list[Job], page: int | None, base_url: str) -> Response:
    """The jobs that are listed by now, the newest first: bare, or a page of them."""
    shown: list[dict[str, Any]] = [job.described for job in jobs if job.is_listed]
    if page is None:
        return JSONResponse(shown)
    skip = int(request.query_params.get("skip", 0))
    more = {"nextLink": f"{base_url}/export/jobs?skip={skip + page}"} if skip + page < len(shown) else {}
    return JSONResponse({"jobs": shown[skip : skip + page], **more})
