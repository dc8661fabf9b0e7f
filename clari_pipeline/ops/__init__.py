"""Operations: health service, preflight, backup and restore, retention, debug bundle, figures as of a moment."""
