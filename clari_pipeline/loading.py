"""The second half of the spine: a landed document is read, judged, merged, and its calls compared.

`Loader.load` takes one export up from the ledger, `Loader.rebuild` a forecast's whole quarter. Both leave in the
ledger what happened; what is refused stays landed and out of the tables.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from clari_pipeline.documents import MEASURES, Document, DocumentUnreadable, read_document
from clari_pipeline.landing import Landing
from clari_pipeline.periods import Quarter
from clari_pipeline.quality.export_gate import ExportFacts, Verdict, judge, reason
from clari_pipeline.warehouse import facts, ledger, marts, merging
from clari_pipeline.warehouse.connection import Warehouse
from clari_pipeline.warehouse.marts import CallRules
from clari_pipeline.warehouse.statements import Connection, Record

_MEASURE_TYPES = dict(zip(("forecast", "quota", "adjustment", "crm_total", "crm_closed"), MEASURES, strict=True))
_SHOWN = 20


class _Unreconciled(Exception):
    """The merged rows are not what the document says; the transaction is not kept."""

    def __init__(self, request_id: str) -> None:
        super().__init__(request_id)
        self.request_id = request_id


@dataclass(slots=True)
class _Judged:
    """Verdicts so far, by export."""

    verdicts: dict[str, list[Verdict]] = field(default_factory=dict)

    def add(self, request_id: str, verdicts: list[Verdict]) -> None:
        self.verdicts.setdefault(request_id, []).extend(verdicts)

    def is_refused(self, request_id: str) -> bool:
        return any(verdict.keeps_out for verdict in self.verdicts.get(request_id, ()))


class Loader:
    """Merges landed documents. `grace_days` is how long a new quarter may have nothing to show."""

    def __init__(
        self,
        warehouse: Warehouse,
        landing: Landing,
        rules: CallRules,
        *,
        grace_days: int,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._warehouse = warehouse
        self._landing = landing
        self._rules = rules
        self._grace = timedelta(days=grace_days)
        self._now = now

    def load(self, request_id: str, *, again: bool = False) -> None:
        """Merge one landed export, or refuse it; one that is late has its quarter rebuilt in order.

        What another process has merged or refused meanwhile is left alone, unless it is to be done `again`.
        """
        with self._warehouse.session() as connection:
            export = ledger.export(connection, request_id)
            if export["state"] != "LANDED" and not again:
                return
            if merging.is_late(connection, export):
                known = ledger.exports_of_quarter(
                    connection, export["forecast_id"], export["time_period_id"], ["LOADED"]
                )
                exports = sorted(
                    [*(other for other in known if other["request_id"] != request_id), export],
                    key=merging.order,
                )
                self._merge_whole(connection, exports, judge_only=request_id)
            else:
                self._merge_whole(connection, [export], judge_only=request_id, anew=False)

    def rebuild(self, forecast_id: str, quarter_id: str) -> None:
        """Merge every landed document of a forecast's quarter again, in order, the refused judged anew."""
        with self._warehouse.session() as connection:
            exports = ledger.exports_of_quarter(connection, forecast_id, quarter_id, ledger.LANDED_STATES)
            self._merge_whole(connection, exports)

    def _merge_whole(
        self,
        connection: Connection,
        exports: list[Record],
        *,
        judge_only: str | None = None,
        anew: bool = True,
    ) -> None:
        """One transaction; where a merge does not reconcile, once more without that export."""
        judged = _Judged()
        while True:
            connection.begin()
            try:
                self._fold(connection, exports, judged, judge_only=judge_only, anew=anew)
                self._keep_verdicts(connection, exports, judged)
                connection.commit()
                break
            except _Unreconciled:
                connection.rollback()
            except BaseException:
                connection.rollback()
                raise
        forecast_id, quarter_id = exports[0]["forecast_id"], exports[0]["time_period_id"]
        connection.begin()
        try:
            marts.compare_calls(connection, forecast_id, quarter_id, self._rules)
            for export in exports:
                if ledger.export(connection, export["request_id"])["state"] == "LOADED":
                    keep_verdicts(connection, self._judge_swings(connection, export), self._now())
            connection.commit()
        except BaseException:
            connection.rollback()
            raise

    def _fold(
        self,
        connection: Connection,
        exports: list[Record],
        judged: _Judged,
        *,
        judge_only: str | None,
        anew: bool,
    ) -> None:
        """Merge the documents one after the other, as if each had arrived when it was exported."""
        forecast_id, quarter_id = exports[0]["forecast_id"], exports[0]["time_period_id"]
        if anew:
            merging.forget_quarter(connection, forecast_id, quarter_id)
        for export in exports:
            if judged.is_refused(export["request_id"]):
                continue
            is_trusted = judge_only not in {None, export["request_id"]}
            document = self._stage(connection, export, judged)
            if document is None:
                continue
            before = facts.of_staged_document(connection, export)
            ledger.document_read(
                connection,
                export["request_id"],
                rows_exported=document.entry_count,
                rows_staged=before["rows_staged"],
                document_period_id=_periods(before),
                call_time_frame_id=before["call_time_frame_id"],
            )
            if not is_trusted:
                judged.verdicts[export["request_id"]] = judge([self._document_facts(export, document, before)])
                if judged.is_refused(export["request_id"]):
                    continue
            warnings = None if is_trusted else self._warning_facts(connection, export, document, before)
            merged = merging.merge(connection, export)
            if warnings is None:
                continue
            reconciled = _merged_facts(connection, export, document, before, merged)
            judged.add(export["request_id"], judge([warnings.joined(reconciled)]))
            if judged.is_refused(export["request_id"]):
                raise _Unreconciled(export["request_id"])
            merging.note_loaded(connection, export["request_id"], export["loaded_at"] or self._now())
        merging.renew_people(connection, forecast_id)

    def _stage(self, connection: Connection, export: Record, judged: _Judged) -> Document | None:
        """The document's rows in this session's staging tables; None, and a verdict, where it cannot be read.

        A document that is damaged on our own disk is no verdict on the export: `LandingError` stops the merge, and
        the tables stay as they are.
        """
        try:
            content = self._landing.find(export["landing_path"]).read()
            document = read_document(io.BytesIO(content), self._rules.calendar)
        except DocumentUnreadable as error:
            evidence = {"export_is_readable": {"summary": str(error), "document": export["landing_path"]}}
            judged.verdicts[export["request_id"]] = judge(
                [ExportFacts(request_id=export["request_id"], facts={"reading_faults": 1}, evidence=evidence)]
            )
            return None
        merging.stage(connection, document.tables)
        return document

    def _keep_verdicts(self, connection: Connection, exports: list[Record], judged: _Judged) -> None:
        for export in exports:
            verdicts = judged.verdicts.get(export["request_id"], [])
            if judged.is_refused(export["request_id"]):
                ledger.refused(connection, export["request_id"], reason(verdicts))
            keep_verdicts(connection, verdicts, self._now())

    def _document_facts(self, export: Record, document: Document, found: facts.Facts) -> ExportFacts:
        """What the document alone says."""
        quarter = Quarter.parse(export["time_period_id"])
        outside = [period for period in found["periods"] if not self._lies_in(quarter, period)]
        begins = self._rules.calendar.first_day(quarter)
        return ExportFacts(
            request_id=export["request_id"],
            is_in_grace=export["exported_at"].date() < begins + self._grace,
            facts={
                "reading_faults": 0,
                "rows_exported": document.entry_count,
                "truncation_flags": int(bool(export["rows_truncated"])),
                "periods_outside": len(outside),
                "null_keys": found["null_keys"],
                "conflicting_keys": found["conflicting_keys"],
                "unreadable_amounts": found["unreadable_amounts"],
            },
            evidence={
                "export_is_readable": {"shape": document.shape, "unknown_keys": document.unknown_keys},
                "export_is_not_empty": {"summary": f"the document for {quarter} holds no entries"},
                "export_is_not_truncated": {
                    "summary": "Clari says that the document is cut off (rowsTruncated or cellsTruncated): "
                    "export a smaller scope with CLARI_SCOPE_ID"
                },
                "export_period_matches_request": {
                    "summary": f"{quarter} was asked for, {_periods(found) or 'nothing'} came",
                    "requested": str(quarter),
                    "delivered": [period["time_period_id"] for period in found["periods"]],
                },
                "entry_keys_are_complete": _named(
                    found["null_keys"], "entries lack a part of their key", found["entries_without_key"]
                ),
                "entry_keys_are_unique": {
                    **_named(
                        found["conflicting_keys"],
                        "keys stand on entries that differ",
                        found["entries_in_conflict"],
                    ),
                    "exact_duplicates_dropped": found["rows_written"] - found["rows_staged"],
                },
                "amounts_are_readable": _named(
                    found["unreadable_amounts"], "amounts cannot be read", found["amounts_unreadable"]
                ),
            },
        )

    def _lies_in(self, quarter: Quarter, period: Mapping[str, Any]) -> bool:
        """A quarter lies in itself; a month by its days, or by its label where it has none."""
        if period["time_period_id"] == str(quarter):
            return True
        if period["period_type"] == "QUARTER":
            return False
        days = (period["start_date"], period["end_date"])
        if None in days:
            labelled = self._rules.calendar.month_of_label(period["label"] or "")
            if labelled is None:
                return False
            days = labelled
        return self._rules.calendar.contains(quarter, *days)

    def _warning_facts(
        self, connection: Connection, export: Record, document: Document, found: facts.Facts
    ) -> ExportFacts:
        """What is worth a look, against what is known already."""
        previous = facts.previous_export(connection, export)
        currencies = facts.currencies_changed(connection, export)
        shared = facts.people_shared(connection)
        tops = facts.tops(connection)
        named = [top for top in tops if self._rules.top_user in {top["user_id"], top["email"], top["name"]}]
        of_interest = {
            "currencies_changed": sum(change["entries"] for change in currencies),
            "people_shared": len(shared),
            # In hundredths of a row: 0 is exactly 15 % fewer.
            "rows_above_tolerance": document.entry_count * 100 - (previous["rows_exported"] * 85 if previous else 0),
            "tops_beside_one": abs(len(named if self._rules.top_user else tops) - 1),
        }
        return ExportFacts(
            request_id=export["request_id"],
            facts=of_interest,
            evidence={
                "row_count_is_stable": {
                    "summary": f"{document.entry_count} entries, "
                    f"where the export before had {previous['rows_exported'] if previous else 0}",
                    "rows_exported": document.entry_count,
                    "previous": previous,
                },
                "currency_is_stable": {
                    "summary": "; ".join(
                        f"{change['entries']} entries went from {change['known_currency']} to {change['currency']}"
                        for change in currencies
                    ),
                    "changes": currencies,
                },
                "people_are_distinct": {
                    "summary": "; ".join(
                        f"CRM person {person['crm_user_id']} is {' and '.join(person['user_ids'])}" for person in shared
                    ),
                    "people": shared,
                },
                "totals_have_one_top": {
                    "summary": f"{len(tops)} people stand at the top "
                    f"({', '.join(top['name'] or top['user_id'] for top in tops) or 'no roles'}): "
                    "CLARI_TOP_USER names the one whose row is the total",
                    "tops": tops,
                    "CLARI_TOP_USER": self._rules.top_user,
                },
            },
        )

    def _judge_swings(self, connection: Connection, export: Record) -> list[Verdict]:
        swings = marts.swings_of(connection, export["job_id"])
        swung = {(swing["user_id"], swing["time_period_id"], swing["field_id"]) for swing in swings}
        marts.find_quota_field(connection, export["forecast_id"], export["time_period_id"], self._rules)
        ambiguous = facts.quota_ambiguous(connection)
        return judge(
            [
                ExportFacts(
                    request_id=export["request_id"],
                    facts={"swings": len(swings), "quotas_ambiguous": len(ambiguous)},
                    evidence={
                        "forecast_swings_within_threshold": {
                            "summary": f"{len(swung)} calls moved by more than {self._rules.swing_threshold:.0%}",
                            "threshold": self._rules.swing_threshold,
                            "largest": swings[:_SHOWN],
                        },
                        "quota_field_is_unambiguous": {
                            "summary": "; ".join(
                                f"the quota of {period['time_period_id']} stands on {', '.join(period['field_ids'])}"
                                for period in ambiguous
                            )
                            + ": CLARI_QUOTA_FIELD names the one that counts",
                            "periods": ambiguous,
                            "CLARI_QUOTA_FIELD": self._rules.quota_field,
                        },
                    },
                )
            ]
        )


