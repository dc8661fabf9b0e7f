"""Whoever asks Great Expectations: it answers from a process of its own, begun when it is first thought of.

To import it takes two seconds of a processor and holds the interpreter meanwhile; beside this process, not in it,
nobody waits for that.
"""

import atexit
import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from clari_pipeline.checks import expectations
from clari_pipeline.core.runbook import PipelineError

_PROGRAM = [sys.executable, "-P", "-m", "clari_pipeline.checks.expectations"]


class GateError(PipelineError):
    """Great Expectations cannot be asked, or cannot judge."""


class Judge:
    """Asks one process of Great Expectations, one question at a time; safe to use from several threads."""

    def __init__(self) -> None:
        self._one_at_a_time = threading.Lock()
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Begin the process, where there is none."""
        with self._one_at_a_time:
            if not _is_here():
                self._begun()

    def broken(self, facts: Mapping[str, int], checks: Sequence[Mapping[str, Any]]) -> set[str]:
        """The names of the checks that the facts break: `{"name", "fact", "least", "most"}` each.

        Raises `GateError`. A process that is gone (killed, say) is begun once more before that.
        """
        question = json.dumps({"facts": facts, "checks": checks})
        with self._one_at_a_time:
            if _is_here():
                return set(expectations.broken(facts, checks))
            answer = self._ask(question) or self._ask(question)
            if not answer:
                raise GateError(f"the gate cannot judge: {self._last_words()}: install clari-pipeline anew")
        found: dict[str, Any] = json.loads(answer)
        if "error" in found:
            raise GateError(f"the gate cannot judge: {found['error']}")
        return set(found["broken"])

    def stop(self) -> None:
        """End the process; a question after it begins another."""
        with self._one_at_a_time:
            self._end()

    def _begun(self) -> subprocess.Popen[str]:
        if self._process is None or self._process.poll() is not None:
            self._end()
            self._said = tempfile.TemporaryFile()  # noqa: SIM115 - it is read when the process has ended
            self._process = subprocess.Popen(  # noqa: S603 - this very Python and module
                _PROGRAM,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._said,
                encoding="utf-8",
                start_new_session=True,  # a Ctrl-C is for whoever asks
            )
        return self._process

    def _ask(self, question: str) -> str:
        """The answer; nothing where the process ended before it."""
        process = self._begun()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(question + "\n")
            process.stdin.flush()
        except BrokenPipeError:
            return ""
        return process.stdout.readline()

    def _last_words(self) -> str:
        assert self._process is not None
        code = self._process.wait()
        self._said.seek(0)
        words = self._said.read().decode(errors="replace").strip().splitlines()
        return words[-1] if words else f"its process ended with {code}"

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._said.close()
            self._process = None


def _is_here() -> bool:
    """Whether somebody has imported it into this process: it need not be imported once more."""
    return "great_expectations" in sys.modules


judge = Judge()
atexit.register(judge.stop)
