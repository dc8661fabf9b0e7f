"""Run Great Expectations in a child process, started ahead of the first request.

Its import takes two seconds of CPU and holds the GIL: in another process it runs in parallel with the export.
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
    """Great Expectations cannot be started, or cannot judge."""


class Judge:
    """Owns the child process, and sends it one request at a time. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start the process, where there is none."""
        with self._lock:
            if not _is_here():
                self._started()

    def broken(self, facts: Mapping[str, int], checks: Sequence[Mapping[str, Any]]) -> set[str]:
        """The names of the `checks` (`{"name", "fact", "least", "most"}` each) that the facts break.

        Raises `GateError`, after one retry with a new process where the first has died.
        """
        request = json.dumps({"facts": facts, "checks": checks})
        with self._lock:
            if _is_here():
                return set(expectations.broken(facts, checks))
            answer = self._ask(request) or self._ask(request)
            if not answer:
                raise GateError(f"the gate cannot judge: {self._last_error()}: install clari-pipeline anew")
        found: dict[str, Any] = json.loads(answer)
        if "error" in found:
            raise GateError(f"the gate cannot judge: {found['error']}")
        return set(found["broken"])

    def stop(self) -> None:
        """Kill the process; the next request starts another."""
        with self._lock:
            self._end()

    def _started(self) -> subprocess.Popen[str]:
        if self._process is None or self._process.poll() is not None:
            self._end()
            self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - read once the process has ended
            self._process = subprocess.Popen(  # noqa: S603 - this very Python and module
                _PROGRAM,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._stderr,
                encoding="utf-8",
                start_new_session=True,  # Ctrl-C is for the parent alone
            )
        return self._process

    def _ask(self, request: str) -> str:
        """The answer as JSON; empty where the process has died."""
        process = self._started()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(request + "\n")
            process.stdin.flush()
        except BrokenPipeError:
            return ""
        return process.stdout.readline()

    def _last_error(self) -> str:
        """The last line on the stderr of the process that has ended, else its exit code."""
        assert self._process is not None
        code = self._process.wait()
        self._stderr.seek(0)
        lines = self._stderr.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else f"its process ended with {code}"

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._stderr.close()
            self._process = None


def _is_here() -> bool:
    """Whether Great Expectations is imported into this process already, so that no other is needed."""
    return "great_expectations" in sys.modules


judge = Judge()
atexit.register(judge.stop)
