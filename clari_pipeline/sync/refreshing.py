"""Refresh the marts from the merged tables, then judge coverage over all quarters."""

from clari_pipeline.checks.export_gate import Verdict, judge
from clari_pipeline.config.schedule import stale_before
from clari_pipeline.core.runbook import Problem, RunbookSection
from clari_pipeline.store import history_marts, marts, refreshing
from clari_pipeline.store.ledger import keep_verdicts, verdicts_of
from clari_pipeline.store.mart_registry import MARTS
from clari_pipeline.sync import evidence
from clari_pipeline.sync.context import Context
from clari_pipeline.warehouse.session import Session


class Marts:
    """Refreshes the marts of a warehouse, under an exclusive lock."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def refresh_all(self) -> list[Problem]:
        """Refresh every mart, then judge the coverage of the quarters to be synced; returns what `refresh` reports."""
        problems = [found for mart in MARTS.values() if mart.has_own_refresh for found in self.refresh(mart.name)]
        self.judge_coverage()
        return problems

    def refresh(self, name: str) -> list[Problem]:
        """Refresh a mart and those filled with it, where their tables have changed; judge whether movements add up.

        Returns a problem where weekly rows were rebuilt because an upgrade has changed how they are made.
        """
        context = self._context

        def make(session: Session) -> list[str]:
            with session.lock("marts"), session.transaction():
                marts.note_organisation(session, context.calendar)
                refreshed = refreshing.refresh(session, MARTS[name], context.rules)
                for one in refreshed:
                    faults = history_marts.movement_faults(session, one.newest, one.weeks)
                    keep_verdicts(session, judge(evidence.of_movement(one.newest, faults)), context.now())
            return sorted({one.newest.quarter_id for one in refreshed if one.is_upgraded})

        upgraded = context.warehouse.with_retry(make)
        if not upgraded:
            return []
        message = (
            f"the weekly marts of {', '.join(upgraded)} were rebuilt once, as this release ends weeks at another moment"
            ": figures of past weeks may differ, and nothing is to be done"
        )
        return [Problem(None, None, message, RunbookSection.WEEKLY_MARTS_REBUILT)]

    def judge_coverage(self) -> list[tuple[str, Verdict]]:
        """Judge whether the quarters to be synced are loaded and fresh; returns pairs of forecast id and verdict."""
        context = self._context
        wanted = [str(quarter) for quarter in context.current_quarters()]
        not_before = stale_before(context.settings, context.now())
        with context.warehouse.transaction("marts") as session:
            newest = marts.newest_loaded(session)
            latest: dict[str, marts.NewestExport] = {}
            for export in newest:  # newest quarter first
                latest.setdefault(export.forecast_id, export)
            for forecast_id, export in latest.items():
                exported_at = {
                    one.quarter_id: one.covered_at
                    for one in newest
                    if one.forecast_id == forecast_id and one.covered_at is not None
                }
                covered = evidence.of_coverage(export, wanted=wanted, newest=exported_at, not_before=not_before)
                keep_verdicts(session, judge(covered), context.now())
            return [
                (forecast_id, verdict)
                for forecast_id, export in latest.items()
                for verdict in verdicts_of(session, export.request_id)
                if verdict.check_name == "periods_are_covered"
            ]


def movement_verdicts(session: Session) -> list[tuple[str, Verdict]]:
    """Pairs of "FORECAST QUARTER" and the verdict on its movements, by the newest loaded exports."""
    return [
        (f"{export.forecast_id} {export.quarter_id}", verdict)
        for export in marts.newest_loaded(session)
        for verdict in verdicts_of(session, export.request_id)
        if verdict.check_name == "forecast_movement_adds_up"
    ]
