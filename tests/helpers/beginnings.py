"""Shared set-up of several tests: run by the first test that needs it, and copied from a snapshot for the others."""

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.helpers import prepared

_SAID = ".said.json"  # what `act` returned


def begin_after(
    name: str, act: Callable[[], Any], *, folder: Path, parts: Sequence[str] = ("data", "dagster_home")
) -> Any:
    """Put into `folder` the `parts` that `act` makes there, from a snapshot where one of this name exists.

    Returns what `act` returned, by way of JSON. Names have to be unique among all set-ups.
    """

    def keep(kept: Path) -> None:
        said = act()
        kept.mkdir()
        (kept / _SAID).write_text(json.dumps(said))
        for part in parts:
            shutil.move(folder / part, kept / part)

    kept = prepared.made_once(name, keep)
    for part in parts:
        shutil.copytree(kept / part, folder / part, dirs_exist_ok=True)
    return json.loads((kept / _SAID).read_text())
