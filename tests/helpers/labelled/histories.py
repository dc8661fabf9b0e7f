"""Generated histories of syncs: exports as Clari would deliver them, labelled with the exact expected results.

Labels are computed with the history, from the specification in Decimal arithmetic, never from the warehouse.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any, NamedTuple

from tests.helpers.house import QUARTER, WEEKS, Json, document, entry, moment, person
from tests.helpers.labelled.tracks import KINDS, SWINGS, Draw, Track, Week, expected_reason, track

A_WEEK = timedelta(days=6, hours=12)
EXCLUDED = {"currency_changed", "request_changed", "restated", "new", "disappeared", "not_submitted"}
TEAM = ("ann", "bob", "cy", "dee", "eve", "fay", "gus", "hal")
WEEKS_BEFORE = {f"W{number:02d}": date(2026, 7, 2) + timedelta(weeks=number - 1) for number in range(1, 14)}
BOSS = person("boss", parent=None)


class Key(NamedTuple):
    """A comparison: the number of the export, the baseline, the person, the field."""

    export: int
    baseline: str
    who: str
    field: str


class Label(NamedTuple):
    """The expected result of a comparison: its kind, the reason, and whether the amount differs."""

    kind: str
    reason: str | None
    is_moved: bool | None = None  # said where the comparison is not the newest of its quarter

    @property
    def is_anomaly(self) -> bool:
        return self.reason in SWINGS


@dataclass
class Export:
    """One export; `broken` is each check that must fail, with its severity, `near` those that nearly do."""

    content: Json | bytes
    at: datetime
    quarter: str = QUARTER
    request: dict[str, Any] = field(default_factory=dict)
    state: str = "LOADED"
    broken: dict[str, str] = field(default_factory=dict)
    near: list[str] = field(default_factory=list)
    moved_alike: set[str] = field(default_factory=set)
    """Fields of which ten people moved by one ratio."""
    nearly_mass: bool = False


@dataclass
class History:
    """The exports of one forecast, oldest first, and all expected results."""

    kind: str
    exports: list[Export]
    labels: dict[Key, Label] = field(default_factory=dict)

    def mass_changes(self) -> set[tuple[int, str, str]]:
        """Export, baseline and field of which so many swing, or move alike, that one line stands for all."""
        compared, swung = Counter[tuple[int, str, str]](), Counter[tuple[int, str, str]]()
        for key, label in self.labels.items():
            compared[key.export, key.baseline, key.field] += label.reason not in EXCLUDED
            swung[key.export, key.baseline, key.field] += label.is_anomaly
        many = {which for which, people in compared.items() if people >= 10 and 10 * swung[which] > 3 * people}
        return many | {which for which in compared if which[2] in self.exports[which[0]].moved_alike}

    def is_kept(self, key: Key) -> bool:
        """Whether it has a row: in a quarter's newest export all have, in others what moved or has a reason."""
        label, export = self.labels[key], self.exports[key.export]
        newest = max(other.at for other in self.exports if (other.quarter, other.state) == (export.quarter, "LOADED"))
        if export.at == newest or label.reason is not None:
            return True
        assert label.is_moved is not None, label
        return label.is_moved

    def settled(self) -> "History":
        """With the warnings that follow from what was labelled."""
        for number, label in {(key.export, label.is_anomaly) for key, label in self.labels.items()}:
            if label:
                self.exports[number].broken["forecast_swings_within_threshold"] = "WARN"
        before: Export | None = None
        shown_whole: set[str] = set()
        for export in (one for one in self.exports if one.state == "LOADED"):
            if export.request.get("scope") is None:
                shown_whole.add(export.quarter)
            elif export.quarter not in shown_whole:
                export.broken["totals_have_one_top"] = "WARN"
            if before and (before.quarter, before.request) == (export.quarter, export.request):
                rows, rows_before = (len(one.content["entries"]) for one in (export, before))
                if rows * 100 < rows_before * 85:
                    export.broken["row_count_is_stable"] = "WARN"
            before = export
        return self


def team(names: Iterable[str], **crm: str) -> list[Json]:
    return [BOSS, *(person(name, parent="role-boss", crm=crm.get(name)) for name in names if name != "boss")]


def _moments(chance: Random) -> tuple[int, int, datetime, datetime]:
    """A week, how many weeks later the second export falls, and both moments."""
    week = chance.randint(2, 11)
    starts = [WEEKS[f"W{week + more:02d}"] for more in (0, 1, 2)]
    begin, following, end = (datetime.combine(day, datetime.min.time(), moment(10, 1).tzinfo) for day in starts)
    first = begin + timedelta(hours=chance.randrange(168))
    gaps = [timedelta(hours=1), timedelta(hours=24), timedelta(hours=24), A_WEEK - timedelta(minutes=1), A_WEEK]
    second = first + chance.choice([gap for gap in [*gaps, A_WEEK + timedelta(hours=9)] if first + gap < end])
    return week, int(second >= following), first, second


