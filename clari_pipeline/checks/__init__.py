"""The gate: which exports are good enough to merge, and which verdicts people hear of."""
