"""The second half of the spine: a landed document is read, judged, merged, and its calls compared.

`Loader.load` takes one export up from the ledger, `Loader.rebuild` a forecast's whole quarter. Both leave in the
ledger what happened; what is refused stays landed and out of the tables.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

import duckdb

from clari_pipeline.checks.export_gate import (
    ExportFacts,
    carry_over,
    judge,
    reason,
    remember_verdicts,
    warm_up,
)
from clari_pipeline.core.periods import Quarter
from clari_pipeline.documents import READER, Document, Totals, count_exactly, read_document, with_days
from clari_pipeline.documents.rows import UNREADABLE, DocumentUnreadable, why_unreadable
from clari_pipeline.landing import LandedDocument, LandingError
from clari_pipeline.store import facts, ledger, marts, merging
from clari_pipeline.sync import evidence, recognising
from clari_pipeline.sync.context import Context
from clari_pipeline.sync.events import Merged, Refused
from clari_pipeline.sync.judging import Judged, keep_verdicts, unreadable
from clari_pipeline.sync.sandbox_guard import refuse_invented
from clari_pipeline.warehouse.session import Session, Warehouse
from clari_pipeline.warehouse.statements import Record

_REQUEST = (
    "types_to_export",
    "types_refused",
    "scope_id",
    "currency",
    "export_format",
    "include_historical",
    "rows_truncated",
)
_CARRIED = ("types_to_export", "export_format", "scope_id")
_COUNTED_IN_DOCUMENT = (*_CARRIED, "rows_exported", "rows_staged", "document_period_id", "quota_fields")
_COUNTS = ("rows_staged", "rows_inserted", "rows_updated", "rows_unchanged", "rows_disappeared")


ITS_OWN = (*UNREADABLE, duckdb.DataError)
"""What is a document's own fault, wherever between its reading and its verdicts it is raised."""


class _Unreconciled(Exception):
    """The merged rows are not what the document says; the transaction is not kept."""

    def __init__(self, request_id: str) -> None:
        super().__init__(request_id)
        self.request_id = request_id


@dataclass(frozen=True, slots=True)
class _Staged:
    """A document whose rows are staged, and what they hold."""

    document: Document
    facts: facts.Facts
    recognised: recognising.Recognised


