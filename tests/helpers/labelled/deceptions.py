"""Adversarial histories: documents that must be refused, warnings, and mass changes."""

from collections.abc import Callable
from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal
from random import Random

from tests.helpers.house import QUARTER, Json, document, entry, moment, person
from tests.helpers.labelled.histories import (
    BOSS,
    Export,
    History,
    Key,
    Label,
    again,
    decks,
    excused,
    just_not_restated,
    pair,
    roll_over,
    slow,
    team,
)
from tests.helpers.labelled.tracks import expected_reason, written

CENT = Decimal("0.01")
NAMES = tuple(f"p{number:02d}" for number in range(1, 41))
RATES = ("1.0837", "0.9213", "1.041275", "0.87", "1.25", "1.19", "0.99437", "1.0005")


def _good(chance: Random, *, size: int | None = None, people: int = 4, week: str = "W04") -> list[Json]:
    return [entry(who, week, call=size or chance.randint(1, 10**6)) for who in ("boss", *NAMES[:people])]


def _document(entries: list[Json], period: str = QUARTER) -> Json:
    shown = sorted({one["userId"] or "" for one in entries} - {"", "boss"})
    return document(*entries, people=team(shown), periods=[{"timePeriodId": period}])


Deception = tuple[str, Json | bytes, dict[str, bool]]


def _empty(_: Random) -> Deception:
    return "export_is_not_empty", _document([]), {}


def _unreadable(chance: Random) -> Deception:
    whole = str(_document(_good(chance))).encode()
    return (
        "export_is_readable",
        chance.choice((b"", b"<html>502 Bad Gateway</html>", whole, b'{"entries": [', b"[]", b"\xff\xfe")),
        {},
    )


def _truncated(chance: Random) -> Deception:
    return "export_is_not_truncated", _document(_good(chance)), {"is_truncated": True}


def _without_end(chance: Random) -> Deception:
    return "export_is_complete", _document(_good(chance)), {"is_whole": False}


def _other_quarter(chance: Random) -> Deception:
    period = chance.choice(("2026_Q3", "2027_Q1", "2025_Q4", "unheard of"))
    return "export_period_matches_request", _document([e | {"timePeriodId": period} for e in _good(chance)], period), {}


def _without_key(chance: Random) -> Deception:
    missing = chance.choice(("fieldId", "timeFrameId", "userId", "timePeriodId"))
    entries = _good(chance)
    entries[-1] |= {missing: chance.choice((None, ""))}
    return "entry_keys_are_complete", _document(entries), {}


def _in_conflict(chance: Random) -> Deception:
    entries = _good(chance)
    return "entry_keys_are_unique", _document([*entries, entries[-1] | {"forecastValue": 0.5}]), {}


def _unreadable_amount(chance: Random) -> Deception:
    amount = chance.choice(("123456789012345", "many", "1,200", "$5", "1e400"))
    return "amounts_are_readable", _document([*_good(chance), entry("p01", "W04", "best_case", closed=amount)]), {}


def _other_calendar(chance: Random) -> Deception:
    first, last = chance.choice((("2025-11-01", "2026-01-31"), ("2026-09-01", "2026-11-30")))
    listed = [{"timePeriodId": QUARTER, "type": "QUARTER", "startDate": first, "endDate": last}]
    content = _document(_good(chance)) | {
        "timePeriods": listed,
        "timeFrames": [{"timeFrameId": "W04", "startDate": None, "endDate": None}],
    }
    return "calendar_matches_settings", content, {}


DECEPTIONS: tuple[Callable[[Random], Deception], ...] = (
    _empty,
    _unreadable,
    _truncated,
    _other_quarter,
    _without_key,
    _in_conflict,
    _unreadable_amount,
    _without_end,
    _other_calendar,
)


