-- What Clari said last of the exports that are left.
select read_at, monthly_quota, available_monthly_quota
from clari.export_quota
where available_monthly_quota is not null
order by read_at desc
limit 1;