def keep_verdicts(connection: Connection, verdicts: list[Verdict], at: datetime) -> None:
    """Write verdicts into `export_check`, over those of the same export and check."""
    for verdict in verdicts:
        ledger.judged(
            connection,
            verdict.request_id,
            check_name=verdict.check_name,
            passed=verdict.passed,
            severity=verdict.severity,
            evidence=verdict.evidence,
            at=at,
        )


def _merged_facts(
    connection: Connection, export: Record, document: Document, before: facts.Facts, merged: merging.Merged
) -> ExportFacts:
    """Document against stage against table: counts, and control totals taken from the document's own text."""
    duplicates = before["rows_written"] - before["rows_staged"]
    counts = {
        "document": document.entry_count,
        "exact_duplicates_dropped": duplicates,
        "staged": before["rows_staged"],
        "inserted_updated_unchanged": merged.rows_shown,
        "merged": merged.rows_merged,
    }
    unreconciled = (
        abs(document.entry_count - duplicates - before["rows_staged"])
        + abs(before["rows_staged"] - merged.rows_shown)
        + abs(merged.rows_shown - merged.rows_merged)
    )
    asked = {_MEASURE_TYPES[name] for name in export["types_to_export"].split(",") if name in _MEASURE_TYPES}
    in_table = merging.control_totals(connection, export)
    in_document = {key: (total.total, total.count) for key, total in document.control_totals.items()}
    nothing = (Decimal(0), 0)
    differing = [
        {
            "field_id": key[0],
            "measure": key[1],
            "document": in_document.get(key, nothing),
            "merged": in_table.get(key, nothing),  # type: ignore[arg-type]
        }
        for key in sorted(in_document.keys() | in_table.keys(), key=str)
        if key[1] in asked and in_document.get(key, nothing) != in_table.get(key, nothing)  # type: ignore[arg-type]
    ]
    return ExportFacts(
        request_id=export["request_id"],
        facts={"rows_unreconciled": unreconciled, "totals_unreconciled": len(differing)},
        evidence={
            "row_counts_reconcile": {"summary": f"rows do not reconcile: {counts}", **counts},
            "control_totals_reconcile": {
                "summary": f"{len(differing)} control totals differ",
                "totals": len(in_document),
                "differing": differing[:_SHOWN],
            },
        },
    )


def _periods(found: facts.Facts) -> str:
    return ",".join(period["time_period_id"] for period in found["periods"])


def _named(count: int, what: str, shown: list[Record]) -> dict[str, Any]:
    """Evidence that names the first offenders."""
    first = ", ".join(f"{key} {value}" for key, value in shown[0].items()) if shown else ""
    return {"summary": f"{count} {what}; the first: {first}", "entries": shown}
