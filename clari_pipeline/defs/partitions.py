"""Fiscal quarters as Dagster partitions, named as Clari names them."""

from collections.abc import Iterable
from datetime import UTC, datetime

import dagster as dg

from clari_pipeline.core.periods import FiscalCalendar, Quarter

_BACK, _AHEAD = 8, 4


def quarters(calendar: FiscalCalendar, more: Iterable[Quarter] = ()) -> dg.StaticPartitionsDefinition:
    """Quarters from two years back to a year ahead, extended to those in `more`.

    The list is built when the code is loaded: a code server that has run for a year has to be reloaded.
    """
    current = calendar.quarter_of(calendar.day_of(datetime.now(UTC)))
    first = min([current.shifted(-_BACK), *more])
    last = max([current.shifted(_AHEAD), *more])
    keys = []
    while first <= last:
        keys.append(str(first))
        first = first.shifted(1)
    return dg.StaticPartitionsDefinition(keys)
