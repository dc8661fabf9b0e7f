"""Table-driven cases in one test: all are run, and all failures reported."""

from collections.abc import Callable, Iterable
from typing import TypeVar

import pytest

Case = TypeVar("Case")


def try_each(cases: Iterable[Case], check: Callable[[Case], None]) -> None:
    """Call `check` with each case. Raises an `ExceptionGroup` of all failures, each with its case as a note."""
    failures = []
    for case in cases:
        try:
            check(case)
        except (Exception, pytest.fail.Exception) as failure:  # noqa: BLE001 - each is raised, once all were tried
            # What should have been raised and was not is no Exception to pytest, and no group can hold it.
            error = failure if isinstance(failure, Exception) else AssertionError(str(failure))
            error.add_note(f"case: {case}")
            failures.append(error)
    if failures:
        raise ExceptionGroup("cases that failed", failures)
