"""View models of alerts for the templates, and the subjects of messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from clari_pipeline.core.runbook import AlertKind
from clari_pipeline.core.safe_text import one_line
from clari_pipeline.notify.rendering import compact, percent

if TYPE_CHECKING:
    from clari_pipeline.notify.messages import Alert, Headline

_SHOWN_LINES = 10
_SHOWN_NAMES = 10
_SHOWN_CONTRIBUTORS = 5
_SHOWN_PLACES = 10
_LONGEST_SUBJECT = 180
_BASELINES = {"sync": "since the last sync", "week": "on the week"}
_REASONS = {"from_zero": "up from zero", "to_zero": "down to zero", "sign_flip": "changed its sign"}


@dataclass(frozen=True, slots=True)
class Contributor:
    """A direct report whose change is part of a manager's; `change` is None where the call's currency has changed."""

    name: str
    change: Decimal | None
    currency: str = ""


@dataclass(frozen=True, slots=True)
class Explanation:
    """A manager's change, decomposed into four amounts that add up to it; `judgement` is the rest.

    `shared` (reports who also report to somebody else of the same role) and `foreign` (reports with calls in another
    currency) are in none of the other parts, so that `judgement` includes their changes. `is_added_up` is false if all
    reports are such. `more_apart` counts those that are not listed.
    """

    reports: Decimal
    joiners: Decimal
    leavers: Decimal
    judgement: Decimal | None
    contributors: Sequence[Contributor]
    is_added_up: bool = True
    shared: Sequence[Contributor] = ()
    foreign: Sequence[Contributor] = ()
    more_apart: int = 0


@dataclass(frozen=True, slots=True)
class SwingLine:
    """One swing. Amounts are in `currency`; `percent` is a fraction, None for a rise from zero."""

    who: str
    role: str | None
    field: str
    quarter: str
    month: str | None
    before: Decimal | None
    after: Decimal | None
    change: Decimal
    percent: Decimal | None
    baseline: str
    reason: str | None
    currency: str
    changed_by: str | None
    changed_at: datetime | None
    closed: Decimal | None
    quota: Decimal | None
    gap: Decimal | None
    explanation: Explanation | None


@dataclass(frozen=True, slots=True)
class MassChange:
    """A field in which so many calls moved that a common cause is likely, such as an import or an exchange rate.

    `swung` of `compared` calls; `ratio` is the factor by which they moved, None where they differ. `others` counts
    further swings that the line stands for, too.
    """

    field: str
    baseline: str
    compared: int
    swung: int
    ratio: Decimal | None
    others: int
    largest: Sequence[SwingLine]


@dataclass(frozen=True, slots=True)
class Section:
    """The swings of one forecast × quarter: the largest lines, how many `more` there are, and the `sql` to list all."""

    forecast: str
    quarter: str
    headline: Headline | None
    mass_changes: Sequence[MassChange]
    lines: Sequence[SwingLine]
    more: int
    sql: str
    newcomers: str | None
    leavers: str | None
    largest: SwingLine | None

    @property
    def count(self) -> int:
        """The number of swings that no mass change stands for."""
        return len(self.lines) + self.more


def quarter_order(quarter_id: object, current: str | None) -> tuple[bool, str]:
    """A key by which the current quarter is the greatest, then the newest."""
    return quarter_id is not None and quarter_id == current, str(quarter_id or "")


def swing_sections(
    alerts: Sequence[Alert], headlines: Mapping[tuple[str, str], Headline], current: str | None = None
) -> list[Section]:
    """One section per forecast × quarter: the current quarter first, then the newest, then the largest change.

    Ten lines in all sections together.
    """
    represented = {
        _field_of(alert.detail): alert.detail.get("user_ids") for alert in alerts if alert.kind == AlertKind.MASS_CHANGE
    }
    swings = [
        (_where(alert.detail), swing_line(alert.detail))
        for alert in alerts
        if alert.kind == AlertKind.FORECAST_SWING and not _is_represented(alert.detail, represented)
    ]
    swings.sort(key=lambda swing: _size(swing[1]), reverse=True)
    shown = swings[:_SHOWN_LINES]
    sections = []
    for place in dict.fromkeys(_where(alert.detail) for alert in alerts):
        of_place = [line for where, line in swings if where == place]
        lines = [line for where, line in shown if where == place]
        masses = [
            _mass_change(alert.detail)
            for alert in alerts
            if alert.kind == AlertKind.MASS_CHANGE and _where(alert.detail) == place
        ]
        headline = headlines.get(place)
        everyone = [*of_place, *(line for mass in masses for line in mass.largest)]
        sections.append(
            Section(
                forecast=place[0],
                quarter=place[1],
                headline=headline,
                mass_changes=masses,
                lines=lines,
                more=len(of_place) - len(lines),
                sql=_sql([alert for alert in alerts if _where(alert.detail) == place]),
                newcomers=_names(headline.newcomers) if headline else None,
                leavers=_names(headline.leavers) if headline else None,
                largest=max(everyone, key=_size, default=None),
            )
        )
    return sorted(sections, key=lambda one: (*quarter_order(one.quarter, current), _size(one.largest)), reverse=True)


def swings_subject(sections: Sequence[Section]) -> str:
    """`Q4 Commit 12.4M, −0.6M on the week, 92 % of quota, 5 weeks left; 3 swings`."""
    first, *others = sections
    call = _headline_words(first.headline) if first.headline else f"{first.forecast} {first.quarter}"
    found = [_count(len(first.mass_changes), "mass change")] if first.mass_changes else []
    found += [_count(first.count, "swing")] if first.count else []
    more = sum(section.count + len(section.mass_changes) for section in others)
    if more:
        found.append(f"{more} more in {_places([(section.forecast, section.quarter) for section in others])}")
    if first.headline is None and first.largest is not None:
        line = first.largest
        found.append(f"largest {line.who}, {line.field} {compact(line.change, signed=True)}")
    return _bounded(f"{call}; {', '.join(found)}")


def notices_subject(kind: str, alerts: Sequence[Alert]) -> str:
    """`2 exports refused: total_new 2026_Q4, renewals 2026_Q3`."""
    known = next((one for one in AlertKind if one == kind), None)
    words = kind.replace("_", " ")  # a kind of a later release
    one, many = (known.one, known.many) if known else (words.capitalize(), words)
    counted = one if len(alerts) == 1 else f"{len(alerts)} {many}"
    places = _places([_where(alert.detail) for alert in alerts])
    return _bounded(f"{counted}: {places}" if places else counted)


def swing_line(detail: Mapping[str, Any]) -> SwingLine:
    """The view of a swing; a change that is missing in the detail is computed from its two values."""
    before, after = _decimal(detail, "previous_value"), _decimal(detail, "current_value")
    change = _decimal(detail, "change_amount")
    reason, period, quarter = detail.get("reason"), detail.get("time_period_id"), detail.get("quarter_id")
    return SwingLine(
        who=_first(detail, "user_name", "user_id"),
        role=one_line(detail.get("role_name") or "") or None,
        field=_first(detail, "field_name", "field_id"),
        quarter=str(quarter or ""),
        month=str(period) if period and period != quarter else None,
        before=before,
        after=after,
        change=(after or Decimal(0)) - (before or Decimal(0)) if change is None else change,
        percent=None if reason == "from_zero" else _decimal(detail, "change_pct"),
        baseline=_baseline(detail.get("baseline")),
        reason=_REASONS.get(str(reason)),
        currency=str(detail.get("currency_code") or ""),
        changed_by=one_line(detail.get("changed_by") or "") or None,
        changed_at=_moment(detail.get("changed_at")),
        closed=_decimal(detail, "crm_closed"),
        quota=_decimal(detail, "quota_value"),
        gap=_decimal(detail, "gap_to_quota"),
        explanation=_explanation(detail),
    )


def _explanation(detail: Mapping[str, Any]) -> Explanation | None:
    reports, judgement = _decimal(detail, "reports_change"), _decimal(detail, "judgement_change")
    if reports is None and judgement is None:
        return None
    contributors = [one for one in map(_contributor, detail.get("contributors") or ()) if one.change]
    apart = detail.get("reports_apart") or ()
    shared, foreign = (
        [_contributor(one) for one in apart if one.get("apart") == why] for why in ("shared", "other_currency")
    )
    return Explanation(
        reports=reports or Decimal(0),
        joiners=_decimal(detail, "joiners_change") or Decimal(0),
        leavers=_decimal(detail, "leavers_change") or Decimal(0),
        judgement=judgement,
        contributors=sorted(contributors, key=_size, reverse=True)[:_SHOWN_CONTRIBUTORS],
        is_added_up=not apart or bool(int(detail.get("added_up") or 0)),
        shared=shared[:_SHOWN_CONTRIBUTORS],
        foreign=foreign[:_SHOWN_CONTRIBUTORS],
        more_apart=sum(max(len(some) - _SHOWN_CONTRIBUTORS, 0) for some in (shared, foreign)),
    )


def _contributor(detail: Mapping[str, Any]) -> Contributor:
    return Contributor(
        _first(detail, "user_name", "user_id"),
        _decimal(detail, "change_amount"),
        one_line(detail.get("currency_code") or ""),
    )


def _size(moved: Contributor | SwingLine | None) -> Decimal:
    return abs((moved and moved.change) or Decimal(0))


def _is_represented(swing: Mapping[str, Any], represented: Mapping[tuple[str, ...], Sequence[str] | None]) -> bool:
    """Whether a mass change stands for a swing; one with `user_ids` stands for these people only."""
    field = _field_of(swing)
    return field in represented and ((people := represented[field]) is None or swing.get("user_id") in people)


def _mass_change(detail: Mapping[str, Any]) -> MassChange:
    return MassChange(
        field=_first(detail, "field_name", "field_id"),
        baseline=_baseline(detail.get("baseline")),
        compared=int(detail.get("compared") or 0),
        swung=int((detail.get("moved_alike") if detail.get("ratio") else 0) or detail.get("swung") or 0),
        ratio=_decimal(detail, "ratio"),
        others=int(detail.get("others_swung") or 0) if detail.get("user_ids") is None else 0,
        largest=[swing_line({**detail, **one}) for one in (detail.get("largest") or ())[:_SHOWN_CONTRIBUTORS]],
    )


def _headline_words(headline: Headline) -> str:
    # 2026_Q4 is shortened to Q4: the year is in the message.
    quarter = headline.quarter_id.rpartition("_")[2]
    words = f"{quarter} {headline.field_name}"
    parts = [words if headline.call is None else f"{words} {compact(headline.call)}"]
    if headline.change:
        change = compact(headline.change, beside=headline.call, signed=True)
        parts.append(f"{change} {_baseline(headline.baseline)}")
    elif headline.change is not None:
        parts.append(f"unchanged {_baseline(headline.baseline)}")
    if headline.call_to_quota is not None:
        parts.append(f"{percent(headline.call_to_quota, places=0)} of quota")
    if (left := headline.weeks_left) is not None:
        after_all = "quarter is over" if left < 0 else "last week"
        parts.append(f"{_count(left, 'week')} left" if left > 0 else after_all)
    return ", ".join(parts)


def _places(places: Sequence[tuple[str, str]]) -> str:
    known = list(dict.fromkeys(place for place in places if any(place)))
    by_forecast: dict[str, list[str]] = {}
    for forecast, quarter in known[:_SHOWN_PLACES]:
        by_forecast.setdefault(forecast, []).append(quarter)
    named = [f"{forecast} {', '.join(filter(None, quarters))}".strip() for forecast, quarters in by_forecast.items()]
    rest = len(known) - _SHOWN_PLACES
    return ", ".join(named) + (f" and {rest} more" if rest > 0 else "")


def _names(names: Sequence[str]) -> str | None:
    return _listed([one_line(name) for name in names], _SHOWN_NAMES) or None


def _listed(names: Sequence[str], most: int) -> str:
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")


def _sql(alerts: Sequence[Alert]) -> str:
    runs = ", ".join(f"'{run.replace(chr(39), chr(39) * 2)}'" for run in sorted({alert.run_id for alert in alerts}))
    return f"select title, body from clari.alert where kind = 'forecast_swing' and run_id in ({runs})"  # noqa: S608 - to read


def _field_of(detail: Mapping[str, Any]) -> tuple[str, ...]:
    names = ("job_id", "forecast_id", "time_period_id", "field_id", "baseline")
    return tuple(str(detail.get(name)) for name in names)


def _where(detail: Mapping[str, Any]) -> tuple[str, str]:
    return str(detail.get("forecast_id") or ""), str(detail.get("quarter_id") or "")


def _baseline(name: object) -> str:
    return _BASELINES.get(str(name), "")


def _first(detail: Mapping[str, Any], *names: str) -> str:
    return next((text for name in names if (text := one_line(detail.get(name) or ""))), "someone")


def _decimal(detail: Mapping[str, Any], name: str) -> Decimal | None:
    # The detail of a requeued alert is read from JSON, where amounts are strings.
    value = detail.get(name)
    return None if value is None or value == "" else Decimal(value)


def _moment(value: object) -> datetime | None:
    when = datetime.fromisoformat(value) if isinstance(value, str) and value else value
    if not isinstance(when, datetime):
        return None
    return when if when.tzinfo else when.replace(tzinfo=UTC)


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _bounded(subject: str) -> str:
    subject = one_line(subject)
    return subject if len(subject) <= _LONGEST_SUBJECT else subject[: _LONGEST_SUBJECT - 1].rstrip() + "…"
