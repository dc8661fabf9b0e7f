"""What the launcher answers when the daemon's monitoring asks after a run; with whole fleets in test_workers.py."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from clari_pipeline.defs.launching import WatchedRunLauncher
from tests.helpers.fleet import until
from tests.helpers.listeners import free_port
from tests.helpers.stored import repository, stored


@pytest.fixture
def code_server(tmp_path: Path) -> Iterator[int]:
    """The port of a code server that has begun anew, and has started no run."""
    (tmp_path / "nothing.py").write_text("import dagster\n\ndefs = dagster.Definitions()\n", encoding="utf-8")
    port = free_port()
    program = Path(sys.executable).with_name("dagster")
    words = ["api", "grpc", "-f", "nothing.py", "--host", "127.0.0.1", "--port", str(port)]
    with subprocess.Popen(
        [program, *words], cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as code:

        def answers() -> bool:
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", port)) == 0

        try:
            until(answers, "the code server")
            yield port
        finally:
            code.kill()


def run_of(port: int) -> dg.DagsterRun:
    """A run that the code server of `workspace.yaml` at this port started."""
    job = stored("ExternalPipelineOrigin", external_repository_origin=repository(port), pipeline_name="sync_quarter")
    return dg.DagsterRun("sync_quarter", remote_job_origin=job)


def test_who_cannot_be_asked_is_not_taken_for_dead(code_server: int) -> None:
    """A run that its server does not know is gone; one whose server does not answer, or that has none, may be alive."""

    def told(run: dg.DagsterRun) -> str:
        status: str = WatchedRunLauncher().check_run_worker_health(run).status.value
        return status

    assert WatchedRunLauncher().supports_check_run_worker_health
    assert told(run_of(code_server)) == "NOT_FOUND"
    assert told(run_of(1)) == "RUNNING"
    assert told(dg.DagsterRun("sync_quarter", tags={"clari/sync": "by hand"})) == "RUNNING"
