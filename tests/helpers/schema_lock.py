"""What `sql/schema/` defines, as fingerprints that comments, spaces and the layout of files do not change.

`python -m tests.helpers.schema_lock` writes them down once `SCHEMA_VERSION` was raised.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

import sqlglot
from sqlglot.tokens import TokenType

from clari_pipeline.core.project import project_file
from clari_pipeline.warehouse.migrations import SCHEMA_VERSION

LOCK = Path(__file__).with_name("schema.lock.json")


def statements(text: str, dialect: str) -> Iterable[tuple[str, ...]]:
    """The words of each statement."""
    words: list[str] = []
    for token in sqlglot.tokenize(text, read=dialect):
        if token.token_type is not TokenType.SEMICOLON:
            words.append(token.text)
        elif words:
            yield tuple(words)
            words = []
    if words:
        yield tuple(words)


def fingerprints(files: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Of what each table, view or function is made of, by its name; files as their name and text."""
    found: defaultdict[str, list[tuple[str, ...]]] = defaultdict(list)
    for name, text in files:
        engine = name.partition(".")[2]
        for words in statements(text, engine or "duckdb"):
            at = next((i for i in range(len(words) - 2) if words[i : i + 2] == ("clari", ".")), None)
            thing = "schema" if at is None else words[at + 2]
            found[f"{thing} in {engine}" if engine else thing].append(words)
    return {name: sha256(repr(sorted(made)).encode()).hexdigest()[:16] for name, made in sorted(found.items())}


def defined() -> dict[str, str]:
    """Fingerprints of this working tree."""
    return fingerprints(
        (file.stem, file.read_text(encoding="utf-8")) for file in sorted(project_file("sql/schema").glob("*.sql"))
    )


def differences() -> str | None:
    """What to do before the schema may be as it is; None where nothing is."""
    known = json.loads(LOCK.read_text(encoding="utf-8")) if LOCK.exists() else {"version": None, "defined": {}}
    now = defined()
    changed = sorted(name for name in {*now, *known["defined"]} if now.get(name) != known["defined"].get(name))
    if changed and known["version"] == SCHEMA_VERSION:
        return (
            f"sql/schema/ defines otherwise than version {SCHEMA_VERSION}: {', '.join(changed)}. Warehouses that stand "
            "would never get it: raise SCHEMA_VERSION in clari_pipeline/warehouse/migrations.py, then run "
            "python -m tests.helpers.schema_lock"
        )
    if changed or known["version"] != SCHEMA_VERSION:
        return f"SCHEMA_VERSION is {SCHEMA_VERSION} now: run python -m tests.helpers.schema_lock, and commit its file"
    return None


if __name__ == "__main__":
    said = differences()
    if said is not None and "raise" in said:
        sys.exit(said)
    LOCK.write_text(json.dumps({"version": SCHEMA_VERSION, "defined": defined()}, indent=1) + "\n", encoding="utf-8")
