"""The gate: Great Expectations judges each export by the suites in `suites/`. A check is an expectation over a frame.

A suite's name is that of its frame, and its `meta.grain` says what a row is. An expectation's `meta.check` names the
check, and `meta.explains` says what it protects; one of severity `critical` keeps the export out of the tables. A check
whose columns an export does not have is not judged: an unreadable document has no rows to count.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from clari_pipeline.checks import library
from clari_pipeline.checks.library import Expectation, LibraryError
from clari_pipeline.core.runbook import PipelineError

Frame = Mapping[str, Sequence[Any]]
"""A data frame: the values of each column, by its name."""

_SUITES = Path(__file__).parent / "suites"
_SHOWN = 20
_MOST_ANSWERS = 10_000
_COMPARED_WITH_PREVIOUS = {"row_count_is_stable", "currency_is_stable", "contract_is_stable"}
_NOT_OF_THE_DOCUMENT = {
    "tables_reconcile",
    "periods_are_covered",
    "forecast_swings_within_threshold",
    "quota_field_is_unambiguous",
    "totals_have_one_top",
}

# Errors that keep no export out: the tables were damaged, not the document, and are rebuilt with it.
REPAIRED = frozenset({"tables_reconcile"})


class GateError(PipelineError):
    """Great Expectations cannot be imported, or cannot judge."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check: an expectation over a frame.

    `suite` is the suite's name, and the frame's. `keeps_out`: an export that breaks it is not merged. `explains` says
    what the check protects, for people.
    """

    name: str
    suite: str
    expectation: Expectation
    explains: str
    keeps_out: bool

    @property
    def columns(self) -> list[str]:
        """The columns of the frame that it judges."""
        kwargs = self.expectation["kwargs"]
        return [kwargs["column"]] if "column" in kwargs else list(kwargs["column_list"])


def _checks(*suites: str) -> dict[str, Check]:
    """The checks of these suites, by name."""
    return {check.name: check for suite in suites for check in read_suite(suite)}


def read_suite(name: str) -> list[Check]:
    """The checks of one built-in suite, from its file in Great Expectations' own format."""
    suite = json.loads((_SUITES / f"{name}.json").read_text(encoding="utf-8"))
    return [
        Check(
            name=expectation["meta"]["check"],
            suite=suite["name"],
            expectation=expectation,
            explains=expectation["meta"]["explains"],
            keeps_out=expectation["severity"] == "critical" and expectation["meta"]["check"] not in REPAIRED,
        )
        for expectation in suite["expectations"]
    ]


CHECKS = _checks("export", "document", "entry", "control_total")
"""The checks on an export of a forecast, by name."""

PRODUCT_CHECKS = _checks("document", "product_document")
"""The checks on a document of a product beside the forecast, by name."""

# Warnings in a quarter's first days: Clari may have nothing for it yet, or deliver the quarter before.
EXCUSED_IN_GRACE = frozenset({"export_is_not_empty", "export_period_matches_request"})

