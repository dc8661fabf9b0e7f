"""A sample of the message on swings, with invented people and amounts, so that people see it before a call moves."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from clari_pipeline.core.runbook import AlertKind
from clari_pipeline.notify.messages import Alert, Headline, Message, WhereToLook, compose

_NOTE = "This is a sample: people and amounts are invented. clari-pipeline alerts test --sample has sent it."
_QUARTER, _FORECAST = "2026_Q4", "sample"


def sample(*, now: datetime, where_to_look: WhereToLook, environment: str | None) -> Message:
    """Two swings, a manager's and a report's, in the words and formats of a real message."""
    manager = _swing("Maria Sample", "Sales Director", "2400000", "1980000", quota="3000000", closed="1250000", now=now)
    manager |= {
        "reports_change": Decimal(-350000),
        "joiners_change": Decimal(0),
        "leavers_change": Decimal(0),
        "judgement_change": Decimal(-70000),
        "added_up": 1,
        "contributors": [{"user_name": "Jonas Example", "change_amount": Decimal(-350000)}],
    }
    report = _swing("Jonas Example", "Account Executive", "900000", "550000", quota="800000", closed="310000", now=now)
    headline = Headline(
        forecast_id=_FORECAST,
        quarter_id=_QUARTER,
        field_name="Commit",
        call=Decimal(1980000),
        change=Decimal(-420000),
        baseline="sync",
        call_to_quota=Decimal("0.66"),
        weeks_left=5,
        currency_code="USD",
        exported_at=now,
        previous_exported_at=now - timedelta(days=1),
    )
    alerts = [
        Alert(
            f"sample {one['user_id']}",
            "sample",
            AlertKind.FORECAST_SWING,
            "P3",
            one["user_name"],
            "",
            now,
            "sample",
            one,
        )
        for one in (manager, report)
    ]
    (message,) = compose(
        alerts,
        {(_FORECAST, _QUARTER): headline},
        where_to_look=where_to_look,
        environment=environment,
        sample_note=_NOTE,
    )
    return message


def _swing(who: str, role: str, before: str, after: str, *, quota: str, closed: str, now: datetime) -> dict[str, Any]:
    was, is_now = Decimal(before), Decimal(after)
    return {
        "forecast_id": _FORECAST,
        "quarter_id": _QUARTER,
        "time_period_id": _QUARTER,
        "user_id": who,
        "user_name": who,
        "role_name": role,
        "field_id": "commit",
        "field_name": "Commit",
        "baseline": "sync",
        "previous_value": was,
        "current_value": is_now,
        "change_amount": is_now - was,
        "change_pct": (is_now - was) / was,
        "reason": "above_threshold",
        "currency_code": "USD",
        "changed_by": who,
        "changed_at": now,
        "crm_closed": Decimal(closed),
        "quota_value": Decimal(quota),
        "gap_to_quota": Decimal(quota) - Decimal(closed),
    }
