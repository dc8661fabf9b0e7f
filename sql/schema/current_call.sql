-- version: 2, words: 2-8ab52d26
-- Grain: one row, or none before Clari was first asked: whether this organisation has the call for the forecast without a job.
create table if not exists clari.current_call (
    has_it boolean not null,
    asked_at timestamptz not null,
    base_url varchar not null
);

comment on table clari.current_call is 'One row: whether this organisation has Clari''s call for the forecast without a job; none before it was first asked';
comment on column clari.current_call.has_it is 'Whether the call answered';
comment on column clari.current_call.base_url is 'The CLARI_BASE_URL that was asked: the answer holds for no other address';
comment on column clari.current_call.asked_at is 'When Clari last showed it: by preflight, or by a sync that needed the call';
