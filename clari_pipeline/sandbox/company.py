"""The sandbox's sales company, and the content of its exports before serialisation.

Deterministic by seed, number of people, quarter and date.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from .draws import draw
from .figures import CALLS, QUOTA, Field, Figures
from .people import Level, User, hire
from .quarters import Period, Quarter, Week, quarter_of

CURRENCIES = {"USD": ("$", 10_000), "EUR": ("€", 9_200), "GBP": ("£", 7_900), "JPY": ("¥", 1_500_000)}
"""Symbol, and the amount that 10,000 US dollars are worth. The rates never change."""
FORECASTS = {"total_new": 100, "new_business": 60}
"""The forecast tabs by id, and the percentage of the company's amounts that each shows."""
QUARTERS_KNOWN = 32  # the company is eight years old

Amount = Decimal | str | None
"""In the entry's currency, two decimals; text only where a scenario writes an invalid number."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One person × field × week × period. Ids are None only where a scenario removes them."""

    field_id: str | None
    time_frame_id: str | None
    time_period_id: str | None
    user_id: str | None
    currency: str
    scope_id: str | None = None
    forecast_value: Amount = None
    is_updated: bool | None = None
    updated_by: str | None = None
    updated_on: datetime | None = None
    quota_value: Amount = None
    adjustment_value: Amount = None
    adjusted_by: str | None = None
    adjusted_on: datetime | None = None
    crm_total: Amount = None
    crm_closed: Amount = None


@dataclass(frozen=True, slots=True)
class Document:
    """The five lists of an export. `entries` may be a generator, to be read once."""

    fields: Sequence[Field]
    users: Sequence[User]
    time_periods: Sequence[Period]
    time_frames: Sequence[Week]
    entries: Iterable[Entry]


@dataclass(frozen=True, slots=True)
class Order:
    """The parameters of an export, and its day. Without `historical` it has the newest started week only."""

    forecast_id: str
    quarter: Quarter
    today: date
    historical: bool = True
    scope_id: str | None = None
    currency: str = "USD"

    @property
    def week_id(self) -> str:
        """The newest week of the quarter that has begun."""
        return [week.id for week in self.quarter.weeks() if week.start <= self.today][-1]


class Company:
    """The company. Its people never change; only scenarios remove somebody."""

    def __init__(self, *, seed: int, people: int, fiscal_year_start_month: int = 1) -> None:
        self.seed = seed
        self.first_month = fiscal_year_start_month
        self.people = hire(seed, people)
        self.reps = [place for place, person in enumerate(self.people) if person.level is Level.REP]
        # One rep always calls zero, so that a scenario can have a call rise from zero.
        self.always_zero = self.reps[len(self.reps) // 2] if len(self.reps) > 2 else None
        self._teams: dict[int, list[int]] = {}
        for place, person in enumerate(self.people):
            if person.leader is not None:
                self._teams.setdefault(person.leader, []).append(place)
        self._scopes = {person.user.scope_id: place for place, person in enumerate(self.people)}

    def current(self, today: date) -> Quarter:
        """The fiscal quarter of that day."""
        return quarter_of(today, self.first_month)

    def knows(self, asked: Quarter, today: date) -> bool:
        """Whether a quarter has begun, and lies within the company's history."""
        return 0 <= self.current(today).index - asked.index < QUARTERS_KNOWN

    def has_scope(self, scope_id: str) -> bool:
        """Whether a scope of that id exists."""
        return scope_id in self._scopes

    def export(self, order: Order) -> Document:
        """The export of a scope (the whole company where none is named), as of the morning of its day."""
        quarter, today = order.quarter, order.today
        top = self._scopes[order.scope_id] if order.scope_id else 0
        inside = set(self._below(top))
        # Weeks are in no particular order [spec].
        frames = sorted(quarter.weeks(), key=lambda week: draw(self.seed, quarter.id, "order", week.id))
        figures = Figures(self.seed, quarter, today, self.always_zero)
        if not order.historical:
            frames = figures.weeks[-1:]
        return Document(
            fields=(*CALLS, QUOTA),
            users=[person.user for place, person in enumerate(self.people) if place in inside],
            time_periods=[quarter.period(), quarter.fiscal_year()],
            time_frames=frames,
            entries=self._entries(order, figures, [week for week in frames if week.start <= today], inside),
        )

    def _below(self, top: int) -> Iterator[int]:
        yield top
        for place in self._teams.get(top, ()):
            yield from self._below(place)

    def _entries(self, order: Order, figures: Figures, weeks: list[Week], inside: set[int]) -> Iterator[Entry]:
        quarter, currency, scope_id = order.quarter.id, order.currency, order.scope_id
        rate = CURRENCIES[currency][1] * FORECASTS[order.forecast_id]
        numbers = {week.id: number for number, week in enumerate(figures.weeks)}

        def money(cents: int) -> Decimal:
            return Decimal(cents * rate // 1_000_000).scaleb(-2)

        for place, mine in figures.person_quarters(self.people, inside):
            person = self.people[place]
            me = person.user.user_id
            leader = None if person.leader is None else self.people[person.leader].user.user_id
            for field in CALLS:
                for week in weeks:
                    call = mine.calls[field][numbers[week.id]]
                    if person.level is Level.REP:
                        call = figures.late_edit(place, field, week, call)
                    adjusted = figures.adjustment(place, field, week, call) if leader else None
                    yield Entry(
                        field.id,
                        week.id,
                        quarter,
                        me,
                        currency,
                        scope_id,
                        forecast_value=money(call.value),
                        is_updated=call.updated is not None,
                        updated_by=me if call.updated else None,
                        updated_on=call.updated,
                        adjustment_value=money(adjusted[0]) if adjusted else None,
                        adjusted_by=leader if adjusted else None,
                        adjusted_on=adjusted[1] if adjusted else None,
                        crm_total=money(call.total),
                        crm_closed=money(call.closed),
                    )
            for week in weeks:
                yield Entry(QUOTA.id, week.id, quarter, me, currency, scope_id, quota_value=money(mine.quota))
