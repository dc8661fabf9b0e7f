"""The code location that the command line's runs belong to, and which runs are the command line's.

Dagster's timeline and a job's page list runs by code location. Runs of the daemon carry theirs; a run that is executed
in this process gets the one that the instance knows, or else that of `workspace.yaml`.
"""

import json
import sys
from collections.abc import Iterable, Mapping
from typing import Any

import dagster as dg

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
_REPOSITORY = "__repository__"  # its name where definitions are a `Definitions`
_SENSOR = "quarters_watch"  # it runs wherever the definitions are loaded, so that the instance knows its location
_PARENT = "dagster/parent_run_id"


def is_of_command_line(tags: Mapping[str, str]) -> bool:
    """Whether a run is the command line's own; not where a person or the daemon has re-executed one of its runs."""
    return SYNC in tags and _PARENT not in tags


def repository_of(instance: dg.DagsterInstance, location: str | None) -> Any:
    """The origin of the repository in the code location of that name, as Dagster stores it with a run.

    Without a name: in the one location that the instance knows with these definitions, else in that of
    `workspace.yaml`.
    """
    states = (state for state in instance.all_instigator_state() if state.instigator_name == _SENSOR)
    origins = (state.origin.repository_origin for state in states)
    known = {origin.code_location_origin.location_name: origin.repository_name for origin in origins}
    name = location or (next(iter(known)) if len(known) == 1 else _MODULE)
    return _stored_origin(name, known.get(name, _REPOSITORY))


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
                instance.report_run_failed(run, "The process of clari-pipeline sync died.")


def _stored_origin(location: str, repository: str) -> Any:
    """An origin from its stored form, as of a location that Dagster starts itself: it names no address of a server,
    so that run monitoring asks none about a run of this process.
    """
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
        "repository_name": repository,
    }
    return dg.deserialize_value(json.dumps(stored))
