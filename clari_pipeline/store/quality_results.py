"""`quality_result`: what was judged of the user's own rules, a row a rule and run."""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from clari_pipeline.warehouse.session import Record, Session, rows, run


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityResult:
    """One rule's result in one run: a row of `quality_result`. Amounts in `evidence` are text, exact.

    `table_name`, `expectation_type` and `column_name` are None of a suite file that cannot be read.
    """

    rule_name: str
    run_id: str
    table_name: str | None
    expectation_type: str | None
    column_name: str | None
    passed: bool
    severity: str
    evidence: Mapping[str, Any]
    checked_at: datetime
    source: str

    @property
    def summary(self) -> str:
        """What is wrong, in one line; empty where it passed."""
        return str(self.evidence.get("summary", ""))


@dataclass(frozen=True, slots=True)
class BrokenRule:
    """A rule that is broken in the newest run. `not_broken_at` is when a run last found it whole; None for never."""

    result: QualityResult
    not_broken_at: datetime | None


def keep(session: Session, run_id: str, results: Iterable[QualityResult]) -> None:
    """Write a run's results, in place of those that it has."""
    run(session, "own_rules/forgotten", run_id=run_id)
    for result in results:
        columns = {name: getattr(result, name) for name in QualityResult.__dataclass_fields__}
        evidence = json.dumps(result.evidence, ensure_ascii=False, sort_keys=True)
        run(session, "own_rules/judged", is_passed=result.passed, evidence_text=evidence, **columns)


def of_run(session: Session, run_id: str) -> list[QualityResult]:
    """A run's results, by the names of the rules."""
    return [_result(found) for found in rows(session, "own_rules/of_run", run_id=run_id)]


def newest(session: Session, runs: int) -> list[QualityResult]:
    """The results of the newest runs that have any, the newest run first, by table and rule."""
    return [_result(found) for found in rows(session, "own_rules/newest", runs=runs)]


def broken(session: Session) -> list[BrokenRule]:
    """The rules that are broken in the newest run, errors first."""
    found = rows(session, "own_rules/broken")
    return [BrokenRule(not_broken_at=one.pop("not_broken_at"), result=_result(one)) for one in found]


def people(session: Session, user_ids: Collection[str]) -> dict[str, str]:
    """The people of these ids, by id; of several names the last in the alphabet."""
    found = rows(session, "own_rules/people", user_ids=list(user_ids)) if user_ids else []
    return {one["user_id"]: one["name"] for one in found}


def fields(session: Session, field_ids: Collection[str]) -> dict[str, str]:
    """The names of the fields of these ids, by id."""
    found = rows(session, "own_rules/fields", field_ids=list(field_ids)) if field_ids else []
    return {one["field_id"]: one["field_name"] for one in found}


def _result(found: Record) -> QualityResult:
    return QualityResult(**found | {"evidence": json.loads(found["evidence"] or "{}")})
