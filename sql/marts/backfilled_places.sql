-- Of how many persons and fields there are calls to be made.
select count(*) as places from backfilled_place;
