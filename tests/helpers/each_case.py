"""A table of cases in one test: every case is tried, and each that fails is named."""

from collections.abc import Callable, Iterable
from typing import TypeVar

Case = TypeVar("Case")


def try_each(cases: Iterable[Case], check: Callable[[Case], None]) -> None:
    """Call `check` with each case. Raises all that failed at once, each with its case."""
    failures = []
    for case in cases:
        try:
            check(case)
        except Exception as error:  # noqa: BLE001 - the other cases are to be told of, too
            error.add_note(f"case: {case}")
            failures.append(error)
    if failures:
        raise ExceptionGroup("cases that failed", failures)
