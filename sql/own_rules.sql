-- Rules of one's own on the tables (quality_result): what was judged, and whom its rows are about.

-- name: judged
insert into clari.quality_result (
    rule_name, run_id, table_name, expectation_type, column_name, passed, severity, evidence, checked_at, source
)
values (
    $rule_name, $run_id, $table_name, $expectation_type, $column_name, $is_passed, $severity, cast($evidence_text as json),
    $checked_at, $source
);

-- name: forgotten
-- A run's results are to be replaced: it is judged once.
delete from clari.quality_result where run_id = $run_id;

-- name: of_run
select
    rule_name, run_id, table_name, expectation_type, column_name, passed, severity,
    cast(evidence as varchar) as evidence, checked_at, source
from clari.quality_result
where run_id = $run_id
order by rule_name;

-- name: broken
-- Grain: one row per rule that is broken in the newest run; not_broken_at is when it last was not, in any run.
with newest as (
    select run_id, checked_at
    from clari.quality_result
    order by checked_at desc, run_id desc
    limit 1
),

broken as (
    select result.*
    from clari.quality_result as result
    inner join newest on newest.run_id = result.run_id
    where not result.passed
),

judged as (
    select run_id, max(checked_at) as checked_at
    from clari.quality_result
    group by run_id
),

not_broken as (
    select broken.rule_name, max(judged.checked_at) as checked_at
    from broken
    cross join judged
    left join clari.quality_result as other
        on other.run_id = judged.run_id and other.rule_name = broken.rule_name and not other.passed
    where other.run_id is null
    group by broken.rule_name
)

select
    broken.rule_name, broken.run_id, broken.table_name, broken.expectation_type, broken.column_name, broken.passed,
    broken.severity, cast(broken.evidence as varchar) as evidence, broken.checked_at, broken.source,
    not_broken.checked_at as not_broken_at
from broken
left join not_broken on not_broken.rule_name = broken.rule_name
order by broken.severity, broken.rule_name;

-- name: newest
-- The results of the newest runs that have any, the newest run first.
with judged as (
    select run_id, max(checked_at) as judged_at
    from clari.quality_result
    group by run_id
    order by judged_at desc, run_id
    limit $runs
)

select
    result.rule_name, result.run_id, result.table_name, result.expectation_type, result.column_name, result.passed,
    result.severity, cast(result.evidence as varchar) as evidence, result.checked_at, result.source
from clari.quality_result as result
inner join judged on judged.run_id = result.run_id
order by judged.judged_at desc, result.run_id, result.table_name, result.source, result.rule_name;

-- name: people
select distinct user_id, name from clari.forecast_user where list_contains($user_ids, user_id) order by user_id, name;

-- name: fields
select distinct field_id, field_name from clari.forecast_field where list_contains($field_ids, field_id) order by field_id, field_name;
