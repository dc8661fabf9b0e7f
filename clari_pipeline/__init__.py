"""Clari's forecast calls, quotas and closed-won figures in a warehouse that never forgets.

The package's Python interface: `connect`, what it returns (`Clari`), and the errors of both. It is imported at first
use, so that the command line does not wait for pandas.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from clari_pipeline.core.runbook import PipelineError
    from clari_pipeline.frames import Clari, FrameError, connect

__all__ = ["Clari", "FrameError", "PipelineError", "connect"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from clari_pipeline import frames  # noqa: PLC0415 - takes a second, which the command line need not wait

    return getattr(frames, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
