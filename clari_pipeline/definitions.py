"""The Dagster face: what `dagster dev -w workspace.yaml` loads. The rooms behind it are in `clari_pipeline.defs`."""

from clari_pipeline.config.settings import read_settings
from clari_pipeline.defs.graph import build

defs = build(read_settings())
