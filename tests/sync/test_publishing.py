"""What people read while a sync writes: a copy of the warehouse and a Parquet file a mart, whole at every moment."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest

from clari_pipeline.config.settings import read_settings
from clari_pipeline.defs.assets import READ_COPY
from clari_pipeline.defs.graph import build
from clari_pipeline.sandbox import Sandbox
from clari_pipeline.store.mart_registry import MARTS
from clari_pipeline.sync.context import Context
from clari_pipeline.sync.publishing import Published, publish
from clari_pipeline.warehouse.catalogue import tables
from tests.helpers import forked
from tests.helpers.terminal import Terminal

COPY = "data/warehouse-read.duckdb"
READING = Path(__file__).parents[1] / "helpers/reading.py"
LEAVING_A_LOG = """
import duckdb, os
c = duckdb.connect('data/warehouse.duckdb')
c.execute('create table clari.late as select 7 as seven')
os._exit(0)
"""


@pytest.fixture
def synced(terminal: Terminal) -> Terminal:
    terminal.begin_after("sync")
    return terminal


@pytest.fixture
def one_quarter(terminal: Terminal) -> Terminal:
    """Where one is enough: a sync or a replay takes half as long."""
    terminal.begin_after("sync", "--last", "1")
    return terminal


def publish_now() -> Published:
    context = Context.of(read_settings())
    return publish(context.warehouse, context.places)


def seen(folder: Path) -> dict[str, tuple[int, str]]:
    """The published files, which they are and what they hold."""
    files = [folder / COPY, *sorted((folder / "data/marts").iterdir())]
    return {file.name: (file.stat().st_ino, sha256(file.read_bytes()).hexdigest()) for file in files}


def left_over(folder: Path) -> list[str]:
    """Whatever stands in the data folder that is not to stand there between two runs."""
    known = {"warehouse.duckdb", "warehouse-read.duckdb", "marts", "landing", "runs", "board.html", ".board"}
    return sorted(
        file.name for file in (folder / "data").iterdir() if file.name not in known and file.suffix != ".lock"
    )


# Reading


@pytest.mark.long
@pytest.mark.parametrize("reads", [10, *(pytest.param(many, marks=pytest.mark.soak) for many in (25, 100))])
def test_two_processes_read_while_syncs_write_and_neither_ever_fails(
    one_quarter: Terminal, sandbox: Sandbox, reads: int
) -> None:
    """So often at least, across syncs that change figures and replays: always a state in which all agrees."""
    command = [sys.executable, str(READING), str(one_quarter.folder / "data"), str(reads)]
    readers = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    try:
        for scenario, words in (
            ("swings", ["sync", "--last", "1"]),
            ("calm", ["replay"]),
            ("calm", ["sync", "--last", "1"]),
        ):
            sandbox.scenario = scenario
            answer = one_quarter(*words)
            assert (answer.code, answer.err.count("not made anew")) == (0, 0), answer.err
    finally:
        (one_quarter.folder / "data/enough").touch()
        told = [reader.communicate(timeout=120) for reader in readers]
    for reader, (out, err) in zip(readers, told, strict=True):
        assert (reader.returncode, err) == (0, "")
        found = json.loads(out)
        assert found["reads"] >= reads
        assert found["states"] >= 2
        assert found["disagreeing"] == []


def test_who_has_the_copy_open_keeps_it_and_keeps_nobody_waiting(one_quarter: Terminal) -> None:
    """A notebook left open over a sync: it goes on with the old figures, the next who opens it has the new ones."""
    with duckdb.connect(COPY, read_only=True) as notebook:
        counted = "select count(*), max(exported_at) from clari.export_job"
        before = notebook.execute(counted).fetchall()
        answer = one_quarter("sync", "--last", "1")
        assert (answer.code, "not made anew" in answer.err) == (0, False)
        assert notebook.execute(counted).fetchall() == before
        assert notebook.execute("select count(*) from clari.forecast_entry_history").fetchone() != (0,)
    assert one_quarter.query(counted, warehouse=COPY) == one_quarter.query(counted) != before


# What is published


def test_the_copy_is_the_warehouse_with_all_its_words(one_quarter: Terminal) -> None:
    """Every table, those that the pipeline keeps for itself included, each row, type and description; to read only."""
    described = """select table_name, column_name, data_type, comment from duckdb_columns()
        where schema_name = 'clari' order by all"""
    comments = """select table_name, comment from duckdb_tables() where schema_name = 'clari'
        union all select view_name, comment from duckdb_views() where schema_name = 'clari' order by all"""
    asked = {"described": described, "comments": comments}
    asked |= {table: f"select * from clari.{table} order by all" for table in tables()}

    def holds(file: str) -> dict[str, list[tuple[Any, ...]]]:
        with duckdb.connect(file, read_only=True) as connection:  # opened once for all
            connection.execute("set timezone = 'UTC'")
            return {name: connection.execute(query).fetchall() for name, query in asked.items()}

    assert one_quarter("replay").code == 0
    copy, warehouse = holds(COPY), holds("data/warehouse.duckdb")
    assert len(warehouse["described"]) > 100
    assert {name for name, _ in copy["comments"]} == set(tables())
    for name in asked:
        assert copy[name] == warehouse[name], name
    assert Path(COPY).stat().st_mode & 0o777 == Path("data/warehouse.duckdb").stat().st_mode & 0o444


def test_each_mart_is_a_parquet_file_of_its_own_types(synced: Terminal) -> None:
    """Amounts are decimals, moments are in UTC, and every mart that Dagster shows has its file."""
    assert {file.stem for file in Path("data/marts").iterdir()} == set(MARTS)
    shown = build(read_settings()).resolve_asset_graph()
    in_group = {key.path[-1] for key in shown.get_all_asset_keys() if shown.get(key).group_name == "marts"}
    assert in_group - {READ_COPY, "board"} == set(MARTS)
    with duckdb.connect() as files, duckdb.connect("data/warehouse.duckdb", read_only=True) as warehouse:
        for connection in (files, warehouse):
            connection.execute("set timezone = 'UTC'")
        for mart in MARTS:
            file = f"data/marts/{mart}.parquet"
            published = files.read_parquet(file)
            types = {name: str(kind) for name, kind in zip(published.columns, published.types, strict=True)}
            rows = files.execute("select * from read_parquet(?) order by all", [file]).fetchall()
            described = f"select column_name, data_type from duckdb_columns() where table_name = '{mart}'"
            assert types == dict(warehouse.execute(described).fetchall())
            assert rows == warehouse.execute(f"select * from clari.{mart} order by all").fetchall()


def test_weekly_marts_that_are_large_have_no_files(one_quarter: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor old ones: they stand in the copy. The other marts' files are made all the same, and are enough. Who wants
    the weekly ones at any size has them again.
    """
    weekly = {f"{mart.name}.parquet" for mart in MARTS.values() if mart.is_weekly}
    assert weekly < set(seen(one_quarter.folder))
    (rows,) = one_quarter.query("select count(*) from clari.forecast_call_week")[0]
    monkeypatch.setenv("CLARI_WEEKLY_FILES_MAX_ROWS", str(rows - 1))
    assert one_quarter("sync", "--last", "1").code == 0
    publish_now()
    assert not weekly & set(seen(one_quarter.folder))
    assert not publish_now().is_new
    assert one_quarter.query("select 1 from clari.call_submission limit 1", warehouse=COPY)
    monkeypatch.setenv("CLARI_WEEKLY_FILES_MAX_ROWS", str(10 * rows))
    assert one_quarter("sync", "--last", "1").code == 0
    assert weekly < set(seen(one_quarter.folder))


