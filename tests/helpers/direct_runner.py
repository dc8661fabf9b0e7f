"""A sync's steps without a Dagster run around each, for tests that Dagster is not the subject of: two seconds less."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial

from clari_pipeline.config.settings import Settings
from clari_pipeline.core.periods import Quarter
from clari_pipeline.core.runbook import PipelineError, section_of, see
from clari_pipeline.sync.exporting import ExportDesk
from clari_pipeline.sync.outcomes import Outcome
from clari_pipeline.sync.pipeline import Pipeline
from clari_pipeline.sync.products.bringing import bring
from clari_pipeline.sync.products.brought import Brought
from clari_pipeline.sync.runners import MakeRunner


@contextmanager
def direct_runners(_settings: Settings) -> Iterator[MakeRunner]:
    """To be given to the command line in place of Dagster's; the warehouse's file stays open until the sync ends."""
    with ExitStack() as held_open:
        yield partial(DirectRunner, held_open)


class DirectRunner:
    """Calls the pipeline as the assets of the jobs do."""

    def __init__(
        self,
        held_open: ExitStack,
        pipeline: Pipeline,
        exports: ExportDesk,
        quarters: list[Quarter],
        tags: Mapping[str, str],
    ) -> None:
        self._pipeline, self._exports = pipeline, exports
        held_open.enter_context(pipeline.warehouse.kept_open())

    def sync_quarter(self, quarter: Quarter) -> tuple[str | None, list[Outcome]]:
        def merge() -> None:
            self._exports.take(str(quarter))
            self._pipeline.merge_landed(str(quarter))

        trouble = _trouble_of(merge)
        of_run = self._pipeline.requests_of_run(self._exports.run_id, str(quarter))
        return trouble, self._pipeline.outcomes(of_run)

    def refresh_marts(self) -> str | None:
        def refresh() -> None:
            self._pipeline.refresh_marts()
            self._pipeline.publish()

        return _trouble_of(refresh)

    def bring(self, product: str) -> Brought:
        return bring(self._pipeline, product, run_id=self._exports.run_id)


def _trouble_of(step: Callable[[], None]) -> str | None:
    """What went wrong, as the command line says it; anything that is no error of the pipeline's is the test's."""
    try:
        step()
    except PipelineError as error:
        return see(str(error), section_of(error))
    return None
