"""The gate: Great Expectations judges a data frame of one row, the export, with a column for each fact.

A check allows the number in one column a range. A check whose fact an export does not have is not judged: an
unreadable document has no rows to count.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from clari_pipeline.checks import judging

_MOST_ANSWERS = 10_000
_COMPARED_WITH_PREVIOUS = {"row_count_is_stable", "currency_is_stable", "contract_is_stable"}
_NOT_OF_THE_DOCUMENT = {
    "tables_reconcile",
    "periods_are_covered",
    "forecast_swings_within_threshold",
    "quota_field_is_unambiguous",
    "totals_have_one_top",
}


@dataclass(frozen=True, slots=True)
class Check:
    """One promise about an export: `fact`, a number, lies between `least` and `most`.

    `keeps_out`: an export that breaks it is not merged. `explains` says what the check protects, for people.
    """

    name: str
    fact: str
    explains: str
    least: int | None = None
    most: int | None = 0
    keeps_out: bool = True


def _by_name(*checks: Check) -> dict[str, Check]:
    return {check.name: check for check in checks}


_refuses, _warns = Check, partial(Check, keeps_out=False)
CHECKS = _by_name(
    _refuses(
        "export_is_complete",
        "ends_unproved",
        "The download came to its end: its length, its compression, its last bracket, or a second one shows it.",
    ),
    _refuses("export_is_readable", "reading_faults", "The document is one that Clari documents."),
    _refuses("export_is_not_empty", "rows_exported", "The document holds at least one entry.", least=1, most=None),
    _refuses("export_is_not_truncated", "truncation_flags", "Clari says that no rows and no cells were cut off."),
    _refuses(
        "export_period_matches_request",
        "periods_outside",
        "Every period of the document is the quarter asked for, or lies in it: for a quarter that it does not know, "
        "Clari silently delivers the current one.",
    ),
    _refuses("entry_keys_are_complete", "null_keys", "Every entry names field, week, period and person."),
    _refuses(
        "entry_keys_are_unique",
        "conflicting_keys",
        "No two entries of one key differ (equal ones are dropped and counted).",
    ),
    _refuses(
        "ids_are_recognised",
        "ids_unrecognised",
        "Where a quarter's exports change between JSON and CSV, each person and field is the one that was known, or "
        "surely none of those.",
    ),
    _refuses(
        "amounts_are_readable",
        "unreadable_amounts",
        "Every amount is a number with at most 14 digits before its decimals.",
    ),
    _refuses(
        "row_counts_reconcile",
        "rows_unreconciled",
        "Entries counted in the document, staged and merged are the same number.",
    ),
    _refuses(
        "control_totals_reconcile",
        "totals_unreconciled",
        "Sum and count of each measure of each field are the same in the document and in the merged rows.",
    ),
    _warns(
        "tables_reconcile",
        "totals_unlike",
        "Before an export is merged the quarter's rows have the counts, sums and fingerprint that the last merge left; "
        "where something else has changed them, the quarter is rebuilt from its landed documents.",
    ),
    _warns(
        "amounts_are_exact",
        "amounts_changed",
        "No amount has more than four decimals, and no measure of a field is a calculated one that has no number in "
        "some cell: those are rounded, these are left out.",
    ),
    _warns(
        "row_count_is_stable",
        "rows_above_tolerance",
        "The document has not lost more than 15 % of the entries that the one before it had.",
        least=0,
        most=None,
    ),
    _warns(
        "contract_is_stable",
        "keys_changed",
        "The document has the keys that the forecast's documents had, each of the same kind, and none that is new.",
    ),
    _warns("currency_is_stable", "currencies_changed", "Entries keep the currency that they had."),
    _warns(
        "calendar_matches_settings",
        "calendar_contradictions",
        "The quarter lies where CLARI_FISCAL_YEAR_START_MONTH and CLARI_FISCAL_YEAR_NAMED_BY have it.",
    ),
    _warns(
        "weeks_touch_their_period",
        "weeks_astray",
        "Every week begins before it ends, touches the period that it is listed under, and has the same days "
        "throughout the document.",
    ),
    _warns("people_are_distinct", "people_shared", "No CRM person and no email stands under several user ids."),
    _warns(
        "fields_are_distinct",
        "fields_alike",
        "No two fields have names of the same letters and digits, unless clari_pipeline.toml makes them one.",
    ),
    _warns(
        "quota_field_is_unambiguous",
        "quotas_ambiguous",
        "One field carries the quota, or CLARI_QUOTA_FIELD names it.",
    ),
    _warns(
        "totals_have_one_top",
        "tops_beside_one",
        "One person stands at the top, or CLARI_TOP_USER names the one whose row is the total.",
    ),
    _warns(
        "periods_are_covered",
        "quarters_missing",
        "The current quarter and those before it that are asked for have been loaded, and are fresh.",
    ),
    _warns(
        "forecast_movement_adds_up",
        "movements_unreconciled",
        "From one week's end to the next each call moved by what raised, lowered, new and gone reports and the "
        "owner's judgement add up to.",
    ),
    _warns(
        "forecast_swings_within_threshold",
        "swings",
        "No call moved by more than the threshold since the export before, or since a week ago.",
    ),
)
"""The checks on an export of a forecast, by name."""

PRODUCT_CHECKS = _by_name(
    CHECKS["export_is_readable"],
    CHECKS["export_is_not_truncated"],
    CHECKS["row_counts_reconcile"],
    _refuses(
        "records_are_complete",
        "records_without_key",
        "Records name what they are; a few events or activities that do not are left out.",
    ),
    _warns(
        "moments_are_readable",
        "unreadable_moments",
        "Every moment in the document is one, or is not there; what is none is left empty.",
    ),
    _warns(
        "scores_are_readable",
        "unreadable_scores",
        "Every score is a number of at most 14 digits and four decimals, or is not there; others are left empty.",
    ),
    _refuses(
        "records_are_of_the_window",
        "other_windows",
        "The document is of the days that were asked for: of two jobs that look alike, it may be the other's.",
    ),
    _warns(
        "parts_are_complete",
        "parts_without_key",
        "Every record, and every part of it, names what it is; others are left out.",
    ),
    _warns("window_is_not_empty", "rows_exported", "The document holds at least one record.", least=1, most=None),
    _warns(
        "window_has_no_gap",
        "hours_missing",
        "Between this window and the one before nothing is missing: Clari keeps audit events for 30 days.",
    ),
    _warns("opportunities_are_known", "ids_missing", "Clari knows every opportunity that it maps activity to."),
)
"""The checks on a document of a product beside the forecast, by name: some of the same, and its own."""

# Warnings in a quarter's first days: Clari may have nothing for it yet, or deliver the quarter before.
EXCUSED_IN_GRACE = frozenset({"export_is_not_empty", "export_period_matches_request"})

# Errors that keep no export out: the tables were damaged, not the document, and are rebuilt with it.
REPAIRED = frozenset({"tables_reconcile"})

# Warnings that are errors on the current quarter: which quarters a sync asks for depends on it.
KEEPS_OUT_CURRENT = frozenset({"calendar_matches_settings"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportFacts:
    """What the gate judges of one export: `facts`, numbers by name, and `evidence` by check name.

    An evidence's `summary` is one line on what is wrong; it is dropped where the check passes.
    """

    request_id: str
    facts: Mapping[str, int]
    evidence: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    is_in_grace: bool = False
    is_current: bool = False

    def joined(self, other: ExportFacts) -> ExportFacts:
        """Both sets of facts on the same export; the other's win."""
        return replace(self, facts={**self.facts, **other.facts}, evidence={**self.evidence, **other.evidence})


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


