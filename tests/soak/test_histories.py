"""A thousand labelled histories: every anomaly is found, and nothing is called one that is none."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.checks.test_histories import report
from tests.helpers.labelled.deceptions import histories
from tests.helpers.labelled.examining import examine
from tests.soak.length import TIMES


@pytest.mark.parametrize("seed", range(100, 110))
def test_every_anomaly_of_a_thousand_is_found_and_nothing_else(
    seed: int, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    made = histories(seed, rounds=4 * TIMES, first=4 * TIMES * (seed - 100))
    findings = examine(made, tmp_path)
    report(findings, len(made), record_property)
    assert (findings.missed, findings.false_alarms, findings.misworded) == ([], [], [])
