"""The least that has to be done: DuckDB's own reader on the entries alone, and one MERGE into an empty table."""

from __future__ import annotations

import sys

import duckdb

_READ = """
create temp table arrived as
select * from read_json($file, format = 'array', columns = {
    fieldId: 'varchar', timeFrameId: 'varchar', timePeriodId: 'varchar', userId: 'varchar', scopeId: 'varchar',
    forecastValue: 'decimal(18, 4)', isUpdated: 'boolean', updatedBy: 'varchar', updatedOn: 'bigint',
    quotaValue: 'decimal(18, 4)', adjustmentValue: 'decimal(18, 4)', crmTotal: 'decimal(18, 4)',
    crmClosed: 'decimal(18, 4)', currency: 'struct(code varchar)'
})
"""
_TABLE = "create table entry as from arrived limit 0"
_MERGE = """
merge into entry using arrived using (timePeriodId, timeFrameId, userId, fieldId)
when matched and entry.forecastValue is distinct from arrived.forecastValue
    then update set forecastValue = arrived.forecastValue
when not matched then insert by name
"""


def load(file: str, database: str) -> None:
    """Load a file that holds an array of entries into a new database file."""
    with duckdb.connect(database) as connection:
        connection.execute(_READ, {"file": file})
        connection.execute(_TABLE)
        connection.execute(_MERGE)


if __name__ == "__main__":
    load(*sys.argv[1:])
