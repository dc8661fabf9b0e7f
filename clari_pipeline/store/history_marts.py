"""The weekly marts: calls as of each week's end (`forecast_call_week`), and their changes (`forecast_movement`).

`forecast_call_week` is made from `forecast_entry_history`, by the same statement as all calls; `forecast_movement` is
made from it, and the other weekly marts are views of it (`sql/schema/`). Weeks that had ended before the first export
are backfilled in one statement, all as of that export; they have no movement, as nothing was known at their ends. A
week that is over changes only by a late document: a fingerprint of what it was made from is kept in
`mart_part_version`, and the week is rebuilt where that has changed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime, timedelta
from hashlib import sha256
from itertools import groupby
from operator import attrgetter
from typing import Any, NamedTuple

from clari_pipeline.store import marts
from clari_pipeline.store.ledger_rows import PART
from clari_pipeline.store.mart_registry import MARTS
from clari_pipeline.store.marts import CallRules, NewestExport
from clari_pipeline.warehouse.session import Session, row, rows, rows_as, run

CALLS = "forecast_call_week"
MOVEMENT = "forecast_movement"
CLOSED_BY = timedelta(hours=4)
"""An export within this time after a week's close shows the week as it closed."""
_WHOLE = ""
_WEEK = ("time_frame_id", "start_date", "end_date")
_VERSIONS = f"{MARTS[CALLS].version}.{MARTS[MOVEMENT].version}"  # of the rows, stored after a quarter's fingerprint
_CALLS_A_STATEMENT = 600_000  # so many fit into DuckDB's memory limit
_Fingerprints = dict[tuple[str, str, str, str], str]  # by forecast, quarter, mart and part


@dataclass(frozen=True, slots=True)
class _LoadedExport:
    """A loaded export: its document, and how it was asked for."""

    request_id: str
    forecast_id: str
    quarter_id: str
    exported_at: datetime
    result_sha256: str | None
    types_to_export: str | None
    scope_id: str | None
    currency: str | None
    include_historical: bool | None

    def is_same_document_as(self, before: _LoadedExport) -> bool:
        """Whether it is the same document, asked for in the same way, as the one before it."""
        return replace(self, request_id=before.request_id, exported_at=before.exported_at) == before


@dataclass(frozen=True, slots=True)
class _BegunWeek:
    """A period's week that has begun."""

    time_frame_id: str
    start_date: date
    end_date: date
    time_period_id: str


@dataclass(frozen=True, slots=True)
class _Week:
    """A week of a quarter, of all `periods` that have it, wherever its days lie; `as_of` is the moment of its calls.

    `part` is unique in the quarter, as its periods may number their weeks alike; `previous_time_frame_id` is a week of
    the same periods. The fingerprints in `mart_part_version` are made of these fields, in this order.
    """

    time_frame_id: str
    start_date: date
    end_date: date
    periods: list[str]
    part: str
    previous_time_frame_id: str | None
    closes_at: datetime
    as_of: datetime
    is_week_over: bool
    is_backfilled: bool


@dataclass(frozen=True, slots=True)
class _Quarter:
    """A forecast × quarter: its loaded exports that changed something, and those of the forecast's other quarters."""

    forecast_id: str
    quarter_id: str
    exports: tuple[_LoadedExport, ...]
    others: tuple[_LoadedExport, ...]

    @property
    def which(self) -> dict[str, Any]:
        return {"forecast_id": self.forecast_id, "quarter_id": self.quarter_id}

    def known_at(self, moment: datetime) -> list[str]:
        """Request ids of the exports that determine the quarter's entries and people as of a moment."""
        return [export.request_id for export in (*self.exports, *self.others) if export.exported_at <= moment]


class _CallsFingerprint(NamedTuple):
    """A hash of what a week's calls are made from, and the moment that they are as of, in ISO 8601."""

    content: str
    as_of: str

    @property
    def text(self) -> str:
        """Both in one text, as in `mart_part_version`."""
        return f"{self.content} {self.as_of}"

    def is_content_of(self, fingerprint: str) -> bool:
        """Whether calls of that fingerprint's text differ from these in their moment at most."""
        return fingerprint.partition(" ")[0] == self.content


@dataclass(frozen=True, slots=True)
class RefreshedQuarter:
    """A quarter that could have changed: its newest export, and the weeks whose movements are to be checked.

    `is_upgraded`: its weeks had been made by another version of the marts, and were all rebuilt.
    """

    newest: NewestExport
    weeks: list[str]
    is_upgraded: bool


