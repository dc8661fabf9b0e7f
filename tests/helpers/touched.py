"""The tests worth running after a change: `python -m tests.helpers.touched` prints them for pytest.

What `git diff` and new files touch is looked up by folder: `clari_pipeline/X/` and `tests/X/` are tested in `tests/X/`.
Where no test is found for the changed files, the fast half of the suite is printed.
"""

import subprocess
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parents[2]
FAST = (
    "board/test_command.py",
    "clari",
    "config",
    "core",
    "documents",
    "landing",
    "repository/test_history_secrets.py",
)


def touched_files() -> list[str]:
    """Files that differ from the last commit, and new ones."""
    changed = _git("diff", "--name-only", "HEAD")
    new = _git("ls-files", "--others", "--exclude-standard")
    return [*changed, *new]


def affected_tests(files: Iterable[str]) -> list[str]:
    """The folders and files of tests for these files; the fast half of the suite where there are none."""
    found: set[str] = set()
    for file in map(PurePosixPath, files):
        match file.parts:
            case ("tests", "soak", *_):
                pass  # make soak alone runs it
            case ("sql", "documents" | "documents.sql", *_):
                found.add("tests/documents")
            case ("sql", *_):
                found.update(f"tests/warehouse/test_{name}.py" for name in ("calls", "dialects", "swings"))
            case ("tests", *_, name) if name.startswith("test_"):
                found.add(str(file))
            case ("tests" | "clari_pipeline", folder, _, *_) if _is_tested(folder):
                found.add(f"tests/{folder}")
    return _without_parts(found) or [f"tests/{name}" for name in FAST]


def _is_tested(folder: str) -> bool:
    return any((ROOT / "tests" / folder).glob("test_*.py"))


def _without_parts(found: set[str]) -> list[str]:
    """Drop paths inside another path of the set, and paths that no longer exist."""
    there = {name for name in found if (ROOT / name).exists()}
    return sorted(name for name in there if not there & {str(above) for above in PurePosixPath(name).parents})


def _git(*words: str) -> list[str]:
    return subprocess.run(["git", *words], cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()


if __name__ == "__main__":
    print(*affected_tests(touched_files()))  # noqa: T201
