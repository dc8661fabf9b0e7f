"""The Dagster face: what `dagster dev -w workspace.yaml` loads. The rooms behind it are in `clari_pipeline.defs`."""

from __future__ import annotations

from clari_pipeline.defs.graph import build
from clari_pipeline.settings import read_settings

defs = build(read_settings())
