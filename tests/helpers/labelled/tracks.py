"""How a person's call changes between two exports, each kind with its specified verdict, in Decimal arithmetic.

A track is an anomaly (it must raise an alert) or a near miss (it resembles one, and must not).
"""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from random import Random
from typing import Any

from tests.helpers.house import Json, entry

STEP = Decimal("0.0001")
SWINGS = frozenset({"from_zero", "to_zero", "sign_flip", "above_threshold"})
Call = Decimal | int | None


def written(amount: Call) -> Any:
    """An amount exactly in JSON: a number, or a string where a binary float would round it."""
    if amount is None or amount == int(amount):
        return None if amount is None else int(amount)
    amount = Decimal(amount)
    return float(amount) if len(amount.as_tuple().digits) <= 15 else str(amount)


def expected_reason(before: Decimal, after: Decimal, threshold: Decimal = Decimal("0.20")) -> str | None:
    """The reason that the specification gives for two submitted calls of one person."""
    if before == 0 or after == 0:
        return None if before == after else "from_zero" if before == 0 else "to_zero"
    if (before > 0) != (after > 0):
        return "sign_flip"
    return "above_threshold" if abs(after - before) > threshold * abs(before) else None


@dataclass(frozen=True)
class Week:
    """One week of one person's field, as an export writes it."""

    number: int
    call: Call
    submitted: bool | None = None

    def entry(self, who: str, name: str, **more: Any) -> Json:
        flag = {} if self.submitted is None else {"submitted": self.submitted}
        return entry(who, f"W{self.number:02d}", name, call=written(self.call), **flag, **more)


@dataclass(frozen=True)
class Track:
    """The weeks that two exports show, and the verdict on their comparison."""

    kind: str
    before: tuple[Week, ...]
    after: tuple[Week, ...]
    reason: str | None

    @property
    def is_anomaly(self) -> bool:
        return self.reason in SWINGS


@dataclass
class Draw:
    """Chance, and the weeks in which the two exports fall."""

    chance: Random
    week: int = 5
    weeks_between: int = 0

    def whole(self, *, digits: int = 10) -> Decimal:
        return Decimal(self.chance.randint(1, 10 ** self.chance.randint(1, digits)))

    def fives(self) -> Decimal:
        """An amount a fifth of which has four decimals at most; up to fourteen digits before the point."""
        return 5 * STEP * self.chance.randint(1, 10 ** self.chance.randint(2, 17))

    def flag(self) -> bool | None:
        return self.chance.choice((True, None))

    def calls(self, kind: str, before: Decimal, after: Decimal) -> Track:
        """A call in the week of each export; weeks before it may say anything, and be edited late."""
        flag = self.flag()
        first = Week(self.week, before, flag)
        older = self._noise()
        before_that, edited = older
        if self.weeks_between:
            kept = Week(self.week, before if self.chance.random() < 0.7 else self.whole(), flag)
            rest: tuple[Week, ...] = (kept, Week(self.week + 1, after, flag))
        else:
            rest = (Week(self.week, after, flag),)
        return Track(kind, (*before_that, first), (*edited, *rest), expected_reason(before, after))

    def _noise(self) -> tuple[tuple[Week, ...], tuple[Week, ...]]:
        match self.chance.randrange(3):
            case 0:
                return (), ()
            case 1:
                older = (Week(self.week - 1, self.whole(), True),)
                return older, older
            case _:
                return (Week(self.week - 1, self.whole(), True),), (Week(self.week - 1, -self.whole(), True),)


def _late_edit(draw: Draw) -> Track:
    call = draw.whole()
    old, new = (Week(draw.week - 1, draw.whole() * factor, True) for factor in (1, -3))
    now = Week(draw.week, call, True)
    later = (Week(draw.week + 1, call, True),) if draw.weeks_between else ()
    return Track("late edit of an older week", (old, now), (new, now, *later), None)


def _empty_week(draw: Draw, number: int) -> Week:
    return draw.chance.choice((Week(number, 0, False), Week(number, None, False), Week(number, None)))


def _not_yet_submitted(draw: Draw) -> Track:
    """The new week shows nothing yet, or the week that is on still shows nothing."""
    stands = Week(draw.week - (not draw.weeks_between), draw.whole(), True)
    empty = _empty_week(draw, stands.number + 1)
    return Track(
        "call not yet submitted", (stands,) if draw.weeks_between else (stands, empty), (stands, empty), "not_submitted"
    )


def _not_submitted_and_edited(draw: Draw) -> Track:
    call = draw.whole()
    stands, edited = (Week(draw.week - (not draw.weeks_between), call * factor, True) for factor in (1, 9))
    empty = _empty_week(draw, stands.number + 1)
    return Track("not submitted, the week before edited", (stands,), (edited, empty), "not_submitted")


