"""Example alerts of one run: seven swings in two quarters, a mass change, a refused export, a low quota, a bad key."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from clari_pipeline.notify import Alert, Headline

RUN = "8f2c1b9e-sync"
NOW = datetime(2026, 11, 24, 6, 2, tzinfo=UTC)


def look(_kind: str, _alerts: Sequence[Alert]) -> list[str]:
    """Where to look, whatever the alert."""
    return ["clari-pipeline board --open", "https://bi.example.com/forecast?team=emea&week=5", "clari.forecast_swing"]


def nowhere(_kind: str, _alerts: Sequence[Alert]) -> list[str]:
    """No place to look at."""
    return []


def swing(who: str, before: str | None, after: str | None, **changed: Any) -> Alert:
    """A swing of `who`, with default values for what `changed` does not name."""
    previous, current = (None if value is None else Decimal(value) for value in (before, after))
    change = (current or Decimal(0)) - (previous or Decimal(0))
    detail = {
        "forecast_id": "total_new",
        "time_period_id": "2026_Q4",
        "quarter_id": "2026_Q4",
        "user_id": f"u-{who}",
        "user_name": who,
        "role_name": "AE, EMEA",
        "field_id": "f-commit",
        "field_name": "Commit",
        "baseline": "week",
        "previous_value": previous,
        "current_value": current,
        "change_amount": change,
        "change_pct": (change / abs(previous)).quantize(Decimal("0.000001")) if previous else None,
        "reason": "above_threshold",
        "threshold": Decimal("0.20"),
        "currency_code": "EUR",
        "changed_by": who,
        "changed_at": datetime(2026, 11, 23, 16, 41, tzinfo=UTC),
        "crm_closed": Decimal("310000.0000"),
        "quota_value": Decimal("900000.0000"),
        "gap_to_quota": Decimal("590000.0000"),
        "reports_change": None,
        "joiners_change": None,
        "leavers_change": None,
        "judgement_change": None,
        "contributors": [],
        **changed,
    }
    place = f"{detail['forecast_id']}/{detail['quarter_id']}/{who}/{detail['field_name']}/{detail['baseline']}"
    return alert("forecast_swing", "P3", f"{who} swung", "", detail, key=place)


def mass_change(**changed: Any) -> Alert:
    """A mass change: fourteen of forty calls moved together."""
    moved = [
        swing(f"Rep {number}", "100000", f"{60000 + number * 1000}", field_name="Best Case", field_id="f-best").detail
        for number in range(1, 6)
    ]
    detail = {
        "forecast_id": "total_new",
        "quarter_id": "2026_Q4",
        "time_period_id": "2026_Q4",
        "field_id": "f-best",
        "field_name": "Best Case",
        "baseline": "sync",
        "compared": 40,
        "swung": 14,
        "ratio": None,
        "largest": moved,
        **changed,
    }
    return alert("mass_change", "P2", "Best Case moved as a whole", "", detail)


def alert(
    kind: str, severity: Any, title: str, body: str, detail: dict[str, Any], *, key: str | None = None, run: str = RUN
) -> Alert:
    """Any alert of this run."""
    place = f"{detail.get('forecast_id')}/{detail.get('quarter_id')}"
    return Alert(key or f"{kind}/{place}", f"{kind}/{place}", kind, severity, title, body, NOW, run, detail)


def headline(**changed: Any) -> Headline:
    """The top call of the quarter."""
    values: dict[str, Any] = {
        "forecast_id": "total_new",
        "quarter_id": "2026_Q4",
        "field_name": "Commit",
        "call": Decimal("12400000.0000"),
        "change": Decimal("-600000.0000"),
        "baseline": "week",
        "call_to_quota": Decimal("0.920000"),
        "weeks_left": 5,
        "currency_code": "EUR",
        "exported_at": datetime(2026, 11, 24, 6, 0, tzinfo=UTC),
        "previous_exported_at": datetime(2026, 11, 17, 6, 0, tzinfo=UTC),
        "newcomers": ["Priya Nair"],
        "leavers": ["Tom Berg", "Léa Dubois"],
        **changed,
    }
    return Headline(**values)


HEADLINES = {
    ("total_new", "2026_Q4"): headline(),
    ("total_new", "2026_Q3"): headline(
        quarter_id="2026_Q3", call=Decimal(9800000), change=Decimal(0), weeks_left=-1, newcomers=[], leavers=[]
    ),
}


def manager() -> Alert:
    """Dana's own call fell by 600,000; her reports account for 420,000 of it."""
    return swing(
        "Dana Scott",
        "13000000",
        "12400000",
        role_name="VP Sales, EMEA",
        reason="above_threshold",
        crm_closed=Decimal("3200000.0000"),
        quota_value=Decimal("13500000.0000"),
        gap_to_quota=Decimal("10300000.0000"),
        reports_change=Decimal("-420000.0000"),
        joiners_change=Decimal("30000.0000"),
        leavers_change=Decimal("-60000.0000"),
        judgement_change=Decimal("-150000.0000"),
        contributors=[
            {"user_name": "Ana Ruiz", "change_amount": Decimal("-300000.0000")},
            {"user_name": "Bo Chen", "change_amount": Decimal("-180000.0000")},
            {"user_name": "Femi Ade", "change_amount": Decimal("60000.0000")},
        ],
    )


def swings() -> list[Alert]:
    """Seven swings, one of them of last quarter."""
    return [
        swing("Ana Ruiz", "1280500.50", "980500.50"),
        manager(),
        swing("Bo Chen", "600000", "420000", changed_by="Dana Scott"),
        swing("Femi Ade", "0", "60000", reason="from_zero", change_pct=None),
        swing("Ines Costa", "250000", "0", reason="to_zero", crm_closed=None, gap_to_quota=None, quota_value=None),
        swing(
            "Jo Park", "40000", "-15000", reason="sign_flip", baseline="sync", gap_to_quota=Decimal(-20000),
            time_period_id="2026_11", changed_by=None,
        ),
        swing("Ana Ruiz", "210000", "120000", time_period_id="2026_Q3", quarter_id="2026_Q3"),
    ]  # fmt: skip


def failures() -> list[Alert]:
    """Alerts of all kinds that are not on calls."""
    where = {"forecast_id": "total_new", "quarter_id": "2026_Q4", "job_id": "job-7781"}
    return [
        alert(
            "quota_low", "P2", "6 of 1,000 exports left in a rolling 30 days",
            "A sync of 5 quarters needs 5. Ask Clari for more, or lower CLARI_HISTORICAL_PERIODS.",
            {"forecast_id": None, "quarter_id": None, "job_id": None},
        ),
        alert(
            "export_refused", "P2", "Export kept out of the tables: entry_keys_are_complete",
            "12 of 4,310 entries have no user.\nThe tables still show the export of 2026-11-23 06:00 UTC.", where,
        ),
        alert(
            "export_refused", "P2", "Export kept out of the tables: control_totals_reconcile",
            "Commit: 12,400,000.00 in the document, 12,150,000.00 in the rows.",
            {**where, "forecast_id": "renewals", "quarter_id": "2026_Q3", "job_id": "job-7782"},
        ),
        alert(
            "auth_failed", "P1", "Clari answered 401 to the API key",
            "Create a token in Clari under Settings, API Token, and put it into CLARI_API_KEY.",
            {"forecast_id": "total_new", "quarter_id": "2026_Q4", "job_id": None},
        ),
    ]  # fmt: skip