_answers: dict[tuple[Check, int], bool | None] = {}  # cache: whether a value breaks a check
_passing: dict[Check, tuple[int, int]] = {}  # lowest and highest value that passed: all between pass


def judge(export: ExportFacts, by: Mapping[str, Check] = CHECKS) -> list[Verdict]:
    """Judge an export by the checks whose fact it has: one verdict each. Raises `judging.GateError`."""
    checks = [check for check in by.values() if check.fact in export.facts]
    broken = _broken(export, checks)
    return [_verdict(export, check, passed=check.name not in broken) for check in checks]


def reason(verdicts: Iterable[Verdict]) -> str:
    """Why an export is kept out, in one line: each broken check with what it found."""
    return "; ".join(f"{verdict.check_name}: {verdict.finding}" for verdict in verdicts if verdict.keeps_out)


def remember_verdicts(verdicts: Iterable[Verdict]) -> None:
    """Cache verdicts from `export_check`, so that Great Expectations is not run on the same check and value."""
    for verdict in verdicts:
        check = CHECKS.get(verdict.check_name)
        if check is not None and isinstance(fact := verdict.evidence.get(check.fact), int):
            _answers[check, fact] = not verdict.passed


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
    """Start the process of Great Expectations, which takes seconds, while Clari prepares the exports."""
    judging.judge.start()


def _verdict(export: ExportFacts, check: Check, *, passed: bool) -> Verdict:
    evidence = dict(export.evidence.get(check.name, {}))
    if passed:
        evidence.pop("summary", None)  # it describes a failure
    is_error = check.keeps_out or check.name in REPAIRED or (export.is_current and check.name in KEEPS_OUT_CURRENT)
    excused = export.is_in_grace and check.name in EXCUSED_IN_GRACE and not passed
    return Verdict(
        request_id=export.request_id,
        check_name=check.name,
        passed=passed,
        severity="ERROR" if is_error and not excused else "WARN",
        evidence={check.fact: export.facts[check.fact], **evidence},
    )


def _broken(export: ExportFacts, checks: Sequence[Check]) -> set[str]:
    """The names of the checks that are broken.

    Great Expectations is run on each check and value once a process, and not at all on a value between two that passed:
    a check is a range.
    """
    answers = {check: _known(check, export.facts[check.fact]) for check in checks}
    if unknown := [check for check in checks if answers[check] is None]:
        broken = judging.judge.broken(
            {check.fact: export.facts[check.fact] for check in unknown},
            [{"name": check.name, "fact": check.fact, "least": check.least, "most": check.most} for check in unknown],
        )
        if len(_answers) > _MOST_ANSWERS:
            _answers.clear()
        for check in unknown:
            fact = export.facts[check.fact]
            _answers[check, fact] = answers[check] = check.name in broken
            if not answers[check]:
                least, most = _passing.get(check, (fact, fact))
                _passing[check] = min(least, fact), max(most, fact)
    return {check.name for check in checks if answers[check]}


def _known(check: Check, fact: int) -> bool | None:
    """Whether a value breaks a check, by the caches; None where Great Expectations has to be run."""
    if check in _passing and _passing[check][0] <= fact <= _passing[check][1]:
        return False
    return _answers.get((check, fact))
