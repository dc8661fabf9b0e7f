-- version: 1, words: 1-bd761633
-- The schema that every table lives in, and what DuckDB has as a macro.
do $$ begin
    -- A role that owns the schema need not be one that may make schemas.
    if to_regnamespace('clari') is null then create schema clari; end if;
end $$;

-- A fraction with six decimals, rounded half away from zero, in whole numbers: a quotient of decimals would be rounded
-- twice. Null where the divisor is 0 or null, or where eighteen digits cannot hold it.
create or replace function clari.fraction(part numeric, whole numeric) returns numeric
language sql immutable parallel safe
return case
    when whole <> 0 and div(abs(part) * 2000000 + abs(whole), 2 * abs(whole)) < 1000000000000000000
        then sign(part) * sign(whole) * div(abs(part) * 2000000 + abs(whole), 2 * abs(whole)) * 0.000001
end;
