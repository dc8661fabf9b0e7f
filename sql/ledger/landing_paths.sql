-- Where the landed documents lie that the ledger knows.
select landing_path from clari.export_job where landing_path is not null;
