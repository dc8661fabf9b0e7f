"""How every landed document gets into the tables, of forecasts and of the other products.

It is staged and judged, then merged in one transaction with its ledger row, or refused: what is refused stays landed.
Documents form groups, a forecast's quarter or a product, and each group is as if its documents had arrived in the order
in which they were exported: one that is late has its group rebuilt. One group is merged by one process at a time.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence, Set
from contextlib import AbstractContextManager, suppress
from itertools import count
from typing import Any, ClassVar, Generic, TypeVar

import duckdb

from clari_pipeline.checks.export_gate import Check, ExportFacts, judge, reason, warm_up
from clari_pipeline.documents.rows import UNREADABLE, DocumentUnreadable, why_unreadable
from clari_pipeline.landing import LandedDocument, Landing, LandingError
from clari_pipeline.store.ledger import DocumentCounts, Ledger, keep_verdicts
from clari_pipeline.store.ledger_rows import LedgerRow
from clari_pipeline.sync.context import Context
from clari_pipeline.sync.events import Merged, Refused
from clari_pipeline.sync.judging import Judged, unreadable
from clari_pipeline.warehouse.session import Session

_COUNTS = ("rows_staged", "rows_inserted", "rows_updated", "rows_unchanged", "rows_disappeared")
_Row = TypeVar("_Row", bound=LedgerRow)
_Staged = TypeVar("_Staged")

ITS_OWN = (*UNREADABLE, duckdb.DataError)
"""What is a document's own fault, wherever between its reading and its verdicts it is raised."""


class Unreconciled(Exception):
    """The merged rows are not what the document says; the transaction is not kept."""


