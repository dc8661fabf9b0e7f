"""Judge the user's own rules on the tables, once the marts are refreshed. What is found keeps nothing out of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import duckdb

from clari_pipeline.checks import library
from clari_pipeline.checks.library import LibraryError, Result
from clari_pipeline.checks.own_rules import BrokenSuite, OwnRule
from clari_pipeline.core.runbook import UNFORESEEN, Problem, RunbookSection
from clari_pipeline.core.safe_text import one_line
from clari_pipeline.store import quality_results
from clari_pipeline.store.quality_results import QualityResult
from clari_pipeline.sync.context import Context
from clari_pipeline.sync.own_rules import condition_of, faults_of_rule, is_binary, read_own_rules, rule_tables
from clari_pipeline.warehouse.errors import WarehouseError
from clari_pipeline.warehouse.session import Session

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

_MOST_ROWS = 20
_ROWS_TOLD = 3
_NA_IN_PAIR = "boolean value of NA is ambiguous"
_Evidence = dict[str, Any]


def judge_own_rules(context: Context, run_id: str) -> list[Problem]:
    """Judge every rule, and write the results into `quality_result`, in place of this run's earlier ones.

    Returns a problem for each suite file that cannot be read. A rule that cannot be judged has a result that says why,
    of severity WARN; it stops no other.
    """
    own = read_own_rules(context.settings, context.rules.rules)
    if own.are_none:
        return []
    problems = [_suite_problem(one) for one in own.broken]
    evidence: dict[int, tuple[bool, _Evidence]] = {}
    if own.rules:
        with context.warehouse.session() as session:
            evidence = _Judge(session).judge(own.rules)
    at = context.now()
    results = [
        QualityResult(
            rule_name=rule.name,
            run_id=run_id,
            table_name=rule.table,
            expectation_type=rule.type,
            column_name=", ".join(rule.columns) or None,
            passed=evidence[number][0],
            severity="WARN" if "not_judged" in evidence[number][1] else rule.severity,
            evidence=evidence[number][1],
            checked_at=at,
            source=rule.source,
        )
        for number, rule in enumerate(own.rules)
    ]
    results += [
        QualityResult(
            rule_name=one.source,
            run_id=run_id,
            table_name=None,
            expectation_type=None,
            column_name=None,
            passed=False,
            severity="WARN",
            evidence={"summary": f"none of its rules was judged: {one_line(one.fault)}"},
            checked_at=at,
            source=one.source,
        )
        for one in own.broken
    ]
    with context.warehouse.transaction("marts") as session:
        quality_results.keep(session, run_id, results)
    try:
        library.make_project(context.settings.suites_dir)
    except LibraryError as error:
        problems.append(Problem.of_error(error))
    return problems


def results_of_run(context: Context, run_id: str) -> list[QualityResult]:
    """What a run has judged."""
    with context.warehouse.session() as session:
        return quality_results.of_run(session, run_id)


def _suite_problem(one: BrokenSuite) -> Problem:
    message = f"{one.source}: {one_line(one.fault)}; all other rules were judged"
    return Problem(None, None, message, RunbookSection.SUITE_UNREADABLE)


class _Judge:
    """Judges rules in one session: those on the same rows of a table by one frame."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def judge(self, rules: Sequence[OwnRule]) -> dict[int, tuple[bool, _Evidence]]:
        """Whether each rule passed, and its evidence, by its place in `rules`."""
        found: dict[int, tuple[bool, _Evidence]] = {}
        by_rows: dict[tuple[str, str | None, bool], list[int]] = {}
        for number, rule in enumerate(rules):
            try:
                faults = faults_of_rule(rule)
            except LibraryError as error:
                faults = [str(error)]
            if faults:
                found[number] = _not_judged(rule, "; ".join(faults))
            else:
                by_rows.setdefault((rule.table, condition_of(rule), is_binary(rule)), []).append(number)
        for (table, where, in_floats), numbers in by_rows.items():
            try:
                of_rows = {number: rules[number] for number in numbers}
                found |= self._of_rows(table, where, of_rows, in_floats=in_floats)
            except (WarehouseError, LibraryError, duckdb.Error, *UNFORESEEN) as error:
                found |= {number: _not_judged(rules[number], str(error)) for number in numbers}
        return found

    def _of_rows(
        self, table: str, where: str | None, rules: Mapping[int, OwnRule], *, in_floats: bool
    ) -> dict[int, tuple[bool, _Evidence]]:
        import pandas as pd  # noqa: PLC0415 - imported with Great Expectations

        from clari_pipeline.checks.fitting import as_floats, fitted, off_by  # noqa: PLC0415 - pyarrow

        schema = rule_tables()[table]
        fits = {number: fitted(rule, schema) for number, rule in rules.items()}
        wanted = {column for fit in fits.values() for column in fit.columns}
        columns = [column for column in schema.names if column in wanted] or schema.names[:1]
        with self._session.transaction():
            rows = self._session.arrow(table, columns, where)
        (first, *_) = fits.values()
        keys = [key for key in first.keys if key in columns]
        rows = rows.sort_by([(key, "ascending") for key in keys]) if keys else rows  # so that the first rows stay so
        # Great Expectations would make floats of decimals itself, in three milliseconds each.
        held = as_floats(rows) if in_floats else rows
        frame: pd.DataFrame = held.to_pandas(types_mapper=pd.ArrowDtype)
        results = library.validate(
            frame,
            [{"type": rules[number].type, "kwargs": fit.arguments} for number, fit in fits.items()],
            most_rows=_MOST_ROWS,
        )
        found = {}
        for (number, fit), result in zip(fits.items(), results, strict=True):
            rule, notes = rules[number], list(fit.notes)
            if in_floats and (off := off_by(rule, rows)):
                notes[0] += f": it may be off by {off:f}"
            found[number] = self._verdict(rule, result, rows, keys, notes)
        return found

    def _verdict(
        self, rule: OwnRule, result: Result, rows: pa.Table, keys: Sequence[str], notes: Sequence[str]
    ) -> tuple[bool, _Evidence]:
        if result.error is not None:
            return _not_judged(rule, _explained(result.error))
        evidence: _Evidence = {"expected": rule.expected, "rows": rows.num_rows}
        if rule.where:
            evidence["where"] = rule.where
        if rule.explains:
            evidence["explains"] = rule.explains
        if notes:
            evidence["note"] = "; ".join(notes)
        given = result.result
        evidence |= {name: _plain(given[name]) for name in ("observed_value", "unexpected_count") if name in given}
        is_vacuous = not rows.num_rows and "observed_value" in given and given["observed_value"] is None
        if result.success or is_vacuous:
            return True, evidence
        # By their places: Great Expectations takes a millisecond to name a row by its keys, and names all of them.
        if places := given.get("partial_unexpected_index_list"):
            shown = [name for name in rows.column_names if name in {*keys, *rule.columns}]
            evidence["unexpected_rows"] = self._named(rows.select(shown).take(places).to_pylist())
        if details := given.get("details"):
            evidence["details"] = _plain(details)
        evidence["summary"] = _summary(rule, evidence)
        return False, evidence

    def _named(self, rows: Iterable[Mapping[str, Any]]) -> list[_Evidence]:
        """Rows with the names of people and fields beside their ids, where the table itself has none."""
        plain = [{name: _plain(value) for name, value in row.items()} for row in rows]
        people = quality_results.people(self._session, _values(plain, "user_id"))
        fields = quality_results.fields(self._session, _values(plain, "field_id"))
        for row in plain:
            if row.get("user_id") in people:
                row.setdefault("user_name", people[row["user_id"]])
            if row.get("field_id") in fields:
                row.setdefault("field_name", fields[row["field_id"]])
        return plain


