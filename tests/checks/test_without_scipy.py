"""Great Expectations judges without SciPy, which it imports and no check needs: the demo leaves it out."""

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

from clari_pipeline.core.project import project_file


def test_the_gate_judges_where_scipy_is_not_installed(tmp_path: Path) -> None:
    """The same answers, from a process whose packages are those of this environment but for SciPy."""
    for package in Path(sysconfig.get_path("purelib")).iterdir():
        if not package.name.startswith("scipy"):
            (tmp_path / package.name).symlink_to(package)
    root = project_file("pyproject.toml").parent
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(root)])}
    python = [sys.executable, "-S"]  # site-packages is not looked at by itself
    gone = subprocess.run([*python, "-c", "import scipy"], env=environment, capture_output=True, text=True, check=False)
    assert "No module named 'scipy'" in gone.stderr
    check = {"name": "nothing_lost", "fact": "rows_lost", "least": None, "most": 0}
    questions = [json.dumps({"facts": {"rows_lost": lost}, "checks": [check]}) for lost in (0, 2)]
    done = subprocess.run(
        [*python, "-P", "-m", "clari_pipeline.checks.expectations"],
        env=environment,
        input="\n".join(questions) + "\n",
        capture_output=True,
        text=True,
        check=False,
    )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert answers == [{"broken": []}, {"broken": ["nothing_lost"]}], done.stderr
