"""What a step fails of, as the command line and alerts have it."""

import dagster as dg
import pytest

from clari_pipeline.core.runbook import Problem
from clari_pipeline.core.setting_errors import SettingsError
from clari_pipeline.defs.problems import as_step_failure, problem_of_failure
from clari_pipeline.warehouse.errors import WarehouseLocked


def problem_of(error: Exception) -> Problem | None:
    @dg.asset
    def broken() -> None:
        with as_step_failure("2026_Q4"):
            raise error

    result = dg.materialize([broken], raise_on_error=False)
    (event,) = [event for event in result.all_events if event.is_step_failure]
    return problem_of_failure(event)


@pytest.mark.parametrize(
    ("error", "message", "section"),
    [
        (WarehouseLocked("x is locked: wait\nmore"), "x is locked: wait", "warehouse_locked"),
        (SettingsError("CLARI_API_KEY is not set"), "CLARI_API_KEY is not set", "settings_error"),
        (KeyError("request_id"), "KeyError: 'request_id'", "unexpected_error"),
        (OSError(28, "No space left on device"), "[Errno 28] No space left on device", "disk_full"),
        (RuntimeError(), "RuntimeError: ", "unexpected_error"),
    ],
)
def test_an_error_is_one_line_with_its_section(error: Exception, message: str, section: str) -> None:
    """Python's own errors, which may say no more than a key, behind their names."""
    found = problem_of(error)
    assert found is not None
    assert (found.quarter, found.message.rstrip(), found.section) == ("2026_Q4", message.rstrip(), section)
