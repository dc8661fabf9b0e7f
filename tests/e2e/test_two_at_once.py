"""Two syncs of the same quarter at the same time: each has its own job, neither takes the other's for its own."""

from pathlib import Path

import pytest

from tests.helpers.killing import Place, company


@pytest.mark.parametrize("quarters", [1, pytest.param(2, marks=pytest.mark.soak)])
def test_two_syncs_that_lose_their_answers_find_their_own_jobs(tmp_path: Path, quarters: int) -> None:
    """Every answer to a submission is lost; still, two jobs a quarter, two rows, both merged, both runs in Dagster."""
    with company(job_seconds=0.3) as sandbox:
        sandbox.fail_next("submit", ["lost"] * 2 * quarters)
        place = Place(tmp_path, sandbox, is_in_dagster=True)
        syncs = [place.begun(quarters), place.begun(quarters)]
        for process in syncs:
            process.join()
        assert [process.exitcode for process in syncs] == [0, 0], (tmp_path / "output.txt").read_text()
        rows = place.query("select job_id, state from clari.export_job order by all")
        assert [state for _, state in rows] == ["LOADED"] * 2 * quarters
        assert sorted(job_id for job_id, _ in rows) == sorted(job.job_id for job in sandbox.jobs)