class Loader:
    """Merges landed documents, each judged first."""

    def __init__(self, context: Context) -> None:
        settings = context.settings
        self._context = context
        self._warehouse = context.warehouse
        self._landing = context.landing
        self._rules = context.rules
        self._grace = timedelta(days=settings.quarter_grace_days)
        self._is_production = settings.env == "prod"
        self._currency = settings.currency
        self._now = context.now
        # A document that is known is read once more where any of these has changed.
        self._reader = f"{READER} by {context.calendar} in {settings.currency}{context.rules.rules.same.said}"
        if self._is_production:
            self._reader += " in production"

    def merge_landed(self, quarter_id: str) -> list[str]:
        """Merge each document of a quarter that has landed and was neither merged nor refused; their request ids.

        Raises `LandingError`, once all others are merged, where one waits for a document that is damaged, and what
        nobody has thought of likewise.
        """
        with self._warehouse.session() as session:
            waiting = ledger.landed_of_quarter(session, quarter_id)
        damaged: list[LandingError] = []
        unforeseen: list[Exception] = []
        for request_id in waiting:
            self._context.stop.check()
            try:
                self.load(request_id)
            except LandingError as error:  # of a document that its quarter is to be rebuilt with
                damaged.append(error)
            except ITS_OWN as error:
                unforeseen.append(error)
        raise_all(damaged)
        if unforeseen:
            raise unforeseen[0]
        return waiting

    def load(self, request_id: str, *, again: bool = False) -> None:
        """Merge one landed export, or refuse it; one that is late has its quarter rebuilt in order.

        What another process has merged or refused meanwhile is left alone, unless it is to be done `again`.
        """
        tried = 0

        def load(session: Session) -> None:
            nonlocal tried
            tried += 1
            export = ledger.EXPORTS.row(session, request_id)
            with _turn(session, export["forecast_id"], export["time_period_id"]):
                self._load(session, request_id, again=again, is_tried=tried > 1)

        self._warehouse.with_retry(load)

    def _load(self, session: Session, request_id: str, *, again: bool, is_tried: bool) -> None:
        export = ledger.EXPORTS.row(session, request_id)
        if export["state"] != "LANDED" and not again:
            if is_tried:  # it was kept, though nobody could hear it
                self._compare(session, [export], loaded=[export] if export["state"] == "LOADED" else [])
                self._tell(export)
            return
        which = export["forecast_id"], export["time_period_id"]
        loaded = ledger.exports_of_quarter(session, *which, ["LOADED", "RETIRED"])
        has_retired = any(other["state"] == "RETIRED" for other in loaded)
        known = None if has_retired else _same_document(export, loaded)
        is_broken = known is not None and not merging.has_its_rows(session, known)
        if known is not None and not is_broken and not evidence.is_kept_out_now(session, export, known, self._rules):
            self._load_same(session, export, known)
        elif has_retired or is_broken or merging.is_late(export, loaded):  # what has left the tables comes back whole
            exports = sorted(
                [*(other for other in loaded if other["request_id"] != request_id), export],
                key=merging.order,
            )
            self._merge_whole(session, exports, judge_only=request_id)
        else:
            self._merge_whole(session, [export], judge_only=request_id, anew=False)
        self._tell(ledger.EXPORTS.row(session, request_id))

    def _tell(self, export: Record) -> None:
        """What became of the document, once that is kept."""
        which: dict[str, Any] = {name: export[name] for name in ("request_id", "forecast_id", "time_period_id")}
        if export["state"] == "LOADED":
            counts: dict[str, Any] = {name: export[name] or 0 for name in _COUNTS}
            self._context.hooks.emit(Merged(**which, at=self._now(), **counts))
        else:
            self._context.hooks.emit(Refused(**which, at=self._now(), error=export["error"] or ""))

    def _load_same(self, session: Session, export: Record, known: Record) -> None:
        """Merge a document that is known: it is not read, and the export is recorded as one that changed nothing."""
        if not merging.restore_lists(session, known, read_by=self._reader):
            self._merge_whole(session, [export], judge_only=export["request_id"], anew=False)
            return
        remember_verdicts(ledger.verdicts_of(session, known["request_id"]))
        with merging.transaction(session, export["forecast_id"], export["time_period_id"]):
            if export["request_id"] == known["request_id"]:
                merging.note_unchanged(session, known)
            else:
                self._mark_same(session, export, known)
            # That it is the same as one that came before shows that it is whole.
            found = evidence.of_tops(session, export, self._rules).joined(evidence.of_download(export, is_whole=True))
            keep_verdicts(session, judge(found), self._now())
        self._compare(session, [export], loaded=[export])

    def _mark_same(self, session: Session, export: Record, known: Record) -> None:
        """Everything that a merge would have changed."""
        export.update({name: known[name] for name in _CARRIED})
        ledger.document_read(
            session,
            export["request_id"],
            call_time_frame_id=facts.call_week(session, self._rules.calendar.day_of(export["exported_at"])),
            **{name: known[name] for name in _COUNTED_IN_DOCUMENT},
        )
        merging.note_repeated(session, export, known)
        merging.rebuild_people(session, export["forecast_id"])
        merging.note_loaded(session, export["request_id"], export["loaded_at"] or self._now())
        marts.forget(session, export["time_period_id"])
        verdicts = [
            carry_over(verdict, export["request_id"], known["job_id"])
            for verdict in ledger.verdicts_of(session, known["request_id"])
        ]
        keep_verdicts(session, [verdict for verdict in verdicts if verdict is not None], self._now())

    def rebuild(self, forecast_id: str, quarter_id: str) -> None:
        """Merge every landed document of a forecast's quarter again, in order, the refused judged anew."""

        def merge_all(session: Session) -> None:
            with _turn(session, forecast_id, quarter_id):
                exports = ledger.exports_of_quarter(session, forecast_id, quarter_id, ledger.LANDED_STATES)
                self._merge_whole(session, exports)

        self._warehouse.with_retry(merge_all)

    def _merge_whole(
        self,
        session: Session,
        exports: list[Record],
        *,
        judge_only: str | None = None,
        anew: bool = True,
    ) -> None:
        """One transaction; where a merge does not reconcile, once more without that export."""
        judged = Judged()
        # Outside the transaction, which would keep all of it in memory.
        staged = None if anew else self._stage(session, exports[0], judged, is_trusted=False)
        loaded: list[Record] | None = None
        while loaded is None:
            with (
                suppress(_Unreconciled),
                merging.transaction(session, exports[0]["forecast_id"], exports[0]["time_period_id"]),
            ):
                loaded = self._fold(session, exports, judged, judge_only=judge_only, anew=anew, staged=staged)
                self._keep_verdicts(session, exports, judged)
        session.analyze(merging.MERGED)
        self._compare(session, exports, loaded=loaded)

    def _compare(self, session: Session, exports: list[Record], *, loaded: list[Record]) -> None:
        """Compare the calls of a quarter's exports, and judge what that shows of those that are loaded."""
        forecast_id, quarter_id = exports[0]["forecast_id"], exports[0]["time_period_id"]
        with session.lock("marts", shared=True), session.lock("periods", quarter_id), session.transaction():
            marts.refresh_quarter(session, forecast_id, quarter_id, self._rules)
            for export in loaded:
                keep_verdicts(session, judge(evidence.of_calls(session, export, self._rules)), self._now())

    def _fold(
        self,
        session: Session,
        exports: list[Record],
        judged: Judged,
        *,
        judge_only: str | None,
        anew: bool,
        staged: _Staged | None,
    ) -> list[Record]:
        """Merge the documents one after the other, as if each had arrived when it was exported; those that are merged.

        Either all of a quarter `anew`, or one that is `staged` already.
        """
        forecast_id, quarter_id = exports[0]["forecast_id"], exports[0]["time_period_id"]
        marts.forget(session, quarter_id)
        if anew:
            merging.forget_quarter(session, forecast_id, quarter_id)
        loaded = []
        for export in exports:
            if judged.is_refused(export["request_id"]):
                continue
            is_trusted = judge_only not in {None, export["request_id"]}
            if anew:
                staged = self._stage(session, export, judged, is_trusted=is_trusted)
            if staged is None:
                continue
            try:
                self._fold_one(session, export, judged, staged, is_trusted=is_trusted)
            except ITS_OWN as error:
                if is_trusted:  # its rows stay, and what was to be merged with them waits
                    where = export["landing_path"]
                    raise LandingError(f"document {where} cannot be merged again: {why_unreadable(error)}") from error
                judged.verdicts[export["request_id"]] = unreadable(export, why_unreadable(error))
                raise _Unreconciled(export["request_id"]) from error
            loaded.append(export)
        merging.rebuild_people(session, forecast_id)
        return loaded

    def _fold_one(self, session: Session, export: Record, judged: Judged, staged: _Staged, *, is_trusted: bool) -> None:
        """Merge one staged document and judge it; `_Unreconciled` where its rows are not to be kept."""
        document, before = staged.document, staged.facts
        recognising.name_currencies(session, export, staged.recognised)
        ledger.document_read(session, export["request_id"], **judged.counts[export["request_id"]])
        warnings = None if is_trusted else evidence.against_what_is_known(session, export, document, self._rules)
        merged = merging.merge(session, export, before["measures_left_out"])
        merging.keep_lists(session, export, read_by=self._reader)
        if warnings is None:
            return
        reconciled = evidence.after_the_merge(
            session, export, document, before, staged.recognised, merged, partial(self._count_exactly, export)
        )
        tops = evidence.of_tops(session, export, self._rules)
        judged.add(export["request_id"], judge(warnings.joined(reconciled).joined(tops)))
        if judged.is_refused(export["request_id"]):
            raise _Unreconciled(export["request_id"])
        merging.note_loaded(session, export["request_id"], export["loaded_at"] or self._now())

    def _stage(self, session: Session, export: Record, judged: Judged, *, is_trusted: bool) -> _Staged | None:
        """The rows, staged and brought to where they are merged; None, and its verdicts, where the document is refused.

        One that is damaged on our own disk is refused like one that Clari spoilt: the others of its quarter do not
        wait for it, and once a backup has brought it back, `rebuild` merges it. Where the tables hold its rows they
        would be lost by that: `LandingError` stops the merge, and the tables stay as they are.
        """
        warm_up()
        quarter = Quarter.parse(export["time_period_id"])
        staging, landed = merging.Staging(session, quarter, self._rules.calendar), None
        try:
            landed = self._landing.find(export["landing_path"])
            document, found, recognised, said = self._read(session, export, landed, staging, judged.shapes)
        except (DocumentUnreadable, LandingError) as error:
            if isinstance(error, LandingError) and export["state"] == "LOADED":
                raise
            whole = evidence.of_download(export, is_whole=landed.is_whole) if landed is not None else None
            judged.verdicts[export["request_id"]] = unreadable(export, str(error), whole)
            return None
        export.update(_carried(export, document, found))
        judged.counts[export["request_id"]] = {
            **{name: export[name] for name in _CARRIED},
            "rows_exported": document.entry_count,
            **{name: found[name] for name in ("rows_staged", "call_time_frame_id")},
            "document_period_id": evidence.periods_of(found),
            "quota_fields": found["quota_fields"] if "quota" in export["types_to_export"].split(",") else None,
        }
        if not is_trusted:
            judged.verdicts[export["request_id"]] = judge(said)
            if judged.is_refused(export["request_id"]):
                return None
        session.upload(merging.STAGED)
        return _Staged(document, found, recognised)

    def _read(
        self,
        session: Session,
        export: Record,
        landed: LandedDocument,
        staging: merging.Staging,
        shapes: set[str],
    ) -> tuple[Document, facts.Facts, recognising.Recognised, ExportFacts]:
        """The document, staged under the ids that are known, its facts, and what it says by itself.

        Raises `DocumentUnreadable`, and `LandingError` where the document is not what was landed.
        """
        calendar = self._rules.calendar
        try:
            with landed.open() as stream:
                currency = self._currency if _is_from_elsewhere(export) else export["currency"]
                document = read_document(stream, calendar, staging.take, currency=currency)
            staging.end(with_days(document.tables, calendar.zone))
            if self._is_production:
                refuse_invented(landed, facts.people_invented(session))
            recognised = recognising.recognise(session, export, document, self._rules.rules.same, calendar, shapes)
            found = facts.of_staged_document(session, calendar.day_of(export["exported_at"]))
            said = evidence.of_document(export, document, found, self._rules, self._grace)
        except UNREADABLE as error:
            landed.prove()
            raise DocumentUnreadable(why_unreadable(error)) from error
        said = said.joined(recognised.facts(export)).joined(evidence.of_download(export, is_whole=landed.is_whole))
        return document, found, recognised, said

    def _count_exactly(self, export: Record) -> Totals:
        with self._landing.find(export["landing_path"]).open() as stream:
            return count_exactly(stream)

    def _keep_verdicts(self, session: Session, exports: list[Record], judged: Judged) -> None:
        for export in exports:
            verdicts = judged.verdicts.get(export["request_id"], [])
            if judged.is_refused(export["request_id"]):
                if counts := judged.counts.get(export["request_id"]):
                    ledger.document_read(session, export["request_id"], **counts)
                ledger.EXPORTS.refused(session, export["request_id"], reason(verdicts))
            keep_verdicts(session, verdicts, self._now())