def test_a_log_that_was_torn_at_its_beginning_holds_nobody_up(synced: Terminal) -> None:
    """What a process left that was killed as it began to write: it holds nothing, and the copy is made all the same."""
    counted, wrong = "select count(*) from clari.forecast_entry_history", []
    before = synced.query(counted)
    for torn in (b"d", b"\0" * 1000, b"not a log"):
        Path("data/warehouse.duckdb.wal").write_bytes(torn)
        Path(COPY).unlink()
        published = [publish_now().is_new, publish_now().is_new]
        held = [synced.query(counted, warehouse=file) for file in (COPY, "data/warehouse.duckdb")]
        if (published, held) != ([True, False], [before, before]):
            wrong.append((torn, published, held))
    assert (wrong, before != [(0,)]) == ([], True)


def test_where_nothing_has_changed_nothing_is_copied(synced: Terminal) -> None:
    """Not even touched; a file that somebody has taken away comes back."""
    publish_now()
    before = seen(synced.folder)
    assert not publish_now().is_new
    assert seen(synced.folder) == before
    Path("data/marts/forecast_swing.parquet").unlink()
    assert publish_now().is_new
    assert set(seen(synced.folder)) == set(before)
    with duckdb.connect("data/warehouse.duckdb") as connection:
        connection.execute("create table clari.more as select 1 as one")
    assert publish_now().is_new
    assert synced.query("select one from clari.more", warehouse=COPY) == [(1,)]


def test_what_a_killed_writer_left_in_the_log_is_in_the_copy(synced: Terminal) -> None:
    """DuckDB's log beside the file, which the file alone does not have."""
    killed = subprocess.run(
        [sys.executable, "-c", LEAVING_A_LOG], capture_output=True, text=True, check=False, timeout=120
    )
    assert killed.returncode == 0, killed.stderr
    assert Path("data/warehouse.duckdb.wal").stat().st_size > 0
    assert publish_now().is_new
    assert synced.query("select seven from clari.late", warehouse=COPY) == [(7,)]


