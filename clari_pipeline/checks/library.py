"""Great Expectations in this process: import it in the background, and validate data frames with it.

The import takes two seconds of processor time. It takes place while Clari prepares the exports, or in a thread while a
document is read; whoever validates first waits for what is left of it. Its telemetry and its progress bars are off.
"""

from __future__ import annotations

import gc
import json
import logging
import os
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clari_pipeline.core.runbook import PipelineError
from clari_pipeline.core.suggestions import did_you_mean

if TYPE_CHECKING:
    import pandas as pd
    from great_expectations.core.batch_definition import BatchDefinition

Expectation = Mapping[str, Any]
"""One expectation as Great Expectations' suite files hold it: `type`, `kwargs`, and perhaps `meta` and `severity`."""

_KEY = "key"
# Of every expectation, about how it is stored and shown.
_OWN_ARGUMENTS = frozenset(
    ("id", "meta", "notes", "result_format", "description", "catch_exceptions", "rendered_content", "severity")
) | {"windows", "batch_id", "metadata", "library_metadata"}


class LibraryError(PipelineError):
    """Great Expectations cannot be imported, or cannot judge what the gate asks of it."""


@dataclass(frozen=True, slots=True)
class Result:
    """What Great Expectations says of one expectation.

    `result` is its own dictionary (`observed_value`, `unexpected_count`, `unexpected_index_list` …), empty unless asked
    for. `error` is the first line of what it raised, where it could not judge; then `success` is False.
    """

    success: bool
    result: Mapping[str, Any]
    error: str | None = None


def load_in_background() -> None:
    """Start the import in a thread, where nobody has yet. The thread is joined before the program ends."""
    _loader()


def load() -> None:
    """Import it, or wait for the import that runs. Raises `LibraryError`."""
    try:
        _batches()
    except Exception as error:
        raise LibraryError(
            f"Great Expectations cannot be loaded: {type(error).__name__}: {_first_line(error)}"
        ) from error


@cache
def _loader() -> threading.Thread:
    thread = threading.Thread(target=_import, name="great_expectations")
    thread.start()
    return thread


def _import() -> None:
    with suppress(Exception):  # raised again by whoever validates, and waits for the answer
        _batches()


_importing = threading.Lock()


def _batches() -> BatchDefinition[Any]:
    with _importing:
        return _imported()


@cache
def _imported() -> BatchDefinition[Any]:
    os.environ["GX_ANALYTICS_ENABLED"] = "false"  # no telemetry; read at import
    gc.disable()
    try:
        import great_expectations as gx  # noqa: PLC0415 - takes seconds
        from great_expectations.data_context.types.base import ProgressBarsConfig  # noqa: PLC0415

        gc.freeze()  # modules are never garbage: to search them for it, now and later, is a tenth of a sync's time
    finally:
        gc.enable()
    # It warns of decimals that it writes into its own JSON as floats, which no verdict is made of.
    logging.getLogger("great_expectations").setLevel(logging.ERROR)
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    asset = context.data_sources.add_pandas("frames").add_dataframe_asset("frame")
    return asset.add_batch_definition_whole_dataframe("whole frame")


def validate(
    frame: pd.DataFrame | Mapping[str, Sequence[Any]],
    expectations: Sequence[Expectation],
    *,
    with_evidence: bool = True,
    most_rows: int | None = None,
) -> list[Result]:
    """Validate a frame, or what makes one: a list of values by column. One result an expectation, in their order.

    `with_evidence` fills each `result`; there, unexpected rows are named by their places: all of them in
    `unexpected_index_list`, or with `most_rows` the first so many in `partial_unexpected_index_list`. Without, only
    `success` is found, in half the time. Raises `LibraryError` where the library or an expectation cannot be loaded;
    an expectation that raises while it judges has an `error`.
    """
    try:
        batches = _batches()
        import pandas as pd  # noqa: PLC0415 - imported by `_batches`, as what follows
        from great_expectations import ExpectationSuite  # noqa: PLC0415
        from great_expectations.expectations.expectation_configuration import (  # noqa: PLC0415
            ExpectationConfiguration,
        )

        # Each once: a suite refuses a second one that is equal.
        keys = [json.dumps([one["type"], one["kwargs"]], default=str, sort_keys=True) for one in expectations]
        distinct = dict(zip(keys, expectations, strict=True))
        suite = ExpectationSuite(name="suite")
        for key, one in distinct.items():
            # By its own class: a suite that is built from dictionaries leaves out what it cannot build, and logs it.
            config = ExpectationConfiguration(one["type"], dict(one["kwargs"]), meta={_KEY: key})
            suite.add_expectation(config.to_domain_obj())
        result_format: Any = "BOOLEAN_ONLY"
        if with_evidence:
            result_format = {"result_format": "COMPLETE"}
            if most_rows is not None:
                result_format = {"result_format": "SUMMARY", "partial_unexpected_count": most_rows}
        validated = batches.get_batch({"dataframe": pd.DataFrame(frame)}).validate(suite, result_format=result_format)
    except Exception as error:
        raise LibraryError(f"Great Expectations cannot judge: {type(error).__name__}: {_first_line(error)}") from error
    by_key: dict[str, Result] = {}
    for found in validated.results:
        judged = found.expectation_config
        assert judged is not None
        assert judged.meta is not None
        message = _error(found.exception_info)
        by_key[judged.meta[_KEY]] = Result(bool(found.success) and message is None, found.result or {}, message)
    return [by_key[key] for key in keys]


