"""Processes, and what they cost as a whole: from their start to their exit."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
_LAUNCHER = Path(__file__).with_name("launch.py")
_LONG_S = 15.0
_OURS = ("CLARI_", "DAGSTER_")  # settings of whoever runs this


class ProcessFailed(Exception):
    """A process that is to be measured did not end well."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Wall clock and processor seconds of a process, and the peak of its resident memory in MB (of 1,000,000 bytes).

    Of a process that has others work for it, the peak is that of the largest of them.
    """

    seconds: float
    cpu_seconds: float
    peak_mb: float


def measure(command: Sequence[str], *, folder: Path = ROOT, environment: Mapping[str, str] | None = None) -> Cost:
    """Run a command in a folder to its end. Raises `ProcessFailed` with its last words where its exit code is not 0."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    with tempfile.TemporaryDirectory(prefix="launch-") as place:
        report = Path(place) / "report.json"
        said = subprocess.run(
            [sys.executable, "-I", "-S", str(_LAUNCHER), str(report), *command],
            cwd=folder,
            env=clean | dict(environment or {}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        found: dict[str, Any] = json.loads(report.read_text()) if report.exists() else {"code": "no exit code"}
    if found["code"] != 0:
        last_words = said.stdout.decode(errors="replace").strip()[-2000:]
        raise ProcessFailed(f"{' '.join(command)} ended with {found['code']}: {last_words}")
    return Cost(found["seconds"], found["cpu_seconds"], found["peak_bytes"] / 1e6)


def best_of(times: int, run: Callable[[], Cost]) -> Cost:
    """The quickest of so many runs; one that takes long is not repeated."""
    best = run()
    for _ in range(times - 1):
        if best.seconds > _LONG_S:
            break
        best = min(best, run(), key=lambda cost: cost.seconds)
    return best


def python(module: str, *words: object) -> list[str]:
    """The command that runs a module with this interpreter."""
    return [sys.executable, "-m", module, *map(str, words)]
