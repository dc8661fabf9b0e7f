-- The opportunities that any activity was ever mapped to.
select distinct opportunity_id from clari.activity_opportunity order by opportunity_id;
