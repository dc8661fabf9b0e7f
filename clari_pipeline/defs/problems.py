"""Problems on their way through Dagster's events: a step's failure and what it warns of carry them as metadata."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import dagster as dg

from clari_pipeline.core.runbook import AlertKind, Problem, section_of
from clari_pipeline.core.setting_errors import SettingsError

_PROBLEM, _PROBLEMS = "problem", "problems"


def step_failure(
    problem: Problem, *, metadata: dict[str, Any] | None = None, allow_retries: bool = False
) -> dg.Failure:
    """A step's failure of a problem, which `problem_of_failure` finds in its event."""
    written = {**(metadata or {}), **_written([problem], _PROBLEM)}
    return dg.Failure(description=problem.line, metadata=written, allow_retries=allow_retries)


@contextmanager
def as_step_failure(quarter_id: str | None = None) -> Iterator[None]:
    """Whatever is raised meanwhile fails the step with the problem that it is; the error stays its cause."""
    try:
        yield
    except dg.Failure:
        raise
    except Exception as error:
        problem = Problem(AlertKind.RUN_FAILED, quarter_id, _first_line(error), section_of(error))
        raise step_failure(problem, allow_retries=not isinstance(error, SettingsError)) from error


def _first_line(error: Exception) -> str:
    """Its message; of Python's own errors, which may be no more than a key, behind the class's name."""
    kind, message = type(error), str(error).strip().partition("\n")[0]
    is_plain = kind.__module__ == "builtins" and not isinstance(error, OSError)
    return f"{kind.__name__}: {message}" if is_plain or not message else message


def problem_of_failure(event: dg.DagsterEvent) -> Problem | None:
    """The problem that a step has failed of; None where Dagster itself has stopped it."""
    given = event.step_failure_data.user_failure_data
    return next(_read(given.metadata, _PROBLEM), None) if given is not None else None


def observation(asset: dg.AssetKey, problems: Sequence[Problem]) -> dg.AssetObservation:
    """What readers of an asset should hear of, though its step did not fail."""
    lines = "; ".join(problem.line for problem in problems)
    return dg.AssetObservation(asset, description=lines, metadata=_written(problems, _PROBLEMS))


def log_warnings(log: logging.Logger, problems: Iterable[Problem]) -> None:
    """Log a warning for each."""
    for problem in problems:
        log.warning(problem.line)


def observed_problems(events: Iterable[dg.DagsterEvent]) -> Iterator[Problem]:
    """The problems that a run's observations carry."""
    for event in events:
        if event.is_asset_observation:
            yield from _read(event.asset_observation_data.asset_observation.metadata, _PROBLEMS)


def _written(problems: Sequence[Problem], name: str) -> dict[str, Any]:
    return {name: dg.MetadataValue.json([asdict(problem) for problem in problems])}


def _read(metadata: Any, name: str) -> Iterator[Problem]:
    if name in metadata:
        for one in metadata[name].data:
            yield Problem(**one | {"kind": AlertKind(one["kind"]) if one["kind"] else None})
