-- Grain: one row a name or address of a person, of those whom any export has shown.
select name as known_as from clari.forecast_user where name is not null
union
select email from clari.forecast_user where email is not null
union
select name from clari.forecast_user_history where name is not null
union
select email from clari.forecast_user_history where email is not null
union
select name from clari.forecast_user_sighting where name is not null
union
select email from clari.forecast_user_sighting where email is not null
union
select name from clari.audit_actor where name is not null
union
select email from clari.audit_actor where email is not null
union
select name from clari.activity_participant where name is not null
union
select email from clari.activity_participant where email is not null;
