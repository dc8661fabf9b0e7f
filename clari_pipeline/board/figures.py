"""The board's figures, read from the marts; nothing is computed or summed here."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from clari_pipeline.notify.views import SwingLine, swing_line
from clari_pipeline.store import alert_rows, marts
from clari_pipeline.warehouse.session import Record, Session, rows

# Rows a list; the page says how many are left out.
MOST_PEOPLE = 60
MOST_SWINGS = 25
MOST_SUBMISSIONS = 40
_Key = tuple[str, str, str]
_VIEW = ("forecast_id", "time_period_id", "field_id")


@dataclass(frozen=True, slots=True)
class Line:
    """Closed ÷ quota of one period, a point a week: weeks to the end, and the fraction or None."""

    period: str
    kind: str
    points: tuple[tuple[int, Decimal | None], ...]


@dataclass(frozen=True, slots=True)
class View:
    """One forecast × period × forecast field, with all that the page shows of it.

    `top` is the row of the person at the top, None where there is not exactly one, and so no total. Lists of people
    are truncated; `people` and `swings_in_all` are the counts before that.
    """

    forecast_id: str
    time_period_id: str
    quarter_id: str
    label: str
    field_id: str
    field_name: str
    people: int
    as_of: datetime | None
    is_current: bool
    top: Record | None
    standing: Sequence[Record]
    coverage: Record | None
    swings: Sequence[SwingLine]
    swings_in_all: int
    movement: Sequence[Record]
    pacing: Sequence[Record]
    lines: Sequence[Line]
    accuracy: Sequence[Record]
    accuracy_period: str | None
    submission: Sequence[Record]

    @property
    def people_accurate(self) -> int:
        """The number of people with a known accuracy, before truncation."""
        return self.accuracy[0]["people"] if self.accuracy else 0

    @property
    def submissions(self) -> int:
        """The number of people in the list of submissions, before truncation."""
        return self.submission[0]["people"] if self.submission else 0

    @property
    def roles(self) -> list[str]:
        """The roles of the people in the view's lists, sorted."""
        found = {row["role_name"] for some in (self.standing, self.accuracy, self.submission) for row in some}
        return sorted({role for role in (*found, *(line.role for line in self.swings)) if role})


@dataclass(frozen=True, slots=True)
class Health:
    """The exports' health in the last thirty days with data. `quota` is the newest reading of it, None without one."""

    quarters: Sequence[Record]
    overall: Record | None
    quota: Record | None


@dataclass(frozen=True, slots=True)
class Board:
    """The whole page: every view, the newest period first, and the exports' health."""

    views: Sequence[View]
    health: Health

    @property
    def as_of(self) -> datetime | None:
        """The moment of the newest figures."""
        return max((view.as_of for view in self.views if view.as_of), default=None)


EMPTY = Board((), Health((), None, None))


def read_board(session: Session) -> Board:
    """Read all figures; a consistent snapshot where the caller holds a transaction."""
    of = {
        name: _by_view(rows(session, f"board/{name}", **limit))
        for name, limit in {
            "standing": {"most": MOST_PEOPLE},
            "movement": {},
            "pacing": {},
            "accuracy": {"most": MOST_PEOPLE},
            "coverage": {},
            "submission": {"most": MOST_SUBMISSIONS},
        }.items()
    }
    known = rows(session, "board/views")
    swings = _swings(session)
    # A name that several fields share is shown with the field's id.
    fields = Counter(name for name, _ in {(one["field_name"], one["field_id"]) for one in known})
    shared = {name for name, times in fields.items() if name and times > 1}
    views = [_view(one, of, swings.get(_key(one), []), known, shared) for one in known]
    health = rows(session, "board/health")
    overall = next((row for row in health if row["time_period_id"] is None), None)
    quota = next(iter(rows(session, "board/quota")), None)
    return Board(views, Health([row for row in health if row["time_period_id"] is not None], overall, quota))


def _view(
    known: Record,
    of: Mapping[str, Mapping[_Key, list[Record]]],
    swings: list[SwingLine],
    others: Sequence[Record],
    shared: set[str],
) -> View:
    key = _key(known)
    name = known["field_name"] or known["field_id"]
    standing = of["standing"].get(key, [])
    pacing = of["pacing"].get(key, [])
    accuracy_period = _finished(known, others, of["accuracy"])
    accuracy_key = (key[0], accuracy_period or "", key[2])
    return View(
        **{name: known[name] for name in (*_VIEW, "quarter_id", "people", "as_of", "is_current")},
        label=known["label"] or known["time_period_id"],
        field_name=f"{name} ({known['field_id']})" if name in shared else name,
        top=next((row for row in standing if row["is_top"]), None),
        standing=standing,
        coverage=next(iter(of["coverage"].get(key, [])), None),
        swings=swings[:MOST_SWINGS],
        swings_in_all=len(swings),
        movement=of["movement"].get(key, []),
        pacing=pacing,
        lines=_lines(pacing, of["pacing"], key),
        accuracy=of["accuracy"].get(accuracy_key, []),
        accuracy_period=accuracy_period,
        submission=of["submission"].get(key, []),
    )


def _lines(pacing: Sequence[Record], everything: Mapping[_Key, list[Record]], key: _Key) -> list[Line]:
    """The lines of this period, of the one before, and of the one a year ago, each of its person at the top."""
    if not pacing:
        return []
    named = {"this": key[1], "previous": pacing[-1]["previous_period_id"], "year_ago": pacing[-1]["year_ago_period_id"]}
    lines: list[Line] = []
    for kind, period in named.items():
        if period is not None and not any(line.period == period for line in lines):
            weeks = {row["weeks_to_end"]: row["attainment_pct"] for row in everything.get((key[0], period, key[2]), [])}
            if any(value is not None for value in weeks.values()):
                lines.append(Line(period, kind, tuple(sorted(weeks.items(), reverse=True))))
    return lines


def _finished(view: Record, known: Sequence[Record], accuracy: Mapping[_Key, object]) -> str | None:
    """The finished period whose accuracy a view shows: its own, else the newest before it."""
    forecast_id, period_id, field_id = _key(view)
    if (forecast_id, period_id, field_id) in accuracy:
        return period_id
    is_quarter = period_id == view["quarter_id"]
    for other in known:  # the newest first
        earlier_id = str(other["time_period_id"])
        is_alike = (other["forecast_id"], other["field_id"]) == (forecast_id, field_id)
        has_ended_before = view["end_date"] and other["end_date"] and other["end_date"] < view["end_date"]
        if (
            has_ended_before
            and is_alike
            and (earlier_id == other["quarter_id"]) == is_quarter
            and _key(other) in accuracy
        ):
            return earlier_id
    return None


def _swings(session: Session) -> dict[_Key, list[SwingLine]]:
    """The swings of each quarter's newest export, the largest first."""
    found: dict[_Key, list[SwingLine]] = {}
    for export in marts.newest_loaded(session):
        for swing in map(asdict, alert_rows.swings(session, export.job_id)):
            found.setdefault(_key(swing), []).append(swing_line(swing))
    return found


def _by_view(found: Iterable[Record]) -> dict[_Key, list[Record]]:
    grouped: dict[_Key, list[Record]] = {}
    for row in found:
        grouped.setdefault(_key(row), []).append(row)
    return grouped


def _key(row: Mapping[str, Any]) -> _Key:
    forecast_id, time_period_id, field_id = (row[name] for name in _VIEW)
    return forecast_id, time_period_id, field_id
