"""What runs the steps of a sync: Dagster's runs, or what stands in for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

from clari_pipeline.config.settings import Settings
from clari_pipeline.core.periods import Quarter
from clari_pipeline.sync.outcomes import Outcome
from clari_pipeline.sync.pipeline import Pipeline

if TYPE_CHECKING:
    from clari_pipeline.sync.exporting import ExportDesk
    from clari_pipeline.sync.products.brought import Brought


class StepRunner(Protocol):
    """Runs the steps of one sync, each to its end: the quarters one after the other, then the marts, then products."""

    def sync_quarter(self, quarter: Quarter) -> tuple[str | None, list[Outcome]]:
        """Land, judge and merge one quarter; what went wrong, or None, and what became of its exports."""
        ...

    def refresh_marts(self) -> str | None:
        """Refresh the marts and the copy for readers; what went wrong, or None."""
        ...

    def bring(self, product: str) -> Brought:
        """Bring one product beside the forecast; what came of it."""
        ...


class MakeRunner(Protocol):
    """Makes the runner of one sync, whose exports `exports` brings."""

    def __call__(
        self, pipeline: Pipeline, exports: ExportDesk, quarters: list[Quarter], tags: Mapping[str, str]
    ) -> StepRunner:
        """A runner of these quarters, whose runs carry these tags."""
        ...


Runners = Callable[[Settings], AbstractContextManager[MakeRunner]]
"""Opens what runners need, before Clari is asked for anything."""
