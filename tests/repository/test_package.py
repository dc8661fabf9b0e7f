"""What is published: the wheel, and the version that everything names alike."""

import os
import re
import subprocess
import sys
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

from tests.helpers.terminal import Terminal
from tests.repository.house import ROOT

VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
CARRIED = ("sql", "docs", "dagster_home/dagster.yaml")  # beside the package, in a checkout


def test_the_version_is_the_newest_release_of_the_changelog(terminal: Terminal) -> None:
    """`--version` prints it, the image is tagged with it, and what comes next stands above it."""
    assert terminal("--version").out == f"clari-pipeline {VERSION}\n"
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## \[(.+?)\](?: - (\d{4}-\d\d-\d\d))?$", changes, flags=re.MULTILINE)
    assert [headings[0], headings[1][0]] == [("Unreleased", ""), VERSION]
    released = [(date, tuple(map(int, number.split(".")))) for number, date in headings[1:]]
    assert released == sorted(released, reverse=True)
    kinds = set(re.findall(r"^### (.+)$", changes, flags=re.MULTILINE))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    for file, line in {
        "compose.yaml": f"image: clari-pipeline:{VERSION}",
        "Dockerfile": f"-t clari-pipeline:{VERSION} ",
        "helm-values.yaml": f'tag: "{VERSION}"',
    }.items():
        assert line in (ROOT / "deploy" / file).read_text(encoding="utf-8"), file


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


def run(*words: object, cwd: Path, **variables: str) -> str:
    """What a command prints, which has to succeed."""
    done = subprocess.run(
        [str(word) for word in words], cwd=cwd, env=os.environ | variables, capture_output=True, text=True, check=False,
        timeout=400,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_wheel_holds_all_that_the_package_reads(tmp_path: Path) -> None:
    """Every module and what lies beside it; installed far from a checkout, it knows its version and the runbook.

    That it syncs there, make soak sees.
    """
    files = [file for name in ("clari_pipeline", *CARRIED) for file in (ROOT / name, *(ROOT / name).rglob("*"))]
    known = {file.relative_to(ROOT) for file in files if file.is_file() and "__pycache__" not in file.parts}
    wheel = wheel_in(tmp_path)
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())
        (commands,) = (archive.read(name).decode() for name in held if name.endswith("/entry_points.txt"))
    assert {name for name in held if ".dist-info/" not in name} == {
        path.as_posix() if path.parts[0] == "clari_pipeline" else f"clari_pipeline/{path.as_posix()}" for path in known
    }
    assert "clari-pipeline = clari_pipeline.cli.app:main" in commands
    installed = tmp_path / "installed"
    run(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", installed, wheel, cwd=tmp_path)
    typed = (sys.executable, "-m", "clari_pipeline")
    assert run(*typed, "--version", cwd=tmp_path, PYTHONPATH=str(installed)) == f"clari-pipeline {VERSION}\n"
    told = run(*typed, "runbook", "docs/runbook.md#auth_failed", cwd=tmp_path, PYTHONPATH=str(installed))
    assert "What to do: The key is revoked (clari-pipeline runbook the-key-is-revoked)" in told


@pytest.mark.soak
def test_the_wheel_works_in_an_environment_of_its_own(tmp_path: Path) -> None:
    """Installed with the pinned constraints and what it names itself, run from another folder."""
    environment = tmp_path / "environment"
    venv.create(environment)
    uv = Path(sys.executable).with_name("uv")
    # What pip would compile is every file of every package, of which the sync imports a part.
    by_pip = [sys.executable, "-m", "pip", "--python", environment, "install", "--no-compile"]
    into = [uv, "pip", "install", "--python", environment / "bin/python"] if uv.exists() else by_pip
    run(*into, "--quiet", "--constraint", ROOT / "constraints.txt", wheel_in(tmp_path), cwd=tmp_path)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    out = run(environment / "bin/clari-pipeline", "sync", "--sandbox", "--last", "1", cwd=elsewhere)
    assert "LOADED" in out
    assert (elsewhere / "data/sandbox/warehouse.duckdb").exists()
    assert list(elsewhere.glob("data/**/dagster_home/dagster.yaml"))
