"""Table-driven cases in one test: all are run, and all failures reported."""

from collections.abc import Callable, Iterable
from typing import TypeVar

Case = TypeVar("Case")


def try_each(cases: Iterable[Case], check: Callable[[Case], None]) -> None:
    """Call `check` with each case. Raises an `ExceptionGroup` of all failures, each with its case as a note."""
    failures = []
    for case in cases:
        try:
            check(case)
        except Exception as error:  # noqa: BLE001 - the other cases are still run
            error.add_note(f"case: {case}")
            failures.append(error)
    if failures:
        raise ExceptionGroup("cases that failed", failures)
