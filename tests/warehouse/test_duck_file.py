"""The warehouse's file as this process has it: one attachment for all who use it, whatever the file is called."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import pytest

from clari_pipeline.warehouse.duckdb.engine import DuckWarehouse
from clari_pipeline.warehouse.duckdb.file import duck_file
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
    with warehouse.read_only() as session:
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


def test_a_read_only_session_is_refused_while_the_file_is_in_use_here(tmp_path: Path) -> None:
    """A writer waits while one is open, here in vain."""
    file = tmp_path / "warehouse.duckdb"
    warehouse = DuckWarehouse(file, lock_timeout_s=0.1)
    with warehouse.session(), pytest.raises(WarehouseLocked), DuckWarehouse(file).read_only():
        pass
    with warehouse.read_only(), warehouse.read_only() as session:
        assert session is not None
        with pytest.raises(WarehouseLocked), warehouse.session():
            pass
    with warehouse.session() as session:
        assert session.count("export_job") == 0


def test_who_waits_for_the_file_keeps_nobody_here_from_leaving_it(tmp_path: Path) -> None:
    """A thread reads, another wants to write: the first ends when it likes, and the second then has the file."""
    warehouse = DuckWarehouse(tmp_path / "warehouse.duckdb", lock_timeout_s=60)
    warehouse.prepare()
    with ThreadPoolExecutor() as threads:
        with warehouse.read_only():
            waiting = threads.submit(warehouse.prepare)
            with pytest.raises(TimeoutError):
                waiting.result(timeout=0.2)
        waiting.result(timeout=30)


def test_a_read_only_session_waits_for_nobody(tmp_path: Path) -> None:
    """Another process has the file, and a thread of this one waits for it."""
    file = tmp_path / "warehouse.duckdb"
    warehouse = DuckWarehouse(file, lock_timeout_s=60)
    warehouse.prepare()
    hold = "import duckdb, sys; held = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", hold, file], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with ThreadPoolExecutor() as threads:
            waiting = threads.submit(warehouse.prepare)
            with pytest.raises(WarehouseLocked), warehouse.read_only():
                pass
            assert not waiting.done()
            holder.communicate()
            waiting.result(timeout=30)


def test_who_ends_keeping_it_takes_it_from_nobody(tmp_path: Path) -> None:
    """Whoever is alone with the file copies it under its lock, which is not to be let go of meanwhile."""
    path = tmp_path / "warehouse.duckdb"
    DuckWarehouse(path).prepare()
    file = duck_file(path)
    with file.exclusive(1):
        file.attach(read_only=True)
        with file.kept():
            pass
        assert not _can_be_written_by_others(path)
    assert _can_be_written_by_others(path)


def test_two_copies_are_read_side_by_side(tmp_path: Path) -> None:
    """Each shows the rows of its own moment, whatever the session that wrote them has left."""
    warehouse = DuckWarehouse(tmp_path / "warehouse.duckdb")
    warehouse.prepare()
    with warehouse.copied(tmp_path / "first.duckdb") as first:
        with warehouse.session() as session:
            session.documents.execute("insert into clari.warehouse_environment values ('prod')")
        with warehouse.copied(tmp_path / "second.duckdb") as second:
            assert (first.count("warehouse_environment"), second.count("warehouse_environment")) == (0, 1)


def test_a_relative_file_stays_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks for it by its whole path from another folder gets it, and makes none there."""
    for folder in ("here", "there"):
        (tmp_path / folder).mkdir()
    monkeypatch.chdir(tmp_path / "here")
    relative = DuckWarehouse(Path("data/warehouse.duckdb"))
    relative.prepare()
    monkeypatch.chdir(tmp_path / "there")
    DuckWarehouse(tmp_path / "here/data/warehouse.duckdb").prepare()
    assert not list(Path().iterdir())


@pytest.mark.parametrize(
    ("setting", "value", "change"),
    [
        ("memory_limit", "381.4 MiB", "reset memory_limit"),
        ("disabled_optimizers", "", "set disabled_optimizers = 'join_order'"),
    ],
)
def test_settings_of_one_session_are_not_the_nexts(tmp_path: Path, setting: str, value: str, change: str) -> None:
    """They are the whole instance's, which stays: one that failed before it could put them back leaves nothing."""
    warehouse = DuckWarehouse(tmp_path / "warehouse.duckdb")
    for _ in range(2):
        with warehouse.session() as session:
            assert session.documents.execute(f"select current_setting('{setting}')").fetchone() == (value,)
            session.documents.execute(change)


def test_a_child_that_is_forked_ends_well(tmp_path: Path) -> None:
    """It uses the file as its parent did before."""
    script = (
        "import os, sys; from pathlib import Path; from clari_pipeline.warehouse.duckdb.engine import DuckWarehouse\n"
        "warehouse = DuckWarehouse(Path(sys.argv[1])); warehouse.prepare()\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    warehouse.prepare()\n"
        "    sys.exit(0)\n"
        "print(os.waitpid(child, 0)[1])\n"
    )
    words = [sys.executable, "-W", "ignore", "-c", script, str(tmp_path / "warehouse.duckdb")]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "0\n", "")


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="counts threads as Linux shows them")
def test_warehouses_that_nobody_uses_cost_no_threads(tmp_path: Path) -> None:
    """A process that looks after many keeps one DuckDB of those that are not in use."""
    warehouses = [DuckWarehouse(tmp_path / f"{number}.duckdb") for number in range(12)]
    before = len(list(Path("/proc/self/task").iterdir()))
    for warehouse in warehouses:
        warehouse.prepare()
        with duckdb.connect(warehouse.place), pytest.raises(WarehouseLocked):
            DuckWarehouse(Path(warehouse.place), lock_timeout_s=0.01).prepare()
    assert len(list(Path("/proc/self/task").iterdir())) - before < len(warehouses)
