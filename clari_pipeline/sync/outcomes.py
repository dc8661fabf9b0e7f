"""What became of an export, and where people are told what to do about it."""

from __future__ import annotations

from dataclasses import dataclass

from clari_pipeline.checks.export_gate import EXCUSED_IN_GRACE
from clari_pipeline.core.runbook import Remark, section_named
from clari_pipeline.core.safe_text import one_line
from clari_pipeline.warehouse.statements import Record


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one export: its ledger row and its verdicts."""

    export: Record
    verdicts: list[Record]

    @property
    def is_failure(self) -> bool:
        """Not merged, and not excused by a quarter's first days."""
        match self.export["state"]:
            case "LOADED" | "RETIRED":
                return False
            case "REFUSED":
                broken = [verdict for verdict in self.verdicts if not verdict["passed"]]
                excused = [
                    verdict
                    for verdict in broken
                    if verdict["check_name"] in EXCUSED_IN_GRACE and verdict["severity"] == "WARN"
                ]
                return not excused or any(verdict["severity"] == "ERROR" for verdict in broken)
            case _:
                return True

    @property
    def reason(self) -> str:
        """Why it was not merged, in one line."""
        return self.export["error"] or f"stopped as {self.export['state']}: run again, it is continued from there"

    @property
    def section(self) -> str:
        """What the runbook's section on that is called, the check that has kept it out, or the error."""
        broken = [verdict for verdict in self.verdicts if not verdict["passed"]]
        if self.export["state"] == "REFUSED" and broken:
            first: str = min(broken, key=lambda verdict: verdict["severity"] != "ERROR")["check_name"]
            return first
        kind = self.export["error_kind"]
        return section_named(kind, self.export["error"] or "") if kind else Remark.EXPORT_STOPPED

    @property
    def sentence(self) -> str:
        """Forecast, quarter, state and reason, in one line that can be shown."""
        export = self.export
        job = f" (job {export['job_id']})" if export["job_id"] else ""
        error = f": {export['error']}" if export["error"] else ""
        return one_line(f"{export['forecast_id']} {export['time_period_id']} {export['state']}{job}{error}")
