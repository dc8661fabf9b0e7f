"""Exports among random faults, a thousand seeds."""

from pathlib import Path
from typing import Any

import pytest

from tests.e2e.test_chaos import expected, lived_through

__all__ = ["expected"]


@pytest.mark.parametrize("seed", [*range(3, 25), *range(1001, 2001)])
def test_a_thousand_seeds(tmp_path: Path, seed: int, expected: dict[str, list[tuple[Any, ...]]]) -> None:
    """Whatever is drawn, nothing is lost, doubled or wrong, and everything ends."""
    lived_through(tmp_path, seed, expected)
