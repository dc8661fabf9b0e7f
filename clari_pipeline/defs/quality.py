"""The user's own rules in Dagster: an asset that judges them after the marts, and a check on each table that they name.

The checks report what stands in `quality_result`, and judge nothing themselves.
"""

import re
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import dagster as dg

from clari_pipeline.checks.export_gate import CHECKS, PRODUCT_CHECKS
from clari_pipeline.checks.own_rules import OwnRule
from clari_pipeline.config.rules import RulesError, read_rules
from clari_pipeline.config.settings import Settings
from clari_pipeline.core.runbook import AlertKind, with_anchor
from clari_pipeline.defs.assets import OWNERS, QUALITY, TABLES, key, writers_pool
from clari_pipeline.defs.metadata import evidence_metadata
from clari_pipeline.defs.origins import SYNC, is_of_command_line
from clari_pipeline.defs.problems import as_step_failure, log_warnings, observation
from clari_pipeline.defs.schemas import table_schema
from clari_pipeline.store.mart_registry import MARTS
from clari_pipeline.store.quality_results import QualityResult
from clari_pipeline.sync.context import Context
from clari_pipeline.sync.own_rules import OwnRules, read_own_rules, rule_tables
from clari_pipeline.sync.quality import judge_own_rules, results_of_run

_NO_NAME = re.compile(r"[^A-Za-z0-9_]+")


def own_rules_at_load(settings: Settings) -> OwnRules:
    """The rules as the files have them now; none where `clari_pipeline.toml` is invalid, which each run reports."""
    try:
        return read_own_rules(settings, read_rules())
    except RulesError:
        return OwnRules()


def quality_asset(*, engine: str) -> dg.AssetsDefinition:
    """The asset of `quality_result`: it judges the rules once the marts are refreshed."""

    @dg.asset(
        key=key(QUALITY),
        deps=[*map(key, [*TABLES, *MARTS])],
        group_name="marts",
        kinds={engine, "table"},
        owners=OWNERS,
        description="Rules of your own (docs/quality.md), judged by Great Expectations on the tables of this moment. "
        "What they find keeps nothing out of the tables.",
        metadata={"dagster/column_schema": table_schema(QUALITY), "dagster/table_name": f"clari.{QUALITY}"},
        required_resource_keys={"sync_context"},
        pool=writers_pool(engine),
    )
    def judged(context: dg.AssetExecutionContext) -> Iterator[Any]:
        sync: Context = context.resources.sync_context
        run_id = _run_id(context)
        with as_step_failure():
            problems = judge_own_rules(sync, run_id)
            results = results_of_run(sync, run_id)
        if problems:
            yield observation(key(QUALITY), problems)
            log_warnings(context.log, problems)
        broken = [result for result in results if not result.passed]
        context.log.info(f"{len(results):,} rules judged, {len(broken):,} broken")
        yield dg.MaterializeResult(metadata={"rules": len(results), "broken": len(broken)})

    return judged


def rule_checks(own: OwnRules) -> list[dg.AssetChecksDefinition]:
    """The checks of the rules, each on the asset of its table; a list of one definition, or of none."""
    rules = _by_check(own)
    if not rules:
        return []
    specs = [
        dg.AssetCheckSpec(
            check,
            asset=key(rule.table),
            additional_deps=[key(QUALITY)],
            description=rule.explains or rule.expected,
            metadata={"rule": rule.name, "file": rule.source},
            blocking=False,
        )
        for check, rule in rules.items()
    ]

    @dg.multi_asset_check(name="own_rules", specs=specs, required_resource_keys={"sync_context"})
    def own_rules(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        sync: Context = context.resources.sync_context
        with as_step_failure():
            results = {result.rule_name: result for result in results_of_run(sync, _run_id(context))}
        for check, rule in rules.items():
            yield _check_result(check, rule, results.get(rule.name))

    return [own_rules]


def rule_check_keys(own: OwnRules) -> dg.AssetSelection:
    """A selection of those checks, which `refresh_marts` runs, and no other job."""
    return dg.AssetSelection.checks(
        *(dg.AssetCheckKey(key(rule.table), check) for check, rule in _by_check(own).items())
    )


def _by_check(own: OwnRules) -> dict[str, OwnRule]:
    """The rules on tables that there are, by a name that Dagster takes, and that no other check of theirs has."""
    found: dict[str, OwnRule] = {}
    for rule in own.rules:
        if rule.table not in rule_tables():
            continue
        check = _NO_NAME.sub("_", rule.name)
        if check in {*CHECKS, *PRODUCT_CHECKS, *found}:
            check = f"{check}_{sha256(rule.name.encode()).hexdigest()[:8]}"
        found[check] = rule
    return found


def _run_id(context: Any) -> str:
    """The id of the sync that this run belongs to, or its own."""
    tags: dict[str, str] = context.run.tags
    return tags[SYNC] if is_of_command_line(tags) else str(context.run.run_id)


def _check_result(check: str, rule: OwnRule, result: QualityResult | None) -> dg.AssetCheckResult:
    asset = key(rule.table)
    if result is None:
        return dg.AssetCheckResult(
            asset_key=asset,
            check_name=check,
            passed=False,
            severity=dg.AssetCheckSeverity.WARN,
            description="Not judged: the rule has left its file. Reload the code location.",
        )
    return dg.AssetCheckResult(
        asset_key=asset,
        check_name=check,
        passed=result.passed,
        severity=dg.AssetCheckSeverity.ERROR if result.severity == "ERROR" else dg.AssetCheckSeverity.WARN,
        description=None if result.passed else with_anchor(result.summary, AlertKind.QUALITY),
        metadata=evidence_metadata([(result.rule_name, result.evidence)]),
    )