class DocumentLoader(ABC, Generic[_Row, _Staged]):
    """Merges landed documents of one kind, each judged first.

    `_Row` is a row of their ledger, `_Staged` a document whose rows are staged.
    """

    ledger: Ledger[_Row]
    checks: ClassVar[Mapping[str, Check]]
    analyzed: ClassVar[Sequence[str]] = ()
    """The tables whose statistics are renewed after a merge."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._warehouse = context.warehouse
        self._now = context.now
        self._is_production = context.settings.env == "prod"
        self.landing = self._landing(context.landing)

    def merge(self, request_id: str) -> None:
        """Merge one landed document, or refuse it; what another process has merged or refused is left alone.

        Raises `LandingError` where its group is to be rebuilt, and the document of merged rows is damaged.
        """
        attempts = count()

        def merge(session: Session, row: _Row) -> None:
            is_retry = next(attempts) > 0
            if row.state == "LANDED":
                self._merge_and_emit(session, row)
            elif is_retry:  # it was committed, though the connection was lost before the answer
                self._after_commit(session, [row], [row] if row.state == "LOADED" else [])
                self._emit(row)

        self._locked(request_id, merge)

    def merge_again(self, request_id: str) -> None:
        """The same of one that may be merged or refused already."""
        self._locked(request_id, self._merge_and_emit)

    def _locked(self, request_id: str, step: Callable[[Session, _Row], None]) -> None:
        """Take a step with a document's ledger row while no other process merges its group."""

        def attempt(session: Session) -> None:
            with session.lock(*self._group(self.ledger.row(session, request_id))):
                step(session, self.ledger.row(session, request_id))

        self._warehouse.with_retry(attempt)

    def _rebuild(self, group: Sequence[str], landed: Callable[[Session], list[_Row]]) -> list[str]:
        """Merge every landed document of a group in order, the refused judged once more, all or nothing; their ids."""
        rows: list[_Row] = []

        def attempt(session: Session) -> None:
            with session.lock(*group):
                rows[:] = landed(session)
                self._merge_in_order(session, rows)

        self._warehouse.with_retry(attempt)
        return [row.request_id for row in rows]

    def _merge_and_emit(self, session: Session, row: _Row) -> None:
        for request_id in self._merge(session, row):
            self._emit(self.ledger.row(session, request_id))

    def _merge_alone(self, session: Session, row: _Row) -> None:
        """Merge the newest of its group, staged outside of the transaction, which would keep all of it in memory."""
        judged = Judged()
        staged = self._stage(session, row, judged)
        self._commit(session, [row], judged, lambda: self._merge_each(session, [row], judged, lambda _: staged))

    def _merge_in_order(self, session: Session, rows: list[_Row], *, trusted: Set[str] = frozenset()) -> None:
        """Rebuild a group from these documents. Those that are `trusted`, by request id, are not judged once more."""
        if not rows:
            return
        judged = Judged(trusted)

        def merge_all() -> list[_Row]:
            self._forget_group(session, rows[0])
            return self._merge_each(session, rows, judged, lambda row: self._stage(session, row, judged))

        self._commit(session, rows, judged, merge_all)

    def _commit(self, session: Session, rows: list[_Row], judged: Judged, merge: Callable[[], list[_Row]]) -> None:
        """Merge in one transaction; where a document does not reconcile, once more without it."""
        merged: list[_Row] | None = None
        while merged is None:
            with suppress(Unreconciled), self._transaction(session, rows[0]):
                merged = merge()
                self._keep(session, rows, judged)
        if self.analyzed:
            session.analyze(self.analyzed)
        self._after_commit(session, rows, merged)

    def _merge_each(
        self, session: Session, rows: list[_Row], judged: Judged, stage: Callable[[_Row], _Staged | None]
    ) -> list[_Row]:
        """Merge documents one after the other, as if each had arrived when it was exported; those that are merged."""
        merged = []
        for row in rows:
            request_id = row.request_id
            staged = None if judged.is_refused(request_id) else stage(row)
            if staged is None:
                continue
            try:
                self._merge_one(session, row, staged, judged)
            except ITS_OWN as error:
                if judged.is_trusted(request_id):  # its rows stay, and what was to be merged with them waits
                    said = f"document {row.landing_path} cannot be merged again: {why_unreadable(error)}"
                    raise LandingError(said) from error
                judged.verdicts[request_id] = unreadable(row, why_unreadable(error))
                raise Unreconciled from error
            merged.append(row)
        self._before_commit(session, rows[0])
        return merged

    def _stage(self, session: Session, row: _Row, judged: Judged) -> _Staged | None:
        """The rows, staged and brought to where they are merged; None, and its verdicts, where the document is refused.

        One that is damaged on our own disk is refused like one that Clari spoilt: the others of its group do not wait
        for it, and once a backup has brought it back, a rebuild merges it. Where the tables hold its rows they would be
        lost by that: `LandingError` stops the merge, and the tables stay as they are.
        """
        warm_up()
        request_id, landed = row.request_id, None
        try:
            landed = self.landing.find(row.document)
            try:
                staged, said = self._read(session, row, landed, judged)
            except UNREADABLE as error:
                landed.prove()
                raise DocumentUnreadable(why_unreadable(error)) from error
        except (DocumentUnreadable, LandingError) as error:
            if isinstance(error, LandingError) and row.state == "LOADED":
                raise
            of_download = self._of_download(row, landed) if landed is not None else None
            judged.verdicts[request_id] = unreadable(row, str(error), of_download)
            return None
        if not judged.is_trusted(request_id):
            judged.verdicts[request_id] = judge(said, self.checks)
            if judged.is_refused(request_id):
                return None
        session.upload(self._staged_tables())
        return staged

    def _reconciled(self, request_id: str, judged: Judged, found: ExportFacts) -> None:
        """Judge what was merged. Raises `Unreconciled`."""
        judged.add(request_id, judge(found, self.checks))
        if judged.is_refused(request_id):
            raise Unreconciled

    def _keep(self, session: Session, rows: list[_Row], judged: Judged) -> None:
        """Verdicts, and the ledger rows of those that are refused."""
        for row in rows:
            request_id = row.request_id
            verdicts = judged.verdicts.get(request_id, [])
            if judged.is_refused(request_id):
                if (counts := judged.counts.get(request_id)) is not None:
                    self._keep_counts(session, request_id, counts)
                rows_exported = None if counts is None else counts.rows_exported
                self.ledger.refused(session, request_id, reason(verdicts), rows_exported=rows_exported)
            keep_verdicts(session, verdicts, self._now())

    def _emit(self, row: _Row) -> None:
        """What became of the document, once that is committed."""
        forecast_id, time_period_id = self._labels(row)
        which: dict[str, Any] = {"forecast_id": forecast_id, "time_period_id": time_period_id}
        which |= {"request_id": row.request_id, "at": self._now()}
        if row.state == "LOADED":
            # Of a fetch no row disappears.
            counts: dict[str, Any] = {name: getattr(row, name, None) or 0 for name in _COUNTS}
            self._context.hooks.emit(Merged(**which, **counts))
        else:
            self._context.hooks.emit(Refused(**which, error=row.error or ""))

    # What a kind of documents says of itself

    def _landing(self, landing: Landing) -> Landing:
        """Where its documents land."""
        return landing

    @abstractmethod
    def _group(self, row: _Row) -> Sequence[str]:
        """The name of a document's group, which is that of the group's lock."""

    @abstractmethod
    def _transaction(self, session: Session, row: _Row) -> AbstractContextManager[None]:
        """A transaction in which a group is merged."""

    @abstractmethod
    def _merge(self, session: Session, row: _Row) -> list[str]:
        """Merge a document alone, or in order with the others of its group; ids of all that had not been merged yet."""

    @abstractmethod
    def _forget_group(self, session: Session, row: _Row) -> None:
        """Empty a group's tables, to be filled in the same transaction."""

    @abstractmethod
    def _read(self, session: Session, row: _Row, landed: LandedDocument, judged: Judged) -> tuple[_Staged, ExportFacts]:
        """The document, staged, and what it says by itself; what is counted in it goes into `judged`.

        Raises one of `UNREADABLE`, and `LandingError` where the document is not what was landed.
        """

    @abstractmethod
    def _staged_tables(self) -> Sequence[str]:
        """The `stage_*` tables that a merge reads."""

    @abstractmethod
    def _merge_one(self, session: Session, row: _Row, staged: _Staged, judged: Judged) -> None:
        """Merge one staged document and write its ledger row. Raises `Unreconciled`."""

    @abstractmethod
    def _labels(self, row: _Row) -> tuple[str, str]:
        """`forecast_id` and `time_period_id` of the events."""

    def _of_download(self, row: _Row, landed: LandedDocument) -> ExportFacts | None:
        """What is known of a document that cannot be read."""
        return None

    def _keep_counts(self, session: Session, request_id: str, counts: DocumentCounts) -> None:
        """Write down what was counted in a document."""

    def _before_commit(self, session: Session, row: _Row) -> None:
        """What is renewed of a group in the same transaction."""

    def _after_commit(self, session: Session, rows: list[_Row], merged: list[_Row]) -> None:
        """What is made of a group's merged rows after the transaction."""
