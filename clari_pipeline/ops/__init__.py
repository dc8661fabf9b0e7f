"""What looks after the pipeline: health, preflight, backups, retention, support, the figures of a moment."""
