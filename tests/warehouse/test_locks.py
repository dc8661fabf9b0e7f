"""Locks between processes on one server: different quarters are merged at once, the same one after the other."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pydantic import SecretStr

from clari_pipeline.warehouse.errors import WarehouseLocked
from clari_pipeline.warehouse.postgres.engine import PostgresWarehouse
from tests.helpers.house import QUARTER, House, document, entry, moment, person

OTHER = "2026_Q3"
_WAITING = "select count(*) from pg_locks where locktype = '{}' and not granted"


class Machines:
    """Several machines with one server and one landing folder; each merges in a thread of its own."""

    def __init__(self, folder: Path, url: str, threads: ThreadPoolExecutor) -> None:
        self.url = url
        self.folder = folder
        self.threads = threads
        self.first = House(folder, url=url)

    def begin(self, quarter: str) -> Future[list[str]]:
        return self.threads.submit(House(self.folder, url=self.url).merge, quarter)

    @contextmanager
    def held(self, *lock: str) -> Iterator[None]:
        """Somebody else holds this lock."""
        with self.first.context.warehouse.session() as session, session.lock(*lock):
            yield

    def wait_until(self, waiting: int, *, kind: str = "advisory") -> None:
        """Until so many wait for a lock."""
        with psycopg.connect(self.url, autocommit=True) as watching:
            until(lambda: watching.execute(_WAITING.format(kind).encode()).fetchone() == (waiting,))


def until(is_so: Callable[[], bool], *, seconds: float = 60) -> None:
    """Ask again and again; the tests' own patience has an end."""
    pause = threading.Event()
    for _ in range(int(seconds / 0.02)):
        if is_so():
            return
        pause.wait(0.02)
    raise AssertionError("it never came to that")


@pytest.fixture
def machines(tmp_path: Path, prepared_database: str) -> Iterator[Machines]:
    with ThreadPoolExecutor(4) as threads:
        yield Machines(tmp_path, prepared_database, threads)


def _deliver(house: House, quarter: str, call: int, *, day: int = 2, role: str = "west") -> str:
    content = document(entry(period=quarter, call=call), people=[person("ann", role=role)])
    return house.deliver(content, moment(10, day), quarter=quarter)


def test_two_that_merge_the_same_quarter_wait_for_each_other(machines: Machines) -> None:
    """The second finds nothing to do: the document is merged once."""
    request_id = _deliver(machines.first, QUARTER, 100)
    with machines.held("quarter", "north", QUARTER):
        merging = [machines.begin(QUARTER), machines.begin(QUARTER)]
        machines.wait_until(2)
    assert [one.result() for one in merging] == [[request_id]] * 2
    counted = "select (select count(*) from clari.forecast_entry) as entries, count(*) as versions"
    assert machines.first.row(f"{counted} from clari.forecast_entry_history") == {"entries": 1, "versions": 1}
    assert machines.first.outcome(request_id).export.rows_inserted == 1


def test_another_quarter_is_merged_meanwhile(machines: Machines) -> None:
    _deliver(machines.first, QUARTER, 100)
    other = _deliver(machines.first, OTHER, 7)
    with machines.held("quarter", "north", QUARTER):
        waiting = machines.begin(QUARTER)
        machines.wait_until(1)
        assert machines.begin(OTHER).result() == [other]
        assert not waiting.done()
    assert len(waiting.result()) == 1


def test_two_quarters_at_once_write_the_people_once(machines: Machines, tmp_path: Path) -> None:
    """People, fields and weeks belong to both: they are those of one after the other."""
    peaceful = House(tmp_path / "peaceful")
    for house in (machines.first, peaceful):
        _deliver(house, OTHER, 7, day=1, role="east")
        _deliver(house, QUARTER, 100)
    with machines.held("people", "north"):
        merging = [machines.begin(OTHER), machines.begin(QUARTER)]
        machines.wait_until(2)
    for one in merging:
        one.result()
    peaceful.merge(OTHER)
    peaceful.merge(QUARTER)
    for table in ("forecast_user", "forecast_user_history", "forecast_field", "time_period", "time_frame"):
        assert _rows(machines.first, table) == _rows(peaceful, table)


def test_a_year_that_two_quarters_bring_at_once_is_there_once(machines: Machines) -> None:
    """Of two forecasts, which share no lock: the second waits for the row of the first, and is merged after it."""
    request_id = machines.first.deliver(document(entry(call=1), entry(call=2, period="2026")), moment(10, 2))
    with psycopg.connect(machines.url) as other:
        other.execute(
            "insert into clari.time_period (time_period_id, quarter_id, label, last_seen_at, job_id) "
            "values ('2026', '2026', 'newer', '2026-10-03 06:00+00', 'job-south')"
        )
        merging = machines.begin(QUARTER)
        machines.wait_until(1, kind="transactionid")
    assert merging.result() == [request_id]
    assert machines.first.outcome(request_id).export.state == "LOADED"
    assert machines.first.tuples("select label from clari.time_period where time_period_id = '2026'") == [("newer",)]


def test_marts_are_made_of_whole_merges_and_once(machines: Machines) -> None:
    """Two who refresh the marts at once leave each row once."""
    machines.first.bring(document(entry(call=100)), moment(10, 2))
    machines.first.execute("delete from clari.mart_version")
    with machines.held("marts"):
        refreshing = [machines.threads.submit(House(machines.folder, url=machines.url).refresh_marts) for _ in range(2)]
        machines.wait_until(2)
    for one in refreshing:
        one.result()
    assert machines.first.value("select count(*) from clari.forecast_vs_quota") == 1
    assert machines.first.value("select count(*) from clari.mart_version") == 1


def test_tables_are_made_once(machines: Machines) -> None:
    """By those who come first, all at once."""
    start = threading.Barrier(4)

    def come() -> bool:
        start.wait()
        return House(machines.folder, url=machines.url).has_landed(QUARTER)

    assert [one.result() for one in [machines.threads.submit(come) for _ in range(4)]] == [False] * 4
    assert machines.first.value("select count(*) from clari.warehouse_version") == 1


def test_a_lock_that_is_never_free_is_given_up(machines: Machines, tmp_path: Path) -> None:
    impatient = PostgresWarehouse(SecretStr(machines.url), data_dir=tmp_path, lock_wait_s=0.05)
    with (
        machines.held("marts"),
        pytest.raises(WarehouseLocked, match="another process has been at it"),
        impatient.transaction("marts"),
    ):
        pass


def _rows(house: House, table: str) -> list[Any]:
    return sorted((list(map(str, one.values())) for one in house.rows(f"select * from clari.{table}")), key=repr)