def refused(chance: Random, deceive: Callable[[Random], Deception], *, between: bool = False) -> History:
    """A refused document; with `between` between two that are merged and compared with each other."""
    check, content, request = deceive(chance)
    at = moment(10, chance.randint(24, 26), chance.randrange(24))
    bad = Export(content, at, request=dict(request), state="REFUSED", broken={check: "ERROR"})
    if not between:
        return History(check, [bad])
    exports = [Export(_document(_good(chance, size=100)), at - timedelta(hours=9)), bad]
    exports += [Export(_document(_good(chance, size=120)), at + timedelta(hours=9))]
    labels = {Key(2, "sync", who, "commit"): Label("across a refused export", None) for who in ("boss", *NAMES[:4])}
    return History(check, exports, labels)


def in_grace(chance: Random, deceive: Callable[[Random], Deception]) -> History:
    """Nothing yet, or the quarter before again, in a quarter's first seven days; the eighth is an error."""
    check, content, request = deceive(chance)
    late = chance.random() < 0.3
    at = moment(10, 8, chance.randrange(6)) if late else moment(10, chance.randint(1, 7), chance.randrange(24))
    severity = "ERROR" if late else "WARN"
    return History("grace", [Export(content, at, request=dict(request), state="REFUSED", broken={check: severity})])


def duplicates(chance: Random) -> History:
    entries = _good(chance)
    export = Export(_document(entries * chance.randint(2, 4)), moment(10, 24), near=["entry_keys_are_unique"])
    return History("exact duplicates", [export])


def rows_lost(chance: Random, *, more: int) -> History:
    """Fifteen percent of the rows have gone, and `more` of them."""
    people = chance.choice((20, 40))
    stays = people * 85 // 100 - more
    before = _good(chance, people=people - 1)
    exports = [
        Export(_document(shown), at) for shown, at in ((before, moment(10, 24)), (before[:stays], moment(10, 25)))
    ]
    exports[1].near += [] if more else ["row_count_is_stable"]
    labels = {
        Key(1, "sync", one["userId"], "commit"): Label("many leave", None if number < stays else "disappeared")
        for number, one in enumerate(before)
    }
    return History("rows lost", exports, labels)


def currency_of_rows(chance: Random) -> History:
    before = _good(chance, people=8)
    after = [one | {"currency": {"code": "EUR"}, "forecastValue": one["forecastValue"] * 7} for one in before]
    exports = [Export(_document(before), moment(10, 24)), Export(_document(after), moment(10, 25))]
    exports[1].broken["currency_is_stable"] = "WARN"
    labels = {
        Key(1, "sync", one["userId"], "commit"): Label("rows in another currency", "currency_changed") for one in before
    }
    return History("currency of rows", exports, labels)


def new_key(chance: Random) -> History:
    before = _good(chance, people=8)
    key, value = chance.choice((("likelihood", 5), ("note", "x"), ("crmOpen", {"amount": 1}), ("tags", [])))
    after = [one | {key: value} for one in before]
    exports = [Export(_document(before), moment(10, 24)), Export(_document(after), moment(10, 25))]
    exports[1].broken["contract_is_stable"] = "WARN"
    labels = {Key(1, "sync", one["userId"], "commit"): Label("a new key", None) for one in before}
    return History("new key", exports, labels)


def long_tail(chance: Random, *, decimals: int) -> History:
    amount = f"{chance.randint(1, 10**6)}.{'0' * (decimals - 1)}{chance.randint(1, 9)}"
    content = _document([*_good(chance), entry("p01", "W04", "best_case", closed=amount)])
    return _warned("amounts_are_exact", content, is_broken=decimals > 4)


def shared_person(chance: Random, *, is_shared: bool) -> History:
    names = chance.sample(NAMES, 4)
    crm = {names[0]: "crm-x", names[1]: "crm-x" if is_shared else "crm-y"}
    content = document(*(entry(who, "W04", call=5) for who in ("boss", *names)), people=team(names, **crm))
    return _warned("people_are_distinct", content, is_broken=is_shared)