# Warnings that are errors on the current quarter: which quarters a sync asks for depends on it.
KEEPS_OUT_CURRENT = frozenset({"calendar_matches_settings"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportFacts:
    """What the gate judges of one export: `facts`, one row of numbers and flags, and `frames` of several rows, by name.

    `evidence` is by check name; its `summary` is one line on what is wrong, and is dropped where the check passes.
    """

    request_id: str
    facts: Mapping[str, Any]
    frames: Mapping[str, Frame] = field(default_factory=dict)
    evidence: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    is_in_grace: bool = False
    is_current: bool = False

    def joined(self, other: ExportFacts) -> ExportFacts:
        """Both sets of facts on the same export; the other's win."""
        return replace(
            self,
            facts={**self.facts, **other.facts},
            frames={**self.frames, **other.frames},
            evidence={**self.evidence, **other.evidence},
        )

    def judged_by(self, checks: Iterable[Check]) -> list[tuple[Frame, list[Check]]]:
        """Each frame of the export, the one row of facts first, with the checks whose columns it has."""
        row: Frame = {name: [value] for name, value in self.facts.items()}
        of_frames = defaultdict[str, list[Check]](list)
        for check in checks:
            of_frames[check.suite if check.suite in self.frames else ""].append(check)
        return [
            (frame, [check for check in of_frames[name] if all(column in frame for column in check.columns)])
            for name, frame in {"": row, **self.frames}.items()
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One check's result on one export: a row of `export_check`. `severity` is `ERROR` or `WARN`."""

    request_id: str
    check_name: str
    passed: bool
    severity: str
    evidence: Mapping[str, Any]

    @property
    def is_excused(self) -> bool:
        """Whether it failed, and is a warning only because the quarter is in its first days, or there is nothing yet of
        what exports refuse.
        """
        return not self.passed and self.severity == "WARN" and self.check_name in EXCUSED_IN_GRACE

    @property
    def is_error(self) -> bool:
        """Whether it failed as an error."""
        return not self.passed and self.severity == "ERROR"

    @property
    def keeps_out(self) -> bool:
        """Whether it keeps the export out of the tables: an error, or one that is excused as a warning."""
        return (self.is_error and not self.is_repaired) or self.is_excused

    @property
    def is_repaired(self) -> bool:
        """Whether it failed as an error of the tables, which the merge has repaired."""
        return self.is_error and self.check_name in REPAIRED

    @property
    def finding(self) -> str:
        """What was found, in one line; where that is not known, what the check protects."""
        check = CHECKS.get(self.check_name) or PRODUCT_CHECKS[self.check_name]
        return str(self.evidence.get("summary") or check.explains)


_Question = tuple[str, tuple[Any, ...]]
_answers: dict[_Question, bool] = {}  # cache: whether a row of these values breaks an expectation


def judge(export: ExportFacts, by: Mapping[str, Check] = CHECKS) -> list[Verdict]:
    """Judge an export by the checks whose columns it has: one verdict each. Raises `GateError`."""
    verdicts = []
    try:
        for frame, checks in export.judged_by(by.values()):
            broken = _broken(checks, frame)
            verdicts += [_verdict(export, check, frame, broken[check.name]) for check in checks]
    except LibraryError as error:
        raise GateError(f"the gate cannot judge: {error}: install clari-pipeline anew") from error
    return verdicts


def reason(verdicts: Iterable[Verdict]) -> str:
    """Why an export is kept out, in one line: each broken check with what it found."""
    return "; ".join(f"{verdict.check_name}: {verdict.finding}" for verdict in verdicts if verdict.keeps_out)


def remember_verdicts(verdicts: Iterable[Verdict]) -> None:
    """Cache verdicts from `export_check`, so that Great Expectations is not asked of the same values."""
    for verdict in verdicts:
        check = CHECKS.get(verdict.check_name)
        if check is not None and all(column in verdict.evidence for column in check.columns):
            row = {column: [verdict.evidence[column]] for column in check.columns}
            _answers.update((question, not verdict.passed) for question in _questions(check, row))


def carry_over(verdicts: Iterable[Verdict], request_id: str, job_id: str | None) -> list[Verdict]:
    """Copy the verdicts on job `job_id` to another export of the same document, but those that are judged for each.

    Checks that compare a document with the one before pass: the document is the same.
    """
    carried = [
        replace(verdict, request_id=request_id)
        for verdict in verdicts
        if verdict.check_name in CHECKS and verdict.check_name not in _NOT_OF_THE_DOCUMENT
    ]
    return [
        replace(verdict, passed=True, evidence={"same_document_as": job_id})
        if verdict.check_name in _COMPARED_WITH_PREVIOUS
        else verdict
        for verdict in carried
    ]


def warm_up() -> None:
    """Start the import of Great Expectations, which takes seconds, while Clari prepares the exports."""
    library.load_in_background()


def _verdict(export: ExportFacts, check: Check, frame: Frame, broken: Sequence[int]) -> Verdict:
    """The verdict on a check that these rows of the frame break."""
    passed = not broken
    evidence = dict(export.evidence.get(check.name, {}))
    if passed:
        evidence.pop("summary", None)  # it describes a failure
    if check.suite not in export.frames:
        evidence = {column: frame[column][0] for column in check.columns} | evidence
    elif broken:
        rows = [{name: values[place] for name, values in frame.items()} for place in broken[:_SHOWN]]
        evidence |= {"unexpected_rows": rows}
    is_error = check.keeps_out or check.name in REPAIRED or (export.is_current and check.name in KEEPS_OUT_CURRENT)
    excused = export.is_in_grace and check.name in EXCUSED_IN_GRACE and not passed
    return Verdict(
        request_id=export.request_id,
        check_name=check.name,
        passed=passed,
        severity="ERROR" if is_error and not excused else "WARN",
        evidence=evidence,
    )


def _broken(checks: Sequence[Check], frame: Frame) -> dict[str, list[int]]:
    """By check the places of the rows that break it. Every expectation judges each row by itself.

    Great Expectations is asked once a process of the same expectation and values. Raises `LibraryError`.
    """
    if len(_answers) > _MOST_ANSWERS:
        _answers.clear()
    questions = {check.name: list(_questions(check, frame)) for check in checks}
    asked = [check for check in checks if not all(one in _answers for one in questions[check.name])]
    if asked:
        columns = list(dict.fromkeys(column for check in asked for column in check.columns))
        rows = list(dict.fromkeys(zip(*(frame[column] for column in columns), strict=True)))
        judged: Frame = dict(zip(columns, zip(*rows, strict=True), strict=True))
        results = library.validate(judged, [check.expectation for check in asked], with_evidence=len(rows) > 1)
        for check, result in zip(asked, results, strict=True):
            if result.error is not None:
                raise LibraryError(f"{check.name}: {result.error}")
            broken = () if result.success else result.result.get("unexpected_index_list", [0])
            _answers.update((one, place in broken) for place, one in enumerate(_questions(check, judged)))
    return {name: [place for place, one in enumerate(of) if _answers[one]] for name, of in questions.items()}


def _questions(check: Check, frame: Frame) -> Iterator[_Question]:
    """The expectation and the values of each row that it judges."""
    text = json.dumps(check.expectation)
    return ((text, values) for values in zip(*(frame[column] for column in check.columns), strict=True))
