-- Which day it is, the views ask here.
delete from clari.organisation where time_zone <> $time_zone;

insert into clari.organisation (time_zone)
select $time_zone
where not exists (select 1 from clari.organisation);
