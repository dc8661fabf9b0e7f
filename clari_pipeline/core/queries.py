"""Load and expand the named queries of `sql/`; this module defines the layout of their files.

A query is called `topic/query`. It stands in `sql/<topic>.sql` below the line

    -- name: <query>

or, where it is longer than a screen, in the file `sql/<topic>/<query>.sql`: above the first such line, or below a line
with its own name where it has values. The variant for one engine is named `-- name: <query>, engine: snowflake`, or is
in the file `<query>.snowflake.sql`.

Several such lines above one text name queries that share it as a template. Each gets the text with its own values for
the placeholders in braces. A name that is repeated, or has several values separated by ` | `, gets the text once for
each, concatenated:

    -- name: audit_staged, table: audit_event, key: event_id
    -- name: audit_staged, table: audit_actor, key: actor_id, actor_type
    create or replace temp table stage_{table} as ... partition by {key} ...;

A value that is a list can be expanded by a pattern: each item replaces the star, joined by `and`, `or` or a comma:
`{key: known.* = shown.* and}` is `known.actor_id = shown.actor_id and known.actor_type = shown.actor_type`.

A name without values leaves placeholders as they are. A query with `{table}` is called with the table after an `@`, one
that `sql/schema/` defines: `retention/retire_mart@forecast_movement`.

Values come from `sql/` alone: no value from Python is ever formatted into a statement's text.
"""

import re
from collections.abc import Iterator
from functools import cache
from itertools import groupby, product
from pathlib import Path

from clari_pipeline.core.project import project_file

_Key = tuple[str, str | None]  # name, engine

_NAME = "-- name: "
_NEXT_VALUE = re.compile(r", (?=\w+: )")
_PLACE = re.compile(r"\{(\w+)(?:: ([^{}]+?)( and| or|,)?)?\}")


class QueryError(RuntimeError):
    """A query is missing, named twice, or has a placeholder without a value."""


@cache
def text_of(name: str, root: Path | None = None) -> str:
    """The text of a query in DuckDB's dialect, with its comments. Raises `QueryError`."""
    text = _find(name, None, root)
    if text is None:
        raise QueryError(f"sql/ has no query {name}: neither in its topic's file nor in one of its own")
    return text


def text_for(name: str, engine: str) -> str | None:
    """The text of an engine's own variant; None where it has none."""
    return _find(name, engine, None)


def names(topic: str | None = None) -> list[str]:
    """The names of the queries of a topic, or of all, sorted; engines' variants are not listed."""
    root = project_file("sql")
    files = root.rglob("*.sql") if topic is None else [root / f"{topic}.sql", *root.glob(f"{topic}/*.sql")]
    return sorted({name for file in files if file.exists() for name, engine in _read(file, root) if engine is None})


def _find(name: str, engine: str | None, root: Path | None) -> str | None:
    root = root or project_file("sql")
    name, _, table = name.partition("@")
    if table and not (root / "schema" / f"{table}.sql").exists():
        raise QueryError(f"sql/schema/ has no table {table}, of which {name} is asked")
    topic = root / f"{name.rpartition('/')[0]}.sql"
    own = root / (f"{name}.{engine}.sql" if engine else f"{name}.sql")
    found = [text for file in (topic, own) if file.exists() and (text := _read(file, root).get((name, engine)))]
    if len(found) > 1:
        raise QueryError(f"sql/{topic.name} names {name}, which has a file of its own as well")
    return (found[0].replace("{table}", table) if table else found[0]) if found else None


@cache
def _read(file: Path, root: Path) -> dict[_Key, str]:
    """The queries of a file, by name and engine."""
    text = file.read_text(encoding="utf-8")
    where = file.relative_to(root).with_suffix("").as_posix()
    if not re.search(f"^{_NAME}", text, re.MULTILINE):
        name, _, engine = where.partition(".")
        return {(name, engine or None): text}
    found: dict[_Key, str] = {}
    if file.parent != root and not text.startswith(_NAME):  # the file's own query, then others with names
        own, text = text[: (begin := text.index(f"\n{_NAME}") + 1)], text[begin:]
        found[where, None] = own.rstrip() + "\n"
    for heads, body in _parts(text):
        here: dict[_Key, list[str]] = {}
        for values in (values for head in heads for values in _values(head)):
            name = values.pop("name")
            key = where if where.endswith(f"/{name}") else f"{where}/{name}", values.pop("engine", None)
            if key in found:
                raise QueryError(f"sql/{where}.sql names {key[0]} twice")
            if values and values.keys() != {place[1] for place in _PLACE.finditer(body)}:
                raise QueryError(f"sql/{where}.sql: what {key[0]} has in braces is not what stands behind its name")
            here.setdefault(key, []).append(_filled(body, values))
        found |= {key: "\n".join(texts) for key, texts in here.items()}
    return found


def _parts(text: str) -> Iterator[tuple[list[str], str]]:
    """Yield each run of `-- name:` lines, and the text below it; text above the first is dropped."""
    heads: list[str] = []
    for is_name, lines in groupby(text.splitlines(), lambda line: line.startswith(_NAME)):
        if is_name:
            heads = [line.removeprefix(_NAME) for line in lines]
        elif heads:
            yield heads, "\n".join(lines).strip() + "\n"


def _values(head: str) -> Iterator[dict[str, str]]:
    """Yield a name and its values by key, once for each combination of the alternatives separated by ` | `."""
    named = dict(value.split(": ", 1) for value in _NEXT_VALUE.split(f"name: {head}"))
    for values in product(*(value.split(" | ") for value in named.values())):
        yield dict(zip(named, values, strict=True))


def _filled(body: str, values: dict[str, str]) -> str:
    def fill(place: re.Match[str]) -> str:
        value, pattern, between = values[place[1]], place[2], place[3]
        if pattern is None:
            return value
        return f"{between or ''} ".join(pattern.replace("*", one) for one in value.split(", "))

    return _PLACE.sub(fill, body) if values else body
