"""A board, and the browser that shows it."""

import shutil
from pathlib import Path

from clari_pipeline.board import write_board
from tests.helpers import prepared
from tests.helpers.browser import chromium, reader  # noqa: F401 - fixtures
from tests.helpers.house import House


def with_program(folder: Path) -> Path:
    """The folder, in which a board has been written before: the program that draws the charts is kept there.

    To bundle it takes seconds: once for all tests.
    """
    made = prepared.made_once("board-program", _write_a_board)
    return Path(shutil.copytree(made / ".board", folder / ".board", dirs_exist_ok=True)).parent


def _write_a_board(folder: Path) -> None:
    write_board(House(folder / "none").context.warehouse, folder)
