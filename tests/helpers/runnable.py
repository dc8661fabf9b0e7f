"""The queries of `sql/`, by names under which each can be run."""

from clari_pipeline.core.queries import names, text_of


def runnable() -> list[str]:
    """Every query, those of any table as of one that has quarters and periods."""
    return [f"{name}@forecast_time_frame" if "{table}" in text_of(name) else name for name in names()]
