"""The code location that the command line's runs belong to, and which runs are the command line's.

Dagster's timeline and a job's page list runs by code location. Runs of the daemon carry theirs; a run that is executed
in this process gets the one that the instance knows, or else that of `workspace.yaml`.
"""

import json
import sys
from collections.abc import Iterable, Mapping
from typing import Any

import dagster as dg

from clari_pipeline.core.safe_text import one_line

SYNC = "clari/sync"
"""The tag of the command line's runs: the id of their sync."""

REPOSITORY = ".dagster/repository"
"""The tag by which Dagster lists runs: repository and code location."""

UNDER_WAY = (
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
)
_MODULE = "clari_pipeline.definitions"
_SENSOR = "quarters_watch"  # it runs wherever the definitions are loaded, so that the instance knows its location
_PARENT = "dagster/parent_run_id"


def is_of_command_line(tags: Mapping[str, str]) -> bool:
    """Whether a run is the command line's own; not where a person or the daemon has re-executed one of its runs."""
    return SYNC in tags and _PARENT not in tags


def repository_of(instance: dg.DagsterInstance, location: str | None) -> Any:
    """The origin of the repository, as Dagster's runs store it, in the code location of that name.

    Without a name: the one location that the instance knows with these definitions, else that of `workspace.yaml`.
    """
    states = (state for state in instance.all_instigator_state() if state.instigator_name == _SENSOR)
    known = {
        origin.code_location_origin.location_name: origin for origin in (one.origin.repository_origin for one in states)
    }
    name = location or (next(iter(known)) if len(known) == 1 else _MODULE)
    return known.get(name) or _stored_origin(name)


def tags_of(repository: Any) -> dict[str, str]:
    """The tags that tie a run to its code location."""
    return {
        REPOSITORY: repository.get_label(),
        "dagster/code_location": repository.code_location_origin.location_name,
    }


def close_killed(instance: dg.DagsterInstance, sync_ids: Iterable[str]) -> None:
    """Mark as failed the runs of syncs of the command line whose process died: nobody else would."""
    for sync_id in sync_ids:
        for run in instance.get_runs(dg.RunsFilter(tags={SYNC: sync_id}, statuses=list(UNDER_WAY))):
            if is_of_command_line(run.tags):
                instance.report_run_failed(run, one_line("The process of clari-pipeline sync died."))


def _stored_origin(location: str) -> Any:
    """The origin of a location that loads `clari_pipeline.definitions` with this Python, from its stored form."""
    target = {
        "__class__": "LoadableTargetOrigin",
        "executable_path": sys.executable,
        "python_file": None,
        "module_name": _MODULE,
        "working_directory": None,
        "attribute": None,
        "package_name": None,
    }
    stored = {
        "__class__": "ExternalRepositoryOrigin",
        "repository_location_origin": {
            "__class__": "ManagedGrpcPythonEnvRepositoryLocationOrigin",
            "loadable_target_origin": target,
            "location_name": location,
        },
        "repository_name": "__repository__",
    }
    return dg.deserialize_value(json.dumps(stored))
