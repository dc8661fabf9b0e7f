"""The lowest layer: errors and their runbook sections, periods, files and paths, retries, signals, safe text."""
