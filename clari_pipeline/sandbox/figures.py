"""Calls, closed amounts and quotas of one quarter, as of the morning of one day.

All amounts are whole US cents, deterministic by seed, quarter, person, field, week and date. A person's calls of any
two weeks of a quarter differ by less than 20 %.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from .draws import between, draw
from .people import Level, Person
from .quarters import Quarter, Week


@dataclass(frozen=True, slots=True)
class Field:
    """A column of the forecast tab."""

    id: str
    name: str
    type: str


COMMIT = Field("fc_commit", "Commit", "FORECAST")
BEST_CASE = Field("fc_best_case", "Best Case", "FORECAST")
QUOTA = Field("fc_quota", "Quota", "QUOTA")
CALLS = (COMMIT, BEST_CASE)


@dataclass(slots=True)
class Call:
    """A person's call for one field and week, in cents; `updated` is None where none was entered that week."""

    value: int = 0
    total: int = 0
    closed: int = 0
    updated: datetime | None = None


@dataclass(slots=True)
class PersonQuarter:
    """One person's quarter: by field a call for each started week, and the quota in cents."""

    calls: dict[Field, list[Call]]
    quota: int = 0

    def add(self, other: "PersonQuarter") -> None:
        """Add another person's quarter to this one."""
        self.quota += other.quota
        for field, weeks in other.calls.items():
            for mine, theirs in zip(self.calls[field], weeks, strict=True):
                mine.value += theirs.value
                mine.total += theirs.total
                mine.closed += theirs.closed


class Figures:
    """The figures of a quarter as of a day. `always_zero` is the index of a rep who always calls zero."""

    def __init__(self, seed: int, quarter: Quarter, today: date, always_zero: int | None) -> None:
        self._seed = seed
        self._quarter = quarter
        self._today = today
        self._always_zero = always_zero
        self._listed = quarter.weeks()
        self.weeks = [week for week in self._listed if week.start <= today]

    def person_quarters(self, people: Sequence[Person], places: set[int]) -> Iterator[tuple[int, PersonQuarter]]:
        """Yield (index, quarter) of these people, reports before their managers."""
        teams: dict[int, PersonQuarter] = {}
        for place in sorted(places, reverse=True):  # leaders stand before their people in the list
            person = people[place]
            team = teams.pop(place, None) or self._blank()
            quarter = self._rep(place) if person.level is Level.REP else self._leader(place, team)
            if person.leader is not None and person.leader in places:
                teams.setdefault(person.leader, self._blank()).add(quarter)
            yield place, quarter

    def late_edit(self, place: int, field: Field, week: Week, call: Call) -> Call:
        """The call, in one of 60 cases changed up to three days after its week has ended; managers' are not."""
        key = (*self._key(place), field.id, week.id, "late")
        day = week.end + timedelta(days=between(1, 3, *key))
        if draw(*key, "edited") % 60 or day >= self._today or not call.value:
            return call
        value = call.value * between(9_850, 10_150, *key, "by") // 10_000
        return Call(value, call.total, call.closed, _at(day, draw(*key)))

    def adjustment(self, place: int, field: Field, week: Week, call: Call) -> tuple[int, datetime] | None:
        """The manager's override of the call, in cents, and when it was entered; for one call in eight, else None."""
        key = (*self._key(place), field.id, "adjusted")
        day = week.start + timedelta(days=4)
        if draw(*key) % 8 or day >= self._today or not call.value:
            return None
        return call.value * between(94, 103, *key, "by") // 100, _at(day, draw(*key, week.id))

    def _key(self, place: int) -> tuple[object, ...]:
        return (self._seed, self._quarter.id, place)

    def _blank(self) -> PersonQuarter:
        return PersonQuarter({field: [Call() for _ in self.weeks] for field in CALLS})

    def _rep(self, place: int) -> PersonQuarter:
        key = self._key(place)
        quota = between(80, 900, self._seed, self._quarter.year, place, "quota") * 100_000
        attained = quota * between(60, 115, *key, "attained") // 100  # by the end of the quarter
        closed = self._closed(place, attained)
        commit = attained * between(92, 105, *key, "commit") // 100
        best_case = attained * between(112, 135, *key, "best case") // 100
        calls = {COMMIT: self._calls(place, COMMIT, commit), BEST_CASE: self._calls(place, BEST_CASE, best_case)}
        for field, pipeline in (
            (COMMIT, commit * between(100, 115, *key, "pipeline") // 100),
            (BEST_CASE, best_case * between(110, 150, *key, "pipeline") // 100),
        ):
            for call, won in zip(calls[field], closed, strict=True):
                call.closed, call.total = won, max(pipeline, won)
        return PersonQuarter(calls, quota)

    def _calls(self, place: int, field: Field, base: int) -> list[Call]:
        """The calls by week; a week without an update repeats the week before."""
        key = (*self._key(place), field.id)
        trend = between(-300, 500, *key, "trend")  # basis points over the whole quarter
        value, calls = base, []
        for number, week in enumerate(self.weeks):
            if place == self._always_zero:
                calls.append(Call(updated=datetime.combine(week.start, time(), UTC)))
                continue
            updated = self._updated(place, number, week)
            if updated:
                noise = between(-250, 250, *key, number) + between(-60, 60, *key, number, updated.date())
                value = base * (10_000 + trend * number // len(self._listed) + noise) // 10_000
            calls.append(Call(value, updated=updated))
        return calls

    def _closed(self, place: int, by_the_end: int) -> list[int]:
        """The cumulative closed amount by week, never falling; one in eight starts negative, with a credit note."""
        key = (*self._key(place), "won")
        shares = [between(1, 20 + 3 * number, *key, number) for number in range(len(self._listed))]
        credit = -between(12, 60, *key, "credit") * 10_000 if draw(*key) % 8 == 0 else 0
        before, closed = 0, []
        for week, share in zip(self.weeks, shares, strict=False):
            days = min((min(self._today, self._quarter.end + timedelta(days=1)) - week.start).days, 7)
            closed.append(credit + (by_the_end - credit) * (before * 7 + share * days) // (7 * sum(shares)))
            before += share
        return closed

    def _leader(self, place: int, team: PersonQuarter) -> PersonQuarter:
        """A manager's calls for the whole team: its sum times a factor that is constant in the quarter."""
        for field, calls in team.calls.items():
            judgement = between(93, 101, *self._key(place), field.id, "judgement")
            for number, call in enumerate(calls):
                call.value = call.value * judgement // 100
                call.updated = self._updated(place, number, self.weeks[number])
        return PersonQuarter(team.calls, team.quota * 95 // 100 // 100_000 * 100_000)

    def _updated(self, place: int, number: int, week: Week) -> datetime | None:
        """When the call was last updated in that week: on one or two days, in one of ten weeks never."""
        key = (*self._key(place), "entered", number)
        if draw(*key) % 10 == 0:
            return None
        first = week.start + timedelta(days=between(0, 2, *key, "first"))
        until = min(self._today, self._quarter.end + timedelta(days=1))
        entered = [day for day in (first, first + timedelta(days=3)) if day < until]
        return _at(entered[-1], draw(*key, len(entered))) if entered else None


def _at(day: date, chance: int) -> datetime:
    """A moment of that day, within office hours."""
    return datetime.combine(day, time(8), UTC) + timedelta(milliseconds=chance % 36_000_000)
