-- Grain: one row an activity of the document: of several the one that was read last.
create or replace temp table stage_activity as
select
    activity_id,
    activity_type,
    subject,
    activity_at,
    owner_crm_user_id,
    organiser_crm_user_id
from stage_raw_activity
qualify row_number() over (partition by activity_id order by position desc) = 1;

-- Grain: one row an account of the document: of several the one that was read last.
create or replace temp table stage_activity_account as
select
    activity_id,
    account_id,
    account_name,
    account_owner_crm_user_id
from stage_raw_activity_account
qualify row_number() over (partition by activity_id, account_id order by position desc) = 1;

-- Grain: one row an opportunity of the document: of several the one that was read last.
create or replace temp table stage_activity_opportunity as
select
    activity_id,
    opportunity_id,
    opportunity_name,
    opportunity_owner_crm_user_id
from stage_raw_activity_opportunity
qualify row_number() over (partition by activity_id, opportunity_id order by position desc) = 1;

-- Grain: one row a participant of the document: of several the one that was read last.
create or replace temp table stage_activity_participant as
select
    activity_id,
    participant_id,
    name,
    email,
    crm_user_id,
    is_internal
from stage_raw_activity_participant
qualify row_number() over (partition by activity_id, participant_id order by position desc) = 1;