def has_landed(warehouse: Warehouse, quarter_id: str) -> bool:
    """Whether a document of the quarter waits to be merged."""
    with warehouse.session() as session:
        return bool(ledger.landed_of_quarter(session, quarter_id))


def raise_all(damaged: list[LandingError]) -> None:
    """Raise one `LandingError` for all of these, if there are any."""
    if damaged:
        raise LandingError("; ".join(dict.fromkeys(map(str, damaged)))) from damaged[0]


def _turn(session: Session, forecast_id: str, quarter_id: str) -> AbstractContextManager[None]:
    """Two that would merge the same quarter take turns, from looking at the ledger until its calls are compared."""
    return session.lock("quarter", forecast_id, quarter_id)


def _same_document(export: Record, loaded: list[Record]) -> Record | None:
    """The newest of the loaded exports, where it was asked for alike and brought this very document."""
    if not loaded or merging.order(loaded[-1]) > merging.order(export):
        return None
    known = loaded[-1]
    is_alike = all(
        export[name] == known[name] or (export[name] is None and all(map(_is_from_elsewhere, (export, known))))
        for name in _REQUEST
    )
    return known if is_alike and export["result_sha256"] == known["result_sha256"] else None


def _is_from_elsewhere(export: Record) -> bool:
    """Whether it was not asked of Clari: its types are those that its document carries."""
    return bool(export["request_id"] == export["job_id"])


def _carried(export: Record, document: Document, found: facts.Facts) -> Record:
    """Types, format and scope of a document from elsewhere, of which nobody knows what it was asked for."""
    if export["types_to_export"] is not None:
        return {}
    return {
        "types_to_export": ",".join(sorted(document.types)),
        "export_format": "CSV" if document.shape == "long_csv" else "JSON",
        "scope_id": found["scope_id"],
    }
