-- The warehouse belongs to this environment from now on; to none where it is null.
delete from clari.warehouse_environment;

insert into clari.warehouse_environment (env)
select env
from (select cast($env as varchar) as env) as given
where env is not null;
