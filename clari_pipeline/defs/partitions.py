"""Fiscal quarters as Dagster partitions, named as Clari names them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

import dagster as dg

from clari_pipeline.periods import FiscalCalendar, Quarter

_YEARS_BACK = 5


def quarters(calendar: FiscalCalendar, more: Iterable[Quarter] = ()) -> dg.StaticPartitionsDefinition:
    """Five fiscal years back to the end of the next one, and whatever older quarter is asked for.

    The list is made when the code is loaded: a code server that has run for a year needs a reload.
    """
    this_year = calendar.quarter_of(datetime.now(UTC).date()).year
    first = min([Quarter(this_year - _YEARS_BACK, 1), *more])
    last = max([Quarter(this_year + 1, 4), *more])
    keys = []
    while first <= last:
        keys.append(str(first))
        first = first.shifted(1)
    return dg.StaticPartitionsDefinition(keys)
