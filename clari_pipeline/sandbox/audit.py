"""The sandbox's audit log: generated events, deterministic by seed and day."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from .draws import between, draw
from .people import Person

KEPT = timedelta(days=30)  # how long events are available
MOST_A_PAGE = 1000
_EVENTS = ("user.login", "forecast.submitted", "forecast.viewed", "opportunity.edited", "api.accessed", "report.shared")
_DEVICES = ("WEB", "WEB", "WEB", "IOS", "ANDROID")
_DAY_S = 24 * 3600


@dataclass(frozen=True)
class Paging:
    """Faults in the pagination of the audit log.

    `repeats` events of a page are repeated on the next. Page `breaks_at` (the second is 1) answers 500 each time.
    A link may lead `astray` to another host, `back` to the first page, or be `dead` when it is followed.
    """

    repeats: int = 0
    breaks_at: int | None = None
    link: str = "good"


@dataclass(frozen=True)
class AuditLog:
    """The events of a company; each day is generated once and cached."""

    seed: int
    people: Sequence[Person]
    _days: dict[date, list[tuple[datetime, dict[str, Any]]]] = field(default_factory=dict)

    def events(self, since: datetime, until: datetime, now: datetime) -> list[dict[str, Any]]:
        """Events from `since` to before `until`, newest first, of the last 30 days before `now`."""
        first, end = max(since, now - KEPT), min(until, now)
        days = [end.date() - timedelta(days=number) for number in range((end.date() - first.date()).days + 1)]
        return [event for day in days for moment, event in self._of(day) if first <= moment < end]

    def _of(self, day: date) -> list[tuple[datetime, dict[str, Any]]]:
        if day not in self._days:
            drawn = _of_day(self.seed, self.people, day)
            self._days[day] = sorted(drawn, key=lambda event: (event[0], event[1]["correlationID"]), reverse=True)
        return self._days[day]


def actors(people: Sequence[Person], events: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The actors of some events, as a page lists them."""
    behind = {event["actorId"] for event in events}
    return [
        {"actorType": "USER", "actorId": user.user_id, "name": user.name, "email": user.email}
        for user in (person.user for person in people)
        if user.user_id in behind
    ]


def _of_day(seed: int, people: Sequence[Person], day: date) -> Iterator[tuple[datetime, dict[str, Any]]]:
    midnight = datetime.combine(day, time(), UTC)
    for place, person in enumerate(people):
        key = (seed, "audit", place, day)
        for number in range(between(3, 11, *key)):
            moment = midnight + timedelta(seconds=between(0, _DAY_S - 1, *key, number))
            name = _EVENTS[draw(*key, number, "event") % len(_EVENTS)]
            # The events of a bulk edit differ only in the opportunity.
            for part in range(3 if name == "opportunity.edited" else 1):
                yield moment, _event(person, people, name, moment, (*key, number), part)


def _event(
    person: Person, people: Sequence[Person], name: str, moment: datetime, key: tuple[object, ...], part: int
) -> dict[str, Any]:
    session = UUID(int=draw(*key, "session") << 64 | draw(*key, "rest"))
    stands_in = draw(*key, "impersonates") % 50 == 0
    parameters = {"opportunity.edited": {"opportunity": f"{draw(*key, part) % 900:03}", "fields": ["amount", "stage"]}}
    return {
        "correlationID": f"{draw(*key, part, 'correlation'):016x}",
        "actorId": person.user.user_id,
        "impersonatingActorId": people[0].user.user_id if stands_in else None,
        "actorType": "USER",
        "sessionId": str(session),
        "ipAddress": f"198.51.100.{between(1, 254, *key, 'address')}",
        "sessionType": _DEVICES[draw(*key, "device") % len(_DEVICES)],
        "event": name,
        "eventParameters": parameters.get(name, {}),
        "eventTimestamp": f"{moment:%Y-%m-%dT%H:%M:%SZ}",
    }
