"""A warehouse with documents in it, by engine, and who reads it."""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from typing import NamedTuple

import pytest

from clari_pipeline import Clari, connect
from tests.helpers import postgres_server
from tests.helpers.house import House, document, entry, moment
from tests.helpers.product_documents import ByHand, and_more


class Read(NamedTuple):
    """A warehouse, and what reads it."""

    house: House
    clari: Clari


def fill(house: House) -> None:
    """Two forecasts, a quarter with its month and its year, another quarter, and every product."""
    people = [("zoë", 1000.0001), ("ann", "99999999999999.9999"), ("Bob", 0.1)]
    of_year = entry("ann", quota=9000, period="2026")
    month = entry("ann", call=5, period="2026_M10")
    entries = [entry(who, call=call, quota=7, closed="3.3333") for who, call in people]
    house.bring(document(*entries), moment(10, 2))
    october = {"timePeriodId": "2026_M10", "type": "MONTH", "startDate": "2026-10-01", "endDate": "2026-10-31"}
    periods = [{"timePeriodId": "2026", "type": "YEAR"}, october, {"timePeriodId": "2026_Q4"}]
    later = document(*entries[:2], entry("Bob", call=12), of_year, month, periods=periods)
    house.bring(later, moment(10, 9))
    house.bring(document(entry("ann", call=8)), moment(10, 9), forecast="south")
    earlier = document(entry("ann", call=8, period="2026_Q3"), weeks={"W01": date(2026, 7, 1)})
    house.bring(earlier, moment(9, 9), quarter="2026_Q3")
    house.bring(document(entry(week="", call=1)), moment(10, 10), forecast="south")  # refused
    house.refresh_marts()
    ByHand(house.context).merge_all(and_more())


@pytest.fixture(scope="module", params=["duckdb", "postgres"])
def read(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Read]:
    """Filled once a module: nobody writes it."""
    folder = tmp_path_factory.mktemp("read")
    with ExitStack() as opened:
        url = None
        if request.param == "postgres":
            url = opened.enter_context(postgres_server.prepared_database(postgres_server.shared()))
        house = House(folder, url=url)
        fill(house)
        assert house.publish().is_done
        yield Read(house, opened.enter_context(connect(data_dir=folder, warehouse_url=url)))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory without settings."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
