-- version: 2, words: 2-143d3dbf
create table if not exists clari.opportunity (
    opportunity_id varchar not null,
    crm_score decimal(18,4),
    crm_score_message varchar,
    first_seen_at timestamptz not null,
    changed_at timestamptz not null,
    last_seen_at timestamptz not null,
    request_id varchar not null
);

comment on table clari.opportunity is 'One row per opportunity that an activity was mapped to, as newest known';
comment on column clari.opportunity.opportunity_id is 'The opportunity, by its id in the CRM';
comment on column clari.opportunity.crm_score is 'Clari''s score of how well it stands in the CRM';
comment on column clari.opportunity.crm_score_message is 'Why';
comment on column clari.opportunity.first_seen_at is 'exported_at of the first document that showed it';
comment on column clari.opportunity.changed_at is 'exported_at of the document that brought the values as they stand';
comment on column clari.opportunity.last_seen_at is 'exported_at of the newest document that showed it';
comment on column clari.opportunity.request_id is 'The fetch whose document last showed it: product_fetch';
