"""Fit a rule to its table: check its arguments, and write its numbers as Great Expectations compares them exactly.

Great Expectations makes a float of every bound, and Python compares a float with a decimal exactly: 0.1 as a float is
more than the decimal 0.1. So a bound is moved to the float next to it on the side where no value of the column lies,
and every verdict is that on the bound as written. Beyond 2^53 units of the last decimal there is no such float.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from typing import Any

import pyarrow as pa
from pyarrow import types as kinds

from clari_pipeline.checks import library
from clari_pipeline.checks.own_rules import OwnRule
from clari_pipeline.core.suggestions import did_you_mean

_WIDE = Context(prec=60)
# Judged by SQL alone: a frame has no such thing.
_OF_SQL = frozenset(
    {
        "expect_query_results_to_match_comparison",
        "expect_table_row_count_to_equal_other_table",
        "unexpected_rows_expectation",
        *(
            f"expect_column_values_to_{negated}match_like_pattern{many}"
            for negated in ("", "not_")
            for many in ("", "_list")
        ),
    }
)
_INSTEAD = "use one on columns, such as expect_column_values_to_match_regex, with a `where`"
# On which columns there are: they need the whole table, and name columns that it may not have.
_OF_ALL_COLUMNS = frozenset(
    {
        "expect_column_to_exist",
        "expect_table_column_count_to_be_between",
        "expect_table_column_count_to_equal",
        "expect_table_columns_to_match_ordered_list",
        "expect_table_columns_to_match_set",
    }
)
# Types whose bounds are compared with values of the column, not with what is made of them.
_OF_VALUES = frozenset(
    {"expect_column_values_to_be_between", "expect_column_max_to_be_between", "expect_column_min_to_be_between"}
)
# Types that make floats of decimals and reckon with those. The test of exactness holds this table.
BINARY = frozenset(
    {
        "expect_column_kl_divergence_to_be_less_than",
        "expect_column_mean_to_be_between",
        "expect_column_median_to_be_between",
        "expect_column_quantile_values_to_be_between",
        "expect_column_stdev_to_be_between",
        "expect_column_sum_to_be_between",
        "expect_column_value_z_scores_to_be_less_than",
        "expect_column_values_to_not_be_outliers",
    }
)
# Columns that say which row it is, in this order; a table has some of them.
_KEYS = (
    *("forecast_id", "time_period_id", "quarter_id", "time_frame_id", "user_id", "user_name", "field_id", "field_name"),
    *("baseline", "valid_from", "day", "request_id", "job_id", "product", "event_id", "activity_id", "opportunity_id"),
    *("account_id", "participant_id", "actor_id", "trend_id", "name", "path", "alert_key", "run_id", "read_at"),
)


@dataclass(frozen=True, slots=True)
class Fitted:
    """A rule as it is judged: `arguments` for Great Expectations, the `columns` of its frame, and `keys` of its rows.

    `is_binary`: Great Expectations reckons with floats here. `notes` say where a verdict may be off.
    """

    arguments: Mapping[str, Any]
    columns: tuple[str, ...]
    keys: tuple[str, ...]
    is_binary: bool = False
    notes: tuple[str, ...] = ()


class Misfit(ValueError):
    """A value does not fit a column; the message says which."""


def faults_of(rule: OwnRule, tables: Mapping[str, pa.Schema]) -> list[str]:
    """What is wrong with a rule: table, type, columns, arguments. Raises `LibraryError`."""
    faults = []
    schema = tables.get(rule.table)
    if schema is None:
        faults.append(f"no table is called {rule.table}{did_you_mean(rule.table, tables)}")
    types = library.expectation_types()
    if rule.type not in types:
        return [*faults, f"no expectation is called {rule.type}{did_you_mean(rule.type, types)}"]
    if rule.type in _OF_SQL:
        return [*faults, f"{rule.type} asks a database in SQL, and rules are judged on frames: {_INSTEAD}"]
    if schema is not None and rule.type not in _OF_ALL_COLUMNS:
        faults += [
            f"{rule.table} has no column {column}{did_you_mean(column, schema.names)}"
            for column in rule.columns
            if column not in schema.names
        ]
    if any(isinstance(value, Mapping) and "$PARAMETER" in value for value in rule.arguments.values()):
        return [*faults, "$PARAMETER: nothing is put in its place here: write the value"]
    faults += library.argument_faults(rule.type, rule.arguments)
    if not faults and schema is not None:
        try:
            fitted(rule, schema)
        except Misfit as misfit:
            faults.append(str(misfit))
    return faults


def fitted(rule: OwnRule, schema: pa.Schema) -> Fitted:
    """A rule without other faults, fitted to its table. Raises `Misfit` for a value that no row can have."""
    needs_all = rule.type in _OF_ALL_COLUMNS or rule.arguments.get("row_condition") is not None
    keys = tuple(name for name in _KEYS if name in schema.names)
    columns = schema.names if needs_all else [*dict.fromkeys([*rule.columns, *keys])]
    numbers = [
        schema.field(column).type
        for column in rule.columns
        if column in schema.names and kinds.is_decimal(schema.field(column).type)
    ]
    is_binary = rule.type in BINARY and bool(numbers)
    arguments, notes = dict(rule.arguments), list[str]()
    for name, value in rule.arguments.items():
        arguments[name], note = _argument(rule, name, value, schema)
        notes += note
    if is_binary:
        notes.insert(0, "judged in binary fractions, right to about 15 digits")
    return Fitted(arguments, tuple(columns), keys, is_binary, tuple(notes))


def _argument(rule: OwnRule, name: str, value: Any, schema: pa.Schema) -> tuple[Any, list[str]]:
    """An argument as Great Expectations is given it, and what there is to be said of it."""
    of = [schema.field(column).type for column in rule.columns if column in schema.names]
    kind = of[0] if of else pa.null()
    if name == "value_set" and isinstance(value, list):
        return [_as_value(one, kind, rule.columns[0]) for one in value], []
    if name == "value_pairs_set" and isinstance(value, list) and len(of) == 2:
        pairs = [tuple(_as_value(*part) for part in zip(pair, of, rule.columns, strict=True)) for pair in value]
        return pairs, []
    if name in {"min_value", "max_value"} and rule.type in _OF_VALUES and kinds.is_temporal(kind):
        return _as_value(value, kind, rule.columns[0]), []
    is_of_values = rule.type in _OF_VALUES or (
        rule.type == "expect_column_sum_to_be_between" and kinds.is_integer(kind)
    )
    if name in {"min_value", "max_value"} and is_of_values and _is_number(value) and (unit := _unit(kind)) is not None:
        is_strict = bool(rule.arguments.get(f"strict_{name.removesuffix('_value')}"))
        bound, is_exact = _bound(Decimal(value), unit, is_least=name == "min_value", is_strict=is_strict)
        note = f"{name} {value} is judged as {Decimal(bound):f}, the float next to it"
        return bound, [] if is_exact else [note]
    if name == "sum_total" and _is_number(value) and kinds.is_decimal(kind) and Decimal(float(value)) != value:
        raise Misfit(
            f"sum_total: Great Expectations makes a float of {value}, which no sum of decimals equals: write a number "
            "that is whole, or whole quarters"
        )
    return _without_decimals(value), []


def _is_number(value: Any) -> bool:
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


def _unit(kind: pa.DataType) -> Decimal | None:
    """The least difference between two values of a column; None where it holds no decimals or integers."""
    if kinds.is_decimal(kind):
        return Decimal(1).scaleb(-kind.scale)
    return Decimal(1) if kinds.is_integer(kind) else None


def _bound(value: Decimal, unit: Decimal, *, is_least: bool, is_strict: bool) -> tuple[float, bool]:
    """The float that parts a column's values as a bound does, and whether it does so exactly.

    For `x >= value` it is the greatest float that is not above the least multiple of `unit` that meets it; the others
    are its mirror images.
    """
    on_grid = (value / unit).to_integral_value(ROUND_CEILING if is_least != is_strict else ROUND_FLOOR, _WIDE)
    exact = _WIDE.multiply(on_grid, unit)
    is_down = is_least != is_strict
    bound = float(exact)
    if is_down and Decimal(bound) > exact:
        bound = math.nextafter(bound, -math.inf)
    if not is_down and Decimal(bound) < exact:
        bound = math.nextafter(bound, math.inf)
    return bound, abs(Decimal(bound) - exact) < unit


def _as_value(value: Any, kind: pa.DataType, column: str) -> Any:
    """A value of the type that the column has. Raises `Misfit`."""
    try:
        return _converter(kind)(value)
    except (ValueError, TypeError, ArithmeticError):
        raise Misfit(f"{column} holds values of type {kind}, and {value} is none") from None


def _converter(kind: pa.DataType) -> Callable[[Any], Any]:
    if kinds.is_decimal(kind):
        return lambda value: _on_grid(value, Decimal(1).scaleb(-kind.scale))
    if kinds.is_integer(kind):
        return lambda value: int(_on_grid(value, Decimal(1)))
    if kinds.is_date(kind):
        return _day
    if kinds.is_timestamp(kind):
        return _moment
    return _without_decimals


def _on_grid(value: Any, unit: Decimal) -> Decimal:
    if not _is_number(value):
        raise TypeError
    held = Decimal(value).quantize(unit, context=_WIDE)
    if held != value:
        raise ValueError
    return held


def _day(value: Any) -> date:
    if isinstance(value, str):
        return date.fromisoformat(value)
    if not isinstance(value, date) or isinstance(value, datetime):
        raise TypeError
    return value


def _moment(value: Any) -> datetime:
    """A day is its midnight, and a moment without a zone is one of UTC."""
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    if isinstance(moment, date) and not isinstance(moment, datetime):
        moment = datetime.combine(moment, time())
    if not isinstance(moment, datetime):
        raise TypeError
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _without_decimals(value: Any) -> Any:
    """The value with floats for decimals, as Great Expectations reads its own files."""
    match value:
        case Decimal():
            return int(value) if value == value.to_integral_value() and abs(value) < 2**53 else float(value)
        case dict():
            return {name: _without_decimals(one) for name, one in value.items()}
        case list() | tuple():
            return [_without_decimals(one) for one in value]
        case _:
            return value


def as_floats(table: pa.Table) -> pa.Table:
    """A table with floats for decimals."""
    fields = [field.with_type(pa.float64()) if kinds.is_decimal(field.type) else field for field in table.schema]
    return table.cast(pa.schema(fields))


def off_by(rule: OwnRule, table: pa.Table) -> Decimal | None:
    """By how much a sum or mean of floats may be off, at most, to one digit; None where no bound is known.

    Arrow adds amounts up in blocks of 16, and those in pairs: each takes part in 16 + log2(n) roundings at most, each
    off by 2^-53 of what is added up so far. Twice as many are allowed for, as a table comes in several pieces.
    """
    sizes = [abs(amount) for amount in _amounts(rule, table)]
    total = sum(sizes, Decimal(0)) * 2 * (16 + len(sizes).bit_length()) / 2**53
    match rule.type.removeprefix("expect_column_"):
        case "sum_to_be_between":
            found = total
        case "mean_to_be_between":
            found = total / len(sizes) if sizes else total
        case "median_to_be_between" | "quantile_values_to_be_between":
            found = max(sizes, default=Decimal(0)) / 2**53
        case _:
            return None
    return Context(prec=1, rounding=ROUND_CEILING).create_decimal(found)


def _amounts(rule: OwnRule, table: pa.Table) -> Iterator[Decimal]:
    for column in rule.columns:
        if kinds.is_decimal(table.schema.field(column).type):
            yield from (amount for amount in table[column].to_pylist() if amount is not None)
