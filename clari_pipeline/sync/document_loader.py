"""Load landed documents into the tables: base class of the loaders of forecasts and of the other products.

A document is staged and judged, then merged in one transaction with its ledger row, or refused: a refused one stays
landed. Documents form groups, a forecast's quarter or a product. A group's tables are as if its documents had arrived
in the order of `exported_at`: a late one has its group rebuilt. Each merge holds its group's exclusive lock.
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

DOCUMENT_ERRORS = (*UNREADABLE, duckdb.DataError)
"""Errors that the document itself causes, wherever between reading and verdicts they are raised."""


class Unreconciled(Exception):
    """The merged rows differ from the document; rolls the transaction back."""


class DocumentLoader(ABC, Generic[_Row, _Staged]):
    """Judges and merges landed documents of one kind.

    `_Row` is a row of their ledger, `_Staged` a document whose rows are staged.
    """

    ledger: Ledger[_Row]
    checks: ClassVar[Mapping[str, Check]]
    analyzed: ClassVar[Sequence[str]] = ()
    """The tables whose planner statistics are refreshed after a merge (`analyze`)."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._warehouse = context.warehouse
        self._now = context.now
        self._is_production = context.settings.env == "prod"
        self.landing = self._landing(context.landing)

    def merge(self, request_id: str) -> None:
        """Merge one landed document, or refuse it; nothing if another process has done so already.

        Raises `LandingError` if its group has to be rebuilt, and a document whose rows are merged is damaged.
        """
        attempts = count()

        def merge(session: Session, row: _Row) -> None:
            is_retry = next(attempts) > 0
            if row.state == "LANDED":
                self._merge_and_emit(session, row)
            elif is_retry:  # committed, though the connection was lost before the answer
                self._after_commit(session, [row], [row] if row.state == "LOADED" else [])
                self._emit(row)

        self._locked(request_id, merge)

    def remerge(self, request_id: str) -> None:
        """Merge or refuse one document in whichever state it is: landed, merged or refused."""
        self._locked(request_id, self._merge_and_emit)

    def _locked(self, request_id: str, step: Callable[[Session, _Row], None]) -> None:
        """Run `step` with a document's ledger row under its group's exclusive lock, with retries of the warehouse."""

        def attempt(session: Session) -> None:
            with session.lock(*self._group(self.ledger.row(session, request_id))):
                step(session, self.ledger.row(session, request_id))

        self._warehouse.with_retry(attempt)

    def _rebuild(self, group: Sequence[str], landed: Callable[[Session], list[_Row]]) -> list[str]:
        """Rebuild a group from all landed documents, in order, in one transaction, the refused re-judged; their ids."""
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
        """Merge the newest of its group. Staged before the transaction, which would hold the staged rows in memory."""
        judged = Judged()
        staged = self._stage(session, row, judged)
        self._commit(session, [row], judged, lambda: self._merge_each(session, [row], judged, lambda _: staged))

    def _merge_in_order(
        self, session: Session, rows: list[_Row], *, trusted: Set[str] = frozenset(), beside: ExportFacts | None = None
    ) -> None:
        """Rebuild a group from these documents. Those whose request id is in `trusted` are not re-judged; `beside` are
        facts on the tables before.
        """
        if not rows:
            return
        judged = Judged(trusted, beside)

        def merge_all() -> list[_Row]:
            self._forget_group(session, rows[0])
            return self._merge_each(session, rows, judged, lambda row: self._stage(session, row, judged))

        self._commit(session, rows, judged, merge_all)

    def _commit(self, session: Session, rows: list[_Row], judged: Judged, merge: Callable[[], list[_Row]]) -> None:
        """Merge in one transaction; roll back and retry without a document that does not reconcile."""
        merged: list[_Row] | None = None
        while merged is None:
            with suppress(Unreconciled), self._transaction(session, rows[0]):
                merged = merge()
                self._write_verdicts(session, rows, judged)
        if self.analyzed:
            session.analyze(self.analyzed)
        self._after_commit(session, rows, merged)

    def _merge_each(
        self, session: Session, rows: list[_Row], judged: Judged, stage: Callable[[_Row], _Staged | None]
    ) -> list[_Row]:
        """Stage and merge documents one after the other; returns those that were merged, without the refused."""
        merged = []
        for row in rows:
            request_id = row.request_id
            staged = None if judged.is_refused(request_id) else stage(row)
            if staged is None:
                continue
            try:
                self._merge_one(session, row, staged, judged)
            except DOCUMENT_ERRORS as error:
                if judged.is_trusted(request_id):  # the rollback keeps its rows; the new document stays landed
                    message = f"document {row.landing_path} cannot be merged again: {why_unreadable(error)}"
                    raise LandingError(message) from error
                judged.verdicts[request_id] = unreadable(row, why_unreadable(error))
                raise Unreconciled from error
            merged.append(row)
        self._before_commit(session, rows[0])
        return merged

    def _stage(self, session: Session, row: _Row, judged: Judged) -> _Staged | None:
        """Read, judge and stage a document, and upload the staged rows to the warehouse; None if it is refused.

        One that is damaged on disk is refused like an unreadable one: the others of its group do not wait for it, and a
        rebuild merges it once it is restored from a backup. If its rows are merged, refusing it would delete them:
        `LandingError` stops the merge.
        """
        request_id, landed = row.request_id, None
        if not judged.is_trusted(request_id):
            warm_up()
        try:
            landed = self.landing.find(row.document)
            try:
                staged, found = self._read(session, row, landed, judged)
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
            judged.verdicts[request_id] = judge(found, self.checks)
            if judged.is_refused(request_id):
                return None
        session.upload(self._staged_tables())
        return staged

    def _reconciled(self, request_id: str, judged: Judged, found: ExportFacts) -> None:
        """Judge the merged rows. Raises `Unreconciled` if they are refused."""
        judged.add(request_id, judge(found, self.checks))
        if judged.is_refused(request_id):
            raise Unreconciled

    def _write_verdicts(self, session: Session, rows: list[_Row], judged: Judged) -> None:
        """Write the verdicts, and the ledger rows of the refused documents."""
        for row in rows:
            request_id = row.request_id
            verdicts = judged.verdicts.get(request_id, [])
            if judged.is_refused(request_id):
                if (counts := judged.counts.get(request_id)) is not None:
                    self._keep_counts(session, request_id, counts)
                rows_exported = None if counts is None else counts.rows_exported
                self.ledger.refused(session, request_id, reason(verdicts), rows_exported=rows_exported)
            keep_verdicts(session, verdicts, self._now())
        if judged.beside is not None:
            keep_verdicts(session, judge(judged.beside, self.checks), self._now())

    def _emit(self, row: _Row) -> None:
        """Emit `Merged` or `Refused`, by the committed ledger row."""
        forecast_id, time_period_id = self._labels(row)
        which: dict[str, Any] = {"forecast_id": forecast_id, "time_period_id": time_period_id}
        which |= {"request_id": row.request_id, "at": self._now()}
        if row.state == "LOADED":
            # `FetchRow` has no rows_disappeared.
            counts: dict[str, Any] = {name: getattr(row, name, None) or 0 for name in _COUNTS}
            self._context.hooks.emit(Merged(**which, **counts))
        else:
            self._context.hooks.emit(Refused(**which, error=row.error or ""))

    # Implemented by the loader of a kind of documents

    def _landing(self, landing: Landing) -> Landing:
        """Where its documents land."""
        return landing

    @abstractmethod
    def _group(self, row: _Row) -> Sequence[str]:
        """The parts of the name of a document's group, which is also the name of its lock."""

    @abstractmethod
    def _transaction(self, session: Session, row: _Row) -> AbstractContextManager[None]:
        """A transaction in which a group is merged."""

    @abstractmethod
    def _merge(self, session: Session, row: _Row) -> list[str]:
        """Merge a document alone, or rebuild its group with it; request ids to emit the outcomes of."""

    @abstractmethod
    def _forget_group(self, session: Session, row: _Row) -> None:
        """Delete a group's rows, which the same transaction inserts from the documents."""

    @abstractmethod
    def _read(self, session: Session, row: _Row, landed: LandedDocument, judged: Judged) -> tuple[_Staged, ExportFacts]:
        """Stage the document; returns it with its facts for the gate, and writes its counts into `judged`.

        Raises one of `UNREADABLE`, and `LandingError` where the file is not what was landed.
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
        """Facts of a document that cannot be read, if any are known."""
        return None

    def _keep_counts(self, session: Session, request_id: str, counts: DocumentCounts) -> None:
        """Write the counts of a document to its ledger row."""

    def _before_commit(self, session: Session, row: _Row) -> None:
        """Update what is derived from a group's rows, in the same transaction."""

    def _after_commit(self, session: Session, rows: list[_Row], merged: list[_Row]) -> None:
        """Update what is derived from a group's merged rows, after the transaction."""
