"""The least on PostgreSQL: DuckDB's array reader on the entries alone, one COPY, one MERGE into an empty table.

The entries go by ADBC into an unlogged table, as the pipeline's do, and by one MERGE into a table that has the five
columns of `forecast_entry` for its primary key. It takes what of an entry the pipeline keeps, and nothing is checked.
"""

from __future__ import annotations

import os
import sys
from contextlib import closing

import adbc_driver_postgresql.dbapi as adbc  # type: ignore[import-untyped]
import duckdb
import psycopg

URL = "CLARI_WAREHOUSE_URL"
_FORECAST = "total_new"
_READ = """
select * exclude (currency, updatedOn), currency.code as currency, make_timestamptz(updatedOn * 1000) as updatedOn
from read_json($file, format = 'array', columns = {
    fieldId: 'varchar', timeFrameId: 'varchar', timePeriodId: 'varchar', userId: 'varchar', scopeId: 'varchar',
    forecastValue: 'decimal(18, 4)', isUpdated: 'boolean', updatedBy: 'varchar', updatedOn: 'bigint',
    quotaValue: 'decimal(18, 4)', adjustmentValue: 'decimal(18, 4)', crmTotal: 'decimal(18, 4)',
    crmClosed: 'decimal(18, 4)', currency: 'struct(code varchar)'
})
"""
_COLUMNS = """
    "fieldId" text collate "C" not null, "timeFrameId" text collate "C" not null,
    "timePeriodId" text collate "C" not null, "userId" text collate "C" not null, "scopeId" text collate "C",
    "forecastValue" numeric(18, 4), "isUpdated" boolean, "updatedBy" text collate "C", "quotaValue" numeric(18, 4),
    "adjustmentValue" numeric(18, 4), "crmTotal" numeric(18, 4), "crmClosed" numeric(18, 4),
    "currency" text collate "C", "updatedOn" timestamptz
"""
_TABLES = (
    f"create unlogged table arrived ({_COLUMNS})",
    f"""create table entry ("forecastId" text collate "C" not null, {_COLUMNS},
        primary key ("forecastId", "timePeriodId", "timeFrameId", "userId", "fieldId"))""",
)
_MERGE = """
merge into entry using arrived
    on entry."forecastId" = %(forecast_id)s and entry."timePeriodId" = arrived."timePeriodId"
    and entry."timeFrameId" = arrived."timeFrameId" and entry."userId" = arrived."userId"
    and entry."fieldId" = arrived."fieldId"
when matched and entry."forecastValue" is distinct from arrived."forecastValue"
    then update set "forecastValue" = arrived."forecastValue"
when not matched then insert values (%(forecast_id)s, arrived."fieldId", arrived."timeFrameId", arrived."timePeriodId",
    arrived."userId", arrived."scopeId", arrived."forecastValue", arrived."isUpdated", arrived."updatedBy",
    arrived."quotaValue", arrived."adjustmentValue", arrived."crmTotal", arrived."crmClosed", arrived."currency",
    arrived."updatedOn")
"""


def load(file: str, url: str) -> None:
    """Load a file that holds an array of entries into a database that has no table `entry` yet."""
    with duckdb.connect() as documents, psycopg.connect(url, autocommit=True) as server:
        documents.execute("set timezone = 'UTC'")
        server.execute("set timezone = 'UTC'; set jit = off; set work_mem = '64MB'")
        for table in _TABLES:
            server.execute(table.encode())
        with closing(adbc.connect(url)) as loading, loading.cursor() as cursor:
            entries = documents.sql(_READ, params={"file": file}).to_arrow_reader()
            cursor.adbc_ingest("arrived", entries, mode="append")
            loading.commit()
        server.execute("analyze arrived")
        server.execute(_MERGE.encode(), {"forecast_id": _FORECAST})


if __name__ == "__main__":
    load(sys.argv[1], os.environ[URL])
