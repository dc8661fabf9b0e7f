"""Verdicts on the documents of one merge."""

from collections.abc import Set
from dataclasses import dataclass, field

from clari_pipeline.checks.export_gate import ExportFacts, Verdict, judge
from clari_pipeline.store.ledger import DocumentCounts
from clari_pipeline.store.ledger_rows import LedgerRow


@dataclass(slots=True)
class Judged:
    """Verdicts, and what was counted in the document, so far, by export: kept where a transaction is not.

    Those that are `trusted` are merged already, and are not judged once more.
    """

    trusted: Set[str] = frozenset()
    verdicts: dict[str, list[Verdict]] = field(default_factory=dict)
    counts: dict[str, DocumentCounts] = field(default_factory=dict)
    shapes: set[str] = field(default_factory=set)

    def add(self, request_id: str, verdicts: list[Verdict]) -> None:
        """More verdicts on an export."""
        self.verdicts.setdefault(request_id, []).extend(verdicts)

    def is_trusted(self, request_id: str) -> bool:
        """Whether it is merged with the others, whatever may be said of it now."""
        return request_id in self.trusted

    def is_refused(self, request_id: str) -> bool:
        """Whether one of its verdicts keeps it out of the tables."""
        return any(verdict.keeps_out for verdict in self.verdicts.get(request_id, ()))


def unreadable(export: LedgerRow, why: str, whole: ExportFacts | None = None) -> list[Verdict]:
    """The verdicts on a document that cannot be read, or not be judged."""
    found = {"export_is_readable": {"summary": why, "document": export.landing_path}}
    faults = ExportFacts(request_id=export.request_id, facts={"reading_faults": 1}, evidence=found)
    return judge(faults if whole is None else faults.joined(whole))