def refresh(session: Session, rules: CallRules) -> list[RefreshedQuarter]:
    """Rebuild the weeks that have changed. The caller holds the transaction.

    Returns the quarters that could have changed, the oldest first; `weeks` of each are those rebuilt and the newest.
    """
    run(session, "marts/weekly_orphans")
    known: _Fingerprints = {
        (part["forecast_id"], part["quarter_id"], part["mart"], part["part"]): part["made_of"]
        for part in rows(session, "marts/part_versions")
    }
    newest = {(one.forecast_id, one.quarter_id): one for one in marts.newest_loaded(session)}
    changed = []
    loaded = rows_as(_LoadedExport, session, "marts/loaded_documents")
    for quarter in sorted(_quarters(loaded), key=lambda one: one.quarter_id):
        which = (quarter.forecast_id, quarter.quarter_id)
        weeks = _refresh_quarter(session, rules, quarter, newest[which], known)
        if weeks is not None:
            before = known.get((*which, CALLS, _WHOLE), f" {_VERSIONS}")
            is_upgraded = before.rpartition(" ")[2] != _VERSIONS
            changed.append(RefreshedQuarter(newest[which], weeks, is_upgraded))
    return changed


def movement_faults(session: Session, export: NewestExport, weeks: list[str]) -> int:
    """How many rows of `forecast_movement` of the export's quarter do not add up, or, in these weeks, begin or end with
    another amount than the call of their week.
    """
    which = {"forecast_id": export.forecast_id, "quarter_id": export.quarter_id}
    found: int = row(session, "quality/movement_faults", **which, weeks=weeks)["faults"]
    return found


def _quarters(exports: Iterable[_LoadedExport]) -> list[_Quarter]:
    changing: dict[str, list[_LoadedExport]] = {}  # by forecast: exports that repeat the one before are left out
    last: dict[tuple[str, str], _LoadedExport] = {}
    for export in exports:  # in the order in which they count
        which = (export.forecast_id, export.quarter_id)
        before = last.get(which)
        if before is None or not export.is_same_document_as(before):
            changing.setdefault(export.forecast_id, []).append(export)
        last[which] = export
    return [
        _Quarter(
            forecast_id,
            quarter_id,
            tuple(one for one in changing[forecast_id] if one.quarter_id == quarter_id),
            tuple(one for one in changing[forecast_id] if one.quarter_id != quarter_id),
        )
        for forecast_id, quarter_id in last
    ]


def _refresh_quarter(
    session: Session, rules: CallRules, quarter: _Quarter, newest: NewestExport, fingerprints: _Fingerprints
) -> list[str] | None:
    """Rebuild the changed weeks of one quarter; returns the weeks to check, None where nothing can have changed."""
    which = quarter.which
    today = rules.calendar.day_of(newest.exported_at)
    run(session, "marts/forecast_week", **which)
    found = rows(session, "ledger/of_quarter", **which, states=["LOADED"])
    weeks = _weeks(
        rows_as(_BegunWeek, session, "marts/quarter_weeks", today=today),
        rules,
        [export["exported_at"] for export in found],
        [
            export["exported_at"]
            for export in found
            if export["include_historical"] and not (export["scope_id"] or "").startswith(PART)
        ],
    )
    days = rows(session, "marts/quarter_days", quarter_id=quarter.quarter_id)
    numbers = rows(session, "marts/week_numbers")
    names = rows(session, "marts/field_names", forecast_id=quarter.forecast_id)
    whole = _fingerprint(
        [export.request_id for export in quarter.exports],
        [quarter.known_at(week.as_of) for week in weeks[-1:]],
        ([asdict(week) for week in weeks], days, numbers, rules),
        names,
        _VERSIONS,
    )
    whole = f"{whole} {_VERSIONS}"
    if fingerprints.get((quarter.forecast_id, quarter.quarter_id, CALLS, _WHOLE)) == whole:
        return None
    known = {key[2:]: fingerprint for key, fingerprint in fingerprints.items() if key[:2] == tuple(which.values())}
    if not known or {part for _, part in known} - {_WHOLE} - {week.part for week in weeks}:
        run(session, "marts/weekly_forget", **which)
        known = {}
    marts.begin_calls(session, rules)
    for end_date, closes_at in {(week.end_date, week.closes_at) for week in weeks}:
        run(session, "marts/week_closes", end_date=end_date, closes_at=closes_at)
    calendar = _fingerprint(
        days,
        [(week.part, week.start_date, week.end_date) for week in weeks],
        names,
        (rules.use_adjusted, rules.top_user, rules.quota_field, rules.rules.fields),
        _VERSIONS,
    )
    calls = {
        week.part: _CallsFingerprint(
            _fingerprint(
                calendar,
                asdict(week) | {"as_of": None},
                [number for number in numbers if number["time_frame_id"] == week.time_frame_id],
                quarter.known_at(week.as_of),
            ),
            week.as_of.isoformat(),
        )
        for week in weeks
    }
    _backfill(session, rules, quarter, [week for week in weeks if week.is_backfilled], calls, known)
    content = ""
    to_check = [week.time_frame_id for week in weeks[-1:]]
    for week in weeks:
        part, previous_content = week.part, content
        call = calls[part]
        content = call.content
        if week.is_backfilled:
            continue
        _refresh_calls(session, rules, quarter, week, call, known.get((CALLS, part), ""))
        movement = _fingerprint(previous_content, call.content, MARTS[MOVEMENT].version)
        if known.get((MOVEMENT, part)) != movement:
            to_check.append(week.time_frame_id)
            run(session, "marts/forecast_movement", **which, **asdict(week))
            run(session, "marts/part_made", **which, mart=MOVEMENT, part=part, made_of=movement)
    run(session, "marts/part_made", **which, mart=CALLS, part=_WHOLE, made_of=whole)
    return to_check


