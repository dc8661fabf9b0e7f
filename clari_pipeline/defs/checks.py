"""Dagster's asset checks: they report the verdicts in `export_check`, and judge nothing themselves."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg

from clari_pipeline.checks.export_gate import CHECKS, Verdict
from clari_pipeline.core.runbook import anchor, with_anchor
from clari_pipeline.core.safe_text import one_line
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

    A check that was not judged, because the export was refused before, has no result: its step fails. In a quarter's
    first days that is no failure, and as Dagster demands a result, it is a failed one of severity WARN.
    """
    for name in (name for name in CHECKS if name not in OF_MARTS):
        judged = [
            (outcome.export.forecast_id, verdict)
            for outcome in outcomes
            for verdict in outcome.verdicts
            if verdict.check_name == name
        ]
        if judged or not any(outcome.is_failure for outcome in outcomes):
            is_error = any(verdict.is_error for _, verdict in judged)
            severity = dg.AssetCheckSeverity.ERROR if is_error else dg.AssetCheckSeverity.WARN
            unjudged = "Not judged: nothing of this quarter was merged."
            yield _result(asset, name, judged, is_needed=True, severity=severity, unjudged=unjudged)


def mart_result(
    asset: dg.AssetKey, name: str, judged: Sequence[tuple[str, Verdict]], *, is_needed: bool
) -> dg.AssetCheckResult:
    """The result of a check over all quarters, its evidence by forecast. `is_needed`: without a verdict it fails."""
    return _result(asset, name, judged, is_needed=is_needed, severity=dg.AssetCheckSeverity.WARN)


def _result(
    asset: dg.AssetKey,
    name: str,
    judged: Sequence[tuple[str, Verdict]],
    *,
    is_needed: bool,
    severity: dg.AssetCheckSeverity,
    unjudged: str | None = None,
) -> dg.AssetCheckResult:
    """One result of several verdicts, their evidence by subject; of failed ones findings and runbook anchor."""
    failed = [verdict for _, verdict in judged if not verdict.passed]
    findings = dict.fromkeys(verdict.finding for verdict in failed)
    metadata: dict[str, dg.MetadataValue[Any]] = {"runbook": dg.MetadataValue.text(anchor(name))} if failed else {}
    for subject, verdict in judged:
        metadata[subject] = dg.MetadataValue.json(json.loads(json.dumps(verdict.evidence, default=str)))
    return dg.AssetCheckResult(
        asset_key=asset,
        check_name=name,
        passed=not failed and (bool(judged) or not is_needed),
        severity=severity,
        description=with_anchor(one_line("; ".join(findings)), name) if failed else None if judged else unjudged,
        metadata=metadata,
    )
