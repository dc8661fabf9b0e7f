"""Tables, marts, figures as of a moment and landed documents as pandas frames, read only: for notebooks."""

from clari_pipeline.core.runbook import PipelineError
from clari_pipeline.frames.connection import Clari, FrameError, connect

__all__ = ["Clari", "FrameError", "PipelineError", "connect"]
