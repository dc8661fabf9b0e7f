"""The README's and the other pages' words, tried: queries, commands, links, the first real sync, the page of tables."""

import json
import os
import re
import shlex
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from clari_pipeline.cli import app as cli
from clari_pipeline.config.settings import Settings
from tests.helpers.listeners import address, web_listeners
from tests.helpers.terminal import Terminal
from tests.repository import notebook, tables_page
from tests.repository.house import ROOT

PAGES = {
    file.relative_to(ROOT).as_posix(): file.read_text(encoding="utf-8")
    for file in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "deploy/README.md")
}
EVERYTHING = "\n".join(PAGES.values())


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGES[page], flags=re.MULTILINE | re.DOTALL)


def test_queries_and_the_notebook_answer_and_keys_hold(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    """After two syncs as in the demo, other products with them: each query of a page that analysts read returns rows.

    Each cell of docs/notebook.ipynb shows what it showed when it was written, but for the figures. No key of
    docs/tables.md stands for two rows, and no channel gets a message of the sandbox's swings.
    """
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("CLARI_PRODUCTS", "forecast,limits,audit,activity,opportunity")
    with web_listeners() as listen:
        listener = listen("accepts")
        monkeypatch.setenv("CLARI_ALERT_URLS", address(listener))
        assert terminal("sync", "--sandbox", "--last", "2").code == 0
        monkeypatch.delenv("CLARI_PRODUCTS")
        assert terminal("sync", "--sandbox", "--last", "2", "--scenario", "swings").code == 0
        assert listener.received == []
    queries = [*blocks("README.md", "sql"), *blocks("docs/products.md", "sql")]
    assert len(queries) == 4
    for query in queries:
        today = re.sub(r"timestamptz '[^']+'", "now()", query)
        assert terminal.query(today, warehouse="data/sandbox/warehouse.duckdb"), query
    for table, key in tables_page.keys().items():
        rows = f"select 1 from clari.{table} group by {key or 'all'} having count(*) > 1"
        assert terminal.query(rows, warehouse="data/sandbox/warehouse.duckdb") == [], table
    cells = notebook.code_cells(json.loads(notebook.NOTEBOOK.read_text(encoding="utf-8")))
    for cell, text in zip(cells, notebook.shown(cells), strict=True):
        (written,) = ("".join(output["data"]["text/plain"]) for output in cell["outputs"])
        assert heading(text) == heading(written), "python -m tests.repository.notebook"
    sums = re.findall(r"'([\d.]+)'", text)
    assert len(sums) == 2
    assert Decimal(sums[0]) == Decimal(sums[1])


def heading(text: str) -> list[str]:
    """The words of the first line, without numbers."""
    return re.sub(r"[\d.]+", "#", text.partition("\n")[0]).split()


def test_the_page_of_tables_is_what_the_database_says_of_itself() -> None:
    """Every table and view, every column with type and comment, views called views; `make docs` writes it."""
    assert PAGES["docs/tables.md"] == tables_page.page(), "make docs"
    described = tables_page.described()
    assert tables_page.keys().keys() <= described.keys()
    for name, table in described.items():
        section = PAGES["docs/tables.md"].split(f"\n### {name}\n\n")[1].split("\n##")[0]
        assert section.startswith("A view. ") == table.is_view
        assert [column.name for column in table.columns] == re.findall(r"^\| `(\w+)` \|", section, flags=re.MULTILINE)
        assert all(column.comment for column in table.columns), name


def test_the_notebook_reads_what_is_published(terminal: Terminal) -> None:
    """As it stands, after a sync: the calls of the top person, amounts as decimals."""
    terminal.begin_after("sync")
    written = blocks("docs/reading.md", "python")
    assert len(written) == 2  # by the package, and by DuckDB alone
    for block in written:
        found: dict[str, Any] = {}
        exec(block, found)
        assert len(found["calls"])
        assert {str(found["calls"].dtypes["forecast_value"]), str(found["swings"].dtypes["change_amount"])} == {
            "decimal128(18, 4)[pyarrow]"
        }


def test_the_first_real_sync_works_as_written(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    """`.env` filled in, one quarter synced, its status told: with the sandbox in Clari's place."""
    (block,) = [found for found in blocks("README.md", "") if ".env.example" in found]
    commands = [line.split("#")[0].strip() for line in block.strip().splitlines()]
    filled = (ROOT / ".env.example").read_text(encoding="utf-8")
    for name in ("CLARI_API_KEY", "CLARI_FORECAST_IDS"):
        value = os.environ[name]
        assert f"{name}=\n" in filled
        filled = filled.replace(f"{name}=\n", f"{name}={value}\n")
        monkeypatch.delenv(name)
    Path(".env").write_text(filled, encoding="utf-8")
    typed = [shlex.split(command)[1:] for command in commands if command.startswith(".venv/bin/clari-pipeline")]
    assert typed == [["sync", "--last", "1"], ["status"]]
    for words in typed:
        answer = terminal(*words)
        assert answer.code == 0, answer.err
    assert "LOADED" in answer.out


def test_commands_and_make_targets_that_are_named_exist() -> None:
    """Each `clari-pipeline x` with its options, and each `make x`, in every page."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in set(re.findall(r"(?:`|^)make ([a-z-]+)", EVERYTHING, flags=re.MULTILINE)):
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target
    typed = re.findall(
        r"(?:`|^|bin/|then )clari-pipeline ([a-z][a-z-]+(?: [^`\n#|;&]*)?)", EVERYTHING, flags=re.MULTILINE
    )
    assert len(typed) > 80
    for words in {" ".join(one.split()) for one in typed}:
        command, *rest = words.split()
        if command == "alerts" and rest:
            command = f"alerts {rest[0]}"
        shown = CliRunner().invoke(cli.app, [*command.split(), "--help"])
        assert shown.exit_code == 0, words
        for option in re.findall(r"--[a-z-]+", words):
            assert option in shown.output, words


def test_every_command_and_setting_is_named() -> None:
    """The README names every command, `.env.example` every setting; pages and examples name no other setting."""
    shown = CliRunner().invoke(cli.app, ["--help"]).output
    for command in re.findall(r"^  ([a-z][a-z-]+) ", shown.split("Commands:")[1], flags=re.MULTILINE):
        assert re.search(rf"`(clari-pipeline )?{command}\b", PAGES["README.md"]), command
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    for name in set(Settings.model_fields) - {"debug", "dagster_home"}:
        assert f"CLARI_{name.upper()}=" in example, name
    known = {f"CLARI_{name.upper()}" for name in Settings.model_fields}
    named = set(re.findall(r"\bCLARI_[A-Z_]+\b", EVERYTHING + example))
    beside = {"CLARI_EXPORTS_AT_ONCE", "CLARI_WRITER", "CLARI_READER"}  # the compose file's, and Snowflake's roles
    assert {name for name in named - known - beside if not name.startswith("CLARI_TEST_")} == set()


def headings(text: str) -> set[str]:
    """The anchors that GitHub gives a page's headings."""
    titles = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title).strip().lower().replace(" ", "-") for title in titles}


