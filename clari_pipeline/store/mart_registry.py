"""The marts: the one list of them. Lineage, refresh, publishing, retention and Dagster's assets read it.

To add one: its table or view in `sql/schema/`, with the statement that fills it, an entry here, its test, and
`make docs`, which puts it on the page of tables.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto

_TABLES = ("forecast_entry", "forecast_user", "forecast_field", "time_period", "time_frame")


class Refresh(Enum):
    """How a mart is refreshed (`store/refreshing.py`)."""

    NEWEST_CALLS = auto()  # rebuilds each quarter whose newest export, rules or version has changed
    COMPARISONS = auto()  # adds each pair of exports that has not been compared
    WEEKS = auto()  # rebuilds each week whose fingerprint of calls or movements has changed
    STATEMENT = auto()  # `refresh`, below its table in `sql/schema/<name>.sql`, replaces all rows
    WITH_ANOTHER = auto()  # filled with the mart that it reads, or a view


class RetentionRule(Enum):
    """When the rows of a quarter that is older than the kept ones are deleted."""

    WITH_QUARTER = auto()  # counted and deleted with the quarter's entries, by `time_period_id`
    AT_REFRESH = auto()  # they are gone once the mart is refreshed, or, in a view, at once
    NEVER = auto()  # they come from the ledger, which stays


@dataclass(frozen=True, slots=True, kw_only=True)
class Mart:
    """One mart.

    `grain` is its description for people. `reads` are the tables and marts that it is made of.

    `version` stands for the rows that `statements` and the code around them make: whoever changes those rows raises it,
    and every warehouse rebuilds its quarters once. None where all is rebuilt by each refresh, or nothing ever is. The
    fingerprint behind it is a test's, which says what to do (`tests/helpers/versions.py`).

    A weekly mart belongs to the calls' history: it is refreshed with the other weekly ones, in Dagster in one step, and
    has a Parquet file only while `forecast_call_week` has at most `CLARI_WEEKLY_FILES_MAX_ROWS` rows; others always.

    `columns` says of each column which columns of other tables it comes from, separated by blanks; a column that it
    does not name comes from the column of the same name in `unchanged_from`, if there is one, else from none.
    """

    name: str
    grain: str
    reads: tuple[str, ...]
    refresh: Refresh
    retention: RetentionRule
    is_weekly: bool = False
    version: int | None = None
    statements: tuple[str, ...] = ()
    columns: Mapping[str, str] = field(default_factory=dict)
    unchanged_from: str | None = None

    @property
    def has_own_refresh(self) -> bool:
        """Whether it is refreshed by itself, not with another mart."""
        return self.refresh is not Refresh.WITH_ANOTHER


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
_IS_SUBMITTED = "forecast_entry.forecast_value forecast_entry.is_updated"
_MEASURES = {
    name: f"forecast_entry.{name}"
    for name in ("adjustment_value", "quota_value", "crm_closed", "crm_total", "currency_code")
}
_WEEK = {
    "week_number": "time_frame.week_number",
    "weeks_to_end": "time_frame.end_date time_period.end_date",
}
_EXPORT = "forecast_entry.exported_at"
_CHANGE = f"{_CALL} forecast_entry.currency_code"
_MOVED = "forecast_swing.previous_value forecast_swing.current_value"
_TEAM = "forecast_call_week.parent_role_id forecast_call_week.role_id"

# Statements that find the calls as known at a moment.
_CALLS_STATEMENTS = (
    "rules_begin",
    "swing_rule",
    "field_rule",
    "field_names",
    "forecast_call_begin",
    "forecast_week",
    "person_shown",
    "quota_field",
    "measure_field",
    "forecast_call",
    "week_person",
)

_ALL = (
    Mart(
        name="forecast_vs_quota",
        grain="One row per forecast, period, person and forecast field: the call beside quota, closed-won "
        "and attainment. A manager's row is the whole team's: nothing is to be summed over people.",
        reads=_TABLES,
        refresh=Refresh.NEWEST_CALLS,
        retention=RetentionRule.WITH_QUARTER,
        version=1,  # words: 1-437a781a
        statements=(*_CALLS_STATEMENTS, "newest_loaded", "person_at", "forecast_vs_quota_begin", "forecast_vs_quota"),
        columns=_ENTRY_KEY
        | _PERSON
        | _MEASURES
        | _WEEK
        | {
            "forecast_value": _CALL,
            "attainment_pct": "forecast_entry.crm_closed forecast_entry.quota_value",
            "forecast_to_quota_pct": f"{_CALL} forecast_entry.quota_value",
            "gap_to_quota": "forecast_entry.quota_value forecast_entry.crm_closed",
            "field_name": "forecast_field.field_name",
            "is_submitted": _IS_SUBMITTED,
            "in_latest_export": "forecast_entry.in_latest_export",
            "as_of": _EXPORT,
        },
    ),
    Mart(
        name="forecast_swing",
        grain="One row per comparison of two exports, call by call: with the export before, and with the one "
        "of a week ago. is_swing says whether people must hear of it. What did not move is in the newest alone.",
        reads=_TABLES,
        refresh=Refresh.COMPARISONS,
        retention=RetentionRule.WITH_QUARTER,
        columns=_ENTRY_KEY
        | dict.fromkeys(("previous_value", "current_value", "change_amount", "change_pct"), _CALL)
        | dict.fromkeys(("is_swing", "reason"), _CHANGE)
        | {
            "previous_time_frame_id": "forecast_entry.time_frame_id",
            "currency_code": "forecast_entry.currency_code",
            "previous_currency_code": "forecast_entry.currency_code",
            "job_id": "forecast_entry.job_id",
            "previous_job_id": "forecast_entry.job_id",
            "previous_user_id": "forecast_user.user_id forecast_user.crm_user_id",
            "user_name": "forecast_user.name",
            "field_name": "forecast_field.field_name",
            "updated_by": "forecast_entry.updated_by forecast_entry.adjusted_by",
            "updated_at": "forecast_entry.updated_at forecast_entry.adjusted_at",
        },
    ),
    Mart(
        name="forecast_swing_summary",
        grain="One row per comparison of two exports, forecast field by forecast field: how many calls "
        "were compared, how many moved and swung, whether they have rows in forecast_swing or not.",
        reads=("forecast_swing",),
        refresh=Refresh.WITH_ANOTHER,
        retention=RetentionRule.WITH_QUARTER,
        columns={
            "compared": "forecast_swing.user_id",
            "swung": "forecast_swing.is_swing",
            "sum_before": "forecast_swing.previous_value",
            "sum_after": "forecast_swing.current_value",
            "previous_currency_code": "forecast_swing.previous_currency_code forecast_swing.currency_code",
            "kept": f"{_MOVED} forecast_swing.reason",
            "judged": "forecast_swing.reason forecast_swing.is_muted",
        }
        | dict.fromkeys(("moved", "has_cents"), _MOVED),
        unchanged_from="forecast_swing",
    ),
    Mart(
        name="pipeline_health",
        grain="One row per forecast, quarter and day: exports accepted, merged, refused and failed.",
        reads=("raw_export", "forecast_entry"),
        refresh=Refresh.STATEMENT,
        retention=RetentionRule.NEVER,
    ),
    Mart(
        name="pipeline_health_month",
        grain="One row per forecast and quarter, and one of all: how the exports of the newest thirty "
        "days went, and when one was last merged.",
        reads=("pipeline_health",),
        refresh=Refresh.WITH_ANOTHER,
        retention=RetentionRule.NEVER,
    ),
    Mart(
        name="forecast_call_week",
        grain="One row per forecast, period, week, person and forecast field: the call as known at the "
        "week's end, or so far, beside quota, closed-won and pipeline as known then.",
        reads=_TABLES,
        refresh=Refresh.WEEKS,
        retention=RetentionRule.WITH_QUARTER,
        is_weekly=True,
        version=3,  # words: 3-d6a65e86
        statements=(
            *_CALLS_STATEMENTS,
            "loaded_documents",
            "quarter_weeks",
            "quarter_days",
            "week_numbers",
            "week_closes",
            "forecast_call_week",
            "week_as_of",
            "backfilled_begin",
            "backfilled_weeks",
        ),
        columns=_ENTRY_KEY
        | _PERSON
        | _MEASURES
        | _WEEK
        | {
            "week_start_date": "time_frame.start_date",
            "week_end_date": "time_frame.end_date",
            "week_closes_at": "time_frame.end_date",
            "as_of": f"time_frame.end_date {_EXPORT}",
            "is_week_over": f"time_frame.end_date {_EXPORT}",
            "is_backfilled": f"time_frame.end_date {_EXPORT}",
            "call_value": _CALL,
            "is_submitted": _IS_SUBMITTED,
            "call_by": "forecast_entry.updated_by forecast_entry.adjusted_by",
            "call_at": "forecast_entry.updated_at forecast_entry.adjusted_at",
            "pipeline_closed": "forecast_entry.crm_closed",
            "field_name": "forecast_field.field_name",
        },
    ),
    Mart(
        name="forecast_movement",
        grain="One row per forecast, period, week, owner and forecast field: how the call came from the week "
        "before to this one: reports that raised, lowered, came and went, and the owner's own judgement.",
        reads=("forecast_call_week",),
        refresh=Refresh.WITH_ANOTHER,
        retention=RetentionRule.WITH_QUARTER,
        is_weekly=True,
        version=3,  # words: 3-c482797d
        statements=("forecast_movement",),
        columns={
            "previous_time_frame_id": "forecast_call_week.time_frame_id",
            "start_currency_code": "forecast_call_week.currency_code",
            "reports": f"forecast_call_week.user_id {_TEAM}",
            "reports_apart": "forecast_call_week.user_id forecast_call_week.parent_role_id "
            "forecast_call_week.currency_code",
        }
        | dict.fromkeys(("start_value", "end_value", "change_amount"), "forecast_call_week.call_value")
        | dict.fromkeys(
            ("raised_amount", "lowered_amount", "new_amount", "gone_amount", "judgement_amount"),
            f"forecast_call_week.call_value {_TEAM}",
        ),
        unchanged_from="forecast_call_week",
    ),
    Mart(
        name="forecast_accuracy",
        grain="One row per forecast, finished period, week, person and forecast field: the call as known at "
        "the week's end against what was closed in the end, with WAPE and bias of the period.",
        reads=("forecast_call_week", "forecast_vs_quota"),
        refresh=Refresh.WITH_ANOTHER,
        retention=RetentionRule.AT_REFRESH,
        is_weekly=True,
        columns={
            "actual_value": "forecast_vs_quota.crm_closed",
            "absolute_actual": "forecast_vs_quota.crm_closed",
            "is_provisional": "forecast_vs_quota.as_of",
            "weeks_backfilled": "forecast_call_week.is_backfilled",
        }
        | dict.fromkeys(
            ("error_amount", "absolute_error", "wape", "bias", "weeks_compared"),
            "forecast_call_week.call_value forecast_vs_quota.crm_closed",
        ),
        unchanged_from="forecast_call_week",
    ),
    Mart(
        name="attainment_pacing",
        grain="One row per forecast, period, week, person and forecast field: closed-won of quota and of the "
        "end, beside the period before and that of a year ago at as many days to their end.",
        reads=("forecast_call_week", "forecast_vs_quota"),
        refresh=Refresh.WITH_ANOTHER,
        retention=RetentionRule.AT_REFRESH,
        is_weekly=True,
        columns={
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
        unchanged_from="forecast_call_week",
    ),
    Mart(
        name="pipeline_coverage",
        grain="One row per forecast, period, week, person and forecast field: open pipeline against what is "
        "left to quota.",
        reads=("forecast_call_week",),
        refresh=Refresh.WITH_ANOTHER,
        retention=RetentionRule.AT_REFRESH,
        is_weekly=True,
        columns={
            "open_pipeline": "forecast_call_week.crm_total forecast_call_week.pipeline_closed",
            "left_to_quota": "forecast_call_week.quota_value forecast_call_week.crm_closed",
            "coverage_ratio": "forecast_call_week.crm_total forecast_call_week.pipeline_closed "
            "forecast_call_week.quota_value forecast_call_week.crm_closed",
        },
        unchanged_from="forecast_call_week",
    ),
    Mart(
        name="call_submission",
        grain="One row per forecast, period, week, person and forecast field: whether a call was submitted, "
        "when and by whom, whether it was overridden, and whether it is below what has closed.",
        reads=("forecast_call_week", "forecast_entry"),
        refresh=Refresh.WITH_ANOTHER,
        retention=RetentionRule.AT_REFRESH,
        is_weekly=True,
        columns={
            "is_submitted": _IS_SUBMITTED,
            "submitted_value": "forecast_entry.forecast_value",
            "submitted_at": "forecast_entry.updated_at",
            "submitted_by": "forecast_entry.updated_by",
            "is_submitted_by_other": "forecast_entry.updated_by forecast_entry.user_id",
            "is_late": "forecast_entry.updated_at forecast_call_week.week_closes_at",
            "is_overridden": "forecast_entry.adjustment_value forecast_entry.adjusted_by forecast_entry.adjusted_at",
            "override_value": "forecast_entry.adjustment_value",
            "overridden_at": "forecast_entry.adjusted_at",
            "overridden_by": "forecast_entry.adjusted_by",
            "is_below_closed": "forecast_call_week.call_value forecast_call_week.crm_closed",
        },
        unchanged_from="forecast_call_week",
    ),
)
MARTS: Mapping[str, Mart] = {mart.name: mart for mart in _ALL}
