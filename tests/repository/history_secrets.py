"""Looks for secrets in the git history: `python -m tests.repository.history_secrets [--all] [FOLDER]`.

`make secrets` looks at what was committed since the commit that `looked_at_commit.txt` names, `make soak` with `--all`
at the whole history; when that is clean, a newer commit may be written there. A repository that does not know the
commit is looked at as a whole.

Every line that was ever added is shown to detect-secrets, which asks nobody whether what it finds is real, and to
patterns for what this pipeline itself is given: Clari's key, in its variables and in the headers that carry it. Its
detectors of mere entropy are off: they find every checksum. What tests have made up stands in `invented_secrets.txt`.
A secret that is found is never printed.
"""

import argparse
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class
from detect_secrets.core.scan import scan_line
from detect_secrets.settings import transient_settings

_GIT = ("git", "-c", "core.quotePath=off", "-c", "safe.directory=*")
_EACH_CHANGE = ("--reverse", "-m", "-p", "--unified=0", "--no-color", "--no-ext-diff", "--no-textconv")
_LOG = ("log", *_EACH_CHANGE, "--format=commit %h%n%B", "--all")
_OFF = {"Base64HighEntropyString", "HexHighEntropyString", "IPPublicDetector"}
_OURS = {
    "Clari's key in a variable": re.compile(r"CLARI_API_KEY(?:_\w+)?[\"']?\s*[=:]\s*[\"']?([\w.~+/=-]{16,})"),
    "Clari's key in a header": re.compile(r"\bapikey[\"']?\s*[:=,]\s*[\"']?([\w.~+/=-]{16,})", re.IGNORECASE),
    "a token in a header": re.compile(r"\bBearer\s+([\w.~+/=-]{16,})"),
}
INVENTED = Path(__file__).with_name("invented_secrets.txt")
LOOKED_AT = Path(__file__).with_name("looked_at_commit.txt")


def knows(folder: Path, commit: str) -> bool:
    """Whether a repository has a commit."""
    asked = [*_GIT, "-C", str(folder), "cat-file", "-e", f"{commit}^{{commit}}"]
    return subprocess.run(asked, stderr=subprocess.DEVNULL, check=False).returncode == 0


def added_lines(folder: Path, since: str | None = None) -> Iterator[tuple[str, str, str]]:
    """Commit, file and text of every line that was added, commits' messages included, whose file is "message".

    Ever, or in commits that the commit `since` does not follow.
    """
    commit, file = "", "message"
    newer = [f"^{since}"] if since and knows(folder, since) else []
    with subprocess.Popen([*_GIT, "-C", str(folder), *_LOG, *newer], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        for raw in process.stdout:
            line = raw.decode(errors="replace").rstrip("\r\n")
            if re.fullmatch(r"commit [0-9a-f]{4,40}", line):
                commit, file = line.removeprefix("commit "), "message"
            elif line.startswith("diff --git "):
                file = line.rpartition(" b/")[2]
            elif file == "message":
                yield commit, file, line
            elif line.startswith("+") and not line.startswith("+++ "):
                yield commit, file, line[1:]
    if process.returncode:
        raise SystemExit(f"git log failed in {folder}: is it a repository?")


def secrets_in(line: str) -> set[tuple[str, str]]:
    """What looks like a secret in a line: kind and value."""
    found = {(secret.type, secret.secret_value or "") for secret in scan_line(line)}
    return found | {(kind, match[1]) for kind, pattern in _OURS.items() for match in pattern.finditer(line)}


def findings(lines: Iterable[tuple[str, str, str]]) -> Iterator[str]:
    """A sentence each for what is not known as invented; the same line is looked at once."""
    invented = set(INVENTED.read_text(encoding="utf-8").splitlines())
    plugins = [kind.__name__ for kind in get_mapping_from_secret_type_to_class().values() if kind.__name__ not in _OFF]
    known: set[str] = set()
    with transient_settings({"plugins_used": [{"name": name} for name in plugins]}):
        for commit, file, line in lines:
            if line in known:
                continue
            known.add(line)
            for kind in sorted({kind for kind, value in secrets_in(line) if value not in invented}):
                yield f"{commit} {file}: {kind}"
    print(f"secrets: {len(known):,} different lines of the history looked at")  # noqa: T201


def main(folder: Path, since: str | None = None) -> int:
    """1 where something was found."""
    found = list(dict.fromkeys(findings(added_lines(folder, since))))
    for one in found:
        print(one, file=sys.stderr)  # noqa: T201
    if found:
        print(  # noqa: T201
            "secrets: revoke what is real, at once: it stays in the history. What a test has made up goes into "
            f"tests/repository/{INVENTED.name}",
            file=sys.stderr,
        )
    return 1 if found else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Look for secrets in a git history.")
    parser.add_argument("folder", nargs="?", type=Path, default=Path.cwd())
    parser.add_argument("--all", action="store_true", help="the whole history, not only what is new")
    given = parser.parse_args()
    sys.exit(main(given.folder, None if given.all else LOOKED_AT.read_text(encoding="utf-8").strip()))
