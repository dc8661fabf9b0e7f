-- When a sync last asked Clari for an export or a product; null where none ever did. A document from elsewhere was not
-- asked for.
select max(submitted_at) as asked_at
from (
    select submitted_at from clari.export_job where job_id is null or job_id not like 'document-%'
    union all
    select submitted_at from clari.product_fetch
) as asked;
