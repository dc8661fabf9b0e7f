-- Grain: one row a record of the document as it is read; of the same activity there may be several.
create or replace temp table stage_raw_activity (
    position bigint not null,
    activity_id varchar,
    activity_type varchar,
    subject varchar,
    activity_at timestamptz,
    owner_crm_user_id varchar,
    organiser_crm_user_id varchar
);

-- Grain: one row a record of the document as it is read; of the same account there may be several.
create or replace temp table stage_raw_activity_account (
    position bigint not null,
    activity_id varchar,
    account_id varchar,
    account_name varchar,
    account_owner_crm_user_id varchar
);

-- Grain: one row a record of the document as it is read; of the same opportunity there may be several.
create or replace temp table stage_raw_activity_opportunity (
    position bigint not null,
    activity_id varchar,
    opportunity_id varchar,
    opportunity_name varchar,
    opportunity_owner_crm_user_id varchar
);

-- Grain: one row a record of the document as it is read; of the same participant there may be several.
create or replace temp table stage_raw_activity_participant (
    position bigint not null,
    activity_id varchar,
    participant_id varchar,
    name varchar,
    email varchar,
    crm_user_id varchar,
    is_internal boolean
);
