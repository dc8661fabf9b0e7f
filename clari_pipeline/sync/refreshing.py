"""The marts refreshed from the merged tables, and what is judged over all quarters once they stand."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from clari_pipeline.checks.export_gate import judge
from clari_pipeline.store import history_marts, ledger, marts
from clari_pipeline.store.marts import CallRules
from clari_pipeline.sync import evidence
from clari_pipeline.sync.context import Context
from clari_pipeline.sync.judging import keep_verdicts
from clari_pipeline.warehouse.session import Session
from clari_pipeline.warehouse.statements import Record


def _swings(session: Session, rules: CallRules, _now: datetime) -> None:
    """Compare what has not been compared yet."""
    for forecast_id, quarter_id in marts.loaded_quarters(session):
        marts.compare_calls(session, forecast_id, quarter_id, rules)


def _history(session: Session, rules: CallRules, now: datetime) -> None:
    """Refresh the weekly tables where something has changed, and prove that their movements add up."""
    for newest, weeks in history_marts.refresh(session, rules):
        faults = history_marts.movement_faults(session, newest, weeks)
        keep_verdicts(session, judge(evidence.of_movement(newest, faults)), now)


REFRESHED: dict[str, Callable[[Session, CallRules, datetime], None]] = {
    "forecast_vs_quota": lambda session, rules, _now: marts.refresh_forecast_vs_quota(session, rules),
    "forecast_swing": _swings,
    history_marts.CALLS: _history,
    "pipeline_health": lambda session, _rules, _now: marts.refresh_health(session),
}
"""The marts that are tables, in the order of their refresh; the others are views of them."""


class Marts:
    """The marts of a warehouse, refreshed by one process at a time."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def refresh_all(self) -> None:
        """Refresh every mart, and judge whether the quarters asked for are there."""
        for mart in REFRESHED:
            self.refresh(mart)
        self.judge_coverage()

    def refresh(self, mart: str) -> int:
        """Refresh one of `REFRESHED` where its tables have changed; the rows it has now."""
        context = self._context

        def make_and_count(session: Session) -> int:
            with session.turn("marts"), session.transaction():
                marts.note_organisation(session, context.calendar)
                REFRESHED[mart](session, context.rules, context.now())
            return marts.count(session, mart)

        return context.warehouse.with_room(make_and_count)

    def judge_coverage(self) -> list[Record]:
        """Whether the current quarter and those before it are loaded and fresh, a verdict for each forecast."""
        context = self._context
        wanted = [str(quarter) for quarter in context.current_quarters()]
        not_before = context.now() - timedelta(hours=context.settings.max_age_hours)
        with context.warehouse.transaction("marts") as session:
            newest = marts.newest_loaded(session)
            latest: dict[str, Record] = {}
            for export in newest:  # newest quarter first
                latest.setdefault(export["forecast_id"], export)
            for forecast_id, export in latest.items():
                of_forecast = [other for other in newest if other["forecast_id"] == forecast_id]
                covered = evidence.of_coverage(
                    export,
                    wanted=wanted,
                    newest={other["quarter_id"]: other["exported_at"] for other in of_forecast},
                    not_before=not_before,
                )
                keep_verdicts(session, judge(covered), context.now())
            return [
                verdict | {"forecast_id": forecast_id}
                for forecast_id, export in latest.items()
                for verdict in ledger.verdicts_of(session, export["request_id"])
                if verdict["check_name"] == "periods_are_covered"
            ]


def movement_verdicts(session: Session) -> list[Record]:
    """The verdict on each quarter's movements, `of` naming forecast and quarter."""
    return [
        verdict | {"of": f"{export['forecast_id']} {export['quarter_id']}"}
        for export in marts.newest_loaded(session)
        for verdict in ledger.verdicts_of(session, export["request_id"])
        if verdict["check_name"] == "forecast_movement_adds_up"
    ]
