"""Labelled sync histories, generated: every anomaly is found, and nothing is called one that is none."""

from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from tests.helpers.labelled import deceptions
from tests.helpers.labelled.deceptions import histories
from tests.helpers.labelled.examining import Findings, examine
from tests.helpers.labelled.tracks import KINDS


def report(findings: Findings, made: int, record_property: Callable[[str, object], None]) -> None:
    print(f"\n{made} histories: {findings}")  # noqa: T201 - what a reader of the test wants to know
    record_property("histories", made)
    record_property("findings", str(findings))


SEED, FIRST, ROUNDS = 22, 4, 4
"""Rounds in which each kind of change comes up."""


@pytest.mark.long
@pytest.mark.parametrize(
    ("pairs", "refusals", "histories_made", "labels"),
    [
        (2, 4, 50, 150),
        pytest.param(4, 1, 80, 250, marks=pytest.mark.soak),
        pytest.param(10, 1, 100, 500, marks=pytest.mark.soak),
    ],
)
def test_every_anomaly_is_found_and_nothing_else(
    pairs: int,
    refusals: int,
    histories_made: int,
    labels: int,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    """Swings, verdicts of the gate, mass changes: so many histories, one after the other in one warehouse."""
    made = histories(SEED, ROUNDS, first=FIRST, pairs=pairs, refusals=refusals)
    assert len(made) >= histories_made
    findings = examine(made, tmp_path)
    report(findings, len(made), record_property)
    assert (findings.missed, findings.false_alarms, findings.misworded) == ([], [], [])
    assert findings.found == findings.anomalies > labels
    assert findings.near_misses > labels


@pytest.mark.parametrize("made", [2, pytest.param(5, marks=pytest.mark.soak)])
def test_an_exchange_rate_is_found_whatever_the_cents(tmp_path: Path, made: int) -> None:
    """Of a thousand, half a cent is five millionths: ratios that one rate has made lie a hundred-thousandth apart."""
    chance = Random(5)
    findings = examine([deceptions.rate_blurred(chance).settled() for _ in range(made)], tmp_path)
    assert (findings.missed, findings.false_alarms, findings.misworded) == ([], [], [])


@pytest.mark.parametrize(("pairs", "refusals"), [(2, 4), (4, 1), (10, 1)])
def test_every_kind_of_change_is_among_them(pairs: int, refusals: int) -> None:
    """Each kind of track several times, anomalies and near misses; each reason that is no swing, too."""
    made = histories(SEED, ROUNDS, first=FIRST, pairs=pairs, refusals=refusals)
    assert {deceive(Random(0))[0] for deceive in deceptions.DECEPTIONS} <= {history.kind for history in made}
    labels = [label for history in made for label in history.labels.values()]
    kinds = [label.kind for label in labels]
    assert min(kinds.count(kind) for kind in KINDS) >= 3
    assert {label.reason for label in labels} == {
        None,
        "currency_changed",
        "request_changed",
        "restated",
        "new",
        "disappeared",
        "not_submitted",
        "from_zero",
        "to_zero",
        "sign_flip",
        "above_threshold",
    }
    renamed = {label.is_anomaly for label in labels if label.kind.startswith("gets a new id")}
    assert renamed == {True, False}