@pytest.mark.soak
def test_a_run_in_dagster_ends_with_the_copy(synced: Terminal) -> None:
    """One materialisation a sync, which says where the files are; it comes after the marts."""
    with dg.DagsterInstance.from_config(str(synced.folder / "dagster_home")) as instance:
        result = build(read_settings()).resolve_job_def("refresh_marts").execute_in_process(instance=instance)
        order = [event.asset_key.path[-1] for event in result.get_asset_materialization_events() if event.asset_key]
        assert (order[-1], sorted(order)) == (READ_COPY, sorted([*MARTS, "board", READ_COPY]))
        materialization = result.asset_materializations_for_node(f"clari__{READ_COPY}")[0]
        assert materialization.metadata["copy"].value == COPY
        assert materialization.metadata["bytes"].value == Path(COPY).stat().st_size
        found = instance.get_asset_records([dg.AssetKey(["clari", READ_COPY])])
        assert len(found) == 1
    assert synced.query("select 1 from clari.pipeline_health", warehouse=COPY)


# When it goes wrong


@pytest.mark.parametrize(
    ("event", "name"),
    [
        ("open", "warehouse-read.duckdb"),
        ("os.chmod", "warehouse-read.duckdb"),
        ("os.rename", "marts/forecast_swing.parquet"),
        ("os.rename", "data/warehouse-read.duckdb"),
    ],
)
def test_a_kill_leaves_the_old_copy_whole_and_the_next_run_sweeps(synced: Terminal, event: str, name: str) -> None:
    """Before it is copied, once it is, between the marts' files, and before the copy takes its place."""
    before = seen(synced.folder)[Path(COPY).name]
    killed = forked.run(forked.publish_and_die, event, name)
    assert killed.code == -signal.SIGKILL, killed.err
    assert left_over(synced.folder) == [".publishing"]
    assert seen(synced.folder)[Path(COPY).name] == before
    assert synced.query("select count(*) from clari.forecast_vs_quota", warehouse=COPY) != [(0,)]
    for file in Path("data/marts").iterdir():
        duckdb.read_parquet(str(file)).fetchall()
    assert publish_now().is_new
    assert left_over(synced.folder) == []
    assert seen(synced.folder)[Path(COPY).name] != before


def blocked_marts() -> None:
    for file in Path("data/marts").iterdir():
        file.unlink()
    Path("data/marts").rmdir()
    Path("data/marts").touch()


def blocked_copy() -> None:
    Path(COPY).unlink()
    Path(COPY).mkdir()


@pytest.mark.parametrize(
    ("block", "cause", "in_dagster"),
    [
        (blocked_marts, "File exists", True),
        (blocked_copy, "Is a directory", False),
        pytest.param(blocked_copy, "Is a directory", True, marks=pytest.mark.soak),
    ],
)
def test_a_sync_whose_copy_cannot_be_made_is_no_failure(
    synced: Terminal, block: Callable[[], None], cause: str, in_dagster: bool
) -> None:
    """What was merged is merged: exit code 0, one line that says why and what to do, nothing left over."""
    block()
    answer = (synced.with_dagster if in_dagster else synced)("sync", "--last", "1")
    assert answer.code == 0
    (line,) = [line for line in answer.err.splitlines() if "not made anew" in line]
    assert cause in line
    assert "make room" in line
    assert len(synced.query("select 1 from clari.export_job where state = 'LOADED'")) == 3
    assert left_over(synced.folder) == []
    if in_dagster:
        with dg.DagsterInstance.from_config(str(synced.folder / "dagster_home")) as instance:
            newest, *_ = instance.get_runs(dg.RunsFilter(job_name="refresh_marts"), limit=1)
            assert newest.status == dg.DagsterRunStatus.SUCCESS


def test_a_disk_that_is_full_halfway_leaves_the_old_copy(synced: Terminal) -> None:
    """No byte more than a megabyte can be written to a file, as on a disk that has no more."""
    with duckdb.connect("data/warehouse.duckdb") as connection:
        connection.execute("create table clari.more as select 1 as one")
    before = seen(synced.folder)
    full = forked.run(forked.publish_on_a_full_disk)
    assert full.out.startswith("False warehouse-read.duckdb and marts/ in data were not made anew (File too large)")
    assert seen(synced.folder) == before
    assert left_over(synced.folder) == []


def test_a_warehouse_that_is_named_like_its_copy_is_refused(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or the first sync would write over it."""
    monkeypatch.setenv("CLARI_WAREHOUSE_URL", f"duckdb:///{os.curdir}/{COPY}")
    answer = terminal("sync")
    assert answer.code == 2
    assert "CLARI_WAREHOUSE_URL names the file that the copy for readers goes to" in answer.err
    assert not Path(COPY).exists()
