"""What a document of a product beside the forecast is held to: the same gate, some of the same checks."""

from __future__ import annotations

from clari_pipeline.checks.export_gate import CHECKS, Check

PRODUCT_CHECKS = {
    check.name: check
    for check in (
        CHECKS["export_is_readable"],
        CHECKS["export_is_not_truncated"],
        CHECKS["row_counts_reconcile"],
        Check(
            "records_are_complete",
            "records_without_key",
            "Records name what they are; a few events or activities that do not are left out.",
            most=0,
        ),
        Check(
            "moments_are_readable",
            "unreadable_moments",
            "Every moment in the document is one, or is not there; what is none is left empty.",
            most=0,
            keeps_out=False,
        ),
        Check(
            "scores_are_readable",
            "unreadable_scores",
            "Every score is a number of at most 14 digits and four decimals, or is not there; others are left empty.",
            most=0,
            keeps_out=False,
        ),
        Check(
            "records_are_of_the_window",
            "other_windows",
            "The document is of the days that were asked for: of two jobs that look alike, it may be the other's.",
            most=0,
        ),
        Check(
            "parts_are_complete",
            "parts_without_key",
            "Every record, and every part of it, names what it is; others are left out.",
            most=0,
            keeps_out=False,
        ),
        Check(
            "window_is_not_empty",
            "rows_exported",
            "The document holds at least one record.",
            least=1,
            keeps_out=False,
        ),
        Check(
            "window_has_no_gap",
            "hours_missing",
            "Between this window and the one before nothing is missing: Clari keeps audit events for 30 days.",
            most=0,
            keeps_out=False,
        ),
        Check(
            "opportunities_are_known",
            "ids_missing",
            "Clari knows every opportunity that it maps activity to.",
            most=0,
            keeps_out=False,
        ),
    )
}