def _values(rows: Iterable[Mapping[str, Any]], name: str) -> list[str]:
    return sorted({row[name] for row in rows if isinstance(row.get(name), str)})


def _not_judged(rule: OwnRule, why: str) -> tuple[bool, _Evidence]:
    """A rule that could not be judged: no word on the data."""
    why = one_line(why)
    return False, {"expected": rule.expected, "not_judged": why, "summary": f"{rule.expected}: not judged: {why}"}


def _explained(error: str) -> str:
    """An error of Great Expectations, with a remedy where its words give none."""
    if _NA_IN_PAIR in error:
        return f'{error}: a column is empty in some row; set ignore_row_if = "either_value_is_missing", or a `where`'
    return error


def _summary(rule: OwnRule, evidence: Mapping[str, Any]) -> str:
    """What is wrong, in one line for people: what was expected, what was found, the first rows."""
    parts = []
    if "unexpected_count" in evidence:
        parts.append(f"{evidence['unexpected_count']:,} of {evidence['rows']:,} rows are not so")
    if evidence.get("observed_value") is not None:
        parts.append(f"found {evidence['observed_value']}")
    parts += [row_text(row, rule.columns) for row in evidence.get("unexpected_rows", ())[:_ROWS_TOLD]]
    found = "; ".join(parts) or "it is not so"
    return one_line(f"{rule.explains or rule.expected}: {found}")


def row_text(row: Mapping[str, Any], columns: Sequence[str]) -> str:
    """A row that breaks a rule, for people: whom it is about, then what it holds in the rule's columns."""
    who = [
        str(row[name])
        for name in ("user_name", "name", "field_name", "time_period_id", "time_frame_id")
        if row.get(name) is not None and name not in columns
    ]
    if not who:
        who = [f"{name} {value}" for name, value in row.items() if name not in columns][:3]
    held = [f"{name} {'empty' if row[name] is None else row[name]}" for name in columns if name in row]
    return f"{' '.join(who)}: {', '.join(held)}" if who else ", ".join(held)


def _plain(value: Any) -> Any:
    """A value of Great Expectations' as JSON has it; a decimal as exact text, what is missing or no number as None."""
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(one) for one in value]
    held = value.item() if hasattr(value, "item") else value  # of a number of NumPy's
    if isinstance(held, Decimal):
        return format(held, "f")
    if isinstance(held, date):
        return held.isoformat()
    if str(held) in {"<NA>", "NaT"} or (isinstance(held, float) and not math.isfinite(held)):
        return None
    return held if isinstance(held, str | int | float | None) else str(held)
