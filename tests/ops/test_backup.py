"""`clari-pipeline backup` and `restore`: what is saved is what comes back, and nothing is lost when it goes wrong."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import duckdb
import pytest

from clari_pipeline.landing import Landing
from clari_pipeline.periods import FiscalCalendar
from clari_pipeline.warehouse.duck import DuckWarehouse
from clari_pipeline.warehouse.errors import WarehouseLocked
from clari_pipeline.warehouse.statements import tables
from tests.helpers.terminal import Terminal

CURRENT = FiscalCalendar(1).quarter_of(datetime.now(UTC).date())
WAREHOUSE = Path("data/warehouse.duckdb")
LANDING = Path("data/landing")
SAVED = Path("saved")

SAVING_FULL = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
from clari_pipeline import cli
sys.exit(cli.run(["backup", "saved"]))
"""


@pytest.fixture
def synced(terminal: Terminal) -> Terminal:
    terminal.begin_after("sync")
    return terminal


def everything(terminal: Terminal, warehouse: Path = WAREHOUSE) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table."""
    return {
        table: terminal.query(f"select * from clari.{table} order by all", warehouse=str(warehouse))
        for table in tables()
    }


def held(folder: Path) -> dict[str, tuple[int, str]]:
    """The files below a folder: which they are, and what they hold. Locks are nothing that is held."""
    return {
        file.relative_to(folder).as_posix(): (file.stat().st_ino, sha256(file.read_bytes()).hexdigest())
        for file in sorted(folder.rglob("*"))
        if file.is_file() and file.suffix != ".lock" and file.name != ".lock"
    }


def one_more_lands(terminal: Terminal) -> None:
    """A document from elsewhere, with other figures."""
    (landed,) = Landing(LANDING).root.glob(f"total_new/{CURRENT}/[!d]*")
    content = json.loads(Landing(LANDING).find(landed.relative_to(LANDING).as_posix()).read())
    content["entries"] = content["entries"][:-1]
    Path("elsewhere.json").write_text(json.dumps(content))
    words = ("replay", "--document", "elsewhere.json", "--forecast", "total_new", "--period", str(CURRENT))
    assert terminal(*words).code == 0


def saved_warehouse() -> Path:
    (found,) = SAVED.glob("warehouse/*/warehouse.duckdb")
    return found


def test_what_is_restored_is_what_was_saved(synced: Terminal) -> None:
    """Row by row, document by document, on a machine that has lost everything."""
    rows, documents = everything(synced), held(LANDING)
    answer = synced("backup", "saved")
    assert (answer.code, answer.err) == (0, "")
    assert "2 landed documents, 2 of them new, and data/warehouse.duckdb with" in answer.out
    assert everything(synced, saved_warehouse()) == rows
    shutil.rmtree("data")
    dry = synced("restore", "saved", "--dry-run")
    assert (dry.code, Path("data").exists()) == (0, False), dry.err
    assert "is whole; to be restored: 2 landed documents" in dry.out
    answer = synced("restore", "saved")
    assert (answer.code, answer.err) == (0, ""), answer.err
    assert everything(synced) == rows == everything(synced, Path("data/warehouse-read.duckdb"))
    assert [found for _, found in held(LANDING).values()] == [found for _, found in documents.values()]


def test_what_the_backup_has_is_not_copied_again(synced: Terminal) -> None:
    """Only what has landed since; a byte that has changed in the backup is mended."""
    synced("backup", "saved")
    before = held(SAVED / "landing")
    one_more_lands(synced)
    broken = next(SAVED.glob("landing/*/*/*/document.zst"))
    broken.write_bytes(broken.read_bytes()[:-1] + b"?")
    answer = synced("backup", "saved")
    assert (answer.code, answer.err) == (0, "")
    assert "3 landed documents, 2 of them new" in answer.out
    after = held(SAVED / "landing")
    assert all(after[path][1] == content for path, (_, content) in before.items())
    kept = [path for path in before if after[path][0] == before[path][0]]
    assert len(kept) == len(before) // 2
    assert everything(synced, saved_warehouse()) == everything(synced)


def test_it_is_taken_while_a_sync_runs(synced: Terminal) -> None:
    """In another process: each state of it is one in which ledger, tables and documents agree."""
    process = subprocess.Popen(
        [sys.executable, "-m", "clari_pipeline", "sync"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    taken = 0
    while process.poll() is None or not taken:
        answer = synced("backup", "saved")
        assert answer.code == 0, answer.err
        agreed = synced.query(
            "select landing_path from clari.export_job where landing_path is not null",
            warehouse=str(saved_warehouse()),
        )
        assert all((SAVED / "landing" / path / "document.zst").exists() for (path,) in agreed)
        unmerged = synced.query(
            "select job_id from clari.export_job where state = 'LOADED' and job_id not in "
            "(select job_id from clari.forecast_entry union select job_id from clari.forecast_user_sighting "
            "union select job_id from clari.forecast_swing union select previous_job_id from clari.forecast_swing)",
            warehouse=str(saved_warehouse()),
        )
        assert unmerged == []
        taken += 1
    assert synced("restore", "saved", "--dry-run", "--force").code == 0
    assert process.communicate()[1].count("locked") == 0
    assert process.returncode == 0


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])


def change(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("document.zst", cut),
        ("document.zst", Path.unlink),
        ("warehouse.duckdb", change),
        ("manifest.json", change),
        ("manifest.json", Path.unlink),
    ],
)
def test_a_damaged_backup_is_refused_before_anything_is_touched(
    synced: Terminal, name: str, damage: Callable[[Path], None]
) -> None:
    """Whichever of its files, and though --force says that anything may go."""
    synced("backup", "saved")
    before = held(Path("data"))
    damage(SAVED / name if name == "manifest.json" else next(SAVED.rglob(name)))
    answer = synced("restore", "saved", "--force")
    (line,) = answer.err.splitlines()
    if name == "manifest.json" and damage is Path.unlink:
        assert (answer.code, "holds no backup" in line) == (2, True)
    else:
        assert (answer.code, "backup saved is damaged" in line, name in line) == (1, True, True)
    assert held(Path("data")) == before


def test_a_full_disk_leaves_the_backup_before_whole(synced: Terminal) -> None:
    """No file can be larger than a megabyte, as on a disk that has no more."""
    synced("backup", "saved")
    before = held(SAVED)
    one_more_lands(synced)
    full = subprocess.run([sys.executable, "-c", SAVING_FULL], capture_output=True, text=True, check=False, timeout=120)
    (line,) = full.stderr.splitlines()
    assert full.returncode == 1
    assert "no backup was taken in saved (File too large): the one before is as it was; make the folder" in line
    assert held(SAVED) == before
    assert synced("restore", "saved", "--dry-run", "--force").code == 0


def test_nothing_is_overwritten_unless_it_is_forced(synced: Terminal) -> None:
    """Neither a warehouse nor a document that differs; what has landed since stays in any case."""
    synced("backup", "saved")
    rows = everything(synced)
    one_more_lands(synced)
    later = everything(synced)
    refused = synced("restore", "saved")
    assert (refused.code, len(refused.err.splitlines())) == (2, 1)
    assert "warehouse data/warehouse.duckdb is there already: --force" in refused.err
    assert everything(synced) == later

    lost, damaged = sorted(SAVED.glob("landing/*/*/*"))
    shutil.rmtree(LANDING / lost.relative_to(SAVED / "landing"))
    change(LANDING / damaged.relative_to(SAVED / "landing") / "document.zst")
    refused = synced("restore", "saved", "--documents-only")
    assert (refused.code, "1 landed documents are not what was saved" in refused.err) == (2, True)
    assert synced("restore", "saved", "--documents-only", "--force").code == 0
    assert everything(synced) == later
    assert all(
        (LANDING / path).read_bytes() == (SAVED / "landing" / path).read_bytes() for path in held(SAVED / "landing")
    )

    answer = synced("restore", "saved", "--force")
    assert answer.code == 0
    assert "1 documents have landed since: clari-pipeline replay merges them" in answer.err
    assert everything(synced) == rows
    assert len(list(LANDING.glob("*/*/*/document.zst"))) == 3


def test_a_warehouse_that_is_broken_gives_way_with_its_log(synced: Terminal) -> None:
    """A log of the old file would be read into the new one."""
    synced("backup", "saved")
    rows = everything(synced)
    WAREHOUSE.write_bytes(b"no database")
    WAREHOUSE.with_name(f"{WAREHOUSE.name}.wal").write_bytes(b"of the old one")
    assert synced("restore", "saved", "--force").code == 0
    assert everything(synced) == rows


def test_a_warehouse_that_is_in_use_is_waited_for(synced: Terminal) -> None:
    """Put in the place of an open file, it would be lost."""
    synced("backup", "saved")
    holding = subprocess.Popen(
        [sys.executable, "-c", f"import duckdb; c = duckdb.connect('{WAREHOUSE}'); print('held', flush=True); input(); "
         "c.execute('create table clari.late as select 1 as one'); c.close()"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert holding.stdout is not None
    assert holding.stdout.readline() == "held\n"
    shutil.copyfile(saved_warehouse(), "arriving")
    with pytest.raises(WarehouseLocked, match="has been locked by"):
        DuckWarehouse(WAREHOUSE, lock_timeout_s=0.1).put_in_place(Path("arriving"))
    assert Path("arriving").exists()
    holding.communicate("\n", timeout=60)
    assert synced("restore", "saved", "--force").code == 0
    assert synced.query("select count(*) from duckdb_tables() where table_name = 'late'") == [(0,)]


def test_folders_that_are_no_place_for_a_backup(synced: Terminal) -> None:
    """One line each, before anything is written."""
    Path("full").mkdir()
    Path("full/notes.txt").touch()
    for folder, said in (
        ("full", "holds other things"),
        ("data/landing/x", "in each other"),
        ("data", "in each other"),
    ):
        answer = synced("backup", folder)
        assert (answer.code, said in answer.err, len(answer.err.splitlines())) == (2, True, 1)
    assert [found.name for found in Path("full").iterdir()] == ["notes.txt"]


def test_a_document_that_is_damaged_here_is_named_and_the_rest_is_saved(synced: Terminal) -> None:
    """The good copy that the backup has stays; one that is new is left out."""
    damaged = next(LANDING.glob("*/*/*/document.zst"))
    change(damaged)
    answer = synced("backup", "saved")
    assert answer.code == 1
    assert f"not saved: landed document {damaged.parent} is" in answer.err
    assert "1 landed documents, 1 of them new" in answer.out
    saved = json.loads((SAVED / "manifest.json").read_text())
    assert not any(damaged.parent.name in path for path in saved["files"])


def test_a_restored_warehouse_still_belongs_to_its_environment(
    synced: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Production's figures come into staging only on purpose."""
    with duckdb.connect(str(WAREHOUSE)) as connection:
        connection.execute("insert into clari.warehouse_environment (env) values ('prod')")
    monkeypatch.setenv("CLARI_ENV", "prod")
    assert synced("backup", "saved").code == 0
    shutil.rmtree("data")
    monkeypatch.setenv("CLARI_ENV", "staging")
    answer = synced("restore", "saved")
    assert (answer.code, "belongs to prod, and CLARI_ENV names staging" in answer.err) == (0, True)
    assert synced("status").code == 2
    assert synced("environment", "--take-over").code == 0
    assert synced("status").code == 0
