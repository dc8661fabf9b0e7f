"""Fiscal quarters as Dagster partitions, named as Clari names them.

Dagster keeps the set in its instance, so that it grows while a code server runs on for years. A quarter that was added
stays: its runs and materializations do, too.
"""

from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime

import dagster as dg

from clari_pipeline.core.periods import Quarter
from clari_pipeline.store import ledger
from clari_pipeline.sync.context import Context
from clari_pipeline.warehouse.errors import WarehouseError

_NAME = "clari_quarters"
QUARTERS = dg.DynamicPartitionsDefinition(name=_NAME)


def quarters_of_a_sync(sync: Context, moment: datetime) -> list[Quarter]:
    """The quarters that a sync at that moment asks for, the current one first.

    While the warehouse cannot be read, the settings alone say which days are whose, so that no tick is missed.
    """
    settings, calendar = sync.settings, sync.calendar
    with suppress(WarehouseError):
        calendar = sync.fiscal_calendar()
    today = calendar.day_of(moment)
    return list(calendar.around(today, before=settings.historical_periods, after=settings.future_periods))


def add_quarters(instance: dg.DagsterInstance, sync: Context, more: Iterable[Quarter] = ()) -> None:
    """Add to the partitions what a sync asks for now, the quarters that the ledger has exports of, and `more`."""
    quarters = {*more, *quarters_of_a_sync(sync, sync.now())}
    with suppress(WarehouseError):
        if sync.warehouse.exists():
            with sync.warehouse.session() as session:
                quarters |= {Quarter.parse(export.time_period_id) for export in ledger.status(session)}
    keys = [str(quarter) for quarter in sorted(quarters)]
    try:
        instance.add_dynamic_partitions(_NAME, keys)  # those that are there stay
    except Exception:  # another process may have added the same at once
        if not set(keys) <= set(instance.get_dynamic_partitions(_NAME)):
            raise
