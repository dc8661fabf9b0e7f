"""A reference model of the weekly marts: random histories of a forecast, and the rows that the marts must have."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal
from random import Random
from typing import Any

from tests.helpers.house import House, Json, document, entry, person

QUARTERS = {"2026_Q3": (date(2026, 7, 1), date(2026, 9, 30)), "2026_Q4": (date(2026, 10, 1), date(2026, 12, 31))}
FIELDS = {"commit": "Commit", "best": "Best Case", "quota": "Quota"}
FORECAST_FIELDS = ("commit", "best")
ROLES = {"boss": "top", "mia": "east", "max": "west", "ann": "r-ann", "bob": "r-bob", "cy": "r-cy", "dee": "r-dee"}
MANAGERS = ("boss", "mia", "max")
_EXACT = Context(prec=60)
_SIXTH = Decimal("0.000001")
_TICK = timedelta(microseconds=1)
_WEDNESDAY = 2
_CLOSED_BY = timedelta(hours=4)

Key = tuple[str, str, str]  # week, person, field
Row = dict[str, Any]


def weeks_of(quarter: str) -> dict[str, tuple[date, date]]:
    """Wednesday to Tuesday, as in production [gitlab]: the first ends before the quarter begins, the last in the next.

    So two of them are listed in both quarters, under the same ids.
    """
    first, last = QUARTERS[quarter]
    begins = first - timedelta(days=7)
    begins -= timedelta(days=(begins.weekday() - _WEDNESDAY) % 7)
    starts = [begins + timedelta(weeks=number) for number in range((last - begins).days // 7 + 1)]
    return {f"TF:{start}": (start, start + timedelta(days=6)) for start in starts}


def fraction(part: Decimal | None, whole: Decimal | None) -> Decimal | None:
    """To six decimals, half away from zero."""
    if part is None or not whole:
        return None
    return _EXACT.divide(part, whole).quantize(_SIXTH, ROUND_HALF_UP, _EXACT)


@dataclass
class Export:
    """A full export of a quarter: the entries that it shows, and who reported to whom then."""

    quarter: str
    at: datetime
    entries: dict[Key, Row]
    parents: dict[str, str | None]

    @property
    def written(self) -> Json:
        return document(
            *(
                entry(
                    who,
                    week,
                    name,
                    period=self.quarter,
                    **{key: _json(value) for key, value in row.items() if key != "by"},
                )
                | ({"updatedBy": row["by"]} if row["by"] else {})
                for (week, who, name), row in self.entries.items()
            ),
            people=[person(who, role=ROLES[who], parent=parent) for who, parent in self.parents.items()],
            weeks={week: first for week, (first, _) in weeks_of(self.quarter).items()},
            fields=FIELDS,
            periods=[{"timePeriodId": self.quarter}],
        )


@dataclass
class History:
    """Exports of one forecast's two quarters, in the order of their moments."""

    exports: list[Export] = field(default_factory=list)

    def of(self, quarter: str, *, until: datetime | None = None) -> list[Export]:
        return [one for one in self.exports if one.quarter == quarter and (until is None or one.at <= until)]

    def known(self, quarter: str, at: datetime) -> tuple[dict[Key, Row], set[Key]]:
        """The newest values of every entry known at a moment, and which of them the newest export showed."""
        values: dict[Key, Row] = {}
        exports = self.of(quarter, until=at)
        for export in exports:
            values |= export.entries
        return values, set(exports[-1].entries) if exports else set()

    def parents(self, quarter: str, at: datetime) -> dict[str, str | None]:
        """Who reported to whom as the quarter's own exports had shown it by then."""
        found: dict[str, str | None] = {}
        for export in self.of(quarter, until=at):
            found |= export.parents
        return found


def _json(value: Any) -> Any:
    return str(value) if isinstance(value, Decimal) else value


def random_history(chance: Random, *, most: int = 6) -> History:
    """People who call, raise, lower, fall silent, are overridden, change teams, leave and return.

    `most` is how many exports a quarter has at most.
    """
    values: dict[tuple[str, Key], Row] = {}
    moments: list[tuple[datetime, str]] = []
    for quarter, (first, last) in QUARTERS.items():
        days = chance.sample(range(1, (last - first).days + 30), chance.randint(min(3, most), most))
        moments += [
            (
                datetime(first.year, first.month, first.day, chance.randint(0, 23), 1, tzinfo=UTC)
                + timedelta(days=day),
                quarter,
            )
            for day in days
        ]
    team: dict[str, str | None] = {"boss": None, "mia": "top", "max": "top"}
    for who in list(ROLES)[3:]:
        team[who] = ROLES[chance.choice(MANAGERS)]
    history = History()
    for at, quarter in sorted(set(moments)):
        if chance.random() < 0.4:
            team[chance.choice(list(ROLES)[3:])] = ROLES[chance.choice(MANAGERS)]
        away = set(chance.sample(list(ROLES)[1:], chance.choice([0, 0, 1, 2])))
        shown: dict[Key, Row] = {}
        for week, (first, _) in weeks_of(quarter).items():
            if first > at.date() + timedelta(days=7):
                continue
            for who in team:
                for name in FIELDS:
                    key = (quarter, (week, who, name))
                    if key not in values or chance.random() < 0.15:
                        values[key] = _figures(chance, who, name)
                    if who not in away and (who == "boss" or chance.random() < 0.95):
                        shown[key[1]] = values[key]
        history.exports.append(Export(quarter, at, shown, dict(team)))
    return history


