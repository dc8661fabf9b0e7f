"""The README's words, tried: its queries, its commands, its first real sync; and the package it describes."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path
from typing import Any

import pytest

from clari_pipeline.config.settings import Settings
from clari_pipeline.core.project import project_file
from clari_pipeline.warehouse.statements import tables
from tests.helpers.terminal import Terminal

ROOT = project_file("sql").parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)


def test_the_queries_answer_after_a_sync(terminal: Terminal) -> None:
    """Each of the queries that an analyst would start with returns rows, after two syncs as in the demo."""
    assert terminal("sync", "--sandbox").code == 0
    assert terminal("sync", "--sandbox", "--scenario", "swings").code == 0
    queries = blocks("sql")
    assert len(queries) == 3
    for query in queries:
        today = re.sub(r"timestamptz '[^']+'", "now()", query)
        assert terminal.query(today, warehouse="data/sandbox/warehouse.duckdb"), query


def test_the_notebook_reads_what_is_published(terminal: Terminal) -> None:
    """As it stands, after a sync: the calls of the top person, amounts as decimals."""
    terminal.begin_after("sync")
    (notebook,) = blocks("python")
    found: dict[str, Any] = {}
    exec(notebook, found)
    assert len(found["calls"])
    assert {str(found["calls"].dtypes["forecast_value"]), str(found["swings"].dtypes["change_amount"])} == {
        "decimal128(18, 4)[pyarrow]"
    }


def test_the_first_real_sync_works_as_written(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    """`.env` filled in, one quarter synced, its status told: with the sandbox in Clari's place."""
    (block,) = [found for found in blocks("") if ".env.example" in found]
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


def test_every_command_and_make_target_that_is_named_exists(terminal: Terminal) -> None:
    """`make x` and `clari-pipeline y` in the text are what the Makefile and the command line know."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in set(re.findall(r"`?make ([a-z]+)`?", README)) - {"it"}:
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target
    commands = set(re.findall(r"clari-pipeline ([a-z][a-z-]*[a-z])\b", README))
    for command in commands - {"and", "is"}:
        assert terminal(command, "--help").code == 0, command


def test_every_table_and_setting_is_documented() -> None:
    """The README names every table that people query, `.env.example` every setting."""
    internal = {
        "forecast_entry_sighting",
        "forecast_entry_state",
        "forecast_user_sighting",
        "alert_delivery",
        "mart_part_version",
        "mart_version",
        "newest_document",
        "warehouse_version",
    }
    for table in set(tables()) - internal:
        assert f"`{table}`" in README, table
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    for name in set(Settings.model_fields) - {"debug", "dagster_home"}:
        assert f"CLARI_{name.upper()}=" in example, name


def test_files_named_in_the_text_are_there() -> None:
    """Pictures and paths of the last section."""
    for link in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / link).exists(), link
    listing = README.split("## Where things are")[1]
    for name in re.findall(r"\b([a-z_]+(?:\.py|/))(?=\s)", listing):
        if name not in {"data/", "landing/", "runs/"}:
            found = [ROOT / name, ROOT / "clari_pipeline" / name, ROOT / "sql" / name]
            assert any(path.exists() for path in found), name


def wheel_in(folder: Path) -> Path:
    """The package's wheel: built with uv, as make installs, or with pip where uv is not there or reaches nothing."""
    uv = Path(sys.executable).with_name("uv")
    built = uv.exists() and subprocess.run(
        [uv, "build", "--quiet", "--wheel", "--out-dir", folder, ROOT], check=False, capture_output=True, timeout=400
    )
    if not built or built.returncode:
        pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, ROOT]
        subprocess.run(pip, check=True, timeout=400)
    (wheel,) = folder.glob("clari_pipeline-*.whl")
    return wheel


def test_the_wheel_holds_all_that_the_package_reads(tmp_path: Path) -> None:
    """Every module and what lies beside it, `sql/` and Dagster's settings; that it runs, make soak sees."""
    beside = ("clari_pipeline", "sql")
    files = [file for folder in beside for file in (ROOT / folder).rglob("*") if file.is_file()]
    known = {file.relative_to(ROOT).as_posix() for file in files if "__pycache__" not in file.parts}
    known = {path if path.startswith("clari_pipeline/") else f"clari_pipeline/{path}" for path in known}
    with zipfile.ZipFile(wheel_in(tmp_path)) as wheel:
        held = set(wheel.namelist())
        (commands,) = (wheel.read(name).decode() for name in held if name.endswith("/entry_points.txt"))
    assert known | {"clari_pipeline/dagster_home/dagster.yaml"} == {name for name in held if ".dist-info/" not in name}
    assert "clari-pipeline = clari_pipeline.cli.app:main" in commands


@pytest.mark.soak
@pytest.mark.parametrize("packages", ["of these tests", "its own"])
def test_the_wheel_works_in_another_environment(packages: str, tmp_path: Path) -> None:
    """Installed with the pinned constraints, run from another folder: `sql/` and Dagster's settings come along.

    That it names every package that it needs, make lint sees by its imports, and make soak in an empty environment.
    """
    environment = tmp_path / "environment"
    venv.create(environment)

    def run(*words: str, cwd: Path = tmp_path) -> str:
        done = subprocess.run(words, cwd=cwd, capture_output=True, text=True, check=False, timeout=400)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    wheel = wheel_in(tmp_path)
    into = [sys.executable, "-m", "pip", "--python", str(environment), "install", "--quiet"]
    if packages == "its own":
        # What is compiled is what the sync imports, not every file of every package.
        run(*into, "--no-compile", "--constraint", str(ROOT / "constraints.txt"), str(wheel))
    else:
        uv = Path(sys.executable).with_name("uv")
        quickly = [str(uv), "pip", "install", "--quiet", "--offline", "--python", str(environment / "bin" / "python")]
        run(*(quickly if uv.exists() else into), "--no-deps", str(wheel))
        paths = {"base": str(environment), "platbase": str(environment)}
        beside = Path(sysconfig.get_path("purelib", vars=paths), "beside.pth")
        beside.write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    out = run(str(environment / "bin" / "clari-pipeline"), "sync", "--sandbox", "--last", "1", cwd=elsewhere)
    assert "LOADED" in out
    assert (elsewhere / "data/sandbox/warehouse.duckdb").exists()
    assert (elsewhere / "data/dagster_home/dagster.yaml").exists() or (
        elsewhere / "data/sandbox/dagster_home/dagster.yaml"
    ).exists()
