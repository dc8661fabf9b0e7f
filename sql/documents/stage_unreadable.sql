-- Grain: one row an amount that is none: not a number, more than four decimals, or more than fourteen digits before them.
create or replace temp table stage_unreadable as
select * from raw_unreadable;
