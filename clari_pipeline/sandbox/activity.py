"""Generated activity (meetings, e-mails) of the sandbox's company, and the opportunities that it is mapped to."""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from .draws import between, draw
from .jobs import milliseconds
from .people import FIRST, LAST, Person

_KINDS = ("MEETING", "EMAIL_SENT", "EMAIL_RECEIVED", "ATTACHMENT_SENT", "ATTACHMENT_RECEIVED")
_CUSTOMERS = ("Contoso", "Fabrikam", "Initech", "Tyrell", "Umbra", "Vandelay", "Wonka", "Zephyr")
_STAGES = ("Discovery", "Proposal", "Negotiation", "Closed Won")
_OPPORTUNITIES_A_PERSON = 3  # opportunities of each person
_MAPPED_AFTER_DAYS = 2  # activity that Clari does not map to an opportunity at once
_OUTSIDE = "customer.example"


def activities(seed: int, people: Sequence[Person], first: date, last: date, now: datetime) -> Iterator[dict[str, Any]]:
    """Yield activity from `first` to `last`, up to `now`; some of it has its opportunity only two days later."""
    day = first
    while day <= min(last, now.date()):
        for place, person in enumerate(people):
            key = (seed, "activity", place, day)
            for number in range(draw(*key) % 3):
                found = _activity(seed, place, person, day, (*key, number), now)
                if found["date"] <= milliseconds(now):
                    yield found
        day += timedelta(days=1)


def opportunity_ids(seed: int, people: Sequence[Person]) -> list[str]:
    """The ids of all of the company's opportunities."""
    return [
        _opportunity_id(seed, place, number)
        for place in range(len(people))
        for number in range(_OPPORTUNITIES_A_PERSON)
    ]


def opportunity(seed: int, opportunity_id: str, today: date) -> dict[str, Any]:
    """An opportunity with its current fields, and the history of its amount and stage."""
    key = (seed, "opportunity", opportunity_id)
    amount = between(20_000, 400_000, *key)
    changes = [today - timedelta(days=days) for days in (60, 30, 7) if draw(*key, days) % 2]
    amounts = [amount + 1000 * step for step in range(len(changes) + 1)]
    stages = [_STAGES[min(step, len(_STAGES) - 1)] for step in range(len(changes) + 1)]
    return {
        "id": opportunity_id,
        "crmScore": {"message": f"Opportunity is in {stages[-1]}", "score": between(0, 100, *key, "score")},
        "fields": [
            _field("opportunity.amount", amounts, changes) | {"trend": "UP" if changes else "NONE"},
            _field("opportunity.stage", stages, changes),
            {"id": "opportunity.is_won", "value": stages[-1] == _STAGES[-1], "originalValue": False},
            {"id": "opportunity.competitors", "value": ["Acme", "Globex"], "originalValue": []},
            {"id": "opportunity.next_step", "value": None},
        ],
    }


def activity_document(found: Iterator[dict[str, Any]]) -> Iterator[bytes]:
    """Serialise an activity export as JSON, a chunk for each activity."""
    yield b'{"activities": ['
    for number, one in enumerate(found):
        yield (b",\n" if number else b"") + json.dumps(one, ensure_ascii=False).encode()
    yield b"]}"


def _activity(
    seed: int, place: int, person: Person, day: date, key: tuple[object, ...], now: datetime
) -> dict[str, Any]:
    moment = datetime.combine(day, time(8), UTC) + timedelta(minutes=between(0, 9 * 60, *key, "minute"))
    number = draw(*key, "opportunity") % _OPPORTUNITIES_A_PERSON
    is_mapped = draw(*key, "mapped") % 4 or (now.date() - day).days >= _MAPPED_AFTER_DAYS
    customer = _pick(_CUSTOMERS, seed, "customer", place, number)
    account = {
        "accountId": f"001{draw(seed, 'account', customer):016x}"[:18],
        "accountName": customer,
        "accountOwnerId": person.user.crm_id,
    }
    deal = {
        "opportunityId": _opportunity_id(seed, place, number),
        "opportunityName": f"{customer} FY{day:%y}",
        "opportunityOwnerId": person.user.crm_id,
    }
    outside = f"{_pick(FIRST, *key, 'first')} {_pick(LAST, *key, 'last')}"
    return {
        "activityId": f"{draw(*key, 'id'):016x}{draw(*key, 'id', 2):016x}",
        "activityType": _KINDS[draw(*key, "kind") % len(_KINDS)],
        "activityOwnerId": person.user.crm_id,
        "activityOrganiserId": person.user.crm_id,
        "subject": f"{customer} <> {person.user.name.split()[0]}",
        "date": milliseconds(moment),
        "accounts": [account],
        "opportunities": [deal] if is_mapped else [],
        "participants": [
            {
                "name": person.user.name,
                "email": person.user.email,
                "sfdcUserId": person.user.crm_id,
                "isInternal": True,
            },
            {
                "name": outside,
                "email": f"{outside.replace(' ', '.').lower()}@{customer.lower()}.{_OUTSIDE}",
                "sfdcUserId": "",
                "isInternal": False,
            },
        ],
    }


def _field(field_id: str, values: Sequence[Any], changes: Sequence[date]) -> dict[str, Any]:
    history = [
        {"oldValue": old, "newValue": new, "date": milliseconds(datetime.combine(day, time(), UTC))}
        for old, new, day in zip(values, values[1:], changes, strict=False)
    ]
    return {"id": field_id, "value": values[-1], "originalValue": values[0], "trendHistory": history}


def _opportunity_id(seed: int, place: int, number: int) -> str:
    return f"006{draw(seed, 'opportunity', place, number):016x}"[:18]


def _pick(names: Sequence[str], *key: object) -> str:
    return names[draw(*key) % len(names)]
