"""A landed document of a product: read, judged, merged in one transaction with its ledger row, or refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clari_pipeline.checks.export_gate import PRODUCT_CHECKS, ExportFacts, Verdict, judge, reason, warm_up
from clari_pipeline.core.runbook import Problem
from clari_pipeline.documents.rows import UNREADABLE, DocumentUnreadable, why_unreadable
from clari_pipeline.landing import PRODUCTS, LandedDocument, Landing, LandingError
from clari_pipeline.store import fetches, product_rows
from clari_pipeline.store.ledger import FETCHES
from clari_pipeline.sync.context import Context
from clari_pipeline.sync.events import Merged, Refused
from clari_pipeline.sync.invented import refuse_invented
from clari_pipeline.sync.judging import keep_verdicts
from clari_pipeline.sync.products.spec import Found, Product
from clari_pipeline.sync.recording import row_of
from clari_pipeline.warehouse.session import Session
from clari_pipeline.warehouse.statements import Record


class _Unreconciled(Exception):
    """The merged rows are not what the document says; the transaction is not kept."""

    def __init__(self, verdicts: list[Verdict]) -> None:
        super().__init__(reason(verdicts))
        self.verdicts = verdicts


class ProductLoader:
    """Merges what has landed of one product."""

    def __init__(self, context: Context, product: Product) -> None:
        self._context = context
        self._product = product
        self.name = product.name
        self.tables = product.tables
        self.landing = landing_of(context.landing)

    def load_waiting(self, run_id: str) -> None:
        """Merge each document that has landed and was neither merged nor refused, the oldest first, in this run."""
        with self._context.warehouse.session() as session:
            waiting = fetches.waiting(session, self._product.name)
            for request_id in waiting:
                FETCHES.reassign(session, request_id, run_id)
        for request_id in waiting:
            self._context.stop.check()
            self.load(request_id)

    def landed_unsaid(self, session: Session, request_id: str) -> bool:
        """Whether a fetch's document is safe on disk, though its run died before the ledger said so; it says so now."""
        manifests = self.landing.root.glob(f"{self._product.name}/[!.]*/{request_id}/manifest.json")
        folder = next((manifest.parent for manifest in manifests), None)
        if folder is None:
            return False
        document = self.landing.find(folder.relative_to(self.landing.root).as_posix())
        row = row_of(dict(document.manifest))
        FETCHES.landed(
            session,
            request_id,
            landed_at=row["landed_at"],
            answer_count=row["answer_count"],
            result_bytes=document.size,
            result_sha256=document.sha256,
            landing_path=self.landing.path_of(document),
        )
        return True

    def load(self, request_id: str) -> None:
        """Merge one document, or refuse it; what another process has merged meanwhile is left alone."""

        def load(session: Session) -> None:
            with session.lock("product", self._product.name):
                fetch = FETCHES.row(session, request_id)
                if fetch["state"] == "LANDED" and fetches.is_late(session, fetch):
                    self._rebuild(session)  # its records take their place among those that are newer
                elif fetch["state"] == "LANDED":
                    self._load(session, fetch)

        self._context.warehouse.with_retry(load)
        self._tell(request_id)

    def rebuild(self) -> list[str]:
        """Rebuild the product's tables from every landed document, in order, all or nothing; their ids."""
        done: list[str] = []

        def rebuild(session: Session) -> None:
            with session.lock("product", self._product.name):
                done[:] = self._rebuild(session)

        self._context.warehouse.with_retry(rebuild)
        return done

    def _rebuild(self, session: Session) -> list[str]:
        """The caller holds the product's turn."""
        warm_up()
        request_ids = fetches.landings(session, self._product.name)
        unreconciled: dict[str, list[Verdict]] = {}
        while request_ids and not self._rebuilt(session, request_ids, unreconciled):
            pass
        return request_ids

    def know_all(self) -> list[Problem]:
        """Give each landed document of the product its ledger row, unless it has one; those that are damaged."""
        damaged: dict[str, LandingError] = {}
        with self._context.warehouse.session():  # the file is opened once
            for document in self.landing.readable(damaged.__setitem__):
                if document.manifest.get("product") == self._product.name:
                    self._know(document)
        return [Problem.of_error(error) for error in damaged.values()]

    def _rebuilt(self, session: Session, request_ids: list[str], unreconciled: dict[str, list[Verdict]]) -> bool:
        """Merge these in one transaction; where one does not reconcile, none is kept: it is left out next time."""
        fetch: Record = {}
        try:
            with session.transaction():
                self._product.forget(session)
                for request_id in request_ids:
                    fetch = FETCHES.row(session, request_id)
                    if request_id in unreconciled:
                        self._refuse(session, fetch, unreconciled[request_id], rows_exported=None)
                    else:
                        self._fold(session, fetch)
        except _Unreconciled as error:
            unreconciled[fetch["request_id"]] = error.verdicts
            return False
        return True

    def _load(self, session: Session, fetch: Record) -> None:
        warm_up()
        try:
            with session.transaction():
                self._fold(session, fetch)
        except _Unreconciled as error:
            with session.transaction():
                self._refuse(session, fetch, error.verdicts, rows_exported=None)

    def _fold(self, session: Session, fetch: Record) -> None:
        """Judge and merge one document. The caller holds the transaction."""
        try:
            document, found = self._staged(session, fetch)
        except (DocumentUnreadable, LandingError) as error:
            if isinstance(error, LandingError) and fetch["state"] == "LOADED":
                raise  # its records would be lost
            evidence = {"export_is_readable": {"summary": str(error), "document": fetch["landing_path"]}}
            self._refuse(session, fetch, _judged(fetch, {"reading_faults": 1}, evidence), rows_exported=None)
            return
        verdicts = _judged(fetch, _facts(fetch, found), _evidence(session, fetch, found))
        if any(verdict.keeps_out for verdict in verdicts):
            self._refuse(session, fetch, verdicts, rows_exported=found.rows_exported)
            return
        asked_by = document.manifest.get("run_id") or fetch["run_id"]  # whichever run merges it
        merged = self._product.merge(session, fetch | {"run_id": asked_by}, found)
        exported, staged, there = found.rows_exported, merged.rows_staged, merged.rows_merged
        difference = abs(staged - there) + max(0, staged - exported)
        verdicts += _judged(
            fetch,
            {"rows_unreconciled": difference},
            {
                "row_counts_reconcile": {
                    "summary": f"{exported} records, {staged} staged, {there} merged",
                    "rows_exported": exported,
                    "rows_staged": staged,
                    "rows_merged": there,
                }
            },
        )
        if any(verdict.keeps_out for verdict in verdicts):
            raise _Unreconciled(verdicts)
        FETCHES.loaded(
            session,
            fetch["request_id"],
            loaded_at=fetch["loaded_at"] or self._context.now(),
            rows_exported=found.rows_exported,
            rows_staged=merged.rows_staged,
            rows_inserted=merged.rows_inserted,
            rows_updated=merged.rows_updated,
            rows_unchanged=merged.rows_unchanged,
        )
        keep_verdicts(session, verdicts, self._context.now())

    def _staged(self, session: Session, fetch: Record) -> tuple[LandedDocument, Found]:
        """Raises `DocumentUnreadable`, and `LandingError` where the document is not what was landed."""
        document = self.landing.find(fetch["landing_path"])
        try:
            with document.open() as stream:
                found = self._product.stage(session, stream, fetch)
            if self._context.settings.env == "prod":
                refuse_invented(document, product_rows.people_invented(session, self._product.name))
        except UNREADABLE as error:
            document.prove()
            raise DocumentUnreadable(why_unreadable(error)) from error
        return document, found

    def _refuse(self, session: Session, fetch: Record, verdicts: list[Verdict], *, rows_exported: int | None) -> None:
        FETCHES.refused(session, fetch["request_id"], rows_exported=rows_exported, error=reason(verdicts))
        keep_verdicts(session, verdicts, self._context.now())

    def _know(self, document: LandedDocument) -> None:
        with self._context.warehouse.session() as session:
            FETCHES.restore(
                session,
                **row_of(dict(document.manifest)),
                result_sha256=document.sha256,
                result_bytes=document.size,
                landing_path=self.landing.path_of(document),
            )

    def _tell(self, request_id: str) -> None:
        """What became of the document, once that is kept."""
        with self._context.warehouse.session() as session:
            fetch = FETCHES.row(session, request_id)
        which: dict[str, Any] = {
            "request_id": request_id,
            "forecast_id": self._product.name,
            "time_period_id": window_of(fetch),
            "at": self._context.now(),
        }
        if fetch["state"] == "LOADED":
            counts = {name: fetch[name] for name in ("rows_staged", "rows_inserted", "rows_updated", "rows_unchanged")}
            self._context.hooks.tell(Merged(**which, **counts, rows_disappeared=0))
        else:
            self._context.hooks.tell(Refused(**which, error=fetch["error"] or ""))


