-- version: 1, words: 1-290b1810
-- The schema that every table lives in, and what its views reckon with.
create schema if not exists clari;

-- A fraction with six decimals, rounded half away from zero, in whole numbers: DuckDB would divide decimals as
-- doubles. Null where the divisor is 0 or null, or where eighteen digits cannot hold it.
create or replace macro clari.ten_thousandths(amount) as cast(cast(amount as decimal(20, 4)) * 10000 as hugeint);

create or replace macro clari.fraction(part, whole) as
    case
        when whole <> 0 then try_cast(
            try_cast(
                cast(sign(part) * sign(whole) as hugeint)
                * ((abs(clari.ten_thousandths(part)) * 2000000 + abs(clari.ten_thousandths(whole))) // (2 * abs(clari.ten_thousandths(whole))))
                as decimal(18, 0)
            ) * cast(0.000001 as decimal(6, 6))
            as decimal(18, 6)
        )
    end;
