"""The weekly tables: the calls as known at each week's end, and how they came from one to the next.

`forecast_call_week` is made from `forecast_entry_history` as of each week's end, by the statement that finds every
other call, `forecast_movement` from it; the other marts of the history are views of it (`sql/schema/`). A week that is
over does not change unless a document arrives late: each week remembers what it was made of, and is made anew only
where that has changed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from clari_pipeline.warehouse import marts
from clari_pipeline.warehouse.marts import CallRules
from clari_pipeline.warehouse.session import Session
from clari_pipeline.warehouse.statements import Record, row, rows, run, sha256_of

CALLS = "forecast_call_week"
MOVEMENT = "forecast_movement"
_WHOLE = ""
_Made = dict[tuple[str, str, str, str], str]  # by forecast, quarter, mart and part
# Whether an export brought another document than the one before it.
_DOCUMENT = ("result_sha256", "types_to_export", "scope_id", "currency", "include_historical")


@dataclass(frozen=True, slots=True)
class _Quarter:
    """A forecast's quarter: its loaded exports that brought something, and those of the forecast's other quarters."""

    forecast_id: str
    quarter_id: str
    exports: tuple[Record, ...]
    others: tuple[Record, ...]

    @property
    def which(self) -> dict[str, Any]:
        return {"forecast_id": self.forecast_id, "quarter_id": self.quarter_id}

    def known_at(self, moment: Any) -> list[str]:
        """The exports on which depends what is known of the quarter, and of its people, at a moment."""
        return [export["request_id"] for export in (*self.exports, *self.others) if export["exported_at"] <= moment]


def refresh(session: Session, rules: CallRules) -> list[tuple[str, str]]:
    """Make anew what has changed of the weekly tables; forecast and quarter of those that could have, the oldest first.

    The caller holds the transaction.
    """
    run(session, "marts/weekly_orphans")
    made: _Made = {}
    for found in rows(session, "marts/part_versions"):
        made[found["forecast_id"], found["quarter_id"], found["mart"], found["part"]] = found["made_of"]
    newest = {(one["forecast_id"], one["quarter_id"]): one for one in marts.newest_loaded(session)}
    changed = []
    for quarter in sorted(_quarters(rows(session, "marts/loaded_documents")), key=lambda one: one.quarter_id):
        which = (quarter.forecast_id, quarter.quarter_id)
        if _refresh_quarter(session, rules, quarter, newest[which], made):
            changed.append(which)
    return changed


def movement_faults(session: Session, forecast_id: str, quarter_id: str) -> int:
    """Rows of `forecast_movement` that do not add up, or whose ends are not the calls of their weeks."""
    found: int = row(session, "quality/movement_faults", forecast_id=forecast_id, quarter_id=quarter_id)["faults"]
    return found


def _quarters(exports: Iterable[Record]) -> list[_Quarter]:
    brought: dict[str, list[Record]] = {}
    last: dict[tuple[str, str], Record] = {}
    for export in exports:  # in the order in which they count
        which = (export["forecast_id"], export["quarter_id"])
        before = last.get(which)
        if before is None or any(export[name] != before[name] for name in _DOCUMENT):
            brought.setdefault(export["forecast_id"], []).append(export)
        last[which] = export
    return [
        _Quarter(
            forecast_id,
            quarter_id,
            tuple(one for one in brought[forecast_id] if one["quarter_id"] == quarter_id),
            tuple(one for one in brought[forecast_id] if one["quarter_id"] != quarter_id),
        )
        for forecast_id, quarter_id in last
    ]


def _refresh_quarter(session: Session, rules: CallRules, quarter: _Quarter, newest: Record, made: _Made) -> bool:
    """Make anew what has changed of one quarter; whether anything could have."""
    which = quarter.which
    moments = {"first_export": quarter.exports[0]["exported_at"], "newest_export": newest["exported_at"]}
    weeks = rows(session, "marts/quarter_weeks", quarter_id=quarter.quarter_id, **moments)
    days = rows(session, "marts/quarter_days", quarter_id=quarter.quarter_id)
    whole = _made_of(
        [export["request_id"] for export in quarter.exports],
        [quarter.known_at(week["as_of"]) for week in weeks[-1:]],
        (weeks, days, rules),
        rows(session, "marts/field_names", forecast_id=quarter.forecast_id),
    )
    if made.get((quarter.forecast_id, quarter.quarter_id, CALLS, _WHOLE)) == whole:
        return False
    known = {key[2:]: made_of for key, made_of in made.items() if key[:2] == tuple(which.values())}
    if not known or {part for _, part in known} - {_WHOLE} - {week["time_frame_id"] for week in weeks}:
        run(session, "marts/weekly_forget", **which)
        known = {}
    marts.find_measure_fields(session, quarter.forecast_id, quarter.quarter_id, rules)
    calendar = _made_of(
        days,
        [(week["time_frame_id"], week["start_date"], week["end_date"]) for week in weeks],
        rows(session, "marts/measure_places"),
        (rules.use_adjusted, rules.top_user),
    )
    run(session, "marts/forecast_call_begin")
    before = ""
    for week in weeks:
        part = week["time_frame_id"]
        call = _made_of(calendar, week, quarter.known_at(week["as_of"]))
        if known.get((CALLS, part)) != call:
            marts.collect_calls(session, part, **which, as_of=week["as_of"], call_time_frame_id=part, rules=rules)
            run(session, "marts/forecast_call_week", **which, **week, top_user=rules.top_user)
            run(session, "marts/part_made", **which, mart=CALLS, part=part, made_of=call)
        movement = _made_of(before, call)
        if known.get((MOVEMENT, part)) != movement:
            run(session, "marts/forecast_movement", **which, **week)
            run(session, "marts/part_made", **which, mart=MOVEMENT, part=part, made_of=movement)
        before = call
    run(session, "marts/part_made", **which, mart=CALLS, part=_WHOLE, made_of=whole)
    return True


def _made_of(*parts: object) -> str:
    return sha256(repr((parts, sha256_of("marts"))).encode()).hexdigest()
