"""The user's own rules, of `clari_pipeline.toml` and of suite files: read, and refused where they cannot be judged."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clari_pipeline.checks.own_rules import BrokenSuite, OwnRule, read_suites
from clari_pipeline.config.rules import RULES_FILE, Rules, RulesError
from clari_pipeline.config.settings import Settings
from clari_pipeline.warehouse.duckdb.engine import arrow_schemas, condition_fault

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class OwnRules:
    """All rules, by their order in the files, the suite files that cannot be read, and faults in a rule's place."""

    rules: tuple[OwnRule, ...] = ()
    broken: tuple[BrokenSuite, ...] = ()
    faults: tuple[str, ...] = ()

    @property
    def are_none(self) -> bool:
        """Whether there is nothing to judge and nothing to say."""
        return not (self.rules or self.broken or self.faults)


def read_own_rules(settings: Settings, rules: Rules) -> OwnRules:
    """Read them, without Great Expectations: what is wrong with a type or an argument is not found yet."""
    of_toml = [
        OwnRule(
            table=one.table,
            type=one.type,
            arguments=one.arguments,
            source=str(RULES_FILE),
            place=f"expectation.{place}",
            severity=one.severity,
            where=one.where,
            own_name=one.name,
            explains=one.explains,
        )
        for place, one in enumerate(rules.expectation)
    ]
    suites = read_suites(settings.suites_dir)
    found = [*of_toml, *suites.rules]
    faults = list(suites.faults)
    first: dict[str, OwnRule] = {}
    for rule in found:
        if (other := first.setdefault(rule.name, rule)) is not rule:
            where = f"{other.source}: {other.place}"
            faults.append(rule.fault(f"{rule.name} is the name of {where} already: give one of them a name of its own"))
    return OwnRules(tuple(found), tuple(suites.broken), tuple(faults))


def check_own_rules(settings: Settings, rules: Rules) -> OwnRules:
    """Read them, and check each against its table. Imports Great Expectations only where there are rules.

    Raises `RulesError`, all faults in one line, each with file and place, or `LibraryError`.
    """
    own = read_own_rules(settings, rules)
    faults = sorted([*own.faults, *(rule.fault(fault) for rule in own.rules for fault in faults_of_rule(rule))])
    if faults:
        raise RulesError("; ".join(faults))
    return own


def faults_of_rule(rule: OwnRule) -> list[str]:
    """What is wrong with a rule: its table, type, columns, arguments or condition. Raises `LibraryError`."""
    from clari_pipeline.checks import fitting  # noqa: PLC0415 - with pyarrow, where there are rules

    tables = rule_tables()
    faults = fitting.faults_of(rule, tables)
    if rule.where is not None and (fault := _condition_fault(rule, tables)) is not None:
        faults.append(f"where: {fault}")
    return faults


def notes_of_rule(rule: OwnRule) -> tuple[str, ...]:
    """Where a verdict on a rule without faults may be off."""
    from clari_pipeline.checks import fitting  # noqa: PLC0415 - with pyarrow, where there are rules

    return fitting.fitted(rule, rule_tables()[rule.table]).notes


def is_binary(rule: OwnRule) -> bool:
    """Whether Great Expectations judges a rule without faults in floats."""
    from clari_pipeline.checks import fitting  # noqa: PLC0415 - with pyarrow, where there are rules

    return fitting.fitted(rule, rule_tables()[rule.table]).is_binary


def rule_tables() -> Mapping[str, "pa.Schema"]:
    """The tables that rules may be on: every table and view of schema `clari`."""
    return arrow_schemas()


def condition_of(rule: OwnRule) -> str | None:
    """A rule's condition, as DuckDB's SQL. Raises `ValueError`."""
    from clari_pipeline.warehouse import dialects  # noqa: PLC0415 - sqlglot, where a rule has a condition

    return None if rule.where is None else dialects.condition_of(rule.where)


def _condition_fault(rule: OwnRule, tables: Mapping[str, "pa.Schema"]) -> str | None:
    try:
        condition = condition_of(rule)
    except ValueError as error:
        return str(error)
    if condition is None or rule.table not in tables:
        return None
    return condition_fault(rule.table, condition)
