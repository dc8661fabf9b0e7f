-- When the weeks that end on a day close.
update forecast_week set closes_at = $closes_at where end_date = $end_date;
