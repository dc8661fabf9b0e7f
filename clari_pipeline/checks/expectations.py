"""Great Expectations, in a process of its own: `python -m clari_pipeline.checks.expectations`.

A line in is a question, a line out its answer, both JSON: `{"facts": {fact: number}, "checks": [{"name", "fact",
"least", "most"}]}` is answered by `{"broken": [name]}`, or by `{"error": text}` where it cannot be judged. The process
ends where its input does.
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

# What Great Expectations imports for charts and for distributions, which nobody here looks at: half of all its time.
_UNUSED = frozenset({"altair", "scipy.stats"})
# What it does without where it is not installed: of other engines than pandas, and of their clouds.
_OF_OTHERS = frozenset({"boto3", "botocore", "google", "psycopg2", "pyspark", "snowflake", "sqlalchemy"})


class _Empty(Loader):
    """Makes a module with nothing in it."""

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """As Python makes them."""
        return None

    def exec_module(self, module: ModuleType) -> None:
        """Nothing."""


class _Later(MetaPathFinder):
    """Loads the unused modules only once something in them is asked for, and those of others not at all.

    Where SciPy is not installed, as after `make demo`, an empty module stands for it: nothing in it is ever asked for.
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
            return ModuleSpec(fullname, _Empty(), is_package=True)
        if fullname not in _UNUSED:
            return None
        if found is not None and found.loader is not None:
            found.loader = LazyLoader(found.loader)
        return found


def main() -> None:
    """Answer questions until there are no more."""
    # Whatever a library prints is no answer.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    import_what_is_needed()
    for line in sys.stdin:
        _answer(json.loads(line), answers)


def import_what_is_needed() -> None:
    """Import Great Expectations without what no check needs: half of the time. For a process that does nothing else."""
    sys.meta_path.insert(0, _Later())
    gc.disable()  # what is imported stays: looking for what does not is a tenth of the time
    _frames()
    gc.enable()


def _answer(question: Mapping[str, Any], answers: IO[str]) -> None:
    try:
        answer: dict[str, Any] = {"broken": broken(question["facts"], question["checks"])}
    except Exception as error:  # noqa: BLE001 - whoever asked is to be told
        answer = {"error": f"{type(error).__name__}: {error}"}
    answers.write(json.dumps(answer) + "\n")
    answers.flush()


@cache
def _frames() -> BatchDefinition[Any]:
    os.environ["GX_ANALYTICS_ENABLED"] = "false"  # read at import; nothing is to be sent home
    import great_expectations as gx  # noqa: PLC0415 - takes seconds
    from great_expectations.data_context.types.base import ProgressBarsConfig  # noqa: PLC0415

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    asset = context.data_sources.add_pandas("exports").add_dataframe_asset("exports")
    return asset.add_batch_definition_whole_dataframe("one row an export")


def broken(facts: Mapping[str, int], checks: Sequence[Mapping[str, Any]]) -> list[str]:
    """The names of the checks that the one row of `facts` breaks."""
    frames = _frames()
    import pandas as pd  # noqa: PLC0415 - imported with Great Expectations
    from great_expectations import ExpectationSuite  # noqa: PLC0415
    from great_expectations.expectations.core.expect_column_max_to_be_between import (  # noqa: PLC0415
        ExpectColumnMaxToBeBetween,
    )

    batch = frames.get_batch({"dataframe": pd.DataFrame([facts])})
    suite = ExpectationSuite(name="export_gate")
    for check in checks:
        # Of one row the largest value is the value; the expectation row by row takes four times as long.
        suite.add_expectation(
            ExpectColumnMaxToBeBetween(
                column=check["fact"], min_value=check["least"], max_value=check["most"], meta={"check": check["name"]}
            )
        )
    found = []
    for result in batch.validate(suite, result_format="BOOLEAN_ONLY").results:
        info = result.exception_info or {}
        for told in [info] if "raised_exception" in info else info.values():  # of each metric, where one has failed
            if told["raised_exception"]:
                raise RuntimeError(told["exception_message"])
        expectation = result.expectation_config
        assert expectation is not None
        assert expectation.meta is not None
        if not result.success:
            found.append(expectation.meta["check"])
    return found


if __name__ == "__main__":
    main()
