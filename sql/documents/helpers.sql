-- What the typing of raw rows is said in. Temporary: it lives as long as the session.
-- DuckDB rounds '1.23456' silently when it casts, hence the look at the text first.
create or replace temp macro is_amount(written) as
    regexp_full_match(trim(written), '[+-]?([0-9]+(\.[0-9]{0,4}0*)?|\.[0-9]{1,4}0*)');

create or replace temp macro as_amount(written) as
    case when is_amount(written) then try_cast(trim(written) as decimal(18, 4)) end;

create or replace temp macro is_given(written) as written is not null and trim(written) <> '';

create or replace temp macro as_moment(written) as
    make_timestamptz(try_cast(try_cast(trim(written) as decimal(38, 4)) as bigint) * 1000);

create or replace temp macro as_day(written) as
    coalesce(
        try_cast(written as date),
        cast(try_strptime(written, '%m/%d/%Y') as date),
        cast(try_strptime(written, '%Y-%m-%dT%H:%M:%S.%gZ') as date),
        cast(as_moment(written) as date)
    );