def test_links_lead_somewhere() -> None:
    """To files that are there, and to anchors on their pages."""
    anchors = {name: headings(text) | set(re.findall(r'id="(\w+)"', text)) for name, text in PAGES.items()}
    for name, text in PAGES.items():
        for link, target in re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)", text):
            file = ((ROOT / name).parent / link).resolve() if link else ROOT / name
            assert file.exists(), (name, link)
            if target:
                assert target in anchors[file.relative_to(ROOT).as_posix()], (name, link, target)


def test_the_rooms_of_the_picture_are_those_of_the_package() -> None:
    """`docs/architecture.md` lists each folder of the package, on the floor that import-linter holds it to."""
    picture = re.search(r"^clari_pipeline/\n(.*?)^definitions", PAGES["docs/architecture.md"], re.MULTILINE | re.DOTALL)
    assert picture is not None
    floors: list[set[str]] = []
    for begins, room in re.findall(r"^  (\d| ) (\w+)/ ", picture[1], flags=re.MULTILINE):
        if begins != " ":
            floors.append(set())
        floors[-1].add(room)
    contract = (ROOT / "pyproject.toml").read_text(encoding="utf-8").split("\nlayers = [")[1].split("]")[0]
    assert floors == [set(floor.split(" | ")) for floor in re.findall(r'"(.+)"', contract)]


def test_the_tests_that_a_page_names_are_there() -> None:
    """Each fact about Clari in `docs/clari.md` names the test that holds it."""
    tests = "\n".join(file.read_text(encoding="utf-8") for file in ROOT.glob("tests/**/*.py"))
    named = set(re.findall(r"`(test_\w+)`", EVERYTHING))
    assert named
    assert [name for name in named if f"def {name}(" not in tests] == []
    assert [name for name in re.findall(r"`(tests/[\w/]+\.py)`", EVERYTHING) if not (ROOT / name).exists()] == []
