"""The warehouse's file as this process has it: one attachment for all who use it, whatever the file is called."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from clari_pipeline.warehouse.duck import DuckWarehouse
from clari_pipeline.warehouse.errors import WarehouseLocked

_WRITE = "import duckdb, sys; duckdb.connect(sys.argv[1]).execute('create table mine (a int)')"


def _can_be_written_by_others(file: Path) -> bool:
    return subprocess.run([sys.executable, "-c", _WRITE, file], capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("name", ["clari", "main", "temp", "memory", "warehouse", "itself", 'o\'brien "x"', "a b.c"])
def test_a_file_may_have_any_name(tmp_path: Path, name: str) -> None:
    """`clari` is the schema's name, too: as a database's name it would be ambiguous."""
    warehouse = DuckWarehouse(tmp_path / f"{name}.duckdb")
    with warehouse.session() as session:
        assert session.count("export_job") == 0
    with warehouse.glance() as session:
        assert session is not None
        assert session.count("forecast_entry") == 0
    with warehouse.copied(tmp_path / f"{name}-read.duckdb") as session:
        assert session.count("forecast_entry") == 0


def test_two_warehouses_of_one_file_share_it(tmp_path: Path) -> None:
    """What one session keeps the other sees; the file is let go of when the last one ends."""
    file = tmp_path / "warehouse.duckdb"
    with DuckWarehouse(file).session() as one:
        with DuckWarehouse(file).session() as other:
            other.documents.execute("insert into clari.warehouse_environment values ('prod')")
        assert one.count("warehouse_environment") == 1
        assert not _can_be_written_by_others(file)
    assert _can_be_written_by_others(file)


def test_who_only_looks_is_told_that_the_file_is_in_use_here(tmp_path: Path) -> None:
    """And who would write while somebody looks waits for him."""
    file = tmp_path / "warehouse.duckdb"
    warehouse = DuckWarehouse(file, lock_timeout_s=0.1)
    with warehouse.session(), pytest.raises(WarehouseLocked), DuckWarehouse(file).glance():
        pass
    with warehouse.glance(), warehouse.glance() as session:
        assert session is not None
        with pytest.raises(WarehouseLocked), warehouse.session():
            pass
    with warehouse.session() as session:
        assert session.count("export_job") == 0


def test_memory_that_one_session_asked_for_is_not_the_nexts(tmp_path: Path) -> None:
    """`reset memory_limit` is a setting of the whole DuckDB, which stays."""
    warehouse = DuckWarehouse(tmp_path / "warehouse.duckdb")
    limits = []
    for ask in ("select 1", "reset memory_limit", "select 1"):
        with warehouse.session() as session:
            limits.append(session.documents.execute("select current_setting('memory_limit')").fetchone())
            session.documents.execute(ask)
    assert limits == [("381.4 MiB",)] * 3


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="counts threads as Linux shows them")
def test_warehouses_that_nobody_uses_cost_no_threads(tmp_path: Path) -> None:
    """A process that looks after many keeps one DuckDB of those that are not in use."""
    warehouses = [DuckWarehouse(tmp_path / f"{number}.duckdb") for number in range(12)]
    before = len(list(Path("/proc/self/task").iterdir()))
    for warehouse in warehouses:
        warehouse.prepare()
    assert len(list(Path("/proc/self/task").iterdir())) - before < len(warehouses)
