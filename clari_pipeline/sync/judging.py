"""Verdicts of the gate, collected over the documents of one merge."""

from collections.abc import Set
from dataclasses import dataclass, field

from clari_pipeline.checks.export_gate import ExportFacts, Verdict, judge
from clari_pipeline.store.ledger import DocumentCounts
from clari_pipeline.store.ledger_rows import LedgerRow


@dataclass(slots=True)
class Judged:
    """Verdicts and counts so far, by request id. In memory, so that they survive the rollback of a transaction.

    `trusted` documents are merged already, and are not re-judged. `beside` are facts on the tables before
    the merge, which keep no document out. `shapes` are those of the documents read so far.
    """

    trusted: Set[str] = frozenset()
    beside: ExportFacts | None = None
    verdicts: dict[str, list[Verdict]] = field(default_factory=dict)
    counts: dict[str, DocumentCounts] = field(default_factory=dict)
    shapes: set[str] = field(default_factory=set)

    def add(self, request_id: str, verdicts: list[Verdict]) -> None:
        """Append verdicts on an export."""
        self.verdicts.setdefault(request_id, []).extend(verdicts)

    def is_trusted(self, request_id: str) -> bool:
        """Whether it is merged without being judged."""
        return request_id in self.trusted

    def is_refused(self, request_id: str) -> bool:
        """Whether one of its verdicts keeps it out of the tables."""
        return any(verdict.keeps_out for verdict in self.verdicts.get(request_id, ()))


def unreadable(export: LedgerRow, why: str, download: ExportFacts | None = None) -> list[Verdict]:
    """Verdicts on an unreadable document: `export_is_readable` fails with `why`; `download` adds further facts."""
    found = {"export_is_readable": {"summary": why, "document": export.landing_path}}
    faults = ExportFacts(request_id=export.request_id, facts={"is_readable": False}, evidence=found)
    return judge(faults if download is None else faults.joined(download))
