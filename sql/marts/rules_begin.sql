-- What clari_pipeline.toml says, in this session. A null is not said.
create or replace temp table swing_rule (
    rank integer, field varchar, role varchar, person varchar, threshold decimal(18, 6), min_amount decimal(18, 4),
    min_share_of_quota decimal(18, 6), is_alerted boolean, muted_in_weeks integer []
);

create or replace temp table field_rule (field varchar, quota varchar, closed varchar, pipeline varchar);
