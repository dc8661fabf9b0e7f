"""Events as JSON, a line each, for whoever collects logs (`CLARI_LOG_FORMAT=json`). Always on stderr."""

from __future__ import annotations

import dataclasses
import sys
from datetime import datetime
from typing import Any

import structlog

from clari_pipeline.config.settings import Settings
from clari_pipeline.core.runbook import see, snake
from clari_pipeline.core.safe_text import printable
from clari_pipeline.sync.events import Deferred, Event, Failed, Refused
from clari_pipeline.sync.narration import Narrator


class JsonLines:
    """An observer that prints each event: `event` (its name in snake case), `level`, `at`, and its own fields.

    Where an environment is set (`CLARI_ENV`), `env` names it in each line.
    """

    def __init__(self, env: str | None) -> None:
        self._log = _logger(env)

    def __call__(self, event: Event) -> None:
        """Print one event."""
        say = self._log.info
        if isinstance(event, Failed | Refused | Deferred):
            say = self._log.error
        elif Narrator.is_warning(event):
            say = self._log.warning
        fields = {field.name: _plain(getattr(event, field.name)) for field in dataclasses.fields(event)}
        say(snake(type(event).__name__), **fields)


def say(message: str, settings: Settings | None, *, section: str | None) -> None:
    """What a command says at its end: one line, as JSON of the same kind or plain; plain where settings are unknown.

    `section` is that of the runbook, which the line ends with; None where it names its own, or nothing is wrong.
    """
    from clari_pipeline.sync.masking import masked_line  # noqa: PLC0415 - nobody else waits for what it is made with

    message = masked_line(message if section is None else see(message, section), settings)
    env = settings.env if settings else None
    if settings is not None and settings.log_format == "json":
        _logger(env).error("error", message=message)
    else:
        who = f"clari-pipeline [{env}]" if env else "clari-pipeline"
        print(f"{who}: {printable(message)}", file=sys.stderr)  # noqa: T201 - for whoever typed the command


def _logger(env: str | None) -> Any:
    logger: Any = structlog.wrap_logger(
        structlog.PrintLogger(sys.stderr),
        processors=[structlog.processors.add_log_level, structlog.processors.JSONRenderer(default=str)],
        wrapper_class=structlog.BoundLogger,
    )
    return logger.bind(env=env) if env else logger


def _plain(value: object) -> object:
    match value:
        case datetime():
            return value.isoformat()
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
        case _ if hasattr(value, "model_dump"):
            return value.model_dump(mode="json")
        case tuple():
            return list(value)
        case _:
            return value
