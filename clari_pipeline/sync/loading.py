"""Load forecasts' documents into the tables, quarter by quarter, then compare their calls."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cached_property, partial

from clari_pipeline.checks.export_gate import CHECKS, ExportFacts, carry_over, judge, remember_verdicts
from clari_pipeline.core.periods import Quarter
from clari_pipeline.documents import READER, Document, Totals, count_exactly, read_document, with_days
from clari_pipeline.landing import LandedDocument, LandingError
from clari_pipeline.store import facts, ledger, marts, merging, totals
from clari_pipeline.store.calendar import known_calendar
from clari_pipeline.store.ledger import DocumentCounts, keep_verdicts
from clari_pipeline.store.ledger_rows import PART, ExportRow
from clari_pipeline.sync import evidence, recognising
from clari_pipeline.sync.contract_evidence import of_contract
from clari_pipeline.sync.document_loader import DOCUMENT_ERRORS, DocumentLoader
from clari_pipeline.sync.judging import Judged
from clari_pipeline.sync.sandbox_guard import refuse_sandbox_document
from clari_pipeline.warehouse.session import Session, Warehouse

_REQUEST = (
    "types_to_export",
    "types_refused",
    "scope_id",
    "currency",
    "export_format",
    "include_historical",
    "rows_truncated",
)


@dataclass(frozen=True, slots=True)
class _Staged:
    """A staged document and its facts; `export` is as `_with_document_columns` returns it."""

    export: ExportRow
    document: Document
    facts: facts.DocumentFacts
    recognised: recognising.Recognised


class Loader(DocumentLoader[ExportRow, _Staged]):
    """Merges forecasts' landed documents; a group is a forecast's quarter."""

    ledger = ledger.EXPORTS
    checks = CHECKS
    analyzed = merging.MERGED

    @cached_property
    def _rules(self) -> marts.CallRules:
        return self._context.rules

    @cached_property
    def _reader(self) -> str:
        """Fingerprint of reader and settings, kept with a document: if it differs, an identical one is read in full."""
        settings = self._context.settings
        reader = f"{READER} by {settings.calendar} in {settings.currency}{self._rules.rules.aliases_text}"
        return f"{reader} in production" if self._is_production else reader

    def merge_landed(self, quarter_id: str) -> list[str]:
        """Merge each document of a quarter that has landed and was neither merged nor refused; their request ids.

        Raises, once all others are merged, `LandingError` if a group cannot be rebuilt because a document is damaged,
        else the first of `DOCUMENT_ERRORS` that became no verdict.
        """
        with self._warehouse.session() as session:
            waiting = ledger.landed_of_quarter(session, quarter_id)
        damaged: list[LandingError] = []
        unforeseen: list[Exception] = []
        for request_id in waiting:
            self._context.stop.check()
            try:
                self.merge(request_id)
            except LandingError as error:  # of another document, with which the quarter has to be rebuilt
                damaged.append(error)
            except DOCUMENT_ERRORS as error:
                unforeseen.append(error)
        raise_all(damaged)
        if unforeseen:
            raise unforeseen[0]
        return waiting

    def rebuild(self, forecast_id: str, quarter_id: str) -> list[str]:
        """Rebuild a forecast's quarter from every landed document, in order, the refused re-judged; their ids."""
        return self._rebuild(
            ("quarter", forecast_id, quarter_id),
            lambda session: ledger.exports_of_quarter(session, forecast_id, quarter_id, ledger.LANDED_STATES),
        )

    def _group(self, row: ExportRow) -> Sequence[str]:
        """The lock is held from reading the ledger until the quarter's calls are compared."""
        return "quarter", row.forecast_id, row.time_period_id

    def _transaction(self, session: Session, row: ExportRow) -> AbstractContextManager[None]:
        return merging.transaction(session, row.forecast_id, row.time_period_id)

    def _merge(self, session: Session, row: ExportRow) -> list[str]:
        loaded = ledger.exports_of_quarter(session, row.forecast_id, row.time_period_id, ["LOADED", "RETIRED"])
        others = [other for other in loaded if other.request_id != row.request_id]
        has_retired = any(other.state == "RETIRED" for other in loaded)
        unlike = totals.unlike(session, row.forecast_id, row.time_period_id)
        known = None if has_retired or unlike else _same_document(row, loaded)
        if known is not None and not self._is_refused_as_current(session, row, known):
            self._merge_known(session, row, known)
        elif has_retired or unlike or merging.is_late(row, loaded):  # retired rows are restored in full
            exports = sorted([*others, row], key=merging.order)
            trusted = {other.request_id for other in others}
            beside = evidence.of_tables(row, unlike) if unlike else None
            try:
                self._merge_in_order(session, exports, trusted=trusted, beside=beside)
            except LandingError as error:
                why = f"{evidence.of_unlike(unlike)}, and the quarter cannot be rebuilt: {error}"
                raise LandingError(why if unlike else str(error)) from error
        else:
            self._merge_alone(session, row)
        return [row.request_id]

    def _is_refused_as_current(self, session: Session, row: ExportRow, known: ExportRow) -> bool:
        calendar = known_calendar(session, self._rules.calendar)
        return evidence.is_refused_as_current(session, row, known, calendar)

    def _merge_known(self, session: Session, export: ExportRow, known: ExportRow) -> None:
        """Merge a document identical to `known`, the newest merged, without reading it: record it as changing nothing.

        If its stored lists are of another reader, it is read and merged in full.
        """
        if not merging.restore_lists(session, known, read_by=self._reader):
            self._merge_alone(session, export)
            return
        verdicts = ledger.verdicts_of(session, known.request_id)
        remember_verdicts(verdicts)
        export = replace(
            export,
            types_to_export=known.types_to_export,
            export_format=known.export_format,
            scope_id=known.scope_id,
        )
        with self._transaction(session, export):
            if export.request_id == known.request_id:
                merging.note_unchanged(session, export.request_id, known.rows_staged)
            else:
                self._repeat(session, export, known)
                keep_verdicts(session, carry_over(verdicts, export.request_id, known.job_id), self._now())
            # An identical earlier document proves the download complete.
            found = evidence.of_tops(session, export, self._rules).joined(evidence.of_download(export, is_whole=True))
            keep_verdicts(session, judge(found.joined(evidence.of_tables(export, []))), self._now())
        self._after_commit(session, [export], [export])

    def _repeat(self, session: Session, export: ExportRow, known: ExportRow) -> None:
        """Write what a merge of the identical document would have: ledger row, last seen, load time, derived rows."""
        counts = DocumentCounts(
            rows_exported=known.rows_exported or 0,
            rows_staged=known.rows_staged,
            types_to_export=known.types_to_export,
            export_format=known.export_format,
            scope_id=known.scope_id,
            document_period_id=known.document_period_id,
            call_time_frame_id=facts.call_week(session, self._rules.calendar.day_of(export.as_of)),
            quota_fields=known.quota_fields,
            contract=known.contract,
        )
        ledger.document_read(session, export.request_id, counts)
        merging.note_repeated(session, export, known)
        merging.note_loaded(session, export.request_id, export.loaded_at or self._now())
        self._before_commit(session, export, with_entries=False)

    def _forget_group(self, session: Session, row: ExportRow) -> None:
        merging.forget_quarter(session, row.forecast_id, row.time_period_id)

    def _before_commit(self, session: Session, row: ExportRow, *, with_entries: bool = True) -> None:
        """Rebuild the forecast's people, who are of all its quarters; mark the quarter's marts as outdated; record the
        totals of what the merge leaves, without entries where it has written none.
        """
        marts.forget(session, row.time_period_id)
        merging.rebuild_people(session, row.forecast_id)
        totals.leave(session, row.forecast_id, row.time_period_id, with_entries=with_entries)

    def _after_commit(self, session: Session, rows: list[ExportRow], merged: list[ExportRow]) -> None:
        """Compare the calls of a quarter's exports, and judge the swings of those merged now."""
        forecast_id, quarter_id = rows[0].forecast_id, rows[0].time_period_id
        with session.lock("marts", shared=True), session.lock("periods", quarter_id), session.transaction():
            marts.refresh_quarter(session, forecast_id, quarter_id, self._rules)
            for export in merged:
                keep_verdicts(session, judge(evidence.of_calls(session, export, self._rules)), self._now())

    def _merge_one(self, session: Session, row: ExportRow, staged: _Staged, judged: Judged) -> None:
        export, document, before = staged.export, staged.document, staged.facts
        recognising.name_currencies(session, export, staged.recognised)
        self._keep_counts(session, row.request_id, judged.counts[row.request_id])
        is_judged = not judged.is_trusted(row.request_id)
        warnings = evidence.against_what_is_known(session, export, document, self._rules) if is_judged else None
        merged = merging.merge(session, export, self._rules.calendar, before.measures_left_out)
        merging.keep_contract(session, export, document.contract.fingerprint)
        merging.keep_lists(session, export, read_by=self._reader)
        if warnings is None:
            return
        found = evidence.after_the_merge(
            session, export, document, before, staged.recognised, merged, partial(self._count_exactly, session, row)
        )
        tops = evidence.of_tops(session, export, self._rules).joined(evidence.of_tables(export, []))
        self._reconciled(row.request_id, judged, warnings.joined(found).joined(tops))
        merging.note_loaded(session, row.request_id, row.loaded_at or self._now())

    def _staged_tables(self) -> Sequence[str]:
        return merging.STAGED

    def _read(
        self, session: Session, row: ExportRow, landed: LandedDocument, judged: Judged
    ) -> tuple[_Staged, ExportFacts]:
        """Stage the document, with its ids replaced by those of the quarter's earlier exports."""
        calendar, asked = known_calendar(session, self._rules.calendar), Quarter.parse(row.time_period_id)
        staging = merging.Staging(session, asked, calendar)
        with landed.open() as stream:
            currency = self._context.settings.currency if _is_from_elsewhere(row) else row.currency
            document = read_document(stream, calendar, staging.take, currency=currency, asked=asked)
        landed.keep_contract(document.contract.fingerprint, document.contract.kinds())
        staging.end(with_days(document.tables, calendar.zone) | {"raw_contract": document.contract.table()})
        if self._is_production:
            refuse_sandbox_document(landed, facts.people_invented(session))
        recognised = recognising.recognise(session, row, document, self._rules.rules, calendar, judged.shapes)
        found = facts.of_staged_document(session, calendar.day_of(row.as_of))
        grace = timedelta(days=self._context.settings.quarter_grace_days)
        export_facts = evidence.of_document(row, document, found, calendar, grace, recognised.joined)
        export_facts = export_facts.joined(recognised.facts(row)).joined(self._of_download(row, landed))
        export = _with_document_columns(row, document, found)
        if _is_from_elsewhere(row) and found.scope_id is None:
            part = facts.part_shown(session, row)
            export = replace(export, scope_id=None if part is None else f"{PART}{part}")
        before = facts.contract_before(session, export, document.shape)
        export_facts = export_facts.joined(of_contract(export, document.contract, before))
        judged.counts[row.request_id] = DocumentCounts(
            rows_exported=document.entry_count,
            rows_staged=found.rows_staged,
            types_to_export=export.types_to_export,
            export_format=export.export_format,
            scope_id=export.scope_id,
            document_period_id=found.period_ids,
            call_time_frame_id=found.call_time_frame_id,
            quota_fields=found.quota_fields if "quota" in export.types else None,
            contract=document.contract.fingerprint,
        )
        return _Staged(export, document, found, recognised), export_facts

    def _of_download(self, row: ExportRow, landed: LandedDocument) -> ExportFacts:
        return evidence.of_download(row, is_whole=landed.is_whole)

    def _keep_counts(self, session: Session, request_id: str, counts: DocumentCounts) -> None:
        ledger.document_read(session, request_id, counts)

    def _labels(self, row: ExportRow) -> tuple[str, str]:
        return row.forecast_id, row.time_period_id

    def _count_exactly(self, session: Session, export: ExportRow) -> Totals:
        calendar = known_calendar(session, self._rules.calendar)
        with self.landing.find(export.document).open() as stream:
            return count_exactly(stream, calendar, Quarter.parse(export.time_period_id))


