"""The go-live checklist, run: each line a small function that returns one finding. Nothing here raises."""

from clari_pipeline.ops.preflight.checklist import NAMES, Result, inspect, is_well

__all__ = ["NAMES", "Result", "inspect", "is_well"]
