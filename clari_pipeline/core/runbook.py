"""Errors, kinds of alert and exit codes, each with its section of `docs/runbook.md`.

Errors are the subclasses of `PipelineError`, alerts the `AlertKind`s, commands end with an `ExitCode`, and other lines
on stderr have a `RunbookSection`; checks are named where they are defined. A test requires a section for each.
"""

from __future__ import annotations

import errno
import re
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import ClassVar, Self

PAGE = "docs/runbook.md"
_LONGEST_MESSAGE = 200
_WORDS = re.compile(r"(?<!^)(?=[A-Z])")
_FULL_ERRNOS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
UNFORESEEN = (ValueError, TypeError, LookupError, ArithmeticError, AttributeError, RecursionError)
"""What Python raises for a response or document of an unexpected shape; no disk or database raises one."""
_FULL_DISK = re.compile(r"no space left|disk quota exceeded|file too large|disk is full", re.IGNORECASE)


class PipelineError(Exception):
    """The base of the pipeline's errors. The message is one line for people: cause and remedy, no secret.

    `section` is the anchor of its section in the runbook: the class's name in snake case.
    """

    section: ClassVar[str] = "unexpected_error"
    _known: ClassVar[dict[str, type[PipelineError]]] = {}

    def __init_subclass__(cls, **options: object) -> None:
        super().__init_subclass__(**options)
        if not cls.__name__.startswith("_"):  # a private class inherits its parent's section
            cls.section = snake(cls.__name__)
        PipelineError._known[cls.__name__] = cls

    @classmethod
    def named(cls, name: str) -> type[PipelineError] | None:
        """Find a subclass by its name, which is all that the ledger and Dagster keep; None where there is none."""
        return cls._known.get(name)


class ExitCode(IntEnum):
    """Exit codes of the commands."""

    DONE = 0
    NOT_DONE = 1  # at least one export was not merged, a check failed, or something else could not be done
    WRONG_SETTINGS = 2  # usage or settings: found before anything is asked of Clari


class AlertKind(StrEnum):
    """The kinds of alert, as the table `alert` names them.

    `one` is the subject of a message with one such alert; `many` follows the number of several. The kinds without are
    in the message on calls (`OF_CALLS`), which has a subject of its own.
    """

    one: str
    many: str

    def __new__(cls, name: str, one: str = "", many: str = "") -> Self:
        """A kind and its wording."""
        kind = str.__new__(cls, name)
        kind._value_, kind.one, kind.many = name, one, many
        return kind

    AUTH_FAILED = "auth_failed", "Clari refused the API key", "times Clari refused the API key"
    EXPORT_REFUSED = "export_refused", "Export refused", "exports refused"
    EXPORT_FAILED = "export_failed", "Export failed", "exports failed"
    RUN_FAILED = "run_failed", "Sync failed", "syncs failed"
    FRESHNESS = "freshness", "Figures are out of date", "quarters are out of date"
    QUOTA_LOW = "quota_low", "Few exports left at Clari", "warnings: few exports left at Clari"
    QUALITY = "quality", "Quality check failed", "quality checks failed"
    CONTRACT_CHANGED = "contract_changed", "Clari's export has changed", "changes of Clari's exports"
    MASS_CHANGE = "mass_change"
    FORECAST_SWING = "forecast_swing"


OF_CALLS = frozenset({AlertKind.MASS_CHANGE, AlertKind.FORECAST_SWING})
"""Kinds of alert on calls that moved: all of a run are sent as one message, a line each."""


class RunbookSection(StrEnum):
    """Sections of the runbook for lines on stderr that no `PipelineError` stands for."""

    UNEXPECTED_ERROR = "unexpected_error"
    OS_ERROR = "os_error"
    DISK_FULL = "disk_full"
    INTERRUPTED = "interrupted"
    EXPORT_STOPPED = "export_stopped"
    TYPES_REFUSED = "types_refused"
    QUOTA_UNKNOWN = "quota_unknown"
    ALERT_NOT_SENT = "alert_not_sent"
    MARTS_WITHOUT_FILES = "marts_without_files"
    WEEKLY_MARTS_REBUILT = "weekly_marts_rebuilt"
    NOTHING_KNOWN = "nothing_known"
    SERVER_TABLES_NOT_SAVED = "server_tables_not_saved"
    DOCUMENT_NOT_SAVED = "document_not_saved"
    DOCUMENTS_LANDED_SINCE = "documents_landed_since"
    QUARTER_STAYS = "quarter_stays"
    TABLES_DIFFER = "tables_differ"
    PART_LEFT_OUT = "part_left_out"
    NO_OPPORTUNITIES = "no_opportunities"
    JOB_ADOPTED = "job_adopted"
    INBOX_FILE = "inbox_file"
    SUITE_UNREADABLE = "suite_unreadable"
    MORE_NEXT_SYNC = "more_next_sync"
    SETTING_UNKNOWN = "setting_unknown"


def anchor(section: str) -> str:
    """The link to a section, such as `docs/runbook.md#auth_failed`."""
    return f"{PAGE}#{section}"


def with_anchor(text: str, section: str) -> str:
    """Append the link to a section to a text, unless it has one already."""
    return text if f"({PAGE}#" in text else f"{text} ({anchor(section)})"


def section_of(error: BaseException) -> str:
    """The section on an error of any class."""
    match error:
        case PipelineError():
            return error.section
        case OSError(errno=number) if number in _FULL_ERRNOS:
            return RunbookSection.DISK_FULL
        case OSError():
            return RunbookSection.OS_ERROR
        case _:
            return RunbookSection.DISK_FULL if means_full_disk(str(error)) else RunbookSection.UNEXPECTED_ERROR


def section_named(name: str, message: str = "") -> str:
    """The section on an error, by the name of its class, and its message where the class is not ours."""
    if (kind := PipelineError.named(name)) is not None:
        return kind.section
    return RunbookSection.DISK_FULL if means_full_disk(message) else RunbookSection.UNEXPECTED_ERROR


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong that people are notified of or that is logged, as steps return it.

    `kind` is the kind of alert it becomes, or None where it is only printed and recorded; `quarter` is named where it
    concerns one alone; `message` is a line for people without the runbook's anchor; `section` is the section of
    `docs/runbook.md` on it. `subject` says what failed where it is no quarter, such as a product: people are notified
    of the same subject once, as `CLARI_ALERT_REPEAT_HOURS` says.
    """

    kind: AlertKind | None
    quarter: str | None
    message: str
    section: str
    subject: str | None = None

    @property
    def line(self) -> str:
        """The message with the link to its section at the end."""
        return with_anchor(self.message, self.section)

    @classmethod
    def of_error(cls, error: BaseException, quarter: str | None = None, *, kind: AlertKind | None = None) -> Self:
        """The problem of an error: its message, and the section on its class."""
        return cls(kind, quarter, str(error), section_of(error))


def means_full_disk(message: str) -> bool:
    """Whether a library's message reports a full disk, a disk quota, or a limit on file size."""
    return _FULL_DISK.search(message) is not None


def unforeseen(error: BaseException) -> str:
    """Describe one of `UNFORESEEN` in one printable line."""
    message = "".join(character if character.isprintable() else " " for character in str(error)[:_LONGEST_MESSAGE])
    return f"{type(error).__name__}: {' '.join(message.split())}".rstrip(": ")


def snake(name: str) -> str:
    """Convert `AuthFailed` to `auth_failed`."""
    return _WORDS.sub("_", name).lower()
