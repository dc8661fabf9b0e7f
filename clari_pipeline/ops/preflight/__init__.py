"""The go-live checklist as a command: a small function a check, which returns one finding. Nothing here raises."""

from clari_pipeline.ops.preflight.checklist import NAMES, Result, inspect, is_well

__all__ = ["NAMES", "Result", "inspect", "is_well"]