def landing_of(landing: Landing) -> Landing:
    """Where documents of products land: `landing/products/<product>/<when>/<fetch>/`, apart from forecasts'."""
    return Landing(landing.root / PRODUCTS, is_of_a_sandbox=landing.is_of_a_sandbox)


def window_of(fetch: Record) -> str:
    """The window, for people; the day on which it was asked for where the product has none."""
    if fetch["window_from"] is None:
        return f"{fetch['submitted_at']:%Y-%m-%d}"
    return f"{fetch['window_from']:%Y-%m-%d}_{fetch['window_to']:%Y-%m-%d}"


def _judged(fetch: Record, facts: Mapping[str, int], evidence: Mapping[str, Mapping[str, Any]]) -> list[Verdict]:
    return judge(ExportFacts(request_id=fetch["request_id"], facts=facts, evidence=evidence), PRODUCT_CHECKS)


def _facts(fetch: Record, found: Found) -> dict[str, int]:
    flags = {} if fetch["rows_truncated"] is None else {"truncation_flags": int(fetch["rows_truncated"])}
    return {"reading_faults": 0, "rows_exported": found.rows_exported, **flags, **found.facts}


def _evidence(session: Session, fetch: Record, found: Found) -> dict[str, dict[str, Any]]:
    """What is said of each check that breaks, and examples."""
    facts = found.facts
    said = {
        "export_is_not_truncated": ("", _cut_off(fetch)),
        "records_are_complete": ("records_without_key", "{} records do not say what they are"),
        "moments_are_readable": ("unreadable_moments", "{} moments are none, and were left empty"),
        "scores_are_readable": ("unreadable_scores", "{} scores are no number that fits, and were left empty"),
        "parts_are_complete": (
            "parts_without_key",
            "{} records or parts of them do not say what they are, and were left out",
        ),
        "opportunities_are_known": ("ids_missing", "{} opportunities were asked for and did not come"),
        "records_are_of_the_window": (
            "other_windows",
            f"no record is of {window_of(fetch)}, the days asked for: "
            + ("the job found for a lost answer was another" if fetch["is_adopted"] else "Clari sent other days")
            + "; run again",
        ),
        "window_is_not_empty": ("", "the document holds no record"),
    }
    evidence: dict[str, dict[str, Any]] = {
        check: {"summary": text.format(facts.get(fact, 0))}
        | ({"examples": found.examples[fact]} if found.examples.get(fact) else {})
        for check, (fact, text) in said.items()
    }
    if fetch["gap_from"] is not None:
        evidence["window_has_no_gap"] = {
            "summary": gap_sentence(session, fetch),
            "gap_from": fetch["gap_from"],
            "gap_to": fetch["gap_to"],
        }
    return evidence


def _cut_off(fetch: Record) -> str:
    if fetch["window_from"] == fetch["window_to"] and fetch["window_from"] is not None:
        return (
            f"Clari cuts {fetch['product']} of {fetch['window_from']:%Y-%m-%d} off, and less than a day cannot be "
            "asked for: that day is missing, others are not concerned; have Clari raise the limit of an export"
        )
    return f"Clari cut rows or cells off of {window_of(fetch)}: shorter windows are asked for, down to a day"


def gap_sentence(session: Session, fetch: Record) -> str:
    """What is missing, for people, and why."""
    refused = fetches.refused_within(session, fetch)
    why = (
        f"{refused} documents of then were refused: they lie below data/landing, and replay merges what can be read now"
        if refused
        else "nothing came meanwhile; sync at least weekly"
    )
    return (
        f"{fetch['product']} from {fetch['gap_from']:%Y-%m-%d %H:%M} to {fetch['gap_to']:%Y-%m-%d %H:%M} UTC is "
        f"missing and cannot be had again: Clari keeps it for 30 days, and {why}"
    )
