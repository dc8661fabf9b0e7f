"""Great Expectations in this process: import it in the background, and validate data frames with it.

The import takes two seconds of processor time. It runs in a thread while Clari prepares the exports; whoever validates
first waits for what is left of it. Its telemetry and its progress bars are off.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from clari_pipeline.core.runbook import PipelineError

if TYPE_CHECKING:
    import pandas as pd
    from great_expectations.core.batch_definition import BatchDefinition

Expectation = Mapping[str, Any]
"""One expectation as Great Expectations' suite files hold it: `type`, `kwargs`, and perhaps `meta` and `severity`."""

_KEY = "key"


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
    import great_expectations as gx  # noqa: PLC0415 - takes seconds
    from great_expectations.data_context.types.base import ProgressBarsConfig  # noqa: PLC0415

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    asset = context.data_sources.add_pandas("frames").add_dataframe_asset("frame")
    return asset.add_batch_definition_whole_dataframe("whole frame")


def validate(
    frame: pd.DataFrame | Mapping[str, Sequence[Any]],
    expectations: Sequence[Expectation],
    *,
    key_columns: Sequence[str] = (),
    with_evidence: bool = True,
) -> list[Result]:
    """Validate a frame, or what makes one: a list of values by column. One result an expectation, in their order.

    `with_evidence` fills each `result`; there, unexpected rows are named by the frame's `key_columns`. Without, only
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
            result_format = {"result_format": "COMPLETE", "unexpected_index_column_names": list(key_columns)}
            if not key_columns:
                del result_format["unexpected_index_column_names"]
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


def _error(info: Mapping[str, Any] | None) -> str | None:
    """The first error: `exception_info` is one, or a dictionary of one for each metric that failed."""
    errors = [info] if info and "raised_exception" in info else list((info or {}).values())
    return next((_first_line(one["exception_message"]) for one in errors if one["raised_exception"]), None)


def _first_line(error: object) -> str:
    return next(iter(str(error).strip().splitlines()), "")
