"""Refuse paths from outside that lead out of the folder that they belong to (path traversal).

A backup's manifest, a ledger's row, an answer of Clari's: whatever names a path may name one that leads elsewhere.
"""

from pathlib import Path, PurePosixPath

from clari_pipeline.core.runbook import PipelineError


class PathOutside(PipelineError):
    """A path leads out of the folder that it belongs to: nothing there was read, written or removed."""


def inside(root: Path, path: str) -> Path:
    """`root / path`, for a path with `/` that stays below `root`, whatever links are on its way.

    Raises `PathOutside` for the root itself, for what is absolute or climbs, and for a link that leads out.
    """
    parts = PurePosixPath(path).parts
    try:
        is_inside = (
            bool(parts)
            and ".." not in parts
            and "\0" not in path
            and (root / path).resolve().is_relative_to(root.resolve())
            and not PurePosixPath(path).is_absolute()
        )
    except (OSError, RuntimeError, ValueError):  # links in a circle, characters that no file system has
        is_inside = False
    if not is_inside:
        raise PathOutside(
            f"{path!r} does not lie inside {root}, and was not touched: whoever wrote it down is not to be trusted, "
            "or a link leads out of the folder"
        )
    return root / path
