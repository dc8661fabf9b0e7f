"""The scenarios: an ordinary day, and each known fault of an export.

A scenario is a row of the table at the end. It may edit a document's content or its serialisation, its job's states,
what the API refuses, and which requests fail; `hits` says for which quarters. By default that is the newest past
quarter, so that all others stay unaffected.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import chain, islice
from typing import Any

from .audit import Paging
from .company import Amount, Company, Document, Entry, Order
from .documents import Style, in_many_ways
from .draws import between, draw
from .figures import BEST_CASE, COMMIT, QUOTA, Field
from .jobs import JobBehaviour
from .people import User, role_id

Edit = Callable[[Document, Company, Order], Document]

_CURRENT, _NEWEST_PAST, _PAST, _TWO_NEWEST = range(1), range(1, 2), range(1, 40_000), range(2)
EVERY_QUARTER = range(-40_000, 40_000)
"""Quarters that are hit, counted back from the current one (0)."""


@dataclass(frozen=True)
class Scenario:
    """One row of the table. `hits` limits the faults of documents and jobs; others apply to every quarter."""

    description: str
    hits: range = _NEWEST_PAST
    edit: Edit | None = None
    style: Style = Style()  # noqa: RUF009 - frozen
    flat: bool = False
    cut: bool = False  # the document ends in the middle
    behaviour: JobBehaviour = JobBehaviour()  # noqa: RUF009 - frozen
    forbidden: frozenset[str] = frozenset()  # types that this organisation may not export
    is_forbidden_named: bool = True  # the refusal names those that were requested
    has_current_call: bool = True  # the call for the newest week without a job
    traffic: Callable[[int, int], str | None] | None = None  # the fault of a request, by seed and number
    is_down: bool = False  # the status page has an incident
    quota_used_up: bool = False
    slots_taken: int = 0  # other users hold all slots, for so many durations of a job
    page: int | None = None  # so many jobs a page of the list, each with a link to the next
    has_foreign_jobs: bool = False  # a job of another user's beside each export, which the key may not see
    ahead: timedelta = timedelta()  # by which Clari's clock is ahead of this machine's
    audit: Paging = Paging()  # noqa: RUF009 - frozen
    activities_a_person: int | None = None  # an export holds so many at most, and its job is flagged as truncated
    busy_day: int | None = None  # so many days ago: an export of that day is always truncated
    chaos: bool = False  # faults of requests, jobs and slots are drawn at random


def _swings(document: Document, company: Company, order: Order) -> Document:
    """Five calls of this week move by 25 to 60 %, one falls to zero, one rises from zero."""
    seed, week = company.seed, order.week_id
    reps = [place for place in company.reps if place != company.always_zero]
    reps.sort(key=lambda place: draw(seed, "swing", place))
    leaders = [place for place in range(len(company.people)) if place not in set(company.reps)]
    percent = {place: between(125, 160, seed, "up", place) for place in (*reps[:2], *leaders[-1:])}
    percent |= {place: between(40, 75, seed, "down", place) for place in reps[2:4]}
    percent |= dict.fromkeys(reps[4:5], 0)
    fields = {
        company.people[place].user.user_id: (by, (COMMIT if turn % 2 == 0 else BEST_CASE).id)
        for turn, (place, by) in enumerate(percent.items())
    }
    riser = None if company.always_zero is None else company.people[company.always_zero].user.user_id

    def moved(entry: Entry) -> Entry:
        if entry.time_frame_id != week or entry.forecast_value is None:
            return entry
        value: Amount = None
        by, field_id = fields.get(entry.user_id or "", (100, None))
        if field_id == entry.field_id:
            value = _percent(entry.forecast_value, by)
        elif (entry.user_id, entry.field_id) == (riser, COMMIT.id):
            value = Decimal("250000.00")
        return entry if value is None else _recalled(entry, value, order.today)

    return replace(document, entries=map(moved, document.entries))


def _imported_tenfold(document: Document, _company: Company, order: Order) -> Document:
    """Every call of this week is ten times as large, as after a faulty import."""

    def imported(entry: Entry) -> Entry:
        if entry.time_frame_id != order.week_id or not entry.forecast_value:
            return entry
        return _recalled(entry, _percent(entry.forecast_value, 1000), order.today)

    return replace(document, entries=map(imported, document.entries))


def _late_edits(document: Document, company: Company, order: Order) -> Document:
    """About one call in ten of earlier weeks is changed, entered the day after the week's end."""
    ends = {week.id: week.end for week in document.time_frames if week.end < order.today}
    newest = max(ends, default="") if order.quarter.end < order.today else ""

    def edited(entry: Entry) -> Entry:
        end = ends.get(entry.time_frame_id or "")
        key = (company.seed, "edited", entry.user_id, entry.field_id, entry.time_frame_id)
        if end is None or entry.time_frame_id == newest or entry.forecast_value is None or draw(*key) % 10:
            return entry
        by = 100 + between(3, 12, *key, "by") * (-1 if draw(*key, "down") % 2 else 1)
        return _recalled(entry, _percent(entry.forecast_value, by), end + timedelta(days=1))

    return replace(document, entries=map(edited, document.entries))


