"""A problem: what people should hear of, as a value that one step returns to the next."""

import errno

from clari_pipeline.core.periods import UnknownPeriod
from clari_pipeline.core.runbook import AlertKind, Problem, RunbookSection


def test_a_problem_of_an_error_has_its_message_and_its_section():
    sections = {
        UnknownPeriod("no quarter"): "unknown_period",
        OSError(errno.ENOSPC, "No space left on device"): RunbookSection.DISK_FULL,
        ZeroDivisionError("by nothing"): RunbookSection.UNEXPECTED_ERROR,
    }
    for error, section in sections.items():
        problem = Problem.of_error(error, "2026_Q4", kind=AlertKind.RUN_FAILED)
        assert problem == Problem(AlertKind.RUN_FAILED, "2026_Q4", str(error), section)
        assert problem.line == f"{error} (docs/runbook.md#{section})"


def test_a_message_that_names_its_section_is_left_as_it_is():
    told = Problem(None, None, "no room (docs/runbook.md#disk_full)", "unexpected_error")
    assert told.line == told.message
