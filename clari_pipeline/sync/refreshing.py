"""The marts refreshed from the merged tables, and what is judged over all quarters once they stand."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from clari_pipeline.checks.export_gate import judge
from clari_pipeline.store import history_marts, ledger, marts
from clari_pipeline.sync import evidence
from clari_pipeline.sync.context import Context
from clari_pipeline.sync.judging import keep_verdicts
from clari_pipeline.warehouse.session import Session
from clari_pipeline.warehouse.statements import Record


def refresh_marts(context: Context) -> None:
    """Refresh every mart, and judge whether the quarters asked for are there."""
    for mart in REFRESHED:
        refresh(context, mart)
    judge_coverage(context)


def refresh(context: Context, mart: str) -> int:
    """Refresh one of `REFRESHED` where its tables have changed, one process at a time; the rows it has now."""
    make = REFRESHED[mart]

    def make_and_count(session: Session) -> int:
        with session.turn("marts"), session.transaction():
            marts.note_organisation(session, context.calendar)
            make(session, context)
        return marts.count(session, mart)

    return context.warehouse.with_room(make_and_count)


def _vs_quota(session: Session, context: Context) -> None:
    marts.refresh_forecast_vs_quota(session, context.rules)


def _swings(session: Session, context: Context) -> None:
    """Compare what has not been compared yet."""
    for forecast_id, quarter_id in marts.loaded_quarters(session):
        marts.compare_calls(session, forecast_id, quarter_id, context.rules)


def _history(session: Session, context: Context) -> None:
    """Refresh the weekly tables where something has changed, and prove that their movements add up."""
    for newest, weeks in history_marts.refresh(session, context.rules):
        faults = history_marts.movement_faults(session, newest, weeks)
        keep_verdicts(session, judge(evidence.of_movement(newest, faults)), context.now())


def _health(session: Session, _context: Context) -> None:
    marts.refresh_health(session)


REFRESHED: dict[str, Callable[[Session, Context], None]] = {
    "forecast_vs_quota": _vs_quota,
    "forecast_swing": _swings,
    history_marts.CALLS: _history,
    "pipeline_health": _health,
}
"""The marts that are tables, in the order of their refresh; the others are views of them."""


def movement_verdicts(session: Session) -> list[Record]:
    """The verdict on each quarter's movements, `of` naming forecast and quarter."""
    return [
        verdict | {"of": f"{export['forecast_id']} {export['quarter_id']}"}
        for export in marts.newest_loaded(session)
        for verdict in ledger.verdicts_of(session, export["request_id"])
        if verdict["check_name"] == "forecast_movement_adds_up"
    ]


def judge_coverage(context: Context) -> list[Record]:
    """Whether the current quarter and those before it are loaded and fresh, a verdict for each forecast."""
    wanted = [str(quarter) for quarter in context.current_quarters()]
    not_before = context.now() - timedelta(hours=context.settings.max_age_hours)
    with context.warehouse.transaction("marts") as session:
        newest = marts.newest_loaded(session)
        latest: dict[str, Record] = {}
        for export in newest:  # newest quarter first
            latest.setdefault(export["forecast_id"], export)
        for forecast_id, export in latest.items():
            covered = evidence.of_coverage(
                export,
                wanted=wanted,
                newest={
                    other["quarter_id"]: other["exported_at"] for other in newest if other["forecast_id"] == forecast_id
                },
                not_before=not_before,
            )
            keep_verdicts(session, judge(covered), context.now())
        return [
            verdict | {"forecast_id": forecast_id}
            for forecast_id, export in latest.items()
            for verdict in ledger.verdicts_of(session, export["request_id"])
            if verdict["check_name"] == "periods_are_covered"
        ]
