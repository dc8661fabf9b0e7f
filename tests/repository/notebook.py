"""Runs docs/notebook.ipynb without Jupyter: its cells are JSON, and what a cell shows is the text of its last line.

    python -m tests.repository.notebook

syncs a sandbox twice in a folder of its own, and writes what the cells show into the notebook.
"""

import ast
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from clari_pipeline.cli import app as cli
from tests.repository.house import ROOT

NOTEBOOK = ROOT / "docs/notebook.ipynb"
SYNCS = (["sync", "--sandbox", "--last", "2"], ["sync", "--sandbox", "--last", "2", "--scenario", "swings"])


def code_cells(notebook: dict[str, Any]) -> list[dict[str, Any]]:
    """The cells that are run."""
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def shown(cells: list[dict[str, Any]]) -> Iterator[str]:
    """Run the cells one after the other, and yield what each shows; empty where its last line is no expression."""
    names: dict[str, Any] = {}
    with pd.option_context("display.width", 120, "display.max_columns", None):
        for cell in cells:
            body = ast.parse("".join(cell["source"])).body
            last = body.pop() if isinstance(body[-1], ast.Expr) else None
            exec(compile(ast.Module(body, []), "cell", "exec"), names)
            value = eval(compile(ast.Expression(last.value), "cell", "eval"), names) if last is not None else None  # noqa: S307
            yield "" if value is None else repr(value)


def write() -> None:
    """Write the cells' outputs, as Jupyter would."""
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    cells = code_cells(notebook)
    for number, (cell, text) in enumerate(zip(cells, shown(cells), strict=True), 1):
        output = {"data": {"text/plain": text.splitlines(keepends=True)}, "execution_count": number, "metadata": {}}
        cell["outputs"] = [output | {"output_type": "execute_result"}] if text else []
        cell["execution_count"] = number
    NOTEBOOK.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for words in SYNCS:
            assert cli.run(words) == 0
        write()
        os.chdir(Path(folder).parent)
