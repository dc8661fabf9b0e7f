"""Carry `Problem`s through Dagster's events, as metadata of a step's failure or of an asset's observation."""

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
    """A failure of a step that carries a problem, which `problem_of_failure` reads from its event."""
    carried = {**(metadata or {}), **_to_metadata([problem], _PROBLEM)}
    return dg.Failure(description=problem.line, metadata=carried, allow_retries=allow_retries)


@contextmanager
def as_step_failure(quarter_id: str | None = None) -> Iterator[None]:
    """Raise any error within the context as a step's failure that carries its problem; Dagster may retry all but
    `SettingsError`. A run that Ctrl-C ends in it is canceled, not failed.
    """
    try:
        yield
    except dg.Failure:
        raise
    except KeyboardInterrupt:
        context = dg.OpExecutionContext.get()
        context.instance.report_run_canceling(context.run, "Stopped by Ctrl-C.")
        raise
    except Exception as error:
        problem = Problem(AlertKind.RUN_FAILED, quarter_id, _first_line(error), section_of(error))
        raise step_failure(problem, allow_retries=not isinstance(error, SettingsError)) from error


def _first_line(error: Exception) -> str:
    """The first line of its message, after the class's name where the message is empty or Python's own (a bare key)."""
    kind, message = type(error), str(error).strip().partition("\n")[0]
    is_plain = kind.__module__ == "builtins" and not isinstance(error, OSError)
    return f"{kind.__name__}: {message}" if is_plain or not message else message


def problem_of_failure(event: dg.DagsterEvent) -> Problem | None:
    """The problem that a failed step carries; None where Dagster itself stopped it."""
    failure = event.step_failure_data.user_failure_data
    return next(_from_metadata(failure.metadata, _PROBLEM), None) if failure is not None else None


def observation(asset: dg.AssetKey, problems: Sequence[Problem]) -> dg.AssetObservation:
    """An observation of an asset that carries problems, where its step does not fail."""
    lines = "; ".join(problem.line for problem in problems)
    return dg.AssetObservation(asset, description=lines, metadata=_to_metadata(problems, _PROBLEMS))


def log_warnings(log: logging.Logger, problems: Iterable[Problem]) -> None:
    """Log a warning for each."""
    for problem in problems:
        log.warning(problem.line)


def observed_problems(events: Iterable[dg.DagsterEvent]) -> Iterator[Problem]:
    """The problems that a run's observations carry."""
    for event in events:
        if event.is_asset_observation:
            yield from _from_metadata(event.asset_observation_data.asset_observation.metadata, _PROBLEMS)


def _to_metadata(problems: Sequence[Problem], name: str) -> dict[str, Any]:
    return {name: dg.MetadataValue.json([asdict(problem) for problem in problems])}


def _from_metadata(metadata: Any, name: str) -> Iterator[Problem]:
    if name in metadata:
        for one in metadata[name].data:
            yield Problem(**one | {"kind": AlertKind(one["kind"]) if one["kind"] else None})
