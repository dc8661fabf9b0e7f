"""Runs as processes of a code server, and whether they are still there.

`deploy/dagster.yaml` names the class. A code server notices the death of a run's process itself, unless it dies with
it: then the daemon's monitoring, which asks here, is the one to find out.
"""

from __future__ import annotations

import json

import dagster as dg
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.launcher import CheckRunHealthResult, DefaultRunLauncher, WorkerStatus
from dagster._core.storage.tags import GRPC_INFO_TAG
from dagster._grpc.client import DagsterGrpcClient
from dagster._grpc.types import CanCancelExecutionRequest, CanCancelExecutionResult
from dagster._serdes import deserialize_value


class WatchedRunLauncher(DefaultRunLauncher):
    """Dagster's own launcher, with an answer for run monitoring."""

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Whether monitoring may ask."""
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Whether the code server that started the run still has its process.

        A server that does not answer may be busy or on its way up: it is asked again the next time. A run without a
        server was started by the command line, in a process of its own.
        """
        if GRPC_INFO_TAG not in run.tags:
            return CheckRunHealthResult(WorkerStatus.RUNNING, "no code server started it")
        server = DagsterGrpcClient(**json.loads(run.tags[GRPC_INFO_TAG]))
        question = CanCancelExecutionRequest(run_id=run.run_id)
        try:
            answer = deserialize_value(server.can_cancel_execution(question), CanCancelExecutionResult)
        except DagsterUserCodeUnreachableError:
            return CheckRunHealthResult(WorkerStatus.RUNNING, "its code server does not answer", transient=True)
        if answer.can_cancel:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.NOT_FOUND, "its process is gone, and its code server has begun anew")
