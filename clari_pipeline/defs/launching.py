"""The run launcher that `deploy/dagster.yaml` names: it lets run monitoring check whether a run's process is alive.

A code server reports the death of a run's process, unless both die together: then only run monitoring can find the
orphaned run.
"""

from typing import Any, get_type_hints

import dagster as dg

# The answer's types, as Dagster's own launcher declares them.
_Health: Any = get_type_hints(dg.DefaultRunLauncher.check_run_worker_health)["return"]
_Status: Any = get_type_hints(_Health)["status"]


class WatchedRunLauncher(dg.DefaultRunLauncher):
    """Starts each run as a process of its code server, as Dagster's own launcher does, and can say if it is alive."""

    @property
    def supports_check_run_worker_health(self) -> bool:
        """True: run monitoring may ask."""
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> Any:
        """`NOT_FOUND` if the code server that `workspace.yaml` names does not have the run's process, else `RUNNING`.

        A server that does not answer may be busy or starting: it counts as running until the next poll. Runs that no
        such server started (of the command line, or of `dagster dev`'s own servers) count as running.
        """
        origin = run.remote_job_origin
        connect = getattr(origin and origin.repository_origin.code_location_origin, "create_client", None)
        if connect is None:
            return _Health(_Status.RUNNING, "no code server of the workspace started it")
        try:
            known: Any = dg.deserialize_value(connect().get_current_runs())
        except dg.DagsterError:
            return _Health(_Status.RUNNING, "its code server does not answer", transient=True)
        if run.run_id in known.current_runs:
            return _Health(_Status.RUNNING)
        return _Health(_Status.NOT_FOUND, "its code server has restarted, and its process is gone")
