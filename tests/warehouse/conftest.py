from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .house import House


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


@pytest.fixture
def open_house(tmp_path: Path) -> Callable[..., House]:
    """Houses with settings of their own, on one landing folder."""

    def open_one(**settings: Any) -> House:
        return House(tmp_path, **settings)

    return open_one
