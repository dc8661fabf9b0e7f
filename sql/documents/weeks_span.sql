-- Grain: one row: from when to when the weeks that the document lists with days reach, and how many they are.
select
    count(*) as weeks,
    min(start_date) as start_date,
    max(coalesce(end_date, start_date + 6)) as end_date
from stage_week
where start_date is not null;