def spelt_twice(chance: Random, *, is_alike: bool) -> History:
    other = chance.choice(("Best-Case", "BEST_CASE", "best case")) if is_alike else "Best Case 2"
    content = document(*(entry("boss", "W04", field, call=5) for field in ("b1", "b2")), people=[BOSS])
    fields = [{"fieldId": key, "fieldName": name} for key, name in (("b1", "Best Case"), ("b2", other))]
    return _warned("fields_are_distinct", content | {"fields": fields}, is_broken=is_alike)


def week_astray(chance: Random) -> History:
    days = {"startDate": chance.choice(("2027-01-01", "2027-01-05")), "endDate": "2027-01-07"}
    content = document(entry("boss", "W04", call=5), people=[BOSS])
    return _warned(
        "weeks_touch_their_period",
        content | {"timeFrames": [{"timeFrameId": "W04", **days}]},
        is_broken=True,
    )


def tops(chance: Random, *, number: int) -> History:
    roles = [BOSS, *(person(f"top{one}", parent=None) for one in range(1, number)), person("ann", parent="role-boss")]
    people = chance.sample(roles if number else roles[-1:], len(roles) if number else 1)
    if not number:
        people = [one | {"hierarchyId": "", "parentHierarchyId": ""} for one in people]
    content = document(*(entry(one["userId"], "W04", call=5) for one in people), people=people)
    return _warned("totals_have_one_top", content, is_broken=number != 1)


def quotas(chance: Random, *, second: str) -> History:
    fields = {"commit": "Commit", "plan": "Plan", "other": second}
    entries = [entry("boss", "W04", call=5), *(entry("boss", "W04", name, quota=9) for name in ("plan", "other"))]
    content = document(*chance.sample(entries, 3), people=[BOSS], fields=fields)
    return _warned("quota_field_is_unambiguous", content, is_broken=second != "Quota")


def _warned(check: str, content: Json, *, is_broken: bool) -> History:
    export = Export(content, moment(10, 24))
    if is_broken:
        export.broken[check] = "WARN"
    else:
        export.near.append(check)
    return History(check, [export])


def many_move(chance: Random, *, people: int, swinging: int) -> History:
    """So many of so many people swing, each by a share of its own; the rest move a little, each by its own."""
    calls = {}
    for number, who in enumerate(chance.sample(("boss", *NAMES[: people - 1]), people)):
        before = Decimal(chance.randint(10_000, 10**8))
        percent = 30 + number if number < swinging else number % 19 + Decimal(number) / 100
        calls[who] = (before, before * (100 + chance.choice((1, -1)) * Decimal(percent)) / 100)
    history = _moved(f"{swinging} of {people} swing", calls)
    history.exports[1].nearly_mass = not history.mass_changes()
    return history


def rate_moves(chance: Random, *, alike: int) -> History:
    """An exchange rate: so many calls move by one ratio, rounded to cents; others stay, or move otherwise."""
    rate = Decimal(chance.choice(RATES))
    calls = {}
    least = chance.choice((1000, 10_000, 10**6))
    for number, who in enumerate(chance.sample(NAMES, alike + 3)):
        before = chance.choice((1, 1, 1, -1)) * Decimal(chance.randint(100 * least, 200 * least)) * CENT
        share = rate if number < alike else Decimal(1) + Decimal(number - alike) / 50
        calls[who] = (before, (before * share).quantize(CENT, ROUND_HALF_UP))
    calls["boss"] = (Decimal(5), Decimal(5))
    history = _moved(f"{alike} by one rate", calls)
    if alike >= 10:
        history.exports[1].moved_alike = {"commit"}
    history.exports[1].nearly_mass = alike < 10 and not history.mass_changes()
    return history


def rate_blurred(chance: Random) -> History:
    """Ten calls of a thousand and a little, moved by one rate: those that rounding to cents moved furthest apart."""
    rate = Decimal(chance.randint(80_000_000, 120_000_000)) / 10**8
    calls = {"boss": (Decimal(5), Decimal(5))}
    drawn = {Decimal(chance.randint(100_000, 120_000)) * CENT for _ in range(400)}
    moved = sorted(
        ((call, (call * rate).quantize(CENT, ROUND_HALF_UP)) for call in drawn), key=lambda one: one[1] / one[0]
    )
    calls |= dict(zip(NAMES, (*moved[:5], *moved[-5:]), strict=False))
    history = _moved("ten by one rate, in cents", calls)
    history.exports[1].moved_alike = {"commit"}
    return history


