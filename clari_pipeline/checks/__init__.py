"""The gate: checks, judged by Great Expectations, that an export must pass to be merged."""
