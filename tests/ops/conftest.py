"""A folder with the settings of commands that read a warehouse in it, and a browser for the pages that they write."""

from pathlib import Path

import pytest

from tests.helpers.browser import chromium, reader  # noqa: F401 - fixtures


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the commands look for a warehouse; there is none yet."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CLARI_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("CLARI_WAREHOUSE_URL", f"duckdb:///{tmp_path / 'warehouse.duckdb'}")
    return tmp_path
