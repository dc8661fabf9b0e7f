"""What assets are given: the pipeline, and the exports of a quarter."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import dagster as dg

from clari_pipeline.exports import ExportDesk, plan, take_up
from clari_pipeline.periods import Quarter
from clari_pipeline.settings import SettingsError, read_settings
from clari_pipeline.sync import Pipeline


class Exports(Protocol):
    """Where a quarter's exports come from."""

    run_id: str

    def take(self, quarter_id: str) -> list[str]:
        """Wait until the quarter's exports have landed or failed; their request ids."""
        ...


class ExportsOfThisRun:
    """Asks Clari itself, for the one quarter of a run that a schedule or a person started."""

    def __init__(self, pipeline: Pipeline, run_id: str) -> None:
        self._pipeline = pipeline
        self.run_id = run_id

    def take(self, quarter_id: str) -> list[str]:
        """Export the quarter now. Raises `dagster.Failure` where a setting is missing."""
        with self._pipeline.runs.alive(self.run_id):
            return self._taken(Quarter.parse(quarter_id))

    def _taken(self, quarter: Quarter) -> list[str]:
        pipeline, settings = self._pipeline, self._pipeline.settings
        try:
            planned = plan(settings, [quarter], settings.required_forecasts())
            settings.required_key()
        except SettingsError as error:
            raise dg.Failure(str(error), allow_retries=False) from None
        exports = take_up(pipeline.warehouse, pipeline.runs, planned, run_id=self.run_id, now=pipeline.now())
        with ExportDesk(settings, pipeline.warehouse, pipeline.landing, run_id=self.run_id, exports=exports) as desk:
            return desk.take(str(quarter))


@dg.resource(description="Warehouse, landing folder and rules, from the CLARI_ settings.")
def pipeline_resource(_context: dg.InitResourceContext) -> Pipeline:
    """The pipeline that the settings describe."""
    return Pipeline(read_settings())


@dg.resource(required_resource_keys={"pipeline"}, description="A quarter's exports, asked of Clari in this run.")
@contextmanager
def exports_resource(context: dg.InitResourceContext) -> Iterator[Exports]:
    """Exports made in this run; the command line gives its own, which run behind all quarters at once."""
    yield ExportsOfThisRun(context.resources.pipeline, context.run.run_id if context.run else "")
