"""The built-in suites, in this process: Great Expectations opens their files, and judges what they name."""

import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from great_expectations import ExpectationSuite

from clari_pipeline.checks import export_gate
from clari_pipeline.checks.export_gate import (
    CHECKS,
    PRODUCT_CHECKS,
    REPAIRED,
    ExportFacts,
    GateError,
    judge,
    read_suite,
)
from tests.helpers.house import House, document, entry, moment
from tests.helpers.labelled.histories import BOSS

SUITES = sorted(Path(export_gate.__file__).parent.joinpath("suites").glob("*.json"))
ALL = CHECKS | PRODUCT_CHECKS


@pytest.mark.parametrize("file", SUITES, ids=lambda file: file.stem)
def test_great_expectations_opens_each_suite(file: Path) -> None:
    """Each expectation, none left out, and written back as it stands."""
    written = json.loads(file.read_text())
    suite = ExpectationSuite(**written)
    assert suite.name == file.stem
    there = json.loads(json.dumps(suite.to_json_dict()["expectations"]))
    assert there == written["expectations"]


def test_every_suite_is_judged() -> None:
    assert {check.name for file in SUITES for check in read_suite(file.stem)} == set(ALL)


def _facts(check: str, value: object) -> ExportFacts:
    (column,) = ALL[check].columns
    return ExportFacts(request_id="r", facts={column: value})


# Of each check over one row: a value that passes, and the nearest ones that do not.
BOUNDS: dict[str, tuple[object, list[object]]] = {
    "export_is_readable": (True, [False]),
    "export_is_not_truncated": (False, [True]),
    "export_is_complete": (True, [False]),
    "export_is_not_empty": (1, [0]),
    "window_is_not_empty": (1, [0]),
    "row_count_is_stable": (Decimal(15), [Decimal("15.000000001")]),
    "totals_have_one_top": (1, [0, 2]),
}


@pytest.mark.parametrize(
    "check", [name for name, check in ALL.items() if len(check.columns) == 1 and check.suite != "entry"]
)
def test_a_check_passes_up_to_its_bound(check: str) -> None:
    passing, broken = BOUNDS.get(check, (0, [1]))
    by = {check: ALL[check]}
    for value, passes in [(passing, True), *((one, False) for one in broken)]:
        (verdict,) = judge(_facts(check, value), by)
        assert (verdict.passed, verdict.evidence) == (passes, {by[check].columns[0]: value})
    assert verdict.severity == ("ERROR" if by[check].keeps_out or check in REPAIRED else "WARN")


def test_an_entry_at_fault_and_a_total_that_differs_are_the_unexpected_rows() -> None:
    entries = {"user_id": ["ann", "bo"], "fault": ["conflict", "no key"]}
    cent = Decimal("0.0001")
    totals = {"field_id": ["a", "b", "c"], "difference": [Decimal(0), cent, Decimal(0)], "count_difference": [0, 0, 1]}
    found = {
        verdict.check_name: (verdict.passed, verdict.evidence)
        for verdict in judge(ExportFacts(request_id="r", facts={}, frames={"entry": entries, "control_total": totals}))
    }
    differing = [
        {"field_id": "b", "difference": cent, "count_difference": 0},
        {"field_id": "c", "difference": Decimal(0), "count_difference": 1},
    ]
    assert found == {
        "entry_keys_are_complete": (False, {"unexpected_rows": [{"user_id": "bo", "fault": "no key"}]}),
        "entry_keys_are_unique": (False, {"unexpected_rows": [{"user_id": "ann", "fault": "conflict"}]}),
        "amounts_are_readable": (True, {}),
        "control_totals_reconcile": (False, {"unexpected_rows": differing}),
    }


def test_what_it_cannot_judge_is_an_error_and_no_verdict() -> None:
    with pytest.raises(GateError, match=r"^the gate cannot judge: row_count_is_stable: [^\n]+$"):
        judge(_facts("row_count_is_stable", "many"))


def test_an_installation_without_it_is_named_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "great_expectations.py").write_text("raise ImportError('no such thing here')")
    program = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from clari_pipeline.checks import export_gate as gate; "
        "gate.warm_up(); gate.judge(gate.ExportFacts(request_id='r', facts={'is_whole': True}))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1].endswith(
        "GateError: the gate cannot judge: Great Expectations cannot judge: ImportError: no such thing here: "
        "install clari-pipeline anew"
    )


def test_a_document_shows_which_entries_are_in_conflict(tmp_path: Path) -> None:
    twice = document(entry("boss", call=1), entry("boss", call=2), people=[BOSS])
    found = {verdict.check_name: verdict for verdict in House(tmp_path).bring(twice, moment(10, 20)).verdicts}
    (row,) = found["entry_keys_are_unique"].evidence["unexpected_rows"]
    assert (row["user_id"], row["time_frame_id"], row["fault"], row["versions"]) == ("boss", "W01", "conflict", 2)
