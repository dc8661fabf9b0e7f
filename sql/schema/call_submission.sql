-- version: 4, words: 4-9f5c8bba
create or replace view clari.call_submission as
with entry as (
    select
        *,
        forecast_value is not null and not (forecast_value = 0 and is_updated is not distinct from false) as is_written,
        adjustment_value is not null
        and not (adjustment_value = 0 and adjusted_by is null and adjusted_at is null) as is_replaced
    from clari.forecast_entry
)

select
    stand.forecast_id, stand.time_period_id, stand.time_frame_id, stand.user_id, stand.field_id, stand.week_number,
    stand.week_start_date, stand.week_end_date, stand.weeks_to_end, stand.user_name, stand.role_name, stand.is_top,
    stand.is_week_over, stand.is_backfilled,
    coalesce(entry.is_written, false) as is_submitted,
    cast(
        case
            when entry.is_written and coalesce(entry.currency_code = stand.currency_code, true) then entry.forecast_value
        end as decimal(18, 4)
    ) as submitted_value,
    case when entry.is_written then entry.updated_at end as submitted_at,
    case when entry.is_written then entry.updated_by end as submitted_by,
    case when entry.is_written then entry.updated_by <> stand.user_id end as is_submitted_by_other,
    case when entry.is_written then entry.updated_at >= stand.week_closes_at end as is_late,
    coalesce(entry.is_replaced, false) as is_overridden,
    cast(
        case
            when entry.is_replaced and coalesce(entry.currency_code = stand.currency_code, true) then entry.adjustment_value
        end as decimal(18, 4)
    ) as override_value,
    case when entry.is_replaced then entry.adjusted_at end as overridden_at,
    case when entry.is_replaced then entry.adjusted_by end as overridden_by,
    stand.call_value, stand.crm_closed,
    stand.call_value < stand.crm_closed as is_below_closed,
    stand.currency_code, stand.field_name
from clari.forecast_call_week as stand
left join entry using (forecast_id, time_period_id, time_frame_id, user_id, field_id);

comment on view clari.call_submission is 'One row per forecast, period, week, person and forecast field: whether a call was submitted in the week, when and by whom, and whether it was overridden';
comment on column clari.call_submission.forecast_id is 'Clari''s forecast (the tab)';
comment on column clari.call_submission.time_period_id is 'The entry''s own period: the quarter, or a month inside it';
comment on column clari.call_submission.time_frame_id is 'The week; the same id occurs in several periods';
comment on column clari.call_submission.user_id is 'The person, by Clari''s id';
comment on column clari.call_submission.field_id is 'The forecast field';
comment on column clari.call_submission.week_number is 'Week of the period; 1 is the first';
comment on column clari.call_submission.week_start_date is 'The week''s first day';
comment on column clari.call_submission.week_end_date is 'The week''s last day';
comment on column clari.call_submission.weeks_to_end is 'Whole weeks from the end of the week to the end of the period; 0 may stand on two weeks, where the period ends within one';
comment on column clari.call_submission.user_name is 'Full name, as of that week';
comment on column clari.call_submission.role_name is 'Place in the hierarchy, as of that week';
comment on column clari.call_submission.is_top is 'The one person at the top as of that week, or CLARI_TOP_USER: the organisation''s total';
comment on column clari.call_submission.is_week_over is 'False: the week is still open';
comment on column clari.call_submission.is_backfilled is 'The week had ended before the first export that is held';
comment on column clari.call_submission.is_submitted is 'Whether the person''s own call was submitted in that week, as newest known, late ones too: it is neither null nor a 0 that nobody touched';
comment on column clari.call_submission.submitted_value is 'The call of that week; null where none was submitted';
comment on column clari.call_submission.submitted_at is 'When it was written last; null where Clari does not say';
comment on column clari.call_submission.submitted_by is 'User id of whoever wrote it last';
comment on column clari.call_submission.is_submitted_by_other is 'Somebody else than the person wrote it; null where Clari does not say';
comment on column clari.call_submission.is_late is 'It was written last after the week had closed (CLARI_WEEK_CLOSE); null where Clari does not say when';
comment on column clari.call_submission.is_overridden is 'A manager has replaced the call of that week';
comment on column clari.call_submission.override_value is 'By what';
comment on column clari.call_submission.overridden_at is 'When';
comment on column clari.call_submission.overridden_by is 'User id of the manager';
comment on column clari.call_submission.call_value is 'The call that stood at the week''s end: this week''s or an earlier one''s (forecast_call_week)';
comment on column clari.call_submission.crm_closed is 'Closed-won, as known at the week''s end';
comment on column clari.call_submission.is_below_closed is 'call_value < crm_closed: the call is less than what has closed already; null where one of them is not known';
comment on column clari.call_submission.currency_code is 'ISO 4217 code of every amount in the row';
comment on column clari.call_submission.field_name is 'The field''s name in Clari';
