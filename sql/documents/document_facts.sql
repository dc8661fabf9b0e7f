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
    (
        select case when count(distinct scope_id) = 1 and count(scope_id) = count(*) then min(scope_id) end
        from stage_entry
    ) as scope_id,
    (select count(*) from stage_unreadable) as unreadable_amounts,
    (select coalesce(sum(cells), 0) from stage_left_out) as cells_left_out;
