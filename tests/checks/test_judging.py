"""Great Expectations in a process of its own: it judges the same, comes back when it was killed, and never outlives."""

import os
import select
import signal
import subprocess
import sys

import pytest

from clari_pipeline.checks import judging
from clari_pipeline.checks.judging import GateError, Judge

CHECKS = [
    {"name": "nothing_lost", "fact": "rows_lost", "least": None, "most": 0},
    {"name": "something_came", "fact": "rows_exported", "least": 1, "most": None},
]


@pytest.fixture
def elsewhere(monkeypatch):
    """Another process is asked, whatever the tests before have imported into this one."""
    monkeypatch.setattr(judging, "_is_here", lambda: False)


@pytest.fixture(scope="module")
def one_judge():
    judge = Judge()
    yield judge
    judge.stop()


@pytest.fixture
def new_judge(elsewhere):
    judge = Judge()
    yield judge
    judge.stop()


@pytest.fixture
def judge(elsewhere, one_judge):
    """The same for all tests: to begin its process takes the time."""
    return one_judge


@pytest.mark.parametrize(
    ("lost", "exported", "broken"),
    [(0, 1, set()), (1, 1, {"nothing_lost"}), (0, 0, {"something_came"}), (2, 0, {"nothing_lost", "something_came"})],
)
def test_it_says_which_checks_are_broken(judge, lost, exported, broken):
    assert judge.broken({"rows_lost": lost, "rows_exported": exported}, CHECKS) == broken


def test_a_process_that_was_killed_is_begun_once_more(judge):
    judge.start()
    first = judge._process
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert judge.broken({"rows_lost": 1, "rows_exported": 1}, CHECKS) == {"nothing_lost"}
    assert judge._process.pid != first.pid


def test_what_it_cannot_judge_is_an_error_and_no_verdict(judge):
    with pytest.raises(GateError, match=r"^the gate cannot judge: [^\n]+$"):
        judge.broken({"rows_lost": 1}, [{"name": "else", "fact": "of_another_name", "least": 0, "most": 0}])
    assert judge.broken({"rows_lost": 0, "rows_exported": 1}, CHECKS) == set()


def test_an_installation_without_it_is_named_in_one_line(new_judge, monkeypatch, tmp_path):
    (tmp_path / "great_expectations.py").write_text("raise ImportError('no such thing here')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(GateError, match=r"^the gate cannot judge: ImportError: no such thing here: [^\n]+$"):
        new_judge.broken({"rows_lost": 0}, CHECKS[:1])


@pytest.mark.parametrize("end", ["exit", "kill"])
def test_it_does_not_outlive_who_asked(end):
    """Whether that one ends well, in the middle of its beginning, or is killed."""
    program = (
        "import os, sys; from clari_pipeline.checks.judging import judge; judge.start(); "
        "print(judge._process.pid, flush=True); sys.stdin.read(); "
        + ("sys.exit()" if end == "exit" else "os.kill(os.getpid(), 9)")
    )
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as who:
        pid = os.pidfd_open(int(who.stdout.readline()))
        who.stdin.close()
        has_ended, _, _ = select.select([pid], [], [], 60)
        os.close(pid)
    assert has_ended