def _baselines(first: datetime, second: datetime) -> tuple[str, ...]:
    return ("sync", "week") if second - first >= A_WEEK else ("sync",)


def pair(chance: Random, deck: Iterator[str]) -> History:
    """Two exports in which each person's call has a label of its own."""
    week, later, first, second = _moments(chance)
    draw = Draw(chance, week, later)
    names = ["boss", *chance.sample(TEAM, chance.randint(4, 8))]
    fates = dict.fromkeys(names, "stays")
    if chance.random() < 0.6:
        fates |= {names[1]: chance.choice(("joins", "leaves", "gets a new id", "changes currency"))}
    before: list[Json] = []
    after: list[Json] = []
    labels: dict[Key, Label] = {}
    for who, fate in fates.items():
        now = f"{who}-2" if fate == "gets a new id" else who
        for name in ("commit", "best_case"):
            one = track(next(deck), draw)
            kind, reason = one.kind, one.reason
            if fate != "joins":
                before += [shown.entry(who, name) for shown in one.before]
            if fate != "leaves":
                money = "EUR" if fate == "changes currency" else "USD"
                after += [shown.entry(now, name, currency=money) for shown in one.after]
            match fate:
                case "joins":
                    reason = "new"
                case "leaves":
                    reason = "disappeared"
                case "changes currency":
                    reason = "currency_changed"
            label = Label(kind if fate == "stays" else f"{fate}: {kind}", reason)
            labels |= {Key(1, baseline, now, name): label for baseline in _baselines(first, second)}
    crm = {f"{who}-2": f"crm-{who}" for who in names}
    shown = ({one["userId"] for one in entries} for entries in (before, after))
    exports = [
        Export(document(*entries, people=team(sorted(people), **crm)), at)
        for entries, people, at in zip((before, after), shown, (first, second), strict=True)
    ]
    if "changes currency" in fates.values():
        exports[1].broken["currency_is_stable"] = "WARN"
    return History("pair", exports, labels)


# Steps over five exports, on the days 0, 1, 2, 3 and 7: reasons against the sync before, and on the 7th on the week.
_SERIES: dict[str, tuple[tuple[str, ...], tuple[int, ...]]] = {
    "slow bleed": (("1", "0.92", "0.8464", "0.778688", "0.71639296"), (0, 0, 0, 0, 1)),
    "slow climb": (("1", "1.05", "1.1025", "1.157625", "1.21550625"), (0, 0, 0, 0, 1)),
    "slow, exactly a fifth": (("1", "0.95", "0.9", "0.85", "0.8"), (0, 0, 0, 0, 0)),
    "slow, exactly a fifth deeper": (("-1", "-1.05", "-1.1", "-1.15", "-1.2"), (0, 0, 0, 0, 0)),
    "slow and gentle": (("1", "0.96", "0.9216", "0.884736", "0.84934656"), (0, 0, 0, 0, 0)),
    "jump and jump back": (("1", "2", "1", "1", "1"), (1, 1, 0, 0, 0)),
    "jump that stays": (("1", "1", "1.5", "1.5", "1.5"), (0, 1, 0, 0, 1)),
    "gone and back": (("1", "0", "1", "1", "1"), (1, 1, 0, 0, 0)),
    "bleed of a negative call": (("-1", "-1.1", "-1.2", "-1.25", "-1.3"), (0, 0, 0, 0, 1)),
}


def slow(chance: Random) -> History:
    """Five exports within a week and a little: what no day shows, the week does."""
    week = chance.randint(2, 10)
    begin = moment(WEEKS[f"W{week:02d}"].month, WEEKS[f"W{week:02d}"].day, chance.randrange(24))
    late = timedelta(hours=chance.choice((0, 0, 5)))
    moments = [begin + timedelta(days=day) + (late if day == 7 else timedelta()) for day in (0, 1, 2, 3, 7)]
    people = ["boss", *TEAM]
    entries: list[list[Json]] = [[] for _ in moments]
    labels: dict[Key, Label] = {}
    for who, kind in zip(people, chance.sample(sorted(_SERIES), len(people)), strict=True):
        shares, swings = _SERIES[kind]
        size = 10_000 * chance.randint(1, 10**6)
        calls = [size * Decimal(share) for share in shares]
        for number, call in enumerate(calls):
            shown = [Week(week, call if number < 4 else calls[3], True), Week(week + 1, call, True)]
            entries[number] += [one.entry(who, "commit") for one in shown[: 2 if number == 4 else 1]]
        for number, baseline, against, swing in (
            *((number, "sync", number - 1, swings[number - 1]) for number in (1, 2, 3)),
            (4, "sync", 3, 0),
            (4, "week", 0, swings[4]),
        ):
            reason = expected_reason(calls[against], calls[number])
            assert (reason is not None) == bool(swing), (kind, number, baseline)
            is_moved = calls[against] != calls[number]
            labels[Key(number, baseline, who, "commit")] = Label(f"{kind}, {baseline}", reason, is_moved)
    return History(
        "slow",
        [Export(document(*each, people=team(people)), at) for each, at in zip(entries, moments, strict=True)],
        labels,
    )


