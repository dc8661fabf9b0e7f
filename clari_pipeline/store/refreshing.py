"""Refresh a mart, as the registry says."""

from clari_pipeline.store import history_marts, marts
from clari_pipeline.store.mart_registry import Mart, Refresh
from clari_pipeline.store.marts import CallRules
from clari_pipeline.warehouse.session import Session, run


def refresh(session: Session, mart: Mart, rules: CallRules) -> list[history_marts.RefreshedQuarter]:
    """Refresh a mart and those that are filled with it. The caller holds the transaction.

    Returns for the weekly marts what `history_marts.refresh` does; else nothing.
    """
    match mart.refresh:
        case Refresh.NEWEST_CALLS:
            marts.refresh_forecast_vs_quota(session, rules)
        case Refresh.COMPARISONS:
            for newest in marts.newest_loaded(session):
                marts.compare_calls(session, newest.forecast_id, newest.quarter_id, rules)
        case Refresh.WEEKS:
            return history_marts.refresh(session, rules)
        case Refresh.STATEMENT:
            run(session, f"schema/{mart.name}/refresh")
        case Refresh.WITH_ANOTHER:
            pass
    return []
