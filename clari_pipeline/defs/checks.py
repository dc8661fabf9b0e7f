"""Dagster's asset checks: they report what `export_check` holds, and judge nothing themselves."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

import dagster as dg

from clari_pipeline.quality.export_gate import CHECKS
from clari_pipeline.sync import Outcome

OF_ALL_QUARTERS = "periods_are_covered"


def check_specs(asset: dg.AssetKey, quarters: dg.PartitionsDefinition[str] | None) -> list[dg.AssetCheckSpec]:
    """Every check of the gate on the table that it guards; the one over all quarters where there is no partition."""
    return [
        dg.AssetCheckSpec(
            check.name, asset=asset, description=check.explains, blocking=check.keeps_out, partitions_def=quarters
        )
        for check in CHECKS.values()
        if (check.name == OF_ALL_QUARTERS) == (quarters is None)
    ]


def check_results(asset: dg.AssetKey, outcomes: Sequence[Outcome]) -> Iterator[dg.AssetCheckResult]:
    """One result a check: passed where it passed for every forecast of the quarter, with each one's evidence.

    A check that was not judged, because the export was refused before, has no result; in a quarter's first days,
    when that is no failure, Dagster wants one and gets a warning that says so.
    """
    for name in CHECKS:
        if name == OF_ALL_QUARTERS:
            continue
        verdicts = [
            (outcome.export["forecast_id"], verdict)
            for outcome in outcomes
            for verdict in outcome.verdicts
            if verdict["check_name"] == name
        ]
        if not verdicts and any(outcome.is_failure for outcome in outcomes):
            continue
        broken = [verdict for _, verdict in verdicts if not verdict["passed"]]
        is_error = any(verdict["severity"] == "ERROR" for verdict in broken)
        yield dg.AssetCheckResult(
            asset_key=asset,
            check_name=name,
            passed=bool(verdicts) and not broken,
            severity=dg.AssetCheckSeverity.ERROR if is_error else dg.AssetCheckSeverity.WARN,
            description=None if verdicts else "Not judged: nothing of this quarter was merged.",
            metadata={
                forecast_id: dg.MetadataValue.json(json.loads(json.dumps(verdict["evidence"], default=str)))
                for forecast_id, verdict in verdicts
            },
        )
