"""The endpoints of products other than the forecast: audit events, activity, opportunities."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from starlette.datastructures import QueryParams
from starlette.responses import JSONResponse, Response

from .activity import activities, opportunity, opportunity_ids
from .answers import error_answer, json_or_bytes, refusal
from .audit import KEPT, MOST_A_PAGE, AuditLog, Paging, actors
from .company import Company
from .faults import Scenario
from .jobs import JobBehaviour
from .submission import RefusedError

_USUAL_PAGE = 100
_MOST_IDS = 100


def audit_page(asked: QueryParams, log: AuditLog, paging: Paging, now: datetime, base_url: str) -> Response:
    """The response with a page of the audit log, newest events first."""
    try:
        limit, skip = int(asked.get("limit", _USUAL_PAGE)), int(asked.get("skip", 0))
        since = _moment(asked.get("dateFrom")) or now - KEPT
        until = _moment(asked.get("dateTo")) or now
    except ValueError as error:
        return _error(f"The parameters are invalid: {error}")
    if not 1 <= limit <= MOST_A_PAGE:
        return _error(f"The limit must be between 1 and {MOST_A_PAGE}.")
    if skip and paging.link == "dead":
        return _error("The page is no longer available.")
    if skip and paging.breaks_at == skip // limit:
        return error_answer(500)
    events = log.events(since, until, now)
    page = events[max(0, skip - paging.repeats) : skip + limit]
    host = "https://elsewhere.example/v4" if paging.link == "astray" else base_url
    query = {**asked, "skip": str(0 if paging.link == "back" else skip + limit)}
    link = {"nextLink": f"{host}/audit/events?{urlencode(query)}"}
    more = link if skip + limit < len(events) else {}
    return JSONResponse({"items": page, "actors": actors(log.people, page), **more})


def read_activity(
    body: bytes, company: Company, scenario: Scenario, now: datetime
) -> tuple[str, JobBehaviour, Iterator[dict[str, Any]]]:
    """Parse a request for activity: the days as a period, how its job runs, its content. Raises `RefusedError`."""
    asked = json_or_bytes(body)
    if not isinstance(asked, dict) or asked.get("exportFormat", "JSON") != "JSON":
        raise RefusedError(refusal(400, "Bad request", "The request is invalid: exportFormat", "activity"))
    try:
        first, last = _day(asked.get("startDate"), now - KEPT), _day(asked.get("endDate"), now)
    except ValueError as error:
        raise RefusedError(refusal(400, "Bad request", f"The request is invalid: {error}", "activity")) from None
    found = activities(company.seed, company.people, first, last, now)
    behaviour = scenario.behaviour if 0 in scenario.hits else JobBehaviour()
    most = None if scenario.activities_a_person is None else scenario.activities_a_person * len(company.people)
    if scenario.busy_day is not None and first <= now.date() - timedelta(days=scenario.busy_day) <= last:
        most = 0
    if most is not None:
        all_of_them = list(found)
        found = iter(all_of_them[:most])
        behaviour = replace(behaviour, truncated=behaviour.truncated or len(all_of_them) > most)
    return f"{first}_{last}", behaviour, found


def opportunities(ids: list[str], company: Company, today: date) -> Response:
    """The response with opportunities by id; unknown ids are left out."""
    if not ids:
        return _old_error("oppId is required")
    if len(ids) > _MOST_IDS or not all(one.isalnum() for one in ids):
        return _old_error("oppId is invalid")
    known = set(opportunity_ids(company.seed, company.people))
    return JSONResponse([opportunity(company.seed, one, today) for one in ids if one in known])


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _day(text: object, otherwise: datetime) -> date:
    return (otherwise if text is None else datetime.fromisoformat(str(text))).date()


def _error(message: str) -> Response:
    return JSONResponse({"errors": [{"status": "400", "code": "bad_request", "message": message}]}, 400)


def _old_error(details: str) -> Response:
    """An error response in the older services' envelope, with Clari's own misspelling (`reaspnPhrase`)."""
    said = {"statusCode": 400, "reaspnPhrase": "Bad Request", "description": "invalid query parameter"}
    return JSONResponse([said | {"details": details}], 400)