def rates_differ(chance: Random) -> History:
    """A dozen calls move by nearly, but not quite, the same share."""
    calls = {"boss": (Decimal(7), Decimal(7))}
    for number, who in enumerate(NAMES[:12]):
        before = Decimal(chance.randint(10**6, 10**8))
        calls[who] = (before, before * (Decimal("1.08") + Decimal(number) / 2000))
    history = _moved("twelve rates", calls)
    history.exports[1].nearly_mass = True
    return history


def _moved(kind: str, calls: dict[str, tuple[Decimal, Decimal]]) -> History:
    exports = [
        Export(_document([entry(who, "W04", call=written(pair_[number])) for who, pair_ in calls.items()]), at)
        for number, at in enumerate((moment(10, 24), moment(10, 25)))
    ]
    labels = {Key(1, "sync", who, "commit"): Label(kind, expected_reason(*pair_)) for who, pair_ in calls.items()}
    return History(kind, exports, labels)


_EXCUSES = ("scope", "currency", "currency and rows", "types", "restated")
_WARNINGS: tuple[Callable[[Random], History], ...] = (
    lambda chance: long_tail(chance, decimals=4),
    lambda chance: long_tail(chance, decimals=5),
    lambda chance: shared_person(chance, is_shared=True),
    lambda chance: shared_person(chance, is_shared=False),
    lambda chance: spelt_twice(chance, is_alike=True),
    lambda chance: spelt_twice(chance, is_alike=False),
    lambda chance: quotas(chance, second="Stretch"),
    lambda chance: quotas(chance, second="Quota"),
    lambda chance: tops(chance, number=2),
    lambda chance: tops(chance, number=1),
    lambda chance: tops(chance, number=0),
    lambda chance: tops(chance, number=3),
    duplicates,
    currency_of_rows,
)
# On both sides of each bound.
_MASSES: tuple[Callable[[Random], History], ...] = (
    lambda chance: many_move(chance, people=10, swinging=4),
    lambda chance: many_move(chance, people=10, swinging=3),
    lambda chance: many_move(chance, people=20, swinging=7),
    lambda chance: many_move(chance, people=20, swinging=6),
    lambda chance: many_move(chance, people=9, swinging=9),
    lambda chance: rate_moves(chance, alike=10),
    lambda chance: rate_moves(chance, alike=14),
    lambda chance: rate_moves(chance, alike=9),
    rates_differ,
)


def histories(seed: int, rounds: int, *, pairs: int = 10, first: int = 0, refusals: int = 1) -> list[History]:
    """Some 29 histories a round, from the `first` on; six rounds in a row hold every kind.

    Each deception comes in every round, or in one of `refusals` rounds.
    """
    chance = Random(seed)
    deck = decks(chance)
    made: list[History] = []
    for turn in range(first, first + rounds):
        made += [pair(chance, deck) for _ in range(pairs)]
        made += [excused(chance, _EXCUSES[turn % 5]), (just_not_restated, roll_over, again)[turn % 3](chance)]
        made += [refused(chance, deceive) for deceive in DECEPTIONS[turn % refusals :: refusals]]
        made += [in_grace(chance, (_empty, _other_quarter)[turn % 2]), rows_lost(chance, more=turn % 2)]
        made += [_WARNINGS[number % len(_WARNINGS)](chance) for number in (2 * turn, 2 * turn + 1)]
        made += [_MASSES[number % len(_MASSES)](chance) for number in range(3 * turn, 3 * turn + 3)]
        made += [slow(chance) if turn % 2 else refused(chance, chance.choice(DECEPTIONS), between=True)]
    return [history.settled() for history in made]