def _withdrawn(draw: Draw) -> Track:
    stands = Week(draw.week - 1, draw.whole(), True)
    call = Week(draw.week, 7 * draw.whole(), True)
    empty = tuple(_empty_week(draw, draw.week + number) for number in range(draw.weeks_between + 1))
    return Track("a submission taken back", (stands, call), (stands, *empty), "not_submitted")


def _first_submission(draw: Draw) -> Track:
    empty = _empty_week(draw, draw.week)
    call = Week(draw.week + draw.weeks_between, draw.whole(), True)
    return Track("first submission", (empty,), (empty, call) if draw.weeks_between else (call,), "not_submitted")


def _submitted_after_a_pause(draw: Draw) -> Track:
    """Against the call that stood meanwhile."""
    call = draw.whole() * 10
    stands, empty = Week(draw.week - 1, call, True), Week(draw.week, 0, False)
    moved = Week(draw.week + draw.weeks_between, call * Decimal("1.3"), True)
    return Track(
        "moved after a pause",
        (stands, empty),
        (stands, empty, moved) if draw.weeks_between else (stands, moved),
        "above_threshold",
    )


def _unchanged_after_a_pause(draw: Draw) -> Track:
    moved = _submitted_after_a_pause(draw)
    same = Week(moved.after[-1].number, moved.before[0].call, True)
    return Track("submitted again after a pause", moved.before, (*moved.after[:-1], same), None)


def _scaled(kind: str, factor: str, *, plus: Decimal = Decimal(0), sign: int = 1) -> Callable[[Draw], Track]:
    def make(draw: Draw) -> Track:
        exact = draw.fives() if factor in {"1.2", "0.8"} else draw.whole()
        return draw.calls(kind, sign * exact, sign * (exact * Decimal(factor) + plus))

    return make


def _between(kind: str, before: int, after: int) -> Callable[[Draw], Track]:
    """From and to nothing, or across it: the sizes are chance's, the signs given."""

    def make(draw: Draw) -> Track:
        return draw.calls(kind, before * draw.whole(), after * draw.whole())

    return make


# The kind of each, whether people must hear of it, and how it is made.
KINDS: dict[str, tuple[bool, Callable[[Draw], Track]]] = {
    "+20.01 %": (True, _scaled("+20.01 %", "1.2001")),
    "-20.01 %": (True, _scaled("-20.01 %", "0.7999")),
    "a ten-thousandth beyond +20 %": (True, _scaled("a ten-thousandth beyond +20 %", "1.2", plus=STEP)),
    "a ten-thousandth beyond -20 %": (True, _scaled("a ten-thousandth beyond -20 %", "0.8", plus=-STEP)),
    "doubled": (True, _scaled("doubled", "2")),
    "from zero": (True, _between("from zero", 0, 1)),
    "from zero to below": (True, _between("from zero to below", 0, -1)),
    "to zero": (True, _between("to zero", 1, 0)),
    "to zero from below": (True, _between("to zero from below", -1, 0)),
    "sign flip": (True, _between("sign flip", 1, -1)),
    "sign flip upwards": (True, _between("sign flip upwards", -1, 1)),
    "small sign flip": (True, lambda draw: draw.calls("small sign flip", STEP, -STEP)),
    "negative, deeper": (True, _scaled("negative, deeper", "1.2001", sign=-1)),
    "negative, less deep": (True, _scaled("negative, less deep", "0.7999", sign=-1)),
    "moved after a pause": (True, _submitted_after_a_pause),
    "exactly +20 %": (False, _scaled("exactly +20 %", "1.2")),
    "exactly -20 %": (False, _scaled("exactly -20 %", "0.8")),
    "negative, exactly a fifth deeper": (False, _scaled("negative, exactly a fifth deeper", "1.2", sign=-1)),
    "negative, exactly a fifth less": (False, _scaled("negative, exactly a fifth less", "0.8", sign=-1)),
    "negative, a little": (False, _scaled("negative, a little", "1.1", sign=-1)),
    "+19.99 %": (False, _scaled("+19.99 %", "1.1999")),
    "-19.99 %": (False, _scaled("-19.99 %", "0.8001")),
    "unchanged": (False, _scaled("unchanged", "1")),
    "nothing and still nothing": (False, _between("nothing and still nothing", 0, 0)),
    "late edit of an older week": (False, _late_edit),
    "call not yet submitted": (False, _not_yet_submitted),
    "not submitted, the week before edited": (False, _not_submitted_and_edited),
    "a submission taken back": (False, _withdrawn),
    "first submission": (False, _first_submission),
    "submitted again after a pause": (False, _unchanged_after_a_pause),
}


def track(kind: str, draw: Draw) -> Track:
    """A track of this kind; that it is what its name says is made sure here."""
    is_anomaly, make = KINDS[kind]
    made = make(draw)
    assert made.kind == kind
    assert made.is_anomaly is is_anomaly, made
    return made
