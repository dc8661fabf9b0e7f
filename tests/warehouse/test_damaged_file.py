"""A DuckDB file that is no longer what was written: it is named, and both remedies bring everything back."""

from collections.abc import Callable
from pathlib import Path

import pytest

from clari_pipeline.ops import backup, restoring
from clari_pipeline.warehouse.errors import WarehouseDamaged
from tests.helpers.house import House, document, entry, moment

_HEADER, _BLOCK = 3 * 4096, 256 * 1024


def _changed(content: bytes, first: int) -> bytes:
    """A byte of each block from a place on is another."""
    changed = bytearray(content)
    for place in range(first, len(content), _BLOCK):
        changed[place] ^= 0xFF
    return bytes(changed)


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "emptied": lambda content: b"",
    "something else written over it": lambda content: b"PK\x03\x04" * (len(content) // 4),
    "a copy that broke off": lambda content: content[: len(content) // 2],
    "zeros in the middle": lambda content: content[:_HEADER] + bytes(len(content) - _HEADER),
    "its header": lambda content: _changed(content, 4100)[:_HEADER] + content[_HEADER:],
    "every block": lambda content: _changed(content, _HEADER + 100),
}


def test_a_damaged_file_is_named_with_what_helps(tmp_path: Path) -> None:
    """Whatever was done to it, to those who write and to those who only look, in one line."""
    house = House(tmp_path)
    house.bring(document(entry(call=100)), moment(10, 2))
    file = tmp_path / "warehouse.duckdb"
    content = file.read_bytes()
    told: dict[str, str] = {}
    for name, damage in DAMAGES.items():
        file.write_bytes(damage(content))
        with pytest.raises(WarehouseDamaged) as error:
            house.rows("from clari.forecast_entry")
        told[name] = str(error.value)
        if file.stat().st_size:  # an empty one may be one that is being made
            with pytest.raises(WarehouseDamaged), house.context.warehouse.read_only() as session:
                assert session is not None
                session.count("forecast_entry")
        if name == "every block":
            published = house.publish()
            (problem,) = published.problems
            assert not published.is_done and "were not made anew" in problem.message
            assert f"warehouse {file} is damaged; clari-pipeline restore" in problem.message
    for said in told.values():
        assert said.startswith(f"warehouse {file} is damaged ("), said
        assert "clari-pipeline restore DIR --force" in said
        assert "move it away, and clari-pipeline replay" in said
        assert "\n" not in said


def test_both_remedies_bring_everything_back(tmp_path: Path) -> None:
    """A backup in its place; or without one, the landed documents once it is out of the way."""
    house = House(tmp_path / "data")
    for day, call in ((2, 100), (3, 200)):
        house.bring(document(entry(call=call)), moment(10, day))
    shown = [f"select * exclude ({apart}) from clari.{table} order by all" for table, apart in
             (("forecast_entry_history", "job_id"), ("forecast_swing", "detected_at"))]  # fmt: skip
    before = [house.rows(query) for query in shown]
    assert all(before)
    context = house.context
    backup.take(context.warehouse, context.landing, tmp_path / "saved", env=None, now=context.now)
    file = tmp_path / "data/warehouse.duckdb"
    content = file.read_bytes()
    for damage in DAMAGES.values():
        file.write_bytes(damage(content))
        work = restoring.plan(
            context.warehouse, context.landing, tmp_path / "saved", env=None, documents_only=False, force=True
        )
        restoring.restore(work)
        assert [house.rows(query) for query in shown] == before
    file.write_bytes(DAMAGES["every block"](content))
    file.rename(file.with_name("damaged.duckdb"))
    house = House(tmp_path / "data")
    house.replay([], [])
    assert [house.rows(query) for query in shown] == before
