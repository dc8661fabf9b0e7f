"""Which columns a mart's columns come from, for Dagster's catalogue.

`pipeline_health` comes from the ledger, which is no asset: it has none. What the history adds to a table (an earlier
version of an entry, an earlier team) counts as that table's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import dagster as dg

_ENTRY_KEY = {
    name: f"forecast_entry.{name}" for name in ("forecast_id", "time_period_id", "time_frame_id", "user_id", "field_id")
}
_PERSON = {
    "user_name": "forecast_user.name",
    "role_id": "forecast_user.role_id",
    "role_name": "forecast_user.role_name",
    "parent_role_id": "forecast_user.parent_role_id",
    "parent_role_name": "forecast_user.parent_role_name",
    "is_top": "forecast_user.is_top",
}
_CALL = "forecast_entry.forecast_value forecast_entry.adjustment_value forecast_entry.is_updated"
_MEASURES = {
    name: f"forecast_entry.{name}" for name in ("adjustment_value", "quota_value", "crm_closed", "crm_total")
} | {"currency_code": "forecast_entry.currency_code"}
_WEEK = {
    "week_number": "time_frame.week_number",
    "weeks_to_end": "time_frame.end_date time_period.end_date",
}
_EXPORT = "forecast_entry.exported_at"
_CHANGE = f"{_CALL} forecast_entry.currency_code"
_MOVED = "forecast_swing.previous_value forecast_swing.current_value"

# Of each mart: what its columns come from, each a table and a column.
_FROM: Mapping[str, Mapping[str, str]] = {
    "forecast_vs_quota": _ENTRY_KEY
    | _PERSON
    | _MEASURES
    | _WEEK
    | {
        "forecast_value": _CALL,
        "attainment_pct": "forecast_entry.crm_closed forecast_entry.quota_value",
        "forecast_to_quota_pct": f"{_CALL} forecast_entry.quota_value",
        "gap_to_quota": "forecast_entry.quota_value forecast_entry.crm_closed",
        "field_name": "forecast_field.field_name",
        "is_submitted": "forecast_entry.forecast_value forecast_entry.is_updated",
        "in_latest_export": "forecast_entry.in_latest_export",
        "as_of": _EXPORT,
    },
    "forecast_swing": _ENTRY_KEY
    | {
        "previous_value": _CALL,
        "current_value": _CALL,
        "change_amount": _CALL,
        "change_pct": _CALL,
        "is_swing": _CHANGE,
        "reason": _CHANGE,
        "previous_time_frame_id": "forecast_entry.time_frame_id",
        "currency_code": "forecast_entry.currency_code",
        "previous_currency_code": "forecast_entry.currency_code",
        "job_id": "forecast_entry.job_id",
        "previous_job_id": "forecast_entry.job_id",
        "previous_user_id": "forecast_user.user_id forecast_user.crm_user_id",
        "updated_by": "forecast_entry.updated_by forecast_entry.adjusted_by",
        "updated_at": "forecast_entry.updated_at forecast_entry.adjusted_at",
    },
    "forecast_swing_summary": {
        name: f"forecast_swing.{name}"
        for name in ("forecast_id", "time_period_id", "field_id", "baseline", "previous_job_id", "job_id")
    }
    | {
        "detected_at": "forecast_swing.detected_at",
        "compared": "forecast_swing.user_id",
        "swung": "forecast_swing.is_swing",
        "sum_before": "forecast_swing.previous_value",
        "sum_after": "forecast_swing.current_value",
        "previous_currency_code": "forecast_swing.previous_currency_code forecast_swing.currency_code",
        "currency_code": "forecast_swing.currency_code",
        "kept": f"{_MOVED} forecast_swing.reason",
        "judged": "forecast_swing.reason forecast_swing.is_muted",
    }
    | dict.fromkeys(("moved", "has_cents"), _MOVED),
    "forecast_call_week": _ENTRY_KEY
    | _PERSON
    | _MEASURES
    | _WEEK
    | {
        "week_start_date": "time_frame.start_date",
        "week_end_date": "time_frame.end_date",
        "as_of": "time_frame.end_date forecast_entry.exported_at",
        "is_week_over": "time_frame.end_date forecast_entry.exported_at",
        "is_backfilled": "time_frame.end_date forecast_entry.exported_at",
        "call_value": _CALL,
        "is_submitted": "forecast_entry.forecast_value forecast_entry.is_updated",
        "call_by": "forecast_entry.updated_by forecast_entry.adjusted_by",
        "call_at": "forecast_entry.updated_at forecast_entry.adjusted_at",
        "pipeline_closed": "forecast_entry.crm_closed",
    },
    "forecast_movement": {
        "previous_time_frame_id": "forecast_call_week.time_frame_id",
        "start_currency_code": "forecast_call_week.currency_code",
        "reports": "forecast_call_week.user_id forecast_call_week.parent_role_id forecast_call_week.role_id",
        "reports_apart": "forecast_call_week.user_id forecast_call_week.parent_role_id "
        "forecast_call_week.currency_code",
    }
    | dict.fromkeys(("start_value", "end_value", "change_amount"), "forecast_call_week.call_value")
    | dict.fromkeys(
        ("raised_amount", "lowered_amount", "new_amount", "gone_amount", "judgement_amount"),
        "forecast_call_week.call_value forecast_call_week.parent_role_id forecast_call_week.role_id",
    ),
    "forecast_accuracy": {
        "actual_value": "forecast_vs_quota.crm_closed",
        "absolute_actual": "forecast_vs_quota.crm_closed",
        "is_provisional": "forecast_vs_quota.as_of",
    }
    | dict.fromkeys(
        ("error_amount", "absolute_error", "wape", "bias", "weeks_compared"),
        "forecast_call_week.call_value forecast_vs_quota.crm_closed",
    )
    | {"weeks_backfilled": "forecast_call_week.is_backfilled"},
    "attainment_pacing": {
        "final_closed": "forecast_vs_quota.crm_closed",
        "previous_period_id": "forecast_call_week.time_period_id",
        "year_ago_period_id": "forecast_call_week.time_period_id",
    }
    | dict.fromkeys(
        ("attainment_pct", "previous_attainment_pct", "year_ago_attainment_pct"),
        "forecast_call_week.crm_closed forecast_call_week.quota_value",
    )
    | dict.fromkeys(
        ("closed_to_final_pct", "previous_closed_to_final_pct", "year_ago_closed_to_final_pct"),
        "forecast_call_week.crm_closed forecast_vs_quota.crm_closed",
    ),
    "pipeline_coverage": {
        "open_pipeline": "forecast_call_week.crm_total forecast_call_week.pipeline_closed",
        "left_to_quota": "forecast_call_week.quota_value forecast_call_week.crm_closed",
        "coverage_ratio": "forecast_call_week.crm_total forecast_call_week.pipeline_closed "
        "forecast_call_week.quota_value forecast_call_week.crm_closed",
    },
    "call_submission": {
        "is_submitted": "forecast_entry.forecast_value forecast_entry.is_updated",
        "submitted_value": "forecast_entry.forecast_value",
        "submitted_at": "forecast_entry.updated_at",
        "submitted_by": "forecast_entry.updated_by",
        "is_submitted_by_other": "forecast_entry.updated_by forecast_entry.user_id",
        "is_late": "forecast_entry.updated_at forecast_call_week.week_end_date",
        "is_overridden": "forecast_entry.adjustment_value forecast_entry.adjusted_by forecast_entry.adjusted_at",
        "override_value": "forecast_entry.adjustment_value",
        "overridden_at": "forecast_entry.adjusted_at",
        "overridden_by": "forecast_entry.adjusted_by",
        "is_below_closed": "forecast_call_week.call_value forecast_call_week.crm_closed",
    },
}
# Settings and rules, or names of the mart's own: no column brings them.
OF_NOTHING = {"forecast_swing": {"baseline", "threshold", "min_amount", "is_muted", "detected_at"}}
_ABOVE_WEEKS = "forecast_call_week"


def column_lineage(
    mart: str, columns: Mapping[str, object], above: Mapping[str, object], key: Callable[[str], dg.AssetKey]
) -> dg.TableColumnLineage | None:
    """Where each of a mart's columns comes from; what a weekly mart does not name comes as it is from the weeks'
    calls, whose columns are `above`. None where no column comes from an asset.
    """
    if mart not in _FROM:
        return None
    named = dict(_FROM[mart])
    if mart not in {"forecast_vs_quota", "forecast_swing", "forecast_swing_summary", _ABOVE_WEEKS}:
        named = {name: f"{_ABOVE_WEEKS}.{name}" for name in columns if name in above} | named
    return dg.TableColumnLineage(
        {
            name: [
                dg.TableColumnDep(asset_key=key(table), column_name=column)
                for table, _, column in (one.partition(".") for one in whence.split())
            ]
            for name, whence in named.items()
            if name in columns
        }
    )
