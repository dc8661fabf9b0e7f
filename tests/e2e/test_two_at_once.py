"""Two syncs of the same quarter at the same time: each has its own job, neither takes the other's for its own."""

from __future__ import annotations

from pathlib import Path

from tests.helpers.killing import Place, company


def test_two_syncs_that_lose_their_answers_find_their_own_jobs(tmp_path: Path) -> None:
    """Every answer to a submission is lost; still, two jobs, two rows, both merged."""
    with company(job_seconds=0.3) as sandbox:
        sandbox.fail_next("submit", ["lost"] * 4)
        place = Place(tmp_path, sandbox)
        syncs = [place.begun(2), place.begun(2)]
        for process in syncs:
            process.join()
        assert [process.exitcode for process in syncs] == [0, 0], (tmp_path / "output.txt").read_text()
        rows = place.query("select job_id, state from clari.export_job order by all")
        assert [state for _, state in rows] == ["LOADED"] * 4
        assert sorted(job_id for job_id, _ in rows) == sorted(job.job_id for job in sandbox.jobs)
