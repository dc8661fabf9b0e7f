select field_id, measure, cells, written
from stage_left_out
order by field_id, measure;
