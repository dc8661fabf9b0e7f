"""What several tests do first, done by whoever needs it first; the others begin with a copy of what it left."""

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.helpers import prepared

_SAID = ".said.json"


def begin_after(
    name: str, act: Callable[[], Any], *, folder: Path, parts: Sequence[str] = ("data", "dagster_home")
) -> Any:
    """Leave in the folder what `act`, done there once for all tests, leaves of these parts; what it returned, as JSON
    holds it. The name is that of no other beginning.
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
