"""The tables and views of the warehouse, as `sql/schema/` names them."""

import re
from functools import cache

from clari_pipeline.core.queries import names, text_of

_CALL = "forecast_id, time_period_id, user_id, field_id"
_WEEK_OF_CALL = "forecast_id, time_period_id, time_frame_id, user_id, field_id"
# Tables of at most one row have no key.
_KEYS = {
    "forecast_vs_quota": _CALL,
    "forecast_swing": f"{_CALL}, baseline, job_id",
    "forecast_swing_summary": "forecast_id, time_period_id, field_id, baseline, job_id",
    "forecast_swing_contribution": f"{_CALL}, baseline, job_id, report_user_id, kind",
    "forecast_call_week": _WEEK_OF_CALL,
    "forecast_movement": _WEEK_OF_CALL,
    "forecast_accuracy": _WEEK_OF_CALL,
    "attainment_pacing": _WEEK_OF_CALL,
    "pipeline_coverage": _WEEK_OF_CALL,
    "call_submission": _WEEK_OF_CALL,
    "forecast_entry": f"{_WEEK_OF_CALL}, quarter_id",
    "forecast_entry_history": f"{_WEEK_OF_CALL}, quarter_id, valid_from",
    "forecast_entry_version": f"{_WEEK_OF_CALL}, quarter_id, valid_from",
    "forecast_user": "forecast_id, user_id",
    "forecast_user_history": "forecast_id, user_id, valid_from",
    "forecast_field": "forecast_id, field_id",
    "time_period": "time_period_id",
    "time_frame": "time_period_id, time_frame_id, quarter_id",
    "forecast_time_frame": "forecast_id, time_period_id, time_frame_id, quarter_id",
    "export_job": "request_id",
    "export_check": "request_id, check_name",
    "quality_result": "rule_name, run_id",
    "merged_total": "forecast_id, quarter_id, table_name, field_id",
    "document_key": "forecast_id, path",
    "document_contract": "forecast_id, contract, path, kind",
    "pipeline_health": "forecast_id, time_period_id, day",
    "pipeline_health_month": "forecast_id, time_period_id",
    "export_quota": "read_at",
    "alert": "alert_key",
    "alert_delivery": "alert_key, channel_id",
    "product_fetch": "request_id",
    "audit_event": "event_id",
    "audit_actor": "actor_id",
    "activity": "activity_id",
    "activity_account": "activity_id, account_id",
    "activity_opportunity": "activity_id, opportunity_id",
    "activity_participant": "activity_id, participant_id",
    "opportunity": "opportunity_id",
    "opportunity_field": "opportunity_id, field_id",
    "opportunity_field_trend": "trend_id",
    "api_limits": "read_at",
    "forecast_entry_state": f"{_WEEK_OF_CALL}, quarter_id",
    "forecast_entry_sighting": "forecast_id, time_period_id, known_job_id",
    "forecast_user_sighting": "forecast_id, quarter_id, user_id, first_seen_at",
    "mart_version": "forecast_id, quarter_id",
    "mart_part_version": "mart, forecast_id, quarter_id, part",
    "newest_document": "forecast_id, quarter_id",
}


def tables() -> list[str]:
    """The tables of the warehouse, as `sql/schema/` names them, and after them the views, each after what it shows."""
    return sorted(_names(), key=_depth)


def key_of(table: str) -> tuple[str, ...]:
    """The columns of its key, which merges uphold and the database, for speed, mostly does not declare."""
    return tuple(_KEYS.get(table, "").replace(",", "").split())


def is_view(table: str) -> bool:
    """Whether `sql/schema/` defines it as a view."""
    return "create or replace view" in text_of(f"schema/{table}")


def _names() -> list[str]:
    found = [name.removeprefix("schema/") for name in names("schema") if name != "schema/clari"]
    return [name for name in found if "/" not in name]  # not the statements that stand with a table


@cache
def _depth(table: str) -> int:
    """0 for a table, 1 for a view of tables alone, one more for a view of views."""
    if not is_view(table):
        return 0
    named = set(re.findall(r"\bclari\.(\w+)", text_of(f"schema/{table}"))) & set(_names())
    return 1 + max((_depth(other) for other in named - {table}), default=0)
