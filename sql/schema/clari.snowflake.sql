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
