"""Preflight, /health, the alert and the check call the same figures stale: by the schedule, or by a set age."""

from datetime import UTC, datetime, timedelta

import pytest

from clari_pipeline.alerts.raising import Alerts
from clari_pipeline.config.settings import read_settings
from clari_pipeline.ops.health import HealthReader
from clari_pipeline.sync.context import Context
from clari_pipeline.sync.refreshing import Marts
from tests.ops.preflight.conftest import Operator

_OLD = timedelta(days=4)
_AGED = """
    update clari.export_job
    set exported_at = exported_at - interval 4 day, submitted_at = submitted_at - interval 4 day
"""


def faces(operator: Operator) -> dict[str, bool]:
    """Whether each face calls the figures stale."""
    context = Context.of(read_settings())
    ((_, covered),) = Marts(context).judge_coverage()
    before = operator.terminal.query("select count(*) from clari.alert where kind = 'freshness'")
    Alerts(context).notify_of_stale_quarters()
    after = operator.terminal.query("select count(*) from clari.alert where kind = 'freshness'")
    return {
        "preflight": operator.line("quarters_are_fresh")[0] == "FAIL",
        "schedule": operator.line("schedule_is_alive")[0] == "FAIL",
        "health": HealthReader(context.warehouse, context.settings).read().status == "stale",
        "check": not covered.passed,
        "alert": after > before,
    }


@pytest.mark.parametrize(
    ("is_weekly", "hours", "is_stale"),
    [(False, "", True), (True, "", False), (True, "26", True), (False, "200", False)],
    ids=["daily", "weekly", "weekly and an age", "daily and an age"],
)
def test_every_face_goes_by_the_same_rule(operator: Operator, is_weekly: bool, hours: str, is_stale: bool) -> None:
    """Figures of four days ago: stale by a daily schedule, fresh by a weekly one that fired then; a set age decides."""
    operator.sql(_AGED)
    fired = datetime.now(UTC) - _OLD - timedelta(hours=3)
    weekday = fired.isoweekday() % 7
    operator.set(
        CLARI_SYNC_CRON=f"{fired.minute} {fired.hour} * * {weekday if is_weekly else '*'}", CLARI_MAX_AGE_HOURS=hours
    )
    found = faces(operator)
    assert set(found.values()) == {is_stale}, found
