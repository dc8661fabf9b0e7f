-- More records of the document, as they are read.
insert into stage_raw_activity (
    position, activity_id, activity_type, subject, activity_at, owner_crm_user_id, organiser_crm_user_id
)
select
    position, activity_id, activity_type, subject, activity_at, owner_crm_user_id, organiser_crm_user_id
from raw_activity;

insert into stage_raw_activity_account (
    position, activity_id, account_id, account_name, account_owner_crm_user_id
)
select
    position, activity_id, account_id, account_name, account_owner_crm_user_id
from raw_activity_account;

insert into stage_raw_activity_opportunity (
    position, activity_id, opportunity_id, opportunity_name, opportunity_owner_crm_user_id
)
select
    position, activity_id, opportunity_id, opportunity_name, opportunity_owner_crm_user_id
from raw_activity_opportunity;

insert into stage_raw_activity_participant (
    position, activity_id, participant_id, name, email, crm_user_id, is_internal
)
select
    position, activity_id, participant_id, name, email, crm_user_id, is_internal
from raw_activity_participant;
