"""Preload jemalloc (`LD_PRELOAD`) into the processes that run tests, where it is installed (`make jemalloc`).

DuckDB allocates so often when it plans a statement that a small merge takes a quarter less time with it.
"""

import ctypes.util
import os
from collections.abc import Iterator
from contextlib import contextmanager

_VARIABLE = "LD_PRELOAD"


def preload() -> None:
    """Preload it into every process started from now on, unless another library is preloaded."""
    if (library := ctypes.util.find_library("jemalloc")) is not None:
        os.environ.setdefault(_VARIABLE, library)


def stop_preloading() -> None:
    """Preload it no longer: processes started from now on run as a user's do."""
    library = os.environ.get(_VARIABLE)
    if library is not None and library == ctypes.util.find_library("jemalloc"):
        _preloaded[_VARIABLE] = os.environ.pop(_VARIABLE)


@contextmanager
def preloading() -> Iterator[None]:
    """Preload it into processes started in the block."""
    os.environ.update(_preloaded)
    try:
        yield
    finally:
        for name in _preloaded:
            del os.environ[name]


_preloaded: dict[str, str] = {}
