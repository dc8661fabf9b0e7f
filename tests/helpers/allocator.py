"""The allocator of the processes that tests run in: jemalloc, where it is installed (`make jemalloc`).

Planning a statement, DuckDB asks for memory so often that a small merge takes a quarter less time with it.
"""

import ctypes.util
import os
from collections.abc import Iterator
from contextlib import contextmanager

_VARIABLE = "LD_PRELOAD"


def choose() -> None:
    """For every process that is started from here on, unless another was chosen."""
    if (library := ctypes.util.find_library("jemalloc")) is not None:
        os.environ.setdefault(_VARIABLE, library)


def take_back() -> None:
    """What is started from here on runs as users run it."""
    library = os.environ.get(_VARIABLE)
    if library is not None and library == ctypes.util.find_library("jemalloc"):
        _chosen[_VARIABLE] = os.environ.pop(_VARIABLE)


@contextmanager
def chosen_again() -> Iterator[None]:
    """For what is started meanwhile, as before it was taken back."""
    os.environ.update(_chosen)
    try:
        yield
    finally:
        for name in _chosen:
            del os.environ[name]


_chosen: dict[str, str] = {}
