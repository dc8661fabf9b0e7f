"""Dagster's asset checks: they report the verdicts in `export_check`, and judge nothing themselves."""

from collections.abc import Iterator, Sequence

import dagster as dg

from clari_pipeline.checks.export_gate import CHECKS, Verdict
from clari_pipeline.core.runbook import anchor, with_anchor
from clari_pipeline.core.safe_text import one_line
from clari_pipeline.defs.metadata import evidence_metadata
from clari_pipeline.sync.outcomes import Outcome

# Checks over all quarters, judged after the refresh, by the mart that they are attached to.
OF_MARTS = {"periods_are_covered": "forecast_vs_quota", "forecast_movement_adds_up": "forecast_movement"}


def check_specs(asset: dg.AssetKey, quarters: dg.PartitionsDefinition[str] | None) -> list[dg.AssetCheckSpec]:
    """Specs of the gate's checks on a partitioned asset; where `quarters` is None, those of that mart alone."""
    return [
        dg.AssetCheckSpec(
            check.name, asset=asset, description=check.explains, blocking=check.keeps_out, partitions_def=quarters
        )
        for check in CHECKS.values()
        if OF_MARTS.get(check.name) == (asset.path[-1] if quarters is None else None)
    ]


def check_results(asset: dg.AssetKey, outcomes: Sequence[Outcome]) -> Iterator[dg.AssetCheckResult]:
    """One result a check: passed where it passed for every forecast of the quarter, with each one's evidence.

    A check of which no export has a verdict, because each was refused before, passes as a warning, not evaluated.
    """
    reasons = dict.fromkeys(outcome.reason for outcome in outcomes if not outcome.export.is_loaded)
    why = "; ".join(reasons) or "no new export has what it judges"
    for name in (name for name in CHECKS if name not in OF_MARTS):
        judged = [
            (outcome.export.forecast_id, verdict)
            for outcome in outcomes
            for verdict in outcome.verdicts
            if verdict.check_name == name
        ]
        yield check_result(asset, name, judged, not_evaluated=why)


def check_result(
    asset: dg.AssetKey, name: str, judged: Sequence[tuple[str, Verdict]], *, not_evaluated: str | None
) -> dg.AssetCheckResult:
    """One result of several verdicts, with their evidence by subject; of failed ones findings and runbook anchor.

    Without a verdict it passes where `not_evaluated` says why there is none, else it fails: a warning either way.
    """
    failed = [verdict for _, verdict in judged if not verdict.passed]
    findings = dict.fromkeys(verdict.finding for verdict in failed)
    description = with_anchor(one_line("; ".join(findings)), name) if failed else None
    metadata = evidence_metadata([(subject, verdict.evidence) for subject, verdict in judged])
    if failed:
        metadata["runbook"] = anchor(name)
    elif not judged and not_evaluated:
        description = one_line(f"not evaluated: {not_evaluated}")
        metadata["not_evaluated"] = one_line(not_evaluated)
    is_error = any(verdict.is_error for _, verdict in judged)
    return dg.AssetCheckResult(
        asset_key=asset,
        check_name=name,
        passed=not failed and (bool(judged) or not_evaluated is not None),
        severity=dg.AssetCheckSeverity.ERROR if is_error else dg.AssetCheckSeverity.WARN,
        description=description,
        metadata=metadata,
    )


def evaluation_of(result: dg.AssetCheckResult, partition: str) -> dg.AssetCheckEvaluation:
    """A result as an event that a step may yield which is not the check's own."""
    if result.asset_key is None or result.check_name is None:
        raise ValueError("the result names no check")
    return dg.AssetCheckEvaluation(
        asset_key=result.asset_key,
        check_name=result.check_name,
        passed=result.passed,
        severity=result.severity,
        description=result.description,
        metadata=result.metadata,
        partition=partition,
    )
