"""`clari-pipeline backup` and `restore`: what is saved is what comes back, and nothing is lost when it goes wrong."""

import json
import os
import shutil
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import duckdb
import pytest

from clari_pipeline.landing import Landing
from clari_pipeline.warehouse.catalogue import tables
from clari_pipeline.warehouse.duckdb.engine import DuckWarehouse
from clari_pipeline.warehouse.errors import WarehouseLocked
from tests.helpers import forked
from tests.helpers.beginnings import begin_after
from tests.helpers.each_case import try_each
from tests.helpers.holding import held_by_another_process
from tests.helpers.terminal import CURRENT, Terminal

WAREHOUSE = Path("data/warehouse.duckdb")
LANDING = Path("data/landing")
SAVED = Path("saved")


@pytest.fixture
def synced(terminal: Terminal) -> Terminal:
    terminal.begin_after("sync")
    return terminal


@pytest.fixture
def saved(terminal: Terminal) -> Terminal:
    """Synced, and a backup taken."""

    def save() -> None:
        terminal.begin_after("sync")
        answer = terminal("backup", "saved")
        assert (answer.code, answer.err) == (0, "")

    begin_after("synced and saved", save, folder=terminal.folder, parts=("data", "dagster_home", "saved"))
    return terminal


def everything(terminal: Terminal, warehouse: Path = WAREHOUSE) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table."""
    with duckdb.connect(str(terminal.folder / warehouse), read_only=True) as connection:  # opened once for all
        connection.execute("set timezone = 'UTC'")
        return {table: connection.execute(f"select * from clari.{table} order by all").fetchall() for table in tables()}


def held(folder: Path) -> dict[str, tuple[int, str]]:
    """The files below a folder: which they are, and what they hold. Locks are nothing that is held."""
    return {
        file.relative_to(folder).as_posix(): (file.stat().st_ino, sha256(file.read_bytes()).hexdigest())
        for file in sorted(folder.rglob("*"))
        if file.is_file() and file.suffix != ".lock" and file.name != ".lock"
    }


def one_more_lands(terminal: Terminal) -> None:
    """A document from elsewhere, with other figures."""
    folders = Landing(LANDING).root.glob(f"total_new/{CURRENT}/*")
    (landed,) = (folder for folder in folders if not folder.name.startswith("document-"))
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


def test_documents_of_the_backup_are_not_copied_twice(saved: Terminal) -> None:
    """Only what has landed since; a byte that has changed in the backup is mended."""
    before = held(SAVED / "landing")
    one_more_lands(saved)
    broken = next(SAVED.glob("landing/*/*/*/document.zst"))
    change(broken)
    answer = saved("backup", "saved")
    assert (answer.code, answer.err) == (0, "")
    assert "3 landed documents, 2 of them new" in answer.out
    after = held(SAVED / "landing")
    assert all(after[path][1] == content for path, (_, content) in before.items())
    kept = [path for path in before if after[path][0] == before[path][0]]
    assert len(kept) == len(before) // 2
    assert everything(saved, saved_warehouse()) == everything(saved)


def test_it_is_taken_while_a_sync_runs(synced: Terminal) -> None:
    """In another process: each state of it is one in which ledger, tables and documents agree."""
    said = synced.folder / "said"
    process = forked.begin(forked.command, "sync", "--last", "1", out=Path(os.devnull), err=said)
    taken = 0
    while process.is_alive() or not taken:
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
    process.join()
    assert (process.exitcode, said.read_text().count("locked")) == (0, 0)


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])


def change(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


DAMAGED: list[tuple[str, Callable[[Path], None]]] = [
    ("document.zst", cut),
    ("document.zst", Path.unlink),
    ("warehouse.duckdb", change),
    ("manifest.json", change),
    ("manifest.json", Path.unlink),
]


def test_a_damaged_backup_is_refused_before_anything_is_touched(saved: Terminal) -> None:
    """Whichever of its files, and though --force says that anything may go."""
    before = held(Path("data"))
    wrong = []
    for name, damage in DAMAGED:
        file = SAVED / name if name == "manifest.json" else next(SAVED.rglob(name))
        whole = file.read_bytes()
        damage(file)
        answer = saved("restore", "saved", "--force")
        if name == "manifest.json" and damage is Path.unlink:
            code, said = 2, ["holds no backup"]
        else:
            code, said = 1, ["backup saved is damaged", name]
        lines = answer.err.splitlines()
        is_refused = answer.code == code and len(lines) == 1 and all(words in lines[0] for words in said)
        if not is_refused or held(Path("data")) != before:
            wrong.append((name, damage, answer))
        file.write_bytes(whole)
    assert wrong == []
    assert saved("restore", "saved", "--dry-run", "--force").code == 0  # whole again: it was the damage each time


def forge(files: dict[str, bytes], **more: Any) -> None:
    """A manifest with these files, too, each as its checksum says: whoever writes the one can write the other."""
    manifest = json.loads((SAVED / "manifest.json").read_text())
    manifest["files"] |= {path: {"sha256": sha256(held).hexdigest(), "size": len(held)} for path, held in files.items()}
    content = {name: value for name, value in (manifest | more).items() if name != "checksum"}
    checksum = sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    (SAVED / "manifest.json").write_text(json.dumps({"checksum": checksum, **content}))


OUTSIDE: list[tuple[str, str | None]] = [
    ("landing/../../victim", None),
    ("landing/north/2026_Q4/../../../../victim", None),
    ("victim", None),
    ("{folder}/victim", None),
    ("landing/{folder}/victim", None),
    ("landing//{folder}/victim", None),
    ("landing/a_link", "victim"),
    ("landing/a_link/2026_Q4/job", "victim"),
    ("landing/.arriving/job", None),
    ("landing/n\0l/2026_Q4/job", None),
    ("landing/\ud800/2026_Q4/job", None),
    ("C:/victim", None),
]


def test_a_backup_that_names_paths_outside_is_refused_before_anything_is_touched(saved: Terminal) -> None:
    """Written there or by a link, and though --force says that anything may go."""
    victim = saved.folder / "victim"
    two = {"document.zst": b"mine", "manifest.json": b"{}"}
    for place in (victim, victim / "2026_Q4/job", SAVED / "landing/.arriving/job"):
        place.mkdir(parents=True, exist_ok=True)
        for name, content in two.items():
            (place / name).write_bytes(content)
    whole = (SAVED / "manifest.json").read_bytes()
    before, mine = held(Path("data")), held(victim)

    def check(case: tuple[str, str | None]) -> None:
        path, link = case
        if link:
            (SAVED / "landing/a_link").symlink_to(saved.folder / link)
        path = path.format(folder=saved.folder)
        forge({f"{path}/{name}": content for name, content in two.items()})
        answer = saved("restore", "saved", "--force", "--documents-only")
        (SAVED / "landing/a_link").unlink(missing_ok=True)
        (SAVED / "manifest.json").write_bytes(whole)
        assert (answer.code, len(answer.err.splitlines())) == (1, 1), answer.err
        assert "backup saved is not to be trusted" in answer.err
        assert "use another backup" in answer.err
        assert (held(Path("data")), held(victim)) == (before, mine)

    try_each(OUTSIDE, check)
    for other in ("../victim/document.zst", "landing/document.zst", "warehouse/../../victim/document.zst"):
        forge({other: b"mine"}, warehouse=other)
        answer = saved("restore", "saved", "--force")
        (SAVED / "manifest.json").write_bytes(whole)
        assert (answer.code, "is not to be trusted" in answer.err) == (1, True)
        assert held(Path("data")) == before
    for name, odd in (("warehouse", 5), ("warehouse", ["a"]), ("rows", None), ("env", ["a"]), ("taken_at", {})):
        forge({}, **{name: odd})
        answer = saved("restore", "saved", "--force")
        (SAVED / "manifest.json").write_bytes(whole)
        assert (answer.code, "backup saved is damaged (manifest.json" in answer.err) == (1, True), answer.err
        assert held(Path("data")) == before
    assert saved("restore", "saved", "--dry-run", "--force").code == 0  # it was the paths each time


def test_links_out_of_the_landing_folder_and_out_of_a_backup_are_not_followed(saved: Terminal) -> None:
    """Restoring would write and remove there, saving would sweep there."""
    victim = saved.folder / "victim"
    (victim / str(CURRENT)).mkdir(parents=True)
    shutil.move(LANDING / "total_new", LANDING / "kept")
    (LANDING / "total_new").symlink_to(victim)
    answer = saved("restore", "saved", "--force", "--documents-only")
    assert (answer.code, list(victim.iterdir())) == (1, [victim / str(CURRENT)])
    assert "does not lie inside data/landing" in answer.err
    shutil.rmtree(SAVED / "warehouse")
    (SAVED / "warehouse").symlink_to(victim)
    answer = saved("backup", "saved")
    assert (answer.code, list(victim.iterdir())) == (1, [victim / str(CURRENT)])
    assert "'warehouse' does not lie inside saved" in answer.err


def test_a_full_disk_leaves_the_backup_before_whole(saved: Terminal) -> None:
    """No file can be larger than a megabyte, as on a disk that has no more."""
    before = held(SAVED)
    one_more_lands(saved)
    full = forked.run(forked.command_on_a_full_disk, "backup", "saved")
    (line,) = full.err.splitlines()
    assert full.code == 1
    assert "no backup was taken in saved (File too large): the one before is as it was; make the folder" in line
    assert held(SAVED) == before
    assert saved("restore", "saved", "--dry-run", "--force").code == 0


def test_nothing_is_overwritten_unless_it_is_forced(saved: Terminal) -> None:
    """Neither a warehouse nor a document that differs; what has landed since stays in any case."""
    rows = everything(saved)
    one_more_lands(saved)
    later = everything(saved)
    refused = saved("restore", "saved")
    assert (refused.code, len(refused.err.splitlines())) == (2, 1)
    assert "warehouse data/warehouse.duckdb is there already: --force" in refused.err
    assert everything(saved) == later

    lost, damaged = sorted(SAVED.glob("landing/*/*/*"))
    shutil.rmtree(LANDING / lost.relative_to(SAVED / "landing"))
    change(LANDING / damaged.relative_to(SAVED / "landing") / "document.zst")
    refused = saved("restore", "saved", "--documents-only")
    assert (refused.code, "1 landed documents are not what was saved" in refused.err) == (2, True)
    assert saved("restore", "saved", "--documents-only", "--force").code == 0
    assert everything(saved) == later
    assert all(
        (LANDING / path).read_bytes() == (SAVED / "landing" / path).read_bytes() for path in held(SAVED / "landing")
    )

    answer = saved("restore", "saved", "--force")
    assert answer.code == 0
    assert "1 documents have landed since: clari-pipeline replay merges them" in answer.err
    assert everything(saved) == rows
    assert len(list(LANDING.glob("*/*/*/document.zst"))) == 3


def test_a_warehouse_that_is_broken_gives_way_with_its_log(saved: Terminal) -> None:
    """A log of the old file would be read into the new one."""
    rows = everything(saved)
    WAREHOUSE.write_bytes(b"no database")
    WAREHOUSE.with_name(f"{WAREHOUSE.name}.wal").write_bytes(b"of the old one")
    assert saved("restore", "saved", "--force").code == 0
    assert everything(saved) == rows


def test_a_warehouse_that_is_in_use_is_waited_for(saved: Terminal) -> None:
    """Put in the place of an open file, it would be lost."""
    with held_by_another_process(WAREHOUSE, last="create table clari.late as select 1 as one"):
        shutil.copyfile(saved_warehouse(), "arriving")
        with pytest.raises(WarehouseLocked, match="has been locked by"):
            DuckWarehouse(WAREHOUSE, lock_timeout_s=0.1).replace_with(Path("arriving"))
        assert Path("arriving").exists()
    assert saved("restore", "saved", "--force").code == 0
    assert saved.query("select count(*) from duckdb_tables() where table_name = 'late'") == [(0,)]


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
    """Production's figures come into staging only on purpose, a sandbox's into production not at all."""
    synced.execute("insert into clari.warehouse_environment (env) values ('prod')")
    monkeypatch.setenv("CLARI_ENV", "prod")
    assert synced("backup", "saved").code == 0
    shutil.rmtree("data")
    answer = synced("restore", "saved", "--force")
    assert (answer.code, Path("data").exists()) == (2, False)
    assert "the warehouse in saved holds 12 people of total_new with addresses in .example" in answer.err
    monkeypatch.setenv("CLARI_ENV", "staging")
    answer = synced("restore", "saved")
    assert (answer.code, "belongs to prod, and CLARI_ENV names staging" in answer.err) == (0, True)
    assert synced("status").code == 2
    assert synced("environment", "--take-over").code == 0
    assert synced("status").code == 0
