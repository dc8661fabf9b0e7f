"""The calls beside the forecast's: audit events, activity, opportunities."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from .activity import activities, activity_document, opportunity, opportunity_ids
from .answers import error_answer, json_or_bytes, quota_reached, refusal
from .audit import KEPT, MOST_A_PAGE, AuditLog, actors
from .company import Company
from .faults import Scenario
from .jobs import Job, JobStore, Manner

ACTIVITY = "activity"
_USUAL_PAGE = 100
_MOST_IDS = 100


@dataclass(frozen=True)
class ProductCalls:
    """What answers them. `left` says how many places and exports are left; `base_url` is where the sandbox answers."""

    company: Company
    log: AuditLog
    jobs: JobStore
    now: Callable[[], datetime]
    left: Callable[[datetime], tuple[int, int]]
    scenario: Callable[[], Scenario]
    base_url: Callable[[], str]
    job_seconds: float

    async def audit(self, request: Request) -> Response:
        """A page of the audit log, the newest events first."""
        asked, now = request.query_params, self.now()
        paging = self.scenario().audit
        try:
            limit, skip = int(asked.get("limit", _USUAL_PAGE)), int(asked.get("skip", 0))
            since = _moment(asked.get("dateFrom")) or now - KEPT
            until = _moment(asked.get("dateTo")) or now
        except ValueError as error:
            return _error("bad_request", f"The parameters are invalid: {error}")
        if not 1 <= limit <= MOST_A_PAGE:
            return _error("bad_request", f"The limit must be between 1 and {MOST_A_PAGE}.")
        if skip and paging.link == "dead":
            return _error("bad_request", "The page is no longer available.")
        if skip and paging.breaks_at == skip // limit:
            return error_answer(500)
        events = self.log.events(since, until, now)
        page = events[max(0, skip - paging.repeats) : skip + limit]
        host = "https://elsewhere.example/v4" if paging.link == "astray" else self.base_url()
        query = {**asked, "skip": str(0 if paging.link == "back" else skip + limit)}
        link = {"nextLink": f"{host}/audit/events?{urlencode(query)}"}
        more = link if skip + limit < len(events) else {}
        return JSONResponse({"items": page, "actors": actors(self.company.people, page), **more})

    async def submit_activity(self, request: Request) -> Response:
        """Queue an export of activity."""
        asked = json_or_bytes(await request.body())
        now = self.now()
        if not isinstance(asked, dict) or asked.get("exportFormat", "JSON") != "JSON":
            return refusal(400, "Bad request", "The request is invalid: exportFormat", "activity")
        try:
            first, last = _day(asked.get("startDate"), now - KEPT), _day(asked.get("endDate"), now)
        except ValueError as error:
            return refusal(400, "Bad request", f"The request is invalid: {error}", "activity")
        places, exports = self.left(now)
        if not places or not exports:
            return quota_reached(self.jobs.monthly_quota, self.jobs.concurrent_limit)
        scenario = self.scenario()
        manner = scenario.manner if 0 in scenario.hits else Manner()
        found = activities(self.company.seed, self.company.people, first, last, now)
        if (most := self._most(first, last, now)) is not None:
            all_of_them = list(found)
            found = iter(all_of_them[:most])
            manner = replace(manner, truncated=manner.truncated or len(all_of_them) > most)
        job = Job(ACTIVITY, f"{first}_{last}", manner, now, self.job_seconds, self.jobs.clock)
        self.jobs.add(job, lambda: activity_document(found))
        return JSONResponse({"jobId": job.id}, 202)

    def _most(self, first: date, last: date, now: datetime) -> int | None:
        """How many activities an export of these days holds; None for any number."""
        scenario = self.scenario()
        if scenario.busy_day is not None and first <= now.date() - timedelta(days=scenario.busy_day) <= last:
            return 0
        a_person = scenario.activities_a_person
        return None if a_person is None else a_person * len(self.company.people)

    async def opportunities(self, request: Request) -> Response:
        """Opportunities by id; ids that are nobody's are passed over."""
        ids = request.query_params.getlist("oppId")
        if not ids:
            return _old_error("oppId is required")
        if len(ids) > _MOST_IDS or not all(one.isalnum() for one in ids):
            return _old_error("oppId is invalid")
        known = set(opportunity_ids(self.company.seed, self.company.people))
        today = self.now().date()
        return JSONResponse([opportunity(self.company.seed, one, today) for one in ids if one in known])


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _day(text: object, otherwise: datetime) -> date:
    return (otherwise if text is None else datetime.fromisoformat(str(text))).date()


def _error(code: str, message: str) -> Response:
    return JSONResponse({"errors": [{"status": "400", "code": code, "message": message}]}, 400)


def _old_error(details: str) -> Response:
    """The envelope of the older services, misspelt as it is there."""
    said = {"statusCode": 400, "reaspnPhrase": "Bad Request", "description": "invalid query parameter"}
    return JSONResponse([said | {"details": details}], 400)
