-- The mart is made anew: what is no longer loaded leaves it.
delete from clari.forecast_vs_quota;
