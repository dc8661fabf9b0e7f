-- version: 2, words: 2-f0362d75
create table if not exists clari.activity_opportunity (
    activity_id varchar not null,
    opportunity_id varchar not null,
    opportunity_name varchar,
    opportunity_owner_crm_user_id varchar,
    in_latest_export boolean not null,
    first_seen_at timestamptz not null,
    changed_at timestamptz not null,
    last_seen_at timestamptz not null,
    request_id varchar not null
);

comment on table clari.activity_opportunity is 'One row per activity and an opportunity that it is mapped to, as newest known';
comment on column clari.activity_opportunity.activity_id is 'The activity';
comment on column clari.activity_opportunity.opportunity_id is 'The opportunity, by its id in the CRM';
comment on column clari.activity_opportunity.opportunity_name is 'Its name';
comment on column clari.activity_opportunity.opportunity_owner_crm_user_id is 'Its owner, by their id in the CRM';
comment on column clari.activity_opportunity.in_latest_export is 'Whether the newest document that showed the activity showed this of it; false: it has stopped';
comment on column clari.activity_opportunity.first_seen_at is 'exported_at of the first document that showed it';
comment on column clari.activity_opportunity.changed_at is 'exported_at of the document that brought the values as they stand';
comment on column clari.activity_opportunity.last_seen_at is 'exported_at of the newest document that showed it';
comment on column clari.activity_opportunity.request_id is 'The fetch whose document last showed it: product_fetch';