def has_landed(warehouse: Warehouse, quarter_id: str) -> bool:
    """Whether a document of the quarter waits to be merged."""
    with warehouse.session() as session:
        return bool(ledger.landed_of_quarter(session, quarter_id))


def raise_all(damaged: list[LandingError]) -> None:
    """Raise one `LandingError` with the messages of all of these, if there are any."""
    if damaged:
        raise LandingError("; ".join(dict.fromkeys(map(str, damaged)))) from damaged[0]


def _same_document(export: ExportRow, loaded: list[ExportRow]) -> ExportRow | None:
    """The newest of the loaded exports, if its request and its document (SHA-256) are the same; else None."""
    if not loaded or merging.order(loaded[-1]) > merging.order(export):
        return None
    known = loaded[-1]
    are_from_elsewhere = _is_from_elsewhere(export) and _is_from_elsewhere(known)
    is_alike = all(
        getattr(export, name) == getattr(known, name) or (getattr(export, name) is None and are_from_elsewhere)
        for name in _REQUEST
    )
    return known if is_alike and export.result_sha256 == known.result_sha256 else None


def _is_from_elsewhere(export: ExportRow) -> bool:
    """Whether its document was not exported by this pipeline: `replay --document` made its ids."""
    return export.request_id == export.job_id


def _with_document_columns(export: ExportRow, document: Document, found: facts.DocumentFacts) -> ExportRow:
    """The export, with types, format and scope from the document where the request is unknown (from elsewhere)."""
    if export.types_to_export is not None:
        return export
    return replace(
        export,
        types_to_export=",".join(sorted(document.types)),
        export_format="CSV" if document.shape == "long_csv" else "JSON",
        scope_id=found.scope_id,
    )