def _wild(chance: Random, week: str, people: Iterable[str], *, period: str = QUARTER, **more: Any) -> list[Json]:
    return [
        entry(who, week, name, period=period, call=chance.choice((-1, 1)) * chance.randint(1, 10**9), **more)
        for who in people
        for name in ("commit", "best_case")
    ]


def _week_of(day: date, weeks: dict[str, date] = WEEKS) -> str:
    return max(name for name, first in weeks.items() if first <= day)


def excused(chance: Random, why: str) -> History:
    """Everybody's call has moved wildly, and no comparison holds."""
    at = moment(10, chance.randint(9, 28), chance.randrange(24))
    following = at + timedelta(days=chance.choice((1, 7)))
    names = ["boss", *chance.sample(TEAM, 5)]
    requests: list[dict[str, Any]] = [{}, {}]
    money = ["USD", "USD"]
    quarter, weeks = QUARTER, WEEKS
    reason = "request_changed"
    match why:
        case "scope":
            requests = chance.choice(([{}, {"scope": "east"}], [{"scope": "east"}, {"scope": "west"}]))
        case "currency":
            requests[1] = {"currency": "EUR"}
        case "currency and rows":
            requests[1], money[1], reason = {"currency": "EUR"}, "EUR", "currency_changed"
        case "types":
            requests[1] = {"types": chance.choice((("forecast", "quota", "crm_closed"), ("forecast", "adjustment")))}
        case "restated":
            quarter, weeks, reason = "2026_Q3", WEEKS_BEFORE, "restated"
    shown = [_week_of(day.date(), weeks) for day in (at, following)]
    entries = [
        _wild(chance, week, names, period=quarter, currency=code) for week, code in zip(shown, money, strict=True)
    ]
    if money[1] != money[0] and shown[0] != shown[1]:
        entries[1] += [one | {"currency": {"code": "EUR"}} for one in entries[0]]
    exports = [
        Export(document(*each, people=team(names), weeks=dict(weeks)), when, quarter, request)
        for each, when, request in zip(entries, (at, following), requests, strict=True)
    ]
    if money[1] != money[0]:
        exports[1].broken["currency_is_stable"] = "WARN"
    labels = {
        Key(1, baseline, who, name): Label(f"changed {why}", reason)
        for baseline in _baselines(at, following)
        for who in names
        for name in ("commit", "best_case")
    }
    return History(f"changed {why}", exports, labels)


def just_not_restated(chance: Random) -> History:
    """A quarter that ended three days ago, to the hour: calls are still calls."""
    exports: list[Export] = []
    labels: dict[Key, Label] = {}
    draw = Draw(chance, 13)
    tracks: dict[str, Track] = {who: track(chance.choice(sorted(KINDS)), draw) for who in ("boss", *TEAM[:4])}
    for at in (moment(12, 31), moment(1, 4, 0, year=2027)):
        shown = [
            week.entry(who, "commit") for who, one in tracks.items() for week in (one.after if exports else one.before)
        ]
        exports.append(Export(document(*shown, people=team(tracks)), at))
    for who, one in tracks.items():
        labels[Key(1, "sync", who, "commit")] = Label(f"three days after the end: {one.kind}", one.reason)
    return History("three days after the end", exports, labels)


def roll_over(chance: Random) -> History:
    """The first export of a quarter has nothing to compare with, whatever the quarter before says."""
    names = ["boss", *TEAM[:5]]
    last = document(*_wild(chance, "W13", names, period="2026_Q3"), people=team(names), weeks=dict(WEEKS_BEFORE))
    first = document(*_wild(chance, "W01", names), people=team(names))
    moments = (moment(9, 30), moment(10, 1) + timedelta(days=chance.randrange(5)))
    exports = [Export(last, moments[0], "2026_Q3"), Export(first, moments[1])]
    return History("quarter roll-over", exports)


def again(chance: Random) -> History:
    """The same document a second and a third time."""
    names = ["boss", *TEAM]
    at = moment(11, chance.randint(1, 20))
    content = document(*_wild(chance, _week_of(at.date()), names), people=team(names))
    exports = [Export(content, at + timedelta(hours=hours)) for hours in (0, 1, 3)]
    labels = {
        Key(number, "sync", who, name): Label("re-export", None, is_moved=False)
        for number in (1, 2)
        for who in names
        for name in ("commit", "best_case")
    }
    return History("re-export", exports, labels)


def decks(chance: Random) -> Iterator[str]:
    """Every kind of track in turn, in an order of chance, anomalies and near misses alike often."""
    while True:
        yield from chance.sample(sorted(KINDS), len(KINDS))
