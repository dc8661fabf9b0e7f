"""The least that has to be done: DuckDB's array reader on the entries alone, and one MERGE into an empty table.

On PostgreSQL the entries go by ADBC into an unlogged table, as the pipeline's do, and by one MERGE into a table that
has the five columns of `forecast_entry` for its primary key. Nothing is checked.
"""

import os
import sys
from contextlib import closing

import duckdb

URL = "CLARI_WAREHOUSE_URL"
_ENTRIES = """read_json($file, format = 'array', columns = {
    fieldId: 'varchar', timeFrameId: 'varchar', timePeriodId: 'varchar', userId: 'varchar', scopeId: 'varchar',
    forecastValue: 'decimal(18, 4)', isUpdated: 'boolean', updatedBy: 'varchar', updatedOn: 'bigint',
    quotaValue: 'decimal(18, 4)', adjustmentValue: 'decimal(18, 4)', crmTotal: 'decimal(18, 4)',
    crmClosed: 'decimal(18, 4)', currency: 'struct(code varchar)'
})"""
_MERGE = """
merge into entry using arrived using (timePeriodId, timeFrameId, userId, fieldId)
when matched and entry.forecastValue is distinct from arrived.forecastValue
    then update set forecastValue = arrived.forecastValue
when not matched then insert by name
"""
_COLUMNS = """
    "fieldId" text collate "C" not null, "timeFrameId" text collate "C" not null,
    "timePeriodId" text collate "C" not null, "userId" text collate "C" not null, "scopeId" text collate "C",
    "forecastValue" numeric(18, 4), "isUpdated" boolean, "updatedBy" text collate "C", "quotaValue" numeric(18, 4),
    "adjustmentValue" numeric(18, 4), "crmTotal" numeric(18, 4), "crmClosed" numeric(18, 4),
    "currency" text collate "C", "updatedOn" timestamptz
"""
_MERGE_ON_POSTGRES = """
merge into entry using arrived
    on entry."forecastId" = 'total_new' and entry."timePeriodId" = arrived."timePeriodId"
    and entry."timeFrameId" = arrived."timeFrameId" and entry."userId" = arrived."userId"
    and entry."fieldId" = arrived."fieldId"
when matched and entry."forecastValue" is distinct from arrived."forecastValue"
    then update set "forecastValue" = arrived."forecastValue"
when not matched then insert values ('total_new', arrived."fieldId", arrived."timeFrameId", arrived."timePeriodId",
    arrived."userId", arrived."scopeId", arrived."forecastValue", arrived."isUpdated", arrived."updatedBy",
    arrived."quotaValue", arrived."adjustmentValue", arrived."crmTotal", arrived."crmClosed", arrived."currency",
    arrived."updatedOn")
"""


def load(file: str, database: str) -> None:
    """Load a file that holds an array of entries into a new database file."""
    with duckdb.connect(database) as connection:
        connection.execute(f"create temp table arrived as select * from {_ENTRIES}", {"file": file})
        connection.execute("create table entry as from arrived limit 0")
        connection.execute(_MERGE)


def load_on_postgres(file: str, url: str) -> None:
    """Load the same into a PostgreSQL database that has no table `entry` yet."""
    import adbc_driver_postgresql.dbapi as adbc  # type: ignore[import-untyped]  # noqa: PLC0415
    import psycopg  # noqa: PLC0415 - neither is needed on DuckDB, whose memory is measured

    renamed = "currency.code as currency, make_timestamptz(updatedOn * 1000) as updatedOn"
    query = f"select * exclude (currency, updatedOn), {renamed} from {_ENTRIES}"
    key = '"forecastId", "timePeriodId", "timeFrameId", "userId", "fieldId"'
    with duckdb.connect() as documents, psycopg.connect(url, autocommit=True) as server:
        documents.execute("set timezone = 'UTC'")
        server.execute("set timezone = 'UTC'; set jit = off; set work_mem = '64MB'")
        server.execute(f"create unlogged table arrived ({_COLUMNS})".encode())
        forecast = '"forecastId" text collate "C" not null'
        server.execute(f"create table entry ({forecast}, {_COLUMNS}, primary key ({key}))".encode())
        with closing(adbc.connect(url)) as loading, loading.cursor() as cursor:
            entries = documents.sql(query, params={"file": file}).to_arrow_reader()
            cursor.adbc_ingest("arrived", entries, mode="append")
            loading.commit()
        server.execute("analyze arrived")
        server.execute(_MERGE_ON_POSTGRES)


if __name__ == "__main__":
    if sys.argv[2:]:
        load(*sys.argv[1:])
    else:
        load_on_postgres(sys.argv[1], os.environ[URL])
