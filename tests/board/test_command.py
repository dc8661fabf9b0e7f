"""The board from the command line: no browser here, whose event loop would be in a sync's way."""

from pathlib import Path

import dagster as dg

from tests.board.conftest import with_program
from tests.helpers.terminal import Terminal


def test_the_command_writes_the_page_and_prints_where(terminal: Terminal) -> None:
    """After a sync, and before any; what was there before is replaced, nothing else is left lying."""
    with_program(terminal.folder / "data")
    assert terminal("board").out == "data/board.html\n"
    before = Path("data/board.html").read_text(encoding="utf-8")
    assert terminal("sync", "--last", "1").code == 0
    answer = terminal("board")
    assert (answer.code, answer.out) == (0, "data/board.html\n")
    assert Path("data/board.html").read_text(encoding="utf-8") != before
    assert not [file.name for file in Path("data").glob(".board.html*")]
    ((left, quota),) = terminal.query("select available_monthly_quota, monthly_quota from clari.export_quota")
    assert f"{left:,} of {quota:,}" in Path("data/board.html").read_text(encoding="utf-8")


def test_the_board_of_the_command_line_stands_in_dagster(terminal: Terminal) -> None:
    """With the figures that the asset has, if Dagster can keep it: the board is written either way."""
    with_program(terminal.folder / "data")
    terminal("board")
    with dg.DagsterInstance.from_config(str(terminal.folder / "dagster_home")) as instance:
        made = instance.get_latest_materialization_event(dg.AssetKey(["clari", "board"]))
        assert made is not None and made.asset_materialization is not None
        size = made.asset_materialization.metadata["bytes"].value
        assert size == Path("data/board.html").stat().st_size
    settings = terminal.folder / "dagster_home" / "dagster.yaml"
    settings.write_text("local_artifact_storage: {module: dagster, class: NoSuchStorage}")
    answer = terminal("board")
    assert (answer.code, answer.out) == (0, "data/board.html\n")
    (line,) = answer.err.splitlines()
    assert "does not stand in Dagster" in line and "dagster_unavailable" in line
