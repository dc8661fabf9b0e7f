"""The queries of `sql/`: each is found by its name, and each is run by something."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from clari_pipeline.core import queries
from clari_pipeline.core.project import project_file
from clari_pipeline.core.runbook import UNFORESEEN
from clari_pipeline.sync.products.registry import PRODUCTS

PACKAGE = project_file("sql").parent / "clari_pipeline"
# Of these another word than the query's name stands in Python: a table's, a ledger's, or a product's.
_NAMED = "|".join([*PRODUCTS, *(table for product in PRODUCTS.values() for table in product.tables)])
_COMPOSED = re.compile(rf"schema/\w+(/refresh)?|ledger/fetch_\w+|products/(stage_)?({_NAMED})(_\w+)?")


def _texts() -> Iterator[tuple[str, bool]]:
    """Every text of the package, and whether it is the pattern of an f-string."""
    for file in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                parts = [str(part.value) if isinstance(part, ast.Constant) else "\0" for part in node.values]
                yield re.escape("".join(parts).partition("@")[0]).replace("\0", r"\w+"), True
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value, False


def _last_word(name: str) -> str:
    """What Python puts behind a topic: of the products' half of the ledger, without the half."""
    return name.rpartition("/")[2].removeprefix("fetch_")


def test_every_query_is_run_and_every_one_that_is_run_is_there() -> None:
    """By its name in full, or by a word that an f-string puts behind its topic."""
    there = set(queries.names())
    topics = {name.rpartition("/")[0] for name in there} - {""}
    said = {text for text, is_pattern in _texts() if not is_pattern}
    patterns = {text for text, is_pattern in _texts() if is_pattern and text.partition("/")[0] in topics}
    composed = {name for name in there for pattern in patterns if re.fullmatch(pattern, name)}
    unused = {
        name
        for name in there - said - patterns
        if name not in composed or not (_last_word(name) in said or _COMPOSED.fullmatch(name))
    }
    assert unused == set()
    named = {text for text in said if re.fullmatch(rf"({'|'.join(topics)})/\w*[^\W_]", text)}
    assert named - there == set()
    assert [pattern for pattern in patterns if not any(re.fullmatch(pattern, name) for name in there)] == []


def test_a_query_has_a_file_to_itself_where_it_is_longer_than_a_screen() -> None:
    """Else it stands with the others of its topic; of tables, marts and what is kept each has its own."""
    root = project_file("sql")
    for name in queries.names():
        topic = root / f"{name.rpartition('/')[0]}.sql"
        if topic.exists():
            is_long = len(queries.text_of(name).splitlines()) > 60
            assert (root / f"{name}.sql").exists() == is_long, name


TOPIC = """-- What is said of apples.

-- name: counted, table: red
-- name: counted, table: green
-- name: sour_counted, table: sour
-- Grain: one row.
select count(*) from {table}_apple;

-- name: matched, key: kind, size
select {key} from tree join crate on {key: tree.* = crate.* and} where ({key: crate.*,}) <> ({key: 0 * *,});

-- name: eaten
select {'a': 1};

-- name: eaten, engine: snowflake
select 2;

-- name: eaten_of
-- name: all_eaten, table: pear
delete from {table};
"""


def _written(folder: Path, text: str = TOPIC) -> Path:
    folder.joinpath("apples.sql").write_text(text, encoding="utf-8")
    return folder


def test_a_name_has_the_text_below_it(tmp_path: Path) -> None:
    """Twins have the same text with other words, a list is put through a pattern, and a repeated name has it twice."""
    root = _written(tmp_path)
    assert queries.text_of("apples/eaten", root) == "select {'a': 1};\n"
    assert queries.text_of("apples/all_eaten", root) == "delete from pear;\n"
    one = "-- Grain: one row.\nselect count(*) from {}_apple;\n"
    assert queries.text_of("apples/counted", root) == "\n".join(one.format(table) for table in ("red", "green"))
    assert queries.text_of("apples/sour_counted", root) == one.format("sour")
    assert queries.text_of("apples/matched", root) == (
        "select kind, size from tree join crate on tree.kind = crate.kind and tree.size = crate.size "
        "where (crate.kind, crate.size) <> (0 kind kind, 0 size size);\n"
    )
    (root / "schema").mkdir()
    (root / "schema/plum.sql").touch()
    assert queries.text_of("apples/eaten_of@plum", root) == "delete from plum;\n"


def test_a_value_between_bars_has_the_text_once_more(tmp_path: Path) -> None:
    """As if its name stood there once for each of them; a query in a file of its own has its values likewise."""
    root = _written(tmp_path, "-- name: peeled, table: red | green, what: skin\ndelete {what} from {table};\n")
    assert queries.text_of("apples/peeled", root) == "delete skin from red;\n\ndelete skin from green;\n"
    (root / "apples").mkdir()
    (root / "apples/cut.sql").write_text("-- name: cut, into: halves, quarters\nselect {into};\n", encoding="utf-8")
    assert queries.text_of("apples/cut", root) == "select halves, quarters;\n"


@pytest.mark.parametrize(
    ("text", "named", "said"),
    [
        (TOPIC, "apples/bought", "sql/ has no query apples/bought"),
        (f"{TOPIC}-- name: eaten\nselect 3;\n", "apples/eaten", "sql/apples.sql names apples/eaten twice"),
        (f"{TOPIC}-- name: peeled\nselect 3;\n", "apples/peeled", "sql/apples.sql names apples/peeled, which has a"),
        (
            TOPIC,
            "apples/eaten_of@stone; drop",
            "sql/schema/ has no table stone; drop, of which apples/eaten_of is asked",
        ),
        (TOPIC.replace("{table}_", "{colour}_"), "apples/counted", "sql/apples.sql: what apples/counted has in braces"),
    ],
    ids=["missing", "twice", "twice in two files", "of no table", "without a value"],
)
def test_a_query_that_cannot_be_told_is_refused(text: str, named: str, said: str, tmp_path: Path) -> None:
    root = _written(tmp_path, text)
    (root / "apples").mkdir()
    (root / "apples/peeled.sql").write_text("select 4;\n", encoding="utf-8")
    with pytest.raises(queries.QueryError, match=f"^{re.escape(said)}"):
        queries.text_of(named, root)


def test_a_query_that_is_missing_is_no_documents_fault() -> None:
    """Or an upgrade under a running daemon would refuse documents that are good."""
    with pytest.raises(queries.QueryError) as error:
        queries.text_of("merge/nothing_of_this_name")
    assert not isinstance(error.value, UNFORESEEN)
