"""Settings, and the rules of `clari_pipeline.toml`."""
