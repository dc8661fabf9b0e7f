"""A small company's Clari over HTTP, a warehouse of one's own, and a clock that a test turns."""

import asyncio
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from clari_pipeline.clari import Retry
from clari_pipeline.config.settings import read_settings
from clari_pipeline.sandbox import Sandbox
from clari_pipeline.store import fetches
from clari_pipeline.store.ledger import FETCHES
from clari_pipeline.sync.context import Context
from clari_pipeline.sync.products.registry import PRODUCTS
from clari_pipeline.sync.products.results import ProductResult
from clari_pipeline.sync.products.running import ProductRun
from clari_pipeline.sync.products.windows import Window
from tests.helpers import prepared
from tests.helpers.house import rows_of
from tests.helpers.product_documents import NOW, ByHand

QUICK = Retry(attempts=4, first_wait_s=0.001, max_wait_s=0.002)
SIGHTS = ("last_seen_at", "request_id")


@dataclass
class Clock:
    """What time it is, at the sandbox's and here; nobody waits."""

    moment: datetime = NOW

    def __call__(self) -> datetime:
        return self.moment

    def now(self) -> datetime:
        return self.moment

    def monotonic(self) -> float:
        return (self.moment - NOW).total_seconds()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)

    def turn(self, **by: float) -> None:
        self.moment += timedelta(**by)


@dataclass
class Desk(ByHand):
    """Brings products into a warehouse, and reads what stands in it."""

    clock: Clock

    def bring(self, name: str) -> ProductResult:
        return ProductRun(self.context, name, run_id=f"run-{next(self.numbers)}", clock=self.clock, retry=QUICK).run()

    def die_asking(self, product: str, *, request_id: str = "dead", at: datetime = NOW, **columns: Any) -> None:
        """Leave in the ledger what a run leaves that is killed before Clari answers."""
        asked = {"run_id": f"run of {request_id}", "product": product, "attempt": 1, "submitted_at": at}
        with self.context.warehouse.session() as session:
            FETCHES.submitting(session, request_id=request_id, **asked | columns)

    def forget(self, *tables: str) -> None:
        with self.context.warehouse.session() as session:
            for table in tables:
                session.documents.execute(f"delete from clari.{table}")

    def rows(self, table: str, *, without: tuple[str, ...] = ()) -> list[dict[str, Any]]:
        """A table's rows, in a fixed order."""
        with self.context.warehouse.session() as session:
            found = rows_of(session, f"select * from clari.{table}")
        kept = [{name: value for name, value in one.items() if name not in without} for one in found]
        return sorted(kept, key=lambda one: repr(list(one.values())))

    def tables(self, name: str, *, without: tuple[str, ...] = ()) -> dict[str, list[dict[str, Any]]]:
        return {table: self.rows(table, without=without) for table in PRODUCTS[name].staged}

    def gaps(self) -> list[tuple[Any, ...]]:
        """What is known to be missing."""
        with self.context.warehouse.session() as session:
            return [astuple(gap) for gap in fetches.gaps(session)]

    def planned(self) -> list[Window]:
        """The windows of activity that the next sync asks for."""
        with self.context.warehouse.session() as session:
            plan = PRODUCTS["activity"].plan(session, self.context.settings, self.clock())
        return [one.days for one in plan]

    def verdicts(self, request_id: str) -> dict[str, bool]:
        return {
            one["check_name"]: one["passed"] for one in self.rows("export_check") if one["request_id"] == request_id
        }


def desk_of(folder: Path, clock: Clock, sandbox: Sandbox | None = None, **settings: Any) -> Desk:
    given = {"warehouse_url": SecretStr(f"duckdb:///{folder / 'warehouse.duckdb'}")}
    if sandbox is not None:
        given |= {"api_key": SecretStr(sandbox.api_key), "base_url": sandbox.base_url, "poll_interval_s": 0.001}
    context = Context.of(read_settings(data_dir=folder, **given | settings), now=clock)
    prepared.begin_with_empty_warehouse(folder / "warehouse.duckdb")
    context.prepare()
    return Desk(context, clock=clock)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def people() -> int:
    """How many work at the company."""
    return 4


@pytest.fixture
def sandbox(clock: Clock, people: int) -> Iterator[Sandbox]:
    """Its jobs are done at once."""
    with Sandbox(now=clock, job_seconds=0, people=people, write_at_once=True) as running:
        yield running


@pytest.fixture
def desk(tmp_path: Path, clock: Clock, sandbox: Sandbox) -> Iterator[Desk]:
    found = desk_of(tmp_path, clock, sandbox)
    with found.context.warehouse.session():  # the file is opened once
        yield found


@pytest.fixture
def by_hand(tmp_path: Path, clock: Clock) -> Iterator[Desk]:
    """Without a Clari: documents are landed by hand."""
    found = desk_of(tmp_path, clock)
    with found.context.warehouse.session():
        yield found
