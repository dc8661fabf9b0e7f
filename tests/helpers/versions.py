"""Versions that somebody wrote, each with a fingerprint of the words that it stands for.

A file of `sql/schema/` has them in its first line, `-- version: 3, words: 3-5f3a9c21`, and a mart whose rows are kept
behind its `version` in the registry. Comments and layout are no words.

`python -m tests.helpers.versions` writes the fingerprint of whatever is new or has a raised version, and refuses what
has other words under the same one. Marts that it is given by name make the same rows as before, with other words.
"""

import re
import sys
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import sqlglot

from clari_pipeline.core.project import project_file
from clari_pipeline.core.queries import text_of
from clari_pipeline.store import mart_registry
from clari_pipeline.store.mart_registry import MARTS

REGISTRY = Path(mart_registry.__file__)
_IN_SQL = re.compile(r"\A-- version: (?P<version>\d+)(?P<words>(?:, words: (?P<known>\d+-\w+))?)$", re.MULTILINE)
_IN_REGISTRY = r' name="{}",(?:(?! name=").)*? version=(?P<version>\d+),(?P<words>(?:  # words: (?P<known>\d+-\w+))?)\n'


@dataclass(frozen=True, slots=True)
class Written:
    """The version of a table or mart, the fingerprint recorded beside it, and the current hash of its statements."""

    name: str
    file: Path
    version: int
    known: str | None  # the recorded fingerprint
    at: tuple[int, int]  # its span in the file, empty where there is none
    sign: str  # the text before it
    words: str

    @property
    def fingerprint(self) -> str:
        """The fingerprint to record: version and hash."""
        return f"{self.version}-{self.words}"

    @property
    def is_to_be_raised(self) -> bool:
        """Whether the fingerprint has changed while the version has not."""
        return self.known not in {None, self.fingerprint} and f"{self.known}".startswith(f"{self.version}-")


def token_fingerprint(text: str, dialect: str = "duckdb") -> str:
    """A fingerprint of the SQL tokens of statements: comments and layout do not change it."""
    words = [token.text for token in sqlglot.tokenize(text.rstrip().rstrip(";"), read=dialect)]
    return sha256(repr(words).encode()).hexdigest()[:8]


def of_schema(folder: Path | None = None) -> Iterator[Written]:
    """The versions of tables, views and functions. Raises `LookupError` where a file has none."""
    for file in sorted((folder or project_file("sql/schema")).glob("*.sql")):
        text = file.read_text(encoding="utf-8")
        found = _IN_SQL.search(text)
        if found is None:
            raise LookupError(f"{file.name} does not begin with a version: write `-- version: 1` above its statements")
        engine = file.stem.partition(".")[2] or "duckdb"
        yield _written(
            f"sql/schema/{file.name}",
            file,
            found,
            ", words: ",
            token_fingerprint(text.partition("\n-- name: ")[0], engine),
        )


def of_marts() -> Iterator[Written]:
    """The versions of marts that keep their rows."""
    text = REGISTRY.read_text(encoding="utf-8")
    for mart in MARTS.values():
        if mart.version is not None:
            found = re.search(_IN_REGISTRY.format(mart.name), text, re.DOTALL)
            assert found is not None, f"{mart.name}: `version=…` is to stand in a line of its own"
            words = token_fingerprint(";".join(text_of(f"marts/{name}") for name in mart.statements))
            yield _written(mart.name, REGISTRY, found, "  # words: ", words)


def _written(name: str, file: Path, found: re.Match[str], sign: str, words: str) -> Written:
    return Written(name, file, int(found["version"]), found["known"], found.span("words"), sign, words)


def differences(written: Collection[Written]) -> str | None:
    """What to do about changed fingerprints, as a message; None where nothing is."""
    if to_raise := [one for one in written if one.is_to_be_raised]:
        return (
            f"Other words than version {to_raise[0].version} of {', '.join(one.name for one in to_raise)} has. "
            "Warehouses that stand would never get them: raise that number, then run python -m tests.helpers.versions "
            "(a mart that makes the same rows needs no other version: name it behind that command)"
        )
    if new := [one.name for one in written if one.known != one.fingerprint]:
        return f"{', '.join(new)} has a new version: run python -m tests.helpers.versions, and commit what it writes"
    return None


def write(written: Collection[Written], same: Collection[str] = ()) -> str | None:
    """Write the fingerprints of new versions, and of marts in `same`; returns a message on those refused."""
    for one in sorted(written, key=lambda one: one.at, reverse=True):
        if one.known != one.fingerprint and (not one.is_to_be_raised or one.name in same):
            text = one.file.read_text(encoding="utf-8")
            text = f"{text[: one.at[0]]}{one.sign}{one.fingerprint}{text[one.at[1] :]}"
            one.file.write_text(text, encoding="utf-8")
    return differences([one for one in written if one.is_to_be_raised and one.name not in same])


if __name__ == "__main__":
    sys.exit(write([*of_schema(), *of_marts()], sys.argv[1:]))
