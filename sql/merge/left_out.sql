-- One measure of a field that the document could not be asked for: what is known of it stays, as of a type that was not
-- asked for, where the entry is still of that currency.
update stage_entry as entry
set
    forecast_value = case when $measure = 'forecast_value' then known.forecast_value else entry.forecast_value end,
    quota_value = case when $measure = 'quota_value' then known.quota_value else entry.quota_value end,
    adjustment_value = case when $measure = 'adjustment_value' then known.adjustment_value else entry.adjustment_value end,
    crm_total = case when $measure = 'crm_total' then known.crm_total else entry.crm_total end,
    crm_closed = case when $measure = 'crm_closed' then known.crm_closed else entry.crm_closed end
from clari.forecast_entry_state as known
where
    entry.field_id = $field_id
    and known.forecast_id = $forecast_id
    and known.time_period_id = entry.time_period_id
    and known.time_frame_id = entry.time_frame_id
    and known.user_id = entry.user_id
    and known.field_id = entry.field_id
    and (entry.currency_code is null or entry.currency_code is not distinct from known.currency_code);