def _refresh_calls(
    session: Session, rules: CallRules, quarter: _Quarter, week: _Week, call: _CallsFingerprint, known: str
) -> None:
    """Rebuild a week's calls, unless `known`, the fingerprint of those in the table, is the same."""
    if known == call.text:
        return
    which = quarter.which
    if call.is_content_of(known):
        run(session, "marts/week_as_of", **which, **asdict(week))
    else:
        marts.collect_calls(
            session,
            week.part,
            **which,
            as_of=week.as_of,
            call_time_frame_id=week.time_frame_id,
            call_day=week.start_date,
            rules=rules,
        )
        run(session, "marts/week_person", **which, as_of=week.as_of)
        run(session, "marts/forecast_call_week", **which, **asdict(week), top_user=rules.top_user)
    run(session, "marts/part_made", **which, mart=CALLS, part=week.part, made_of=call.text)


def _backfill(
    session: Session,
    rules: CallRules,
    quarter: _Quarter,
    weeks: list[_Week],
    calls: dict[str, _CallsFingerprint],
    known: dict[tuple[str, str], str],
) -> None:
    """Rebuild the changed weeks that had ended before the first export, usually all or none, as many at once as fit."""
    due = [week for week in weeks if known.get((CALLS, week.part)) != calls[week.part].text]
    if not due:
        return
    as_of = weeks[0].as_of
    parts = [week.part for week in due]
    run(session, "marts/backfilled_begin", **quarter.which, weeks=_week_keys(due), parts=parts, as_of=as_of)
    run(session, "marts/week_person", **quarter.which, as_of=as_of)
    marts.find_measure_fields(session, **quarter.which, as_of=as_of, rules=rules)
    at_once = max(1, _CALLS_A_STATEMENT // max(1, row(session, "marts/backfilled_places")["places"]))
    for first in range(0, len(due), at_once):
        run(
            session,
            "marts/backfilled_weeks",
            **quarter.which,
            weeks=_week_keys(due[first : first + at_once]),
            as_of=as_of,
            use_adjusted=rules.use_adjusted,
            top_user=rules.top_user,
        )
    for part in parts:
        run(session, "marts/part_made", **quarter.which, mart=CALLS, part=part, made_of=calls[part].text)


def _weeks(
    begun: list[_BegunWeek], rules: CallRules, exports: list[datetime], with_history: list[datetime]
) -> list[_Week]:
    """The weeks of a quarter in order; periods with the same week id and days share one.

    A week ends when it closes (`FiscalCalendar.closes`). `as_of` is the first export with history within four hours
    after that: a schedule soon after the close makes it. Without one it is the week's end, but not after the newest
    export and not before the first; where no export was made in the week, the newest export before it. Weeks that had
    ended before the first export are as of the first with history. `exports` are the moments of the loaded exports in
    order, `with_history` of those that show all weeks, of more than a part of the organisation.
    """
    shared = [
        (week_id, start, end, [one.time_period_id for one in found])
        for (week_id, start, end), found in groupby(begun, attrgetter(*_WEEK))
    ]
    alike = Counter(week_id for week_id, *_ in shared)
    first_export, newest_export = exports[0], exports[-1]
    backfilled_at = next(iter(with_history), first_export)
    weeks: list[_Week] = []
    for week_id, start, end, periods in shared:
        closes_at = rules.calendar.closes(end)
        ends_at = closes_at - timedelta(microseconds=1)
        closing = next((export for export in with_history if closes_at <= export < closes_at + CLOSED_BY), None)
        begins_at = rules.calendar.end_of(start - timedelta(days=1))
        known_at = max((export for export in exports if export <= ends_at), default=backfilled_at)
        before = next((one for one in reversed(weeks) if not set(one.periods).isdisjoint(periods)), None)
        is_quiet = ends_at < first_export or known_at <= begins_at
        weeks.append(
            _Week(
                week_id,
                start,
                end,
                periods,
                part=week_id if alike[week_id] == 1 else f"{week_id} {start}",
                previous_time_frame_id=before.time_frame_id if before else None,
                closes_at=closes_at,
                as_of=closing or (known_at if is_quiet else min(ends_at, newest_export)),
                is_week_over=ends_at < newest_export,
                is_backfilled=ends_at < first_export,
            )
        )
    return weeks


def _week_keys(weeks: Iterable[_Week]) -> list[str]:
    """`<period> <week>`, for each week and each of its periods."""
    return [f"{period} {week.time_frame_id}" for week in weeks for period in week.periods]


def _fingerprint(*parts: object) -> str:
    return sha256(repr(parts).encode()).hexdigest()
