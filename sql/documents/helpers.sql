-- How dates are written in documents. Temporary: it lives as long as the session.
create or replace temp macro as_day(written) as
    coalesce(
        try_cast(written as date),
        cast(try_strptime(written, '%m/%d/%Y') as date),
        cast(try_strptime(written, '%Y-%m-%dT%H:%M:%S.%gZ') as date),
        cast(make_timestamptz(try_cast(try_cast(trim(written) as decimal(38, 4)) as bigint) * 1000) as date)
    );
