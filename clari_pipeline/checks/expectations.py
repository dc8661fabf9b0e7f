"""Great Expectations in a child process: `python -m clari_pipeline.checks.expectations`, started by `judging.Judge`.

One line of JSON on stdin is a request, one on stdout its answer: `{"facts": {fact: number}, "checks": [{"name", "fact",
"least", "most"}]}` is answered by `{"broken": [name]}`, or by `{"error": text}` where it cannot be judged. The process
ends at the end of stdin.
"""

from __future__ import annotations

import gc
import json
import os
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import LazyLoader
from types import ModuleType
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from great_expectations.core.batch_definition import BatchDefinition

# Imported by Great Expectations for charts and distributions, which no check here uses: half of its import time.
_UNUSED = frozenset({"altair", "scipy.stats"})
# Optional imports of Great Expectations, for engines other than pandas and their clouds.
_OF_OTHERS = frozenset({"boto3", "botocore", "google", "psycopg2", "pyspark", "snowflake", "sqlalchemy"})


class _EmptyModule(Loader):
    """Loads an empty module."""

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """None: Python's default."""
        return None

    def exec_module(self, module: ModuleType) -> None:
        """Nothing is executed."""


class _ImportSkipper(MetaPathFinder):
    """Loads `_UNUSED` modules lazily, and refuses those `_OF_OTHERS` as if they were not installed.

    Where SciPy is not installed, as after `make demo`, an empty module stands in for it: none of it is ever used.
    """

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname in _OF_OTHERS:
            raise ModuleNotFoundError(f"{fullname} is not for the gate", name=fullname)
        if fullname not in _UNUSED | {"scipy"}:
            return None
        found = PathFinder.find_spec(fullname, path, target)
        if found is None and fullname.startswith("scipy"):
            return ModuleSpec(fullname, _EmptyModule(), is_package=True)
        if fullname not in _UNUSED:
            return None
        if found is not None and found.loader is not None:
            found.loader = LazyLoader(found.loader)
        return found


def main() -> None:
    """Answer requests until stdin ends."""
    # What a library prints goes to stderr, so that stdout carries answers alone.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    import_what_is_needed()
    for line in sys.stdin:
        _answer(json.loads(line), answers)


def import_what_is_needed() -> None:
    """Import Great Expectations without what no check needs, in half the time. For a process that does nothing else."""
    sys.meta_path.insert(0, _ImportSkipper())
    gc.disable()  # imported modules are never garbage: to search them is a tenth of the time
    _batches()
    gc.enable()


def _answer(request: Mapping[str, Any], answers: IO[str]) -> None:
    try:
        answer: dict[str, Any] = {"broken": broken(request["facts"], request["checks"])}
    except Exception as error:  # noqa: BLE001 - reported to the parent process
        answer = {"error": f"{type(error).__name__}: {error}"}
    answers.write(json.dumps(answer) + "\n")
    answers.flush()


@cache
def _batches() -> BatchDefinition[Any]:
    os.environ["GX_ANALYTICS_ENABLED"] = "false"  # no telemetry; read at import
    import great_expectations as gx  # noqa: PLC0415 - takes seconds
    from great_expectations.data_context.types.base import ProgressBarsConfig  # noqa: PLC0415

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    asset = context.data_sources.add_pandas("exports").add_dataframe_asset("exports")
    return asset.add_batch_definition_whole_dataframe("one row an export")


def broken(facts: Mapping[str, int], checks: Sequence[Mapping[str, Any]]) -> list[str]:
    """The names of the checks that the one row of `facts` breaks."""
    batches = _batches()
    import pandas as pd  # noqa: PLC0415 - imported with Great Expectations
    from great_expectations import ExpectationSuite  # noqa: PLC0415
    from great_expectations.expectations.core.expect_column_max_to_be_between import (  # noqa: PLC0415
        ExpectColumnMaxToBeBetween,
    )

    batch = batches.get_batch({"dataframe": pd.DataFrame([facts])})
    suite = ExpectationSuite(name="export_gate")
    for check in checks:
        # The maximum of one row is its value; the expectation on each row takes four times as long.
        suite.add_expectation(
            ExpectColumnMaxToBeBetween(
                column=check["fact"], min_value=check["least"], max_value=check["most"], meta={"check": check["name"]}
            )
        )
    found = []
    for result in batch.validate(suite, result_format="BOOLEAN_ONLY").results:
        info = result.exception_info or {}
        for error in [info] if "raised_exception" in info else info.values():  # one a metric, where a metric has failed
            if error["raised_exception"]:
                raise RuntimeError(error["exception_message"])
        expectation = result.expectation_config
        assert expectation is not None
        assert expectation.meta is not None
        if not result.success:
            found.append(expectation.meta["check"])
    return found


if __name__ == "__main__":
    main()