def expectation_types() -> frozenset[str]:
    """The types of all its expectations, such as `expect_column_values_to_be_between`."""
    return frozenset(_classes())


def argument_faults(kind: str, arguments: Mapping[str, Any]) -> list[str]:
    """What the model of a type finds wrong with an expectation's arguments, in a line each; empty where there is none.

    A wrong name is a fault, and so is a fraction where it would silently drop the decimals.
    """
    try:
        made = _classes()[kind](**arguments)
    except ValueError as error:  # pydantic's, with a list of errors, or the expectation's own
        return _model_faults(kind, error)
    return [
        f"{name}: write a whole number instead of {value}"
        for name, value in arguments.items()
        if isinstance(value, Decimal) and type(taken := getattr(made, name)) is int and taken != value
    ]


def make_project(folder: Path) -> None:
    """Write the project in which Great Expectations keeps suites, its analytics off, unless the folder has one.

    `great_expectations.get_context(mode="file", context_root_dir=folder)` opens it. Raises `LibraryError`.
    """
    if (folder / "great_expectations.yml").exists():
        return
    try:
        _batches()
        import great_expectations as gx  # noqa: PLC0415 - imported by `_batches`

        folder.mkdir(parents=True, exist_ok=True)
        gx.get_context(mode="file", context_root_dir=str(folder)).enable_analytics(enable=False)
    except Exception as error:
        raise LibraryError(f"Great Expectations cannot write to {folder}: {_first_line(error)}") from error


@cache
def _classes() -> Mapping[str, Any]:
    """Its public classes of expectations by type. Raises `LibraryError`."""
    try:
        _batches()
        from great_expectations import expectations  # noqa: PLC0415 - imported by `_batches`
    except Exception as error:
        raise LibraryError(f"Great Expectations cannot be imported: {_first_line(error)}") from error
    kinds = {getattr(found, "expectation_type", ""): found for found in vars(expectations).values()}
    return {kind: found for kind, found in kinds.items() if isinstance(kind, str) and kind}


def _model_faults(kind: str, error: ValueError) -> list[str]:
    by_argument: dict[str, list[str]] = {}
    for fault in getattr(error, "errors", list)():
        name, message = ".".join(map(str, fault["loc"])), fault["msg"]
        if fault["type"] == "value_error.extra":
            known = [found for found in _classes()[kind].schema()["properties"] if found not in _OWN_ARGUMENTS]
            message = f"no argument of {kind}, which takes {', '.join(known)}{did_you_mean(name, known)}"
        if message != "value is not a valid dict":  # its other type, a parameter of a suite
            by_argument.setdefault(name, []).append(message)
    of_all = by_argument.pop("__root__", [])
    faults = [f"{name}: {' or '.join(dict.fromkeys(messages))}" for name, messages in by_argument.items()]
    return faults or of_all or [_first_line(error)]


def _error(info: Mapping[str, Any] | None) -> str | None:
    """The first error: `exception_info` is one, or a dictionary of one for each metric that failed."""
    errors = [info] if info and "raised_exception" in info else list((info or {}).values())
    return next((_first_line(one["exception_message"]) for one in errors if one["raised_exception"]), None)


def _first_line(error: object) -> str:
    return next(iter(str(error).strip().splitlines()), "")
