-- version: 1, words: 1-ef2c5540
-- The schema that every table lives in, and what DuckDB has as a macro.
create schema if not exists clari;

-- A fraction with six decimals, rounded half away from zero, in whole numbers: Snowflake rounds a quotient to six
-- decimals itself. Null where the divisor is 0 or null, or where eighteen digits cannot hold it.
create or replace function clari.fraction(part number(38, 4), whole number(38, 4)) returns number(18, 6)
as '
    case
        when whole <> 0 then try_to_number(to_varchar(
            sign(part) * sign(whole) * (abs(part) * 2000000 + abs(whole) - mod(abs(part) * 2000000 + abs(whole), 2 * abs(whole)))
            / (2 * abs(whole)) * 0.000001
        ), 18, 6)
    end
';

-- Grain: one row per thing that one process does at a time, and who does it until when: no other lock there lasts.
create table if not exists clari.turn as
select column1 as name, cast(null as varchar) as holder, cast(null as timestamp_tz) as held_until
from (
    values
    ('writing'), ('sending'), ('planning'), ('schema'),
    ('quarter 0'), ('quarter 1'), ('quarter 2'), ('quarter 3'), ('quarter 4'), ('quarter 5'), ('quarter 6'),
    ('quarter 7'), ('quarter 8'), ('quarter 9'), ('quarter 10'), ('quarter 11'), ('quarter 12'), ('quarter 13'),
    ('quarter 14'), ('quarter 15')
);
