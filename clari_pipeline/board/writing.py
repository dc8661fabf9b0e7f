"""Write `board.html` from the warehouse."""

from __future__ import annotations

import os
import webbrowser
from functools import cache
from importlib.metadata import version
from pathlib import Path

from clari_pipeline.board.charts import VEGA_LITE
from clari_pipeline.board.figures import EMPTY, Board, read_board
from clari_pipeline.board.page import render
from clari_pipeline.config.settings import Settings
from clari_pipeline.core.runbook import ExitCode
from clari_pipeline.core.safe_text import print_line
from clari_pipeline.store.opening import open_warehouse
from clari_pipeline.sync.log_lines import CommandLog
from clari_pipeline.warehouse.session import Warehouse


def show(settings: Settings, *, is_opened: bool) -> int:
    """Write the board and print its path; returns the exit code."""
    warehouse = open_warehouse(settings.warehouse_url, data_dir=settings.data_dir, env=settings.env)
    file, _ = write_board(warehouse, settings.data_dir)
    print_line(str(file))
    if is_opened and not webbrowser.open(file.resolve().as_uri()):
        CommandLog(settings).say("no browser could be opened: open the file yourself")
    return ExitCode.DONE


def write_board(warehouse: Warehouse, folder: Path) -> tuple[Path, Board]:
    """Write the board into a folder, atomically; returns its path and its figures.

    Raises `WarehouseLocked`, or OSError where the folder cannot be written.
    """
    board = EMPTY
    if warehouse.exists():
        with warehouse.session() as session, session.transaction():  # one snapshot
            board = read_board(session)
    folder.mkdir(parents=True, exist_ok=True)
    page = render(board, _vega(folder / ".board"))
    file = folder / "board.html"
    _replace(file, page)
    return file, board


def _vega(folder: Path) -> str:
    """The program that draws the charts, cached in a file: bundling takes seconds."""
    kept = folder / f"vega-{version('vl-convert-python')}-{VEGA_LITE}.js"
    if not kept.exists():
        folder.mkdir(parents=True, exist_ok=True)
        _replace(kept, _bundle())
    return kept.read_text(encoding="utf-8")


@cache
def _bundle() -> str:
    import vl_convert  # noqa: PLC0415 - 80 MB

    return vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed", vl_version=VEGA_LITE)


def _replace(file: Path, text: str) -> None:
    """Replace a file atomically: a reader sees the old one or the new one."""
    part = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with part.open("w", encoding="utf-8", newline="") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)
