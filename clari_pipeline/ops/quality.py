"""Write the verdicts of the newest runs as Great Expectations' Data Docs."""

import json
import webbrowser
from collections.abc import Mapping
from dataclasses import replace
from itertools import groupby
from pathlib import Path

from clari_pipeline.checks.data_docs import Batch, Expected, Judged, write
from clari_pipeline.checks.export_gate import CHECKS, PRODUCT_CHECKS, Check
from clari_pipeline.config.settings import Settings
from clari_pipeline.core.runbook import ExitCode
from clari_pipeline.core.safe_text import print_line
from clari_pipeline.store import ledger, quality_results
from clari_pipeline.store.opening import open_warehouse
from clari_pipeline.store.quality_results import QualityResult
from clari_pipeline.sync.log_lines import CommandLog
from clari_pipeline.warehouse.session import Record, Session, Warehouse

_SUITES: Mapping[bool, tuple[str, Mapping[str, Check]]] = {  # by whether it judges a fetch of a product
    False: ("forecast_export", CHECKS),
    True: ("product_document", PRODUCT_CHECKS),
}
_OWN_RULES = "own_rules"
_STATES = {"LOADED": "merged", "REFUSED": "refused", "RETIRED": "merged, retired since"}


def show(settings: Settings, *, is_opened: bool) -> int:
    """Write Data Docs and print the path of the first page; returns the exit code."""
    warehouse = open_warehouse(settings.warehouse_url, data_dir=settings.data_dir, env=settings.env)
    page, _ = write_data_docs(warehouse, settings)
    print_line(str(page))
    if is_opened and not webbrowser.open(page.resolve().as_uri()):
        CommandLog(settings).say("no browser could be opened: open the file yourself")
    return ExitCode.DONE


def write_data_docs(warehouse: Warehouse, settings: Settings) -> tuple[Path, int]:
    """Write the site of the newest `CLARI_DATA_DOCS_RUNS` runs; returns its first page, and how many batches it shows.

    A warehouse that does not exist yet has no runs. Raises `WarehouseLocked`, `DataDocsError`, or OSError where
    the folder cannot be written.
    """
    batches: list[Batch] = []
    if warehouse.exists():
        with warehouse.session() as session, session.transaction():  # one snapshot
            batches = [*_of_exports(session, settings.data_docs_runs), *_of_rules(session, settings.data_docs_runs)]
    suites = {name: [_expected(check) for check in checks.values()] for name, checks in _SUITES.values()}
    if rules := {
        one.expected.name: one.expected for batch in batches if batch.suite == _OWN_RULES for one in batch.verdicts
    }:
        suites[_OWN_RULES] = list(rules.values())
    return write(settings.data_docs_dir, suites, batches), len(batches)


def _of_exports(session: Session, runs: int) -> list[Batch]:
    """One batch an export or fetch that was judged."""
    found = ledger.newest_verdicts(session, runs)
    return [_batch(list(verdicts)) for _, verdicts in groupby(found, key=lambda one: one["request_id"])]


def _of_rules(session: Session, runs: int) -> list[Batch]:
    """One batch a table and run that was judged by the user's own rules, the newest run first."""
    found = groupby(quality_results.newest(session, runs), key=lambda one: (one.run_id, one.table_name or one.source))
    return [_batch_of_rules(run_id, name, list(results)) for (run_id, name), results in found]


def _batch_of_rules(run_id: str, name: str, results: list[QualityResult]) -> Batch:
    failed = [one for one in results if not one.passed]
    facts = {
        "failed": ", ".join(one.rule_name for one in failed if one.severity == "ERROR"),
        "warnings": ", ".join(one.rule_name for one in failed if one.severity != "ERROR"),
        "source": ", ".join(sorted({one.source for one in results})),
    }
    return Batch(
        suite=_OWN_RULES,
        name=name,
        key=name,
        run_id=run_id,
        run_at=min(one.checked_at for one in results),
        verdicts=[_judged_by_rule(one) for one in results],
        facts={name: value for name, value in facts.items() if value},
    )


def _judged_by_rule(result: QualityResult) -> Judged:
    evidence = dict(result.evidence)
    return Judged(
        expected=Expected(
            name=result.rule_name,
            type=result.expectation_type or result.source,
            kwargs={},
            explains=evidence.pop("explains", ""),
            severity=result.severity,
            written=evidence.pop("expected", result.source),
        ),
        passed=result.passed,
        observed=evidence.pop("observed_value", None),
        evidence=evidence,
    )


def _batch(verdicts: list[Record]) -> Batch:
    export = verdicts[0]
    suite, checks = _SUITES[export["is_fetch"]]
    failed = [one for one in verdicts if not one["passed"]]
    facts = {
        "state": _STATES.get(export["state"], export["state"].lower()),
        "failed": ", ".join(one["check_name"] for one in failed if one["severity"] == "ERROR"),
        "warnings": ", ".join(one["check_name"] for one in failed if one["severity"] != "ERROR"),
        "figures as of": export["exported_at"] and f"{export['exported_at']:%Y-%m-%d %H:%M:%S %Z}",
        "job": export["job_id"],
    }
    return Batch(
        suite=suite,
        name=" ".join(filter(None, (export["subject"], export["quarter_id"]))),
        key=export["request_id"],
        run_id=export["run_id"] or "",
        run_at=export["run_at"],
        verdicts=[_judged(checks, one) for one in verdicts],
        facts={name: value for name, value in facts.items() if value},
    )


def _judged(checks: Mapping[str, Check], verdict: Record) -> Judged:
    name, evidence = verdict["check_name"], json.loads(verdict["evidence"] or "{}", parse_float=str)
    check = checks.get(name)
    observed = [evidence.pop(column) for column in (check.columns if check else ()) if column in evidence]
    return Judged(
        expected=replace(_expected(check) if check else _forgotten(name), severity=verdict["severity"]),
        passed=verdict["passed"],
        observed=observed[0] if len(observed) == 1 else observed or None,
        evidence=evidence,
    )


def _forgotten(name: str) -> Expected:
    """What is left of a check that this release does not have."""
    return Expected(name, name, {}, explains="", severity="WARN", written="A check of an earlier release.")


def _expected(check: Check) -> Expected:
    return Expected(
        name=check.name,
        type=check.expectation["type"],
        kwargs=check.expectation["kwargs"],
        explains=check.explains,
        severity="ERROR" if check.keeps_out else "WARN",
    )
