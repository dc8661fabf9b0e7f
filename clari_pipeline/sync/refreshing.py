"""The marts refreshed from the merged tables, and what is judged over all quarters once they stand."""

from __future__ import annotations

from datetime import timedelta

from clari_pipeline.checks.export_gate import judge
from clari_pipeline.store import history_marts, ledger, marts, refreshing
from clari_pipeline.store.mart_registry import MARTS
from clari_pipeline.sync import evidence
from clari_pipeline.sync.context import Context
from clari_pipeline.sync.judging import keep_verdicts
from clari_pipeline.warehouse.session import Session
from clari_pipeline.warehouse.statements import Record


class Marts:
    """The marts of a warehouse, refreshed by one process at a time."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def refresh_all(self) -> None:
        """Refresh every mart, and judge whether the quarters asked for are there."""
        for mart in MARTS.values():
            if mart.has_own_refresh:
                self.refresh(mart.name)
        self.judge_coverage()

    def refresh(self, name: str) -> None:
        """Refresh a mart and those filled with it where their tables have changed; prove that movements add up."""
        context = self._context

        def make(session: Session) -> None:
            with session.lock("marts"), session.transaction():
                marts.note_organisation(session, context.calendar)
                for newest, weeks in refreshing.refresh(session, MARTS[name], context.rules):
                    faults = history_marts.movement_faults(session, newest, weeks)
                    keep_verdicts(session, judge(evidence.of_movement(newest, faults)), context.now())

        context.warehouse.with_retry(make)

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
