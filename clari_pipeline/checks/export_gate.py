"""The one gate: Great Expectations judges a frame with one row, the export, and a column a fact.

A fact is a column of that frame, a check allows it a range. What an export's facts do not hold is not judged:
an unreadable document has no rows to count.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from clari_pipeline.checks import judging

_MOST_SAID = 10_000
_AGAINST_THE_LAST = {"row_count_is_stable", "currency_is_stable"}
_OF_OTHER_THINGS = {
    "periods_are_covered",
    "forecast_swings_within_threshold",
    "quota_field_is_unambiguous",
    "totals_have_one_top",
}


@dataclass(frozen=True, slots=True)
class Check:
    """One promise about an export: `fact` lies between `least` and `most`.

    `keeps_out`: an export that breaks it is not merged. `explains` says what the check protects, for people.
    """

    name: str
    fact: str
    explains: str
    least: int | None = None
    most: int | None = None
    keeps_out: bool = True

    @property
    def severity(self) -> str:
        """ERROR keeps an export out of the tables, WARN does not."""
        return "ERROR" if self.keeps_out else "WARN"


CHECKS = {
    check.name: check
    for check in (
        Check(
            "export_is_complete",
            "ends_unproved",
            "The download came to its end: its length, its compression, its last bracket, or a second one shows it.",
            most=0,
        ),
        Check("export_is_readable", "reading_faults", "The document is one that Clari documents.", most=0),
        Check("export_is_not_empty", "rows_exported", "The document holds at least one entry.", least=1),
        Check(
            "export_is_not_truncated",
            "truncation_flags",
            "Clari says that no rows and no cells were cut off.",
            most=0,
        ),
        Check(
            "export_period_matches_request",
            "periods_outside",
            "Every period of the document is the quarter asked for, or lies in it: for a quarter that it does "
            "not know, Clari silently delivers the current one.",
            most=0,
        ),
        Check(
            "entry_keys_are_complete",
            "null_keys",
            "Every entry names field, week, period and person.",
            most=0,
        ),
        Check(
            "entry_keys_are_unique",
            "conflicting_keys",
            "No two entries of one key differ (equal ones are dropped and counted).",
            most=0,
        ),
        Check(
            "ids_are_recognised",
            "ids_unrecognised",
            "Where a quarter's exports change between JSON and CSV, each person and field is the one that was known, "
            "or surely none of those.",
            most=0,
        ),
        Check(
            "amounts_are_readable",
            "unreadable_amounts",
            "Every amount is a number with at most 14 digits before its decimals.",
            most=0,
        ),
        Check(
            "row_counts_reconcile",
            "rows_unreconciled",
            "Entries counted in the document, staged and merged are the same number.",
            most=0,
        ),
        Check(
            "control_totals_reconcile",
            "totals_unreconciled",
            "Sum and count of each measure of each field are the same in the document and in the merged rows.",
            most=0,
        ),
        Check(
            "amounts_are_exact",
            "amounts_changed",
            "No amount has more than four decimals, and no measure of a field is a calculated one that has no number "
            "in some cell: those are rounded, these are left out.",
            most=0,
            keeps_out=False,
        ),
        Check(
            "row_count_is_stable",
            "rows_above_tolerance",
            "The document has not lost more than 15 % of the entries that the one before it had.",
            least=0,
            keeps_out=False,
        ),
        Check(
            "currency_is_stable",
            "currencies_changed",
            "Entries keep the currency that they had.",
            most=0,
            keeps_out=False,
        ),
        Check(
            "calendar_matches_settings",
            "calendar_contradictions",
            "The quarter lies where CLARI_FISCAL_YEAR_START_MONTH and CLARI_FISCAL_YEAR_NAMED_BY have it.",
            most=0,
            keeps_out=False,
        ),
        Check(
            "weeks_touch_their_period",
            "weeks_astray",
            "Every week begins before it ends, touches the period that it is listed under, and has the same days "
            "throughout the document.",
            most=0,
            keeps_out=False,
        ),
        Check(
            "people_are_distinct",
            "people_shared",
            "No CRM person and no email stands under several user ids.",
            most=0,
            keeps_out=False,
        ),
        Check(
            "quota_field_is_unambiguous",
            "quotas_ambiguous",
            "One field carries the quota, or CLARI_QUOTA_FIELD names it.",
            most=0,
            keeps_out=False,
        ),
        Check(
            "totals_have_one_top",
            "tops_beside_one",
            "One person stands at the top, or CLARI_TOP_USER names the one whose row is the total.",
            most=0,
            keeps_out=False,
        ),
        Check(
            "periods_are_covered",
            "quarters_missing",
            "The current quarter and those before it that are asked for have been loaded, and are fresh.",
            most=0,
            keeps_out=False,
        ),
        Check(
            "forecast_movement_adds_up",
            "movements_unreconciled",
            "From one week's end to the next each call moved by what raised, lowered, new and gone reports and the "
            "owner's judgement add up to.",
            most=0,
            keeps_out=False,
        ),
        Check(
            "forecast_swings_within_threshold",
            "swings",
            "No call moved by more than the threshold since the export before, or since a week ago.",
            most=0,
            keeps_out=False,
        ),
    )
}
# What a quarter's first days excuse: Clari may have nothing for it yet, or deliver the quarter before.
EXCUSED_IN_GRACE = frozenset({"export_is_not_empty", "export_period_matches_request"})

# A warning, but of the current quarter an error: everything that a sync asks for hangs on it.
KEEPS_OUT_CURRENT = frozenset({"calendar_matches_settings"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportFacts:
    """What is known of one export: `facts` by column name, `evidence` by check name.

    An evidence's `summary` is one line that says what is wrong; a check that passes does not keep it.
    """

    request_id: str
    facts: Mapping[str, int]
    evidence: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    is_in_grace: bool = False
    is_current: bool = False

    def joined(self, other: ExportFacts) -> ExportFacts:
        """What both know of the same export."""
        return replace(self, facts={**self.facts, **other.facts}, evidence={**self.evidence, **other.evidence})


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One check's answer on one export."""

    request_id: str
    check_name: str
    passed: bool
    severity: str
    evidence: Mapping[str, Any]
    check: Check

    @property
    def keeps_out(self) -> bool:
        """Whether this verdict keeps the export out of the tables."""
        return not self.passed and self.check.keeps_out


