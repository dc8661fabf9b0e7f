"""What is published of a warehouse on a server: the marts as Parquet, and no copy, which nobody there needs."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from clari_pipeline.store.mart_registry import MARTS
from tests.helpers import postgres_server, prepared
from tests.helpers.house import House, document, entry, moment, person


@pytest.fixture
def there(server: str, tmp_path: Path) -> Iterator[House]:
    """On PostgreSQL, filled and published; made once."""
    made = prepared.shared_folder() / "published-there"
    with postgres_server.filled_database(server, "published", lambda url: _filled(made, url=url)) as url:
        shutil.copytree(made, tmp_path / "there")
        yield House(tmp_path / "there", url=url)


def _filled(folder: Path, **where: Any) -> House:
    house = House(folder, **where)
    people = [person("zoë", role="top", parent=None), person("ann", role="")]
    first = document(entry("ann", call=100, quota=500, closed="7.2500"), entry("zoë", call=10), people=people)
    house.bring(first, moment(10, 2))
    house.bring(document(entry("ann", call="1000.0001", quota=500), people=people), moment(10, 9))
    over = document(entry("ann", "W13", call=900, quota=500, closed="812.5"), people=people)
    house.bring(over, moment(1, 5, year=2027))
    house.refresh_marts()
    assert house.publish().is_new
    return house


def _files(house: House) -> dict[str, Any]:
    return {mart: pq.read_table(house.context.places.parquet(mart)) for mart in MARTS}


def _rows(table: Any, *, without: str = "detected_at") -> list[dict[str, Any]]:
    rows = [{name: value for name, value in row.items() if name != without} for row in table.to_pylist()]
    return sorted(rows, key=repr)


@pytest.fixture
def in_snowflake(prepared_snowflake: str, tmp_path: Path) -> House:
    return _filled(tmp_path / "there", url=prepared_snowflake)


@pytest.mark.parametrize("engine", ["there", pytest.param("in_snowflake", marks=pytest.mark.soak)])
def test_a_servers_marts_are_the_same_files(tmp_path: Path, engine: str, request: pytest.FixtureRequest) -> None:
    """Row by row and type by type; letters of all kinds, moments, nulls and empty texts included."""
    here = _filled(tmp_path / "here")
    there: House = request.getfixturevalue(engine)
    assert here.context.places.copy.exists()
    assert not there.context.places.copy.exists()
    for mart, table in _files(there).items():
        known = _files(here)[mart]
        assert table.num_rows, mart
        assert dict(zip(table.schema.names, table.schema.types, strict=True)) == dict(
            zip(known.schema.names, known.schema.types, strict=True)
        )
        assert table.schema.metadata == known.schema.metadata, mart
        assert _rows(table) == _rows(known), mart
    assert {file.name for file in (tmp_path / "there/marts").iterdir()} == {f"{mart}.parquet" for mart in MARTS}
    assert not (tmp_path / "there/.publishing").exists()


def test_a_servers_files_are_of_one_moment(tmp_path: Path, there: House) -> None:
    """What another session keeps between two files is in neither; nobody waits."""
    house = there
    with house.context.warehouse.copied(tmp_path / "unused") as session:
        session.save("pipeline_health", tmp_path / "before.parquet")
        house.execute("delete from clari.forecast_vs_quota")
        session.save("forecast_vs_quota", tmp_path / "after.parquet")
    assert pq.read_table(tmp_path / "after.parquet").num_rows > 0
    assert house.value("select count(*) from clari.forecast_vs_quota") == 0


def test_a_server_that_is_gone_is_a_remark(tmp_path: Path, there: House) -> None:
    """No failure, no password; the files stay as they were."""
    house = there
    before = {mart: _rows(table) for mart, table in _files(house).items()}
    lost = House(tmp_path / "there", url="postgresql://nobody:pass-word@127.0.0.1:9/nowhere")
    published = lost.publish()
    (problem,) = published.problems
    assert not published.is_done and "were not made anew" in problem.message
    assert "pass-word" not in problem.message
    assert {mart: _rows(table) for mart, table in _files(house).items()} == before