def _without_leaver(document: Document, company: Company, _order: Order) -> Document:
    """The last rep is missing from users and entries, in past quarters too."""
    gone = company.people[company.reps[-1] if company.reps else -1].user.user_id
    return replace(
        document,
        users=[user for user in document.users if user.user_id != gone],
        entries=(entry for entry in document.entries if entry.user_id != gone),
    )


def _half_of_entries(document: Document, _company: Company, _order: Order) -> Document:
    """The entries of half of the users are missing."""
    kept = {user.user_id for user in document.users[len(document.users) // 2 :]}
    return replace(document, entries=(entry for entry in document.entries if entry.user_id in kept))


def _with_first(*changes: dict[str, Any]) -> Edit:
    """An edit that changes the first entries, each by one of these changes."""

    def edit(document: Document, _company: Company, _order: Order) -> Document:
        entries = iter(document.entries)
        spoiled = [replace(entry, **change) for change, entry in zip(changes, entries, strict=False)]
        return replace(document, entries=chain(spoiled, entries))

    return edit


def _with_duplicates(change: Decimal) -> Edit:
    """An edit that repeats the first three entries, with their calls changed by an amount."""

    def edit(document: Document, _company: Company, _order: Order) -> Document:
        entries = iter(document.entries)
        first = list(islice(entries, 3))
        again = [
            replace(entry, forecast_value=entry.forecast_value + change)
            for entry in first
            if isinstance(entry.forecast_value, Decimal)
        ]
        return replace(document, entries=chain(first, entries, again))

    return edit


def _monthly(document: Document, _company: Company, order: Order) -> Document:
    """Periods are the quarter's months: each has 30, 33 and 37 % of the quarter's amounts."""
    months = list(zip(order.quarter.months(), (30, 33, 37), strict=True))
    monthly_commit = Field("fc_monthly_commit", "Monthly Commit", "FORECAST")
    fields = {COMMIT.id: monthly_commit, QUOTA.id: QUOTA}
    return replace(
        document,
        fields=list(fields.values()),
        time_periods=[month for month, _ in months],
        entries=(
            replace(
                entry, field_id=fields[entry.field_id].id, time_period_id=month.id, **_shares_of_amounts(entry, share)
            )
            for entry in document.entries
            if entry.field_id in fields
            for month, share in months
        ),
    )


def _with_the_year(document: Document, _company: Company, order: Order) -> Document:
    """The quota of the fiscal year stands beside the quarter's, and is 5 % more than four of them [community]."""
    year = order.quarter.fiscal_year().id

    def with_annual(entry: Entry) -> list[Entry]:
        if entry.field_id != QUOTA.id:
            return [entry]
        return [entry, replace(entry, time_period_id=year, quota_value=_percent(entry.quota_value, 420))]

    return replace(document, entries=chain.from_iterable(map(with_annual, document.entries)))


def _shares_of_amounts(entry: Entry, percent: int) -> dict[str, Any]:
    return {name: _percent(getattr(entry, name), percent) for name in _AMOUNTS}


def _backwards(document: Document, _company: Company, _order: Order) -> Document:
    lists = {
        name: list(getattr(document, name))[::-1]
        for name in ("fields", "users", "time_periods", "time_frames", "entries")
    }
    return replace(document, **lists)


def _two_tops(document: Document, _company: Company, _order: Order) -> Document:
    """An integration user at the top beside the head, who has entries but never submits a call."""
    user = User(
        f"280001:{role_id(0)}", "Clari Integration", "integration@northwind.example", "005110000999999AAI",
        "280001::MGR", role_id(0), "Integration",
    )  # fmt: skip
    nothing = {"forecast_value": Decimal("0.00"), "is_updated": False, "updated_by": None, "updated_on": None}
    return _with_user(document, user, document.users[0], nothing)


def _one_person_two_ids(document: Document, company: Company, _order: Order) -> Document:
    """The first rep has a second user id and e-mail address with the same CRM id and the same calls."""
    place = company.reps[0] if company.reps else 0
    user = company.people[place].user
    return _with_user(
        document, replace(user, user_id=f"290001:{user.hierarchy_id}", email=f"former.{user.email}"), user, {}
    )


def _with_user(document: Document, user: User, like: User, call: dict[str, Any]) -> Document:
    """Add a user with copies of another's entries; with `call`, of the calls only, with these values."""

    def doubled(entry: Entry) -> list[Entry]:
        if entry.user_id != like.user_id or (call and entry.forecast_value is None):
            return [entry]
        return [entry, replace(entry, user_id=user.user_id, **call)]

    users = [*document.users, user]
    return replace(document, users=users, entries=chain.from_iterable(map(doubled, document.entries)))


def _percent(amount: Amount, percent: int) -> Amount:
    return (amount * percent / 100).quantize(Decimal("0.01")) if isinstance(amount, Decimal) else amount


def _recalled(entry: Entry, value: Amount, day: date) -> Entry:
    """The entry with another call, updated at midnight of that day."""
    moment = datetime.combine(day, time(), UTC)
    return replace(entry, forecast_value=value, is_updated=True, updated_by=entry.user_id, updated_on=moment)


def _every_third(_seed: int, number: int) -> str | None:
    return "429" if number % 3 == 0 else None


def _one_in_six(seed: int, number: int) -> str | None:
    faults = ("429", "500", "502", "reset")
    return faults[draw(seed, "which", number) % 4] if draw(seed, "flaky", number) % 6 == 0 else None


def _every_one(_seed: int, _number: int) -> str:
    return "503"


_MORE: dict[str, object] = {"x_release": "2031.1", "xDetails": {"tags": ["a", "b"], "weight": 1}}
_AMOUNTS = ("forecast_value", "quota_value", "adjustment_value", "crm_total", "crm_closed")
_NO_KEYS = tuple({name: None} for name in ("user_id", "time_frame_id", "time_period_id", "field_id"))
_CRM_TYPES = frozenset({"crm_total", "crm_closed"})
_LISTS = ("timePeriods", "entries", "users", "timeFrames", "fields")

TABLE: Mapping[str, Scenario] = {
    "calm": Scenario("An ordinary day: calls move by a few percent"),
    "swings": Scenario("Seven calls of the current quarter move by more than 20 %", _CURRENT, _swings),
    "import_error": Scenario("Every call of this week is ten times as large", _CURRENT, _imported_tenfold),
    "departure": Scenario("One rep has left and is in no quarter any more", EVERY_QUARTER, _without_leaver),
    "late_edits": Scenario("Calls of closed weeks are others than in calm", _TWO_NEWEST, _late_edits),
    "empty": Scenario(
        "The current quarter has no entries", _CURRENT, lambda document, _company, _order: replace(document, entries=())
    ),
    "echo": Scenario(
        "Past quarters silently deliver the current one",
        _PAST,
        lambda _document, company, order: company.export(replace(order, quarter=company.current(order.today))),
    ),
    "truncated": Scenario(
        "Half of the newest past quarter is missing, and the job says so",
        edit=_half_of_entries,
        behaviour=JobBehaviour(truncated=True),
    ),
    "null_keys": Scenario("Entries without a person, week, period or field", edit=_with_first(*_NO_KEYS)),
    "duplicates_exact": Scenario("Entries that come twice", edit=_with_duplicates(Decimal(0))),
    "duplicates_conflict": Scenario(
        "Entries that come twice, with different amounts", edit=_with_duplicates(Decimal(1000))
    ),
    "unreadable": Scenario("A document that breaks off in the middle", cut=True),
    "unreadable_amount": Scenario(
        'An amount that is no number: "12,5oo"', edit=_with_first({"forecast_value": "12,5oo"})
    ),
    "monthly": Scenario("The months of the quarter as periods", EVERY_QUARTER, _monthly),
    "annual_quotas": Scenario("Quotas of the fiscal year beside the quarter's", EVERY_QUARTER, _with_the_year),
    "unordered": Scenario(
        "Lists in another order, and keys that nobody has heard of",
        EVERY_QUARTER,
        _backwards,
        Style(lists=_LISTS, more=_MORE),
    ),
    "number_writings": Scenario(
        'Numbers as 1200000.0, 1.2E6 and "1200000.00"', EVERY_QUARTER, style=Style(in_many_ways)
    ),
    "flat": Scenario("The older, flat JSON", EVERY_QUARTER, flat=True),
    "two_tops": Scenario("An integration user at the top, beside the CRO", EVERY_QUARTER, _two_tops),
    "currency_changed": Scenario(
        "The newest past quarter comes in euros",
        edit=lambda _document, company, order: company.export(replace(order, currency="EUR")),
    ),
    "one_person_two_ids": Scenario("One CRM user under two ids", EVERY_QUARTER, _one_person_two_ids),
    "type_refused": Scenario("crm_total and crm_closed may not be exported", forbidden=_CRM_TYPES),
    "type_refused_unnamed": Scenario(
        "The same, and the refusal does not say which types", forbidden=_CRM_TYPES, is_forbidden_named=False
    ),
    "no_current_call": Scenario("The call for the newest week without a job does not exist", has_current_call=False),
    "failed": Scenario(
        "The current quarter's job fails", _CURRENT, behaviour=JobBehaviour(("SCHEDULED", "STARTED", "FAILED"))
    ),
    "hung": Scenario(
        "The current quarter's job never ends", _CURRENT, behaviour=JobBehaviour(("SCHEDULED", "STARTED"))
    ),
    "unknown_state": Scenario(
        "Jobs pass through a state that nobody has heard of",
        EVERY_QUARTER,
        behaviour=JobBehaviour(("SCHEDULED", "STARTED", "QUEUED_FOR_RETRY", "DONE")),
    ),
    "completed_word": Scenario(
        "Jobs end COMPLETED instead of DONE",
        EVERY_QUARTER,
        behaviour=JobBehaviour(("SCHEDULED", "STARTED", "COMPLETED")),
    ),
    "bare_jobs": Scenario("A job's status is not wrapped", EVERY_QUARTER, behaviour=JobBehaviour(wrapped=False)),
    "expired": Scenario(
        "The newest past quarter's results have expired; the next export's have not", behaviour=JobBehaviour(expires=2)
    ),
    "slow": Scenario("Jobs take ten times as long", EVERY_QUARTER, behaviour=JobBehaviour(duration_factor=10)),
    "rate_limited": Scenario("Every third request is one too many", traffic=_every_third),
    "flaky": Scenario("One request in six fails: 429, 500, 502, or no answer", traffic=_one_in_six),
    "down": Scenario(
        "No call is answered but by 503, and the status page names an incident", traffic=_every_one, is_down=True
    ),
    "no_quota": Scenario("The month's exports are used up", quota_used_up=True),
    "no_slots": Scenario("Somebody else's exports run first", slots_taken=5),
    "late_list": Scenario(
        "A job stands in the list of jobs twenty seconds late", EVERY_QUARTER, behaviour=JobBehaviour(listed_after=20)
    ),
    "paged_list": Scenario("The list of jobs comes in pages of one", page=1),
    "foreign_jobs": Scenario(
        "Each export has one of somebody else's beside it in the list of jobs", has_foreign_jobs=True
    ),
    "hidden_jobs": Scenario(
        "Jobs have no status, though the list shows them", EVERY_QUARTER, behaviour=JobBehaviour(hidden=True)
    ),
    "clock_apart": Scenario("Clari's clock is an hour behind", ahead=timedelta(hours=-1)),
    "audit_repeats": Scenario("Pages of audit events repeat some of the page before", audit=Paging(repeats=3)),
    "audit_breaks": Scenario("The third page of audit events fails each time", audit=Paging(breaks_at=2)),
    "audit_link_dead": Scenario("Links to audit events are gone when they are followed", audit=Paging(link="dead")),
    "audit_link_back": Scenario("Links to audit events lead back to the first page", audit=Paging(link="back")),
    "audit_link_astray": Scenario("Links to audit events lead to another host", audit=Paging(link="astray")),
    "activity_cut": Scenario("An export of activity holds no more than five a person", activities_a_person=5),
    "activity_day_cut": Scenario(
        "The same, and of one day, 12 days ago, there was more than any holds", activities_a_person=5, busy_day=12
    ),
    "chaos": Scenario(
        "One request and one job in four go wrong, drawn from the seed, at times two at once", chaos=True
    ),
}

SCENARIOS: Mapping[str, str] = {name: scenario.description for name, scenario in TABLE.items()}
