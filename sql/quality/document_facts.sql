-- One row: what the staged document holds.
select
    (select count(*) from stage_entry) as rows_staged,
    (select coalesce(sum(copies), 0) from stage_entry) as rows_written,
    (
        select count(*)
        from stage_entry
        where field_id is null or time_frame_id is null or time_period_id is null or user_id is null
    ) as null_keys,
    (select count(*) from stage_conflict) as conflicting_keys,
    (select count(*) from stage_unreadable) as unreadable_amounts,
    (
        select time_frame_id
        from stage_week
        order by
            case
                when start_date <= cast($exported_at at time zone 'UTC' as date) then 0
                when start_date is null then 1
                else 2
            end,
            case when start_date > cast($exported_at at time zone 'UTC' as date) then start_date end,
            case when start_date > cast($exported_at at time zone 'UTC' as date) then time_frame_id end,
            start_date desc,
            time_frame_id desc
        limit 1
    ) as call_time_frame_id;
