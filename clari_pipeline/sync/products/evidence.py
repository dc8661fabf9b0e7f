"""Build the facts that the gate judges a product's document by, with evidence for each check."""

from typing import Any

from clari_pipeline.checks.export_gate import ExportFacts
from clari_pipeline.store import fetches
from clari_pipeline.store.ledger_rows import FetchRow
from clari_pipeline.store.product_rows import Merged
from clari_pipeline.sync.products.reading import ReadResult
from clari_pipeline.warehouse.session import Session


def window_of(fetch: FetchRow) -> str:
    """The window as FIRST_LAST day; for a product without windows, the day of the request."""
    if fetch.window_from is None:
        return f"{fetch.submitted_at:%Y-%m-%d}"
    return f"{fetch.window_from:%Y-%m-%d}_{fetch.window_to:%Y-%m-%d}"


def of_document(session: Session, fetch: FetchRow, found: ReadResult) -> ExportFacts:
    """Facts of the document alone."""
    flags = {} if fetch.rows_truncated is None else {"is_truncated": fetch.rows_truncated}
    facts = {"is_readable": True, "rows_exported": found.rows_exported, **flags, **found.facts}
    return ExportFacts(request_id=fetch.request_id, facts=facts, evidence=_evidence(session, fetch, found))


def after_the_merge(fetch: FetchRow, found: ReadResult, merged: Merged) -> ExportFacts:
    """Facts of the merge: row counts of document, stage and table."""
    exported, staged, there = found.rows_exported, merged.rows_staged, merged.rows_merged
    counts = {"rows_exported": exported, "rows_staged": staged, "rows_merged": there}
    summary = f"{exported} records, {staged} staged, {there} merged"
    return ExportFacts(
        request_id=fetch.request_id,
        facts={"rows_unreconciled": abs(staged - there) + max(0, staged - exported)},
        evidence={"row_counts_reconcile": {"summary": summary} | counts},
    )


def _evidence(session: Session, fetch: FetchRow, found: ReadResult) -> dict[str, dict[str, Any]]:
    """Summary and examples for each check, whether it breaks or not."""
    facts = found.facts
    summaries = {
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
            + ("the job found for a lost answer was another" if fetch.is_adopted else "Clari sent other days")
            + "; run again",
        ),
        "window_is_not_empty": ("", "the document holds no record"),
    }
    evidence: dict[str, dict[str, Any]] = {
        check: {"summary": text.format(facts.get(fact, 0))}
        | ({"examples": found.examples[fact]} if found.examples.get(fact) else {})
        for check, (fact, text) in summaries.items()
    }
    if fetch.gap_from is not None:
        evidence["window_has_no_gap"] = {
            "summary": gap_sentence(session, fetch),
            "gap_from": fetch.gap_from,
            "gap_to": fetch.gap_to,
        }
    return evidence


def _cut_off(fetch: FetchRow) -> str:
    if fetch.window_from == fetch.window_to and fetch.window_from is not None:
        return (
            f"Clari cuts {fetch.product} of {fetch.window_from:%Y-%m-%d} off, and less than a day cannot be "
            "asked for: that day is missing, others are not concerned; have Clari raise the limit of an export"
        )
    return f"Clari cut rows or cells off of {window_of(fetch)}: shorter windows are asked for, down to a day"


def gap_sentence(session: Session, fetch: FetchRow) -> str:
    """The message on a fetch's gap: what is missing, and why."""
    refused = fetches.refused_within(session, fetch)
    why = (
        f"{refused} documents of then were refused: they lie below data/landing, and replay merges what can be read now"
        if refused
        else "nothing came meanwhile; sync at least weekly"
    )
    return (
        f"{fetch.product} from {fetch.gap_from:%Y-%m-%d %H:%M} to {fetch.gap_to:%Y-%m-%d %H:%M} UTC is "
        f"missing and cannot be had again: Clari keeps it for 30 days, and {why}"
    )
