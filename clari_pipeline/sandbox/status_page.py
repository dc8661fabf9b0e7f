"""The summary of Clari's status page, as Statuspage writes it [evangelist]."""

from datetime import datetime, timedelta
from typing import Any


def status_page(now: datetime, *, is_down: bool) -> dict[str, Any]:
    """The page's JSON: all operational, or, with `is_down`, an incident that began two hours before `now`."""
    begun = (now - timedelta(hours=2)).isoformat(timespec="milliseconds")
    incident = {
        "id": "p31zjtct2jer",
        "name": "Revenue API: exports and job status are unavailable",
        "status": "investigating",
        "impact": "major",
        "shortlink": "https://stspg.example/p31zjtct2jer",
        "created_at": begun,
        "started_at": begun,
        "updated_at": now.isoformat(timespec="milliseconds"),
        "resolved_at": None,
    }
    working = "major_outage" if is_down else "operational"
    return {
        "page": {"id": "y2j98763l56x", "name": "Clari", "updated_at": incident["updated_at"]},
        "components": [
            {"id": "b13yz5g2cw10", "name": "Revenue API", "status": working, "group": False},
            {"id": "9397cnvk62zn", "name": "Forecasting", "status": "operational", "group": False},
        ],
        "incidents": [incident] if is_down else [],
        "scheduled_maintenances": [],
        "status": {"indicator": "major", "description": "Partial System Outage"}
        if is_down
        else {"indicator": "none", "description": "All Systems Operational"},
    }
