"""What a relational document amounts to, counted from its JSON: not from the rows that are staged of it, or the
reconciliation would prove nothing of how those were made.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from clari_pipeline.documents.rows import ControlTotal, decimal_of, text_of

# By Clari's own names; of the older and the newer name of one measure the newer counts.
_AMOUNTS = (
    ("forecast_value", "forecastValue", None),
    ("quota_value", "quotaValue", None),
    ("adjustment_value", "adjustmentValue", None),
    ("crm_total", "crmTotal", "aggregationTotal"),
    ("crm_closed", "crmClosed", None),
)


def totals_of(entries: list[dict[str, Any]]) -> dict[tuple[str | None, str], ControlTotal]:
    """Sum and count of each measure, by field and measure. Amounts that are none are left to the gate."""
    totals: defaultdict[tuple[str | None, str], ControlTotal] = defaultdict(ControlTotal)
    for entry in entries:
        field = text_of(entry.get("fieldId"))
        for measure, name, older in _AMOUNTS:
            written = entry.get(name)
            if written in (None, "") and older is not None:
                written = entry.get(older)
            amount = decimal_of(written) if isinstance(written, str) else None
            if amount is not None:
                total = totals[field, measure]
                total.total += amount
                total.count += 1
    return dict(totals)
