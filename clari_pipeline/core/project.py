"""Locate data files of this project, such as `sql/`, in a checkout or an installed wheel."""

from functools import cache
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]
CHECKOUT = _PACKAGE.parent


@cache
def project_file(name: str) -> Path:
    """A file or folder of the project (`sql`, `dagster_home`): in a checkout, or inside an installed wheel."""
    for root in (CHECKOUT, _PACKAGE):
        if (root / name).exists() and (root != CHECKOUT or (root / "pyproject.toml").exists()):
            return root / name
    raise FileNotFoundError(f"{name} is missing from this installation of clari-pipeline: install it again")
