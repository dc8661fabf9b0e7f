"""Exports among random faults: whatever is drawn, nothing is lost, doubled or wrong, and everything ends."""

from __future__ import annotations

import uuid
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from clari_pipeline.clari import Retry
from clari_pipeline.config.settings import Settings
from clari_pipeline.core.periods import Quarter
from clari_pipeline.sandbox import Chaos, Sandbox
from clari_pipeline.sync.context import Context
from clari_pipeline.sync.events import Event, Hooks
from clari_pipeline.sync.exporting import exporting
from clari_pipeline.sync.loading import Loader
from tests.helpers.fake_clock import FakeClock
from tests.helpers.killing import FIGURES

NOW = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)
QUARTERS = [Quarter.parse(text) for text in ("2026_Q4", "2026_Q3")]
MOST_REQUESTS = 600
LONGEST = timedelta(hours=3)
QUICK = Retry(attempts=6, first_wait_s=0.001, max_wait_s=0.002)


class Company:
    """A pipeline and the Clari that it asks, on one clock."""

    def __init__(self, folder: Path, chaos: Chaos | None) -> None:
        self.clock = FakeClock(NOW)
        self.sandbox = Sandbox(
            scenario="chaos" if chaos else "calm",
            chaos=chaos,
            people=2,
            clock=self.clock,
            now=self.clock.now,
            write_at_once=True,
            job_seconds=20,
        )
        self.events: list[Event] = []
        self._folder = folder

    def __enter__(self) -> Company:
        self.sandbox.start()
        settings = Settings(
            api_key=self.sandbox.api_key,
            base_url=self.sandbox.base_url,
            forecast_ids=("total_new",),
            export_timeout_s=300,
            slot_timeout_s=600,
            request_timeout_s=2,
            data_dir=self._folder,
            warehouse_url=f"duckdb:///{self._folder / 'warehouse.duckdb'}",
        )
        self.context = Context.of(settings, now=self.clock.now, hooks=Hooks([self.events.append]))
        self._held_open = self.context.warehouse.session()  # to open the file anew takes a third of the time
        self._held_open.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._held_open.__exit__(None, None, None)
        self.sandbox.stop()

    def sync(self) -> None:
        """What a sync does, without Dagster around it."""
        run_id = uuid.uuid4().hex
        with exporting(self.context, run_id, QUARTERS, ["total_new"], clock=self.clock, retry=QUICK) as runner:
            for quarter in QUARTERS:
                runner.wait_for_quarter(str(quarter))
                Loader(self.context).merge_landed(str(quarter))

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        with self.context.warehouse.session() as session:
            return session.documents.execute(sql).fetchall()

    def figures(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every entry by quarter, without what the moment of its export decides."""
        found = defaultdict(list)
        for row in self.query(f"select {FIGURES} from clari.forecast_entry order by all"):
            found[row[1]].append(row)
        return found


def assert_nothing_wrong(company: Company, expected: dict[str, list[tuple[Any, ...]]]) -> None:
    """What must hold after every sync, however it went."""
    rows = company.query(
        "select run_id, time_period_id, job_id, state, attempt from clari.export_job order by submitted_at, attempt"
    )
    jobs = {job.job_id: job for job in company.sandbox.jobs}
    known = {job_id for _, _, job_id, _, _ in rows if job_id}
    assert known <= set(jobs)
    # A job that the ledger does not know yet belongs to an export whose answer it still looks for.
    unknown = Counter(jobs[job_id].period_id for job_id in set(jobs) - known)
    looking = Counter(period for _, period, job_id, state, _ in rows if state == "SUBMITTING" and not job_id)
    assert unknown <= looking
    # Within a run, an export is asked for again only where the job before it came to nothing. Beside that, a run may
    # bring in what an earlier one left at Clari.
    attempts = defaultdict(list)
    for run_id, period, _, state, attempt in rows:
        attempts[run_id, period].append((attempt, state))
    for tried in attempts.values():
        good = [attempt for attempt, state in tried if state not in {"FAILED", "TIMED_OUT", "CANCELLED"}]
        assert len(good) <= 1, tried
        assert not good or good[0] == max(attempt for attempt, _ in tried), tried
    # A document that was whole is merged, one that was not is kept out.
    for _, _, job_id, state, _ in rows:
        if state == "REFUSED":
            assert jobs[job_id].truncated
        if state == "LOADED":
            assert not jobs[job_id].truncated
    for period, figures in company.figures().items():
        assert figures == expected[period]


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[tuple[Any, ...]]]:
    """The figures of a sync in which nothing goes wrong."""
    with Company(tmp_path_factory.mktemp("calm"), None) as calm:
        calm.sync()
        figures = calm.figures()
    assert len(figures) == len(QUARTERS)
    return figures


def lived_through(folder: Path, seed: int, expected: dict[str, list[tuple[Any, ...]]]) -> None:
    """Two syncs in chaos, and one when it is over."""
    with Company(folder, Chaos(seed=seed)) as company:
        for _ in range(2):
            begun, asked = company.clock.now(), len(company.sandbox.requests)
            company.sync()
            assert_nothing_wrong(company, expected)
            assert len(company.sandbox.requests) - asked < MOST_REQUESTS
            assert company.clock.now() - begun < LONGEST
        company.sandbox.scenario = "calm"
        company.sync()
        assert_nothing_wrong(company, expected)
        assert company.figures() == expected
        states = company.query("select state, count(*) from clari.export_job group by all")
        assert not {"SUBMITTING", "SUBMITTED", "LANDED"} & {state for state, _ in states}, states
        done = {job_id for (job_id,) in company.query("select job_id from clari.export_job where job_id is not null")}
        assert done == {job.job_id for job in company.sandbox.jobs}


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.soak)])
def test_random_faults_lose_nothing_double_nothing_and_end(
    tmp_path: Path, seed: int, expected: dict[str, list[tuple[Any, ...]]]
) -> None:
    """Two at once included: a lost answer of a job that fails, a body cut short of a document that is incomplete."""
    lived_through(tmp_path, seed, expected)
