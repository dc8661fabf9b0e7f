"""What is said of a value that a setting, a rule or an option cannot have, in this program's words, not pydantic's."""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from cronsim import CronSim, CronSimError
from pydantic import ValidationError

from clari_pipeline.core.suggestions import did_you_mean

_LEAST_PERCENTAGE = 2
_FEBRUARY = 2
# By pydantic's type of error: its `ctx` fills the braces.
_WORDS = {
    "greater_than": "write a number above {gt}",
    "greater_than_equal": "write {ge} or more",
    "less_than": "write a number below {lt}",
    "less_than_equal": "write {le} or less",
    "literal_error": "write {expected}",
    "enum": "write {expected}",
    "finite_number": "write a number",
    "decimal_max_places": "write at most {decimal_places} digits after the point",
    "decimal_max_digits": "write at most {max_digits} digits",
    "decimal_whole_digits": "write at most {whole_digits} digits before the point",
    "string_too_short": "it is empty",
    "too_short": "name at least one",
    "missing": "it is missing",
}
_BOUNDS = {"gt", "ge", "lt", "le"}
# By how the type begins, for what has no words of its own.
_KINDS = {
    "int": "write a whole number",
    "float": "write a number",
    "decimal": "write a number such as 0.25",
    "bool": "write true or false",
    "string": "write a text in quotes",
    "tuple": "write a list in square brackets",
    "list": "write a list in square brackets",
    "model": "write a table of keys and values",
    "dict": "write a table of keys and values",
    "path": "write a path",
}


def faults_of(error: ValidationError, *, known: Collection[str] = ()) -> list[tuple[tuple[int | str, ...], str]]:
    """The place and the remedy of each fault; `known` are names to suggest for an unknown key."""
    return [(fault["loc"], _remedy(fault, known)) for fault in error.errors(include_url=False)]


def _remedy(fault: Mapping[str, Any], known: Collection[str]) -> str:
    kind, context = fault["type"], fault.get("ctx", {})
    if kind == "value_error":
        return str(context["error"])
    if kind == "extra_forbidden":
        return f"there is no such key{did_you_mean(str(fault['loc'][-1]), known)}"
    if kind in _WORDS:
        whole = {
            name: int(value) if value == int(value) else value for name, value in context.items() if name in _BOUNDS
        }
        return _WORDS[kind].format(**(context | whole))
    return next((said for begin, said in _KINDS.items() if kind.startswith(begin)), "it cannot be used")


def refuse_percentage(share: Decimal) -> Decimal:
    """A share, which is a fraction. Raises `ValueError` for one of 2 (200 %) or more: a percentage was meant."""
    if share >= _LEAST_PERCENTAGE:
        raise ValueError(
            f"{share} is {(share * 100).normalize():f} %: did you mean {_fraction(share)}? A share is a fraction"
        )
    return share


def refuse_percent_sign(value: object) -> object:
    """Raise `ValueError` for a text such as `20%`, naming the fraction to write."""
    if isinstance(value, str) and (percentage := value.strip().removesuffix("%").strip()) != value.strip():
        try:
            fraction = _fraction(Decimal(percentage))
        except ArithmeticError:
            return value
        raise ValueError(f"did you mean {fraction}? A share is a fraction")
    return value


def _fraction(percentage: Decimal) -> str:
    fraction = percentage / 100
    return f"{fraction:.2f}" if fraction == round(fraction, 2) else f"{fraction.normalize():f}"


def refuse_no_cron(line: str) -> str:
    """A cron line that Dagster's scheduler runs. Raises `ValueError` for any other, the remedy as its text.

    CronSim reads more than Dagster does: seconds, `LW`, `5L`, and days that February never has.
    """
    fields = line.upper().split()
    try:
        schedule = CronSim(line, datetime.now(UTC))
        is_cron = len(fields) == 5 and "W" not in fields[2] and "L" not in fields[4]
        never = schedule.months == {_FEBRUARY} and schedule.days in ({30}, {31})
    except CronSimError:
        is_cron = never = False
    if never:
        raise ValueError(f"{line!r} never comes: February has no such day")
    if not is_cron:
        raise ValueError(f"{line!r} is no cron line: write five fields such as 30 8 * * *")
    return line
