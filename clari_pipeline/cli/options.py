"""Options that several commands have: each a type to annotate a parameter with."""

from pathlib import Path
from typing import Annotated

import typer

from clari_pipeline.config.settings import Settings, of_sandbox, read_settings

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout, and nothing else there.")]
Sandbox = Annotated[bool, typer.Option("--sandbox", help="Use the sandbox's warehouse, which sync --sandbox fills.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but warnings and errors.")]
Periods = Annotated[
    list[str] | None,
    typer.Option("--period", metavar="YYYY_QN", help="A fiscal quarter, such as 2026_Q4; repeatable."),
]
Forecasts = Annotated[
    list[str] | None,
    typer.Option("--forecast", metavar="ID", help="A forecast id, instead of CLARI_FORECAST_IDS; repeatable."),
]
Output = Annotated[
    Path | None, typer.Option("--output", metavar="FILE", help="The file to write; otherwise standard output.")
]


def settings_of(*, sandbox: bool) -> Settings:
    """The settings, or those that read the sandbox's warehouse: without a key, channels or an environment."""
    settings = read_settings()
    if not sandbox:
        return settings
    none = dict.fromkeys(("env", "api_key", "api_key_file", "alert_urls"))
    return settings.model_copy(update=of_sandbox(settings) | none)