_said: dict[tuple[Check, int], bool | None] = {}  # a verdict depends on nothing else
_passing: dict[Check, tuple[int, int]] = {}  # least and most value that passed: so does whatever lies between them


def judge(export: ExportFacts, by: Mapping[str, Check] = CHECKS) -> list[Verdict]:
    """Judge an export by the checks whose fact it holds."""
    checks = [check for check in by.values() if check.fact in export.facts]
    broken = _broken(export, checks)
    return [_verdict(export, check, passed=check.name not in broken) for check in checks]


def reason(verdicts: Iterable[Verdict]) -> str:
    """Why an export is kept out, in one line: each broken check with what it found."""
    return "; ".join(
        f"{verdict.check_name}: {verdict.evidence.get('summary') or verdict.check.explains}"
        for verdict in verdicts
        if verdict.keeps_out
    )


def remember(verdicts: Iterable[Mapping[str, Any]]) -> None:
    """Verdicts that stand in the ledger: of the same check and value Great Expectations is not asked again."""
    for verdict in verdicts:
        check = CHECKS.get(verdict["check_name"])
        if check is not None and isinstance(fact := verdict["evidence"].get(check.fact), int):
            _said[check, fact] = not verdict["passed"]


def again(verdict: Mapping[str, Any], request_id: str, job_id: str) -> Verdict | None:
    """The verdict on an export whose document is that of job `job_id`, on which `verdict` was; None is to be judged.

    Beside that document it differs from nothing any more.
    """
    if verdict["check_name"] in _OF_OTHER_THINGS:
        return None
    passed, evidence = verdict["passed"], verdict["evidence"]
    if verdict["check_name"] in _AGAINST_THE_LAST:
        passed, evidence = True, {"same_document_as": job_id}
    return Verdict(
        request_id=request_id,
        check_name=verdict["check_name"],
        passed=passed,
        severity=verdict["severity"],
        evidence=evidence,
        check=CHECKS[verdict["check_name"]],
    )


def warm_up() -> None:
    """Begin Great Expectations, which takes seconds, while Clari prepares the exports or a document lands."""
    judging.judge.start()


def _verdict(export: ExportFacts, check: Check, *, passed: bool) -> Verdict:
    evidence = dict(export.evidence.get(check.name, {}))
    if passed:
        evidence.pop("summary", None)  # it says what is wrong
    if export.is_current and check.name in KEEPS_OUT_CURRENT:
        check = replace(check, keeps_out=True)
    excused = export.is_in_grace and check.name in EXCUSED_IN_GRACE and not passed
    return Verdict(
        request_id=export.request_id,
        check_name=check.name,
        passed=passed,
        severity="WARN" if excused else check.severity,
        evidence={check.fact: export.facts[check.fact], **evidence},
        check=check,
    )


def _broken(export: ExportFacts, checks: Sequence[Check]) -> set[str]:
    """The names of the checks that are broken. Of a check and a value Great Expectations is asked once a process, and
    not at all of a value between two that passed: a check is a least and a most.
    """
    said = {check: _known(check, export.facts[check.fact]) for check in checks}
    if unknown := [check for check in checks if said[check] is None]:
        broken = judging.judge.broken(
            {check.fact: export.facts[check.fact] for check in unknown},
            [{"name": check.name, "fact": check.fact, "least": check.least, "most": check.most} for check in unknown],
        )
        said |= {check: check.name in broken for check in unknown}
        if len(_said) > _MOST_SAID:
            _said.clear()
        for check in unknown:
            fact = export.facts[check.fact]
            _said[check, fact] = said[check]
            if not said[check]:
                least, most = _passing.get(check, (fact, fact))
                _passing[check] = min(least, fact), max(most, fact)
    return {check.name for check in checks if said[check]}


def _known(check: Check, fact: int) -> bool | None:
    """Whether a value is known to break a check; None where Great Expectations is to be asked."""
    if check in _passing and _passing[check][0] <= fact <= _passing[check][1]:
        return False
    return _said.get((check, fact))
