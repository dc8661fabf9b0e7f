-- An activity of the days that a document shows whole, and that it does not show, stays, and says so. Clari goes by whole
-- days, in whichever zone: of the first and last days others may have cut it off.
update clari.activity
set in_latest_export = false
where
    in_latest_export
    and last_seen_at < $exported_at
    and activity_at - interval 1 day >= $window_from
    and activity_at < $window_to;
