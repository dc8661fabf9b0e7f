"""Refuse path traversal: relative paths from untrusted data that resolve outside of their folder.

Such data are a backup's manifest, a ledger's row, and a response of Clari's.
"""

from pathlib import Path, PurePosixPath

from clari_pipeline.core.runbook import PipelineError


class PathOutside(PipelineError):
    """A path resolves outside of its folder: nothing was read, written or removed."""


def inside(root: Path, path: str) -> Path:
    """Join `root` and a relative path with `/` that stays below it after symbolic links are resolved.

    Raises `PathOutside` for the root itself, an absolute path, one with `..`, and a link that leads outside.
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
    except (OSError, RuntimeError, ValueError):  # a loop of links, characters that no file system allows
        is_inside = False
    if not is_inside:
        raise PathOutside(
            f"{path!r} does not lie inside {root}, and was not touched: whoever wrote it down is not to be trusted, "
            "or a link leads out of the folder"
        )
    return root / path
