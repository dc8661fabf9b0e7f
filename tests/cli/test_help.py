"""Help, usage errors, completion and mistyped settings: what someone meets who types for the first time."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main

from clari_pipeline.cli import app as cli
from tests.helpers.each_case import try_each
from tests.helpers.terminal import Terminal


def _commands() -> list[tuple[str, ...]]:
    """Every command, those of groups too; the program itself is the empty one."""
    found: list[tuple[str, ...]] = [()]
    for words in found:
        command = typer.main.get_command(cli.app)
        for word in words:
            command = command.commands[word]  # type: ignore[attr-defined]
        found += [(*words, name) for name in getattr(command, "commands", {})]
    return found


@pytest.mark.parametrize("width", [80, 120])
def test_no_help_is_cut_and_each_has_a_short_form(
    width: int, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In 80 columns and in 120, which are used; no name of a Python type stands where a value is to be typed."""

    monkeypatch.setenv("COLUMNS", str(width))
    longest = []

    def check(words: tuple[str, ...]) -> None:
        pages = [terminal(*words, option).out for option in ("--help", "-h")]
        assert pages[0] == pages[1]
        lines = pages[0].splitlines()
        assert not [line for line in lines if line.endswith("...") and not line.startswith("Usage")]
        assert all(len(line) <= width for line in lines)
        longest.append(max(map(len, lines)))
        options = [line for line in lines if line.lstrip().startswith("-")]
        assert not re.search(r"<(str|list|path|int)", "\n".join(options))

    try_each(_commands(), check)
    assert max(longest) > width - 20  # a wide terminal is used


def test_a_usage_error_points_to_the_help_of_its_command(terminal: Terminal) -> None:
    """In this program's words."""
    cases = [
        (("sync", "--nope"), "No such option: --nope: see clari-pipeline sync --help"),
        (("sync", "--last", "99"), "Invalid value for '--last': write 41 or less: see clari-pipeline sync --help"),
        (("alerts", "list", "--last", "x"), "write a whole number: see clari-pipeline alerts list --help"),
        (("as-of",), "see clari-pipeline as-of --help"),
        (("as-of", "2026-10-01", "--format", "xlsx"), "see clari-pipeline as-of --help"),
        (("snc",), "see clari-pipeline --help"),
    ]

    def check(case: tuple[tuple[str, ...], str]) -> None:
        words, said = case
        answer = terminal(*words)
        assert answer.code == 2
        assert said in answer.err
        assert "Input should" not in answer.err
        assert len(answer.err.splitlines()) == 1

    try_each(cases, check)


def test_the_shell_completes_commands() -> None:
    """Typer's own completion: the script that --install-completion installs asks the program, which answers."""

    def answer(**asked: str) -> str:
        words = [sys.executable, "-m", "clari_pipeline"]
        return subprocess.run(words, capture_output=True, text=True, check=True, env=os.environ | asked).stdout

    for shell in ("bash", "zsh", "fish"):
        assert f"_CLARI_PIPELINE_COMPLETE=complete_{shell}" in answer(_CLARI_PIPELINE_COMPLETE=f"source_{shell}")
    asked = {"_CLARI_PIPELINE_COMPLETE": "complete_bash", "COMP_WORDS": "clari-pipeline re", "COMP_CWORD": "1"}
    assert answer(**asked).split() == ["replay", "restore", "retention"]


def test_a_mistyped_setting_is_named_once_and_changes_nothing(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the likeliest right one; where that is missing, the command is refused as it would be."""
    terminal.begin_after("sync", "--last", "1")
    monkeypatch.setenv("CLARI_FORECAST_ID", "total_new")
    answer = terminal("status")
    assert (answer.code, answer.err.count("CLARI_FORECAST_ID is no setting")) == (0, 1)
    assert "did you mean CLARI_FORECAST_IDS? (docs/runbook.md#setting_unknown)" in answer.err
    monkeypatch.delenv("CLARI_FORECAST_IDS")
    answer = terminal("sync")
    assert answer.code == 2
    assert [line.split(" is ")[0].split(": ")[1] for line in answer.err.splitlines()] == [
        "CLARI_FORECAST_ID",
        "CLARI_FORECAST_IDS",
    ]


def test_a_cron_line_that_dagster_refuses_stops_a_sync_before_clari_is_asked(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLARI_SYNC_CRON", "0 0 6 * * *")
    answer = terminal("sync")
    assert (answer.code, "CLARI_SYNC_CRON" in answer.err) == (2, True)
    assert not Path("data").exists()
