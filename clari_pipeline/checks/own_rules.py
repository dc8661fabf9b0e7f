"""The user's own rules: expectations on tables, and the suite files that hold some of them."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

Severity = Literal["WARN", "ERROR"]
_EXPECT = "expect_"
_COLUMNS = ("column", "column_A", "column_B", "column_list", "column_set")
# What Great Expectations writes among the arguments, and how an expectation is judged does not depend on.
_NO_ARGUMENTS = frozenset({"batch_id", "result_format", "catch_exceptions", "rendered_content", "windows", "metadata"})


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnRule:
    """One rule: an expectation of type `type` with `arguments`, on the rows of `table` that meet `where`.

    `arguments` holds fractions as decimals. `source` is its file, `place` its place in the file; `explains` says for
    people what it protects.
    """

    table: str
    type: str
    arguments: Mapping[str, Any]
    source: str
    place: str
    severity: Severity = "WARN"
    where: str | None = None
    own_name: str | None = None
    explains: str | None = None

    @property
    def name(self) -> str:
        """The name that the user gave it, else one of table, columns and type."""
        parts = [self.table, *self.columns, self.type.removeprefix(_EXPECT)]
        return self.own_name or ".".join(parts)

    @property
    def columns(self) -> list[str]:
        """The columns that its arguments name."""
        named = [self.arguments[argument] for argument in _COLUMNS if argument in self.arguments]
        lists = [one if isinstance(one, list | tuple) else [one] for one in named]
        return list(dict.fromkeys(str(column) for names in lists for column in names))

    @property
    def expected(self) -> str:
        """What is expected, for people: `coverage_ratio: values to be between, min_value 3, where is_top`."""
        said = self.type.removeprefix(_EXPECT).removeprefix("column_").removeprefix("table_").replace("_", " ")
        others = [
            f"{name} {_plain(value)}"
            for name, value in self.arguments.items()
            if name not in _COLUMNS and value is not None
        ]
        subject = ", ".join(self.columns) or self.table
        condition = [f"where {self.where}"] if self.where else []
        return f"{subject}: {', '.join([said, *others, *condition])}"

    def fault(self, message: str) -> str:
        """A fault with file and place, for people."""
        return f"{self.source}: {self.place} ({self.type} on {self.table}): {message}"


@dataclass(frozen=True, slots=True)
class BrokenSuite:
    """A suite file that cannot be read, and why: none of its rules is known."""

    source: str
    fault: str


@dataclass(frozen=True, slots=True)
class SuiteFiles:
    """What a folder of suites holds: rules, files that cannot be read, and faults of single rules with their places."""

    rules: list[OwnRule] = field(default_factory=list)
    broken: list[BrokenSuite] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def read_suites(folder: Path) -> SuiteFiles:
    """Read every suite of a project of Great Expectations: `expectations/NAME.json`; without the folder, none."""
    found = SuiteFiles()
    suites = folder / "expectations"
    for file in sorted(suites.rglob("*.json")):
        source = str(file)
        try:
            suite = json.loads(file.read_text(encoding="utf-8"), parse_float=Decimal)
        except (OSError, UnicodeDecodeError) as error:
            found.broken.append(BrokenSuite(source, f"it cannot be read: {getattr(error, 'strerror', None) or error}"))
            continue
        except (ValueError, RecursionError) as error:
            found.broken.append(BrokenSuite(source, f"it is no JSON: {error}"))
            continue
        expectations = suite.get("expectations") if isinstance(suite, dict) else None
        if not isinstance(expectations, list):
            found.broken.append(BrokenSuite(source, "it is no suite: it has no list of expectations"))
            continue
        stem = file.relative_to(suites).with_suffix("").as_posix()
        table = _mapping(suite.get("meta")).get("table") or suite.get("name") or stem
        for number, one in enumerate(expectations, 1):
            _read_expectation(found, str(table), one, source, f"expectation {number}")
    return found


def _read_expectation(found: SuiteFiles, table: str, one: Any, source: str, place: str) -> None:
    faults = list(_shape_faults(one))
    if faults:
        found.faults.extend(f"{source}: {place}: {fault}" for fault in faults)
        return
    meta = _mapping(one.get("meta"))
    arguments = {name: value for name, value in _mapping(one.get("kwargs")).items() if name not in _NO_ARGUMENTS}
    found.rules.append(
        OwnRule(
            table=table,
            type=one["type"],
            arguments=arguments,
            source=source,
            place=place,
            severity="ERROR" if one.get("severity") == "critical" else "WARN",
            where=meta.get("where"),
            own_name=meta.get("name"),
            explains=meta.get("explains") or one.get("description"),
        )
    )


def _shape_faults(one: Any) -> Iterator[str]:
    """What an expectation of a suite file lacks before its arguments can be looked at."""
    if not isinstance(one, dict):
        yield "write an object with type and kwargs"
        return
    if not isinstance(one.get("type"), str):
        yield "it has no type, such as expect_column_values_to_not_be_null"
    if not isinstance(one.get("kwargs", {}), dict):
        yield "kwargs: write an object of arguments"
    if one.get("severity") not in (None, "critical", "warning", "info"):
        yield f"severity: write critical, warning or info instead of {one['severity']!r}"
    for name in ("where", "name", "explains"):
        if not isinstance(_mapping(one.get("meta")).get(name), str | None):
            yield f"meta.{name}: write text"
    if not isinstance(one.get("description"), str | None):
        yield "description: write text"


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _plain(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_plain, value))}]"
    if isinstance(value, dict):
        return ", ".join(f"{name} {_plain(one)}" for name, one in value.items())
    return format(value, "f") if isinstance(value, Decimal) else str(value)