def _figures(chance: Random, who: str, name: str) -> Row:
    def money(*, least: int = 0) -> Decimal:
        return Decimal(chance.randint(least, 30)) * Decimal("33.3333")

    if name == "quota":
        return {"quota": chance.choice([money(least=1), money(least=1), Decimal(0)]), "currency": "USD", "by": None}
    closed = chance.choice([None, money(), money()])
    return {
        "call": chance.choice([None, Decimal(0), money(), money(), money(), -money()]),
        "submitted": chance.choice([True, True, False]),
        "adjustment": chance.choice([None, None, Decimal(0), money(least=1)]),
        "adjusted_by": chance.choice([None, "", "boss"]),
        "total": chance.choice([None, money(), money()]),
        "closed": closed,
        "currency": "EUR" if chance.random() < 0.04 else "USD",
        "by": chance.choice([who, who, "boss", None]),
    }


@dataclass
class Weekly:
    """What the marts must hold of a history; `use_adjusted` as CLARI_CALL=adjusted, `close` as CLARI_WEEK_CLOSE."""

    history: History
    use_adjusted: bool
    close: timedelta = timedelta()

    def calls(self) -> dict[tuple[str, str, str, str], Row]:
        """By quarter, week, person and field."""
        found: dict[tuple[str, str, str, str], Row] = {}
        for quarter in QUARTERS:
            exports = self.history.of(quarter)
            for number, (week, (first, last)) in enumerate(weeks_of(quarter).items(), 1):
                if not exports or first > exports[-1].at.date():
                    continue
                closes = datetime(last.year, last.month, last.day, tzinfo=UTC) + timedelta(days=1) + self.close
                ends = closes - _TICK
                as_of = min(max(ends, exports[0].at), max(exports[-1].at, exports[0].at))
                begins = datetime(first.year, first.month, first.day, tzinfo=UTC)
                if as_of == ends and not any(begins <= export.at <= ends for export in exports):
                    as_of = max(export.at for export in exports if export.at <= ends)
                as_of = next((one.at for one in exports if closes <= one.at < closes + _CLOSED_BY), as_of)
                when = {
                    "week_number": number,
                    "week_end_date": last,
                    "week_closes_at": closes,
                    "weeks_to_end": max(0, (QUARTERS[quarter][1] - last).days // 7),
                    "as_of": as_of,
                    "is_week_over": ends < exports[-1].at,
                    "is_backfilled": ends < exports[0].at,
                }
                for (who, name), row in self._standing(quarter, week, as_of).items():
                    found[quarter, week, who, name] = when | row
        return found

    def _standing(self, quarter: str, week: str, at: datetime) -> dict[tuple[str, str], Row]:
        values, present = self.history.known(quarter, at)
        parents = self.history.parents(quarter, at)
        fields = {name for (_, _, name), row in values.items() if row.get("call") is not None}
        found: dict[tuple[str, str], Row] = {}
        for who, role in ROLES.items():
            for name in fields:
                known = {one: values[one, who, name] for one in weeks_of(quarter) if (one, who, name) in values}
                before = [one for one in known if one <= week]
                if not before or not any((one, who, name) in present for one in known):
                    continue
                newest = known[before[-1]]
                standing = [one for one in before if self._submitted(known[one]) is not None]
                quota = {
                    one: values[one, who, "quota"]["quota"]
                    for one in weeks_of(quarter)
                    if (one, who, "quota") in values
                }
                of_quota = [one for one in quota if one <= week][-1:] or [one for one in quota if one > week][:1]
                currency = (known[standing[-1]] if standing else newest)["currency"]
                is_ours = newest["currency"] == currency
                found[who, name] = {
                    "call_value": self._submitted(known[standing[-1]]) if standing else None,
                    "is_submitted": bool(standing) and standing[-1] == week,
                    "currency_code": currency,
                    "adjustment_value": self._replacement(
                        known[standing[-1]] if standing else newest, newest, currency
                    ),
                    "crm_closed": newest["closed"] if is_ours else None,
                    "crm_total": newest["total"] if is_ours else None,
                    "quota_value": quota[of_quota[0]] if of_quota and currency == "USD" else None,
                    "role_name": role.title(),
                    "parent": parents[who],
                    "is_top": who == "boss",
                }
        return found

    def _replacement(self, standing: Row, newest: Row, currency: str) -> Decimal | None:
        """What replaces the call: that of the week whose replacement stands, else that of the newest week."""
        row = standing if self._is_replaced(standing) else newest
        replacement: Decimal | None = row["adjustment"] if row["currency"] == currency else None
        return replacement

    def _submitted(self, row: Row) -> Decimal | None:
        if self._is_replaced(row):
            replacement: Decimal = row["adjustment"]
            return replacement
        return None if row["call"] == 0 and not row["submitted"] else row["call"]

    def _is_replaced(self, row: Row) -> bool:
        """A zero that nobody is named for, not even by an empty name, was never adjusted."""
        return self.use_adjusted and (bool(row["adjustment"]) or (row["adjustment"] == 0 and bool(row["adjusted_by"])))

    def movements(self) -> dict[tuple[str, str, str, str], Row]:
        calls = self.calls()
        found: dict[tuple[str, str, str, str], Row] = {}
        for quarter in QUARTERS:
            weeks = [week for week in weeks_of(quarter) if any(key[:2] == (quarter, week) for key in calls)]
            for before, week in zip([None, *weeks], weeks, strict=False):
                for who in ROLES:
                    for name in FORECAST_FIELDS:
                        row = _movement(
                            {
                                key[2]: call
                                for key, call in calls.items()
                                if (*key[:2], key[3]) == (quarter, before, name)
                            },
                            {
                                key[2]: call
                                for key, call in calls.items()
                                if (*key[:2], key[3]) == (quarter, week, name)
                            },
                            who,
                        )
                        if row is not None:
                            found[quarter, week, who, name] = row
        return found

    def finals(self) -> dict[tuple[str, str, str], Row]:
        """What the newest export says of each quarter, person and field: of those whom it does not show, nothing."""
        found: dict[tuple[str, str, str], Row] = {}
        for quarter in QUARTERS:
            if not (exports := self.history.of(quarter)):
                continue
            begun = [week for week, (first, _) in weeks_of(quarter).items() if first <= exports[-1].at.date()]
            values, present = self.history.known(quarter, exports[-1].at)
            for who in ROLES:
                for name in FORECAST_FIELDS:
                    known = [one for one in begun if (one, who, name) in values]
                    standing = [one for one in known if self._submitted(values[one, who, name]) is not None]
                    if known and any((one, who, name) in present for one in weeks_of(quarter)):
                        newest = values[known[-1], who, name]
                        currency = (values[standing[-1], who, name] if standing else newest)["currency"]
                        closed = newest["closed"] if newest["currency"] == currency else None
                        found[quarter, who, name] = {"closed": closed, "currency": currency}
        return found

    def is_finished(self, quarter: str) -> bool:
        exports = self.history.of(quarter)
        return bool(exports) and exports[-1].at.date() > QUARTERS[quarter][1]

    def is_provisional(self, quarter: str) -> bool:
        return self.history.of(quarter)[-1].at.date() <= QUARTERS[quarter][1] + timedelta(days=10)


def _movement(start: dict[str, Row], end: dict[str, Row], who: str) -> Row | None:
    if who not in start and who not in end:
        return None
    first, last = start.get(who), end.get(who)
    row: Row = {
        "start_value": first and first["call_value"],
        "end_value": last and last["call_value"],
        "is_top": bool(last and last["is_top"]),
    }
    role = ROLES[who]
    then = {one for one, call in start.items() if first and call["parent"] == role and one != who}
    now = {one for one, call in end.items() if last and call["parent"] == role and one != who}
    apart = {one for one in then if first and start[one]["currency_code"] != first["currency_code"]} | {
        one for one in now if last and end[one]["currency_code"] != last["currency_code"]
    }
    parts = dict.fromkeys(("raised_amount", "lowered_amount", "new_amount", "gone_amount"), Decimal(0))
    for one in (then | now) - apart:
        was = (start[one]["call_value"] or Decimal(0)) if one in then else None
        is_now = (end[one]["call_value"] or Decimal(0)) if one in now else None
        if was is None:
            parts["new_amount"] += is_now or 0
        elif is_now is None:
            parts["gone_amount"] -= was
        else:
            parts["raised_amount" if is_now > was else "lowered_amount"] += is_now - was
    change = (row["end_value"] or Decimal(0)) - (row["start_value"] or Decimal(0))
    amounts: Row = {"change_amount": change, **parts, "judgement_amount": change - sum(parts.values())}
    if first and last and first["currency_code"] != last["currency_code"]:
        amounts = dict.fromkeys(amounts)
    return row | amounts | {"reports": len((then | now) - apart), "reports_apart": len(apart)}


def deliver(house: House, history: History, order: list[int], *, between: Any = None) -> None:
    """Bring the exports in this order, doing something `between` them."""
    for number in order:
        export = history.exports[number]
        house.deliver(export.written, export.at, quarter=export.quarter)
        house.merge(export.quarter)
        if between is not None:
            between()
