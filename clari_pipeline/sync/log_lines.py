"""Events and messages as lines on stderr: JSON for log collectors (`CLARI_LOG_FORMAT=json`), or text for people.

Text that goes to a file has time and level before it. A terminal shows when a line comes, and what reads a pipe
(journald, a container's log) notes the time itself.
"""

from __future__ import annotations

import dataclasses
import stat
import sys
from datetime import UTC, datetime
from functools import cached_property
from os import fstat
from typing import TYPE_CHECKING, Any, Literal, TextIO

import structlog

from clari_pipeline.config.settings import Settings
from clari_pipeline.core.runbook import Problem, snake, with_anchor
from clari_pipeline.core.safe_text import printable
from clari_pipeline.sync.events import Deferred, Event, Failed, Refused
from clari_pipeline.sync.narration import Narrator

if TYPE_CHECKING:
    from clari_pipeline.core.secret_masking import SecretMasker


Level = Literal["info", "warning", "error"]


def logged(line: str, level: Level, stream: TextIO) -> str:
    """The line as it is written to a stream: in a file after the time, in UTC, and the level."""
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {level.upper():7} {line}" if _is_file(stream) else line


def _is_file(stream: TextIO) -> bool:
    try:
        return stat.S_ISREG(fstat(stream.fileno()).st_mode)
    except (OSError, ValueError):  # a stream in memory, or closed
        return False


class JsonLines:
    """An observer that prints each event: `event` (its name in snake case), `level`, `at`, and its own fields.

    Where an environment is set (`CLARI_ENV`), `env` names it in each line.
    """

    def __init__(self, env: str | None) -> None:
        self._log = _logger(env)

    def __call__(self, event: Event) -> None:
        """Print one event."""
        log = self._log.info
        if isinstance(event, Failed | Refused | Deferred):
            log = self._log.error
        elif Narrator.is_warning(event):
            log = self._log.warning
        fields = {field.name: _plain(getattr(event, field.name)) for field in dataclasses.fields(event)}
        log(snake(type(event).__name__), **fields)


class CommandLog:
    """Messages that a command prints on stderr: a line each, secrets masked, as JSON or plain by `CLARI_LOG_FORMAT`.

    One instance a command; without settings, lines are plain.
    """

    def __init__(self, settings: Settings | None) -> None:
        self._settings = settings

    @cached_property
    def _masker(self) -> SecretMasker:
        from clari_pipeline.sync.masking import masker_of_lines  # noqa: PLC0415 - imported at the first message

        return masker_of_lines(self._settings)

    def masked(self, text: str) -> str:
        """The text with keys and tokens masked; for messages of other libraries, too."""
        return self._masker.text(text)

    def say(self, *what: Problem | str, section: str | None = None, level: Level = "error") -> None:
        """Print each on a line. `section` is the runbook section that a text links to; a problem has its own."""
        env = self._settings.env if self._settings else None
        for one in what:
            text = one.line if isinstance(one, Problem) else one if section is None else with_anchor(one, section)
            if self._settings is not None and self._settings.log_format == "json":
                getattr(_logger(env), level)(level, message=self.masked(text))
            else:
                who = f"clari-pipeline [{env}]" if env else "clari-pipeline"
                line = f"{who}: {printable(self.masked(text))}"
                print(logged(line, level, sys.stderr), file=sys.stderr)  # noqa: T201 - read at the terminal


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
