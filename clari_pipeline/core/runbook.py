"""What people are told of when something is wrong, and the section of `docs/runbook.md` on it.

Errors are the subclasses of `PipelineError`, alerts the `AlertKind`s, what a command ends with an `ExitCode`, and
other lines on stderr `Remark`s; checks are named where they are made. A test looks for a section of each.
"""

from __future__ import annotations

import errno
import re
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import ClassVar, Self

PAGE = "docs/runbook.md"
_LONGEST_SAID = 200
_WORDS = re.compile(r"(?<!^)(?=[A-Z])")
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
UNFORESEEN = (ValueError, TypeError, LookupError, ArithmeticError, AttributeError, RecursionError)
"""What code raises that meets with an answer or a document nobody thought of; never a disk's or a database's fault."""
_SAYS_FULL = re.compile(r"no space left|disk quota exceeded|file too large|disk is full", re.IGNORECASE)


class PipelineError(Exception):
    """Something that people are told of in one line: cause and remedy, no secret. `section` is the runbook's on it."""

    section: ClassVar[str] = "unexpected_error"
    _known: ClassVar[dict[str, type[PipelineError]]] = {}

    def __init_subclass__(cls, **options: object) -> None:
        super().__init_subclass__(**options)
        if not cls.__name__.startswith("_"):  # a private one is told as what it is a kind of
            cls.section = snake(cls.__name__)
        PipelineError._known[cls.__name__] = cls

    @classmethod
    def named(cls, name: str) -> type[PipelineError] | None:
        """The subclass that has this name, where the ledger or Dagster has kept the name alone."""
        return cls._known.get(name)


class ExitCode(IntEnum):
    """What a command ends with."""

    DONE = 0
    NOT_DONE = 1  # at least one export was not merged, a check failed, or something else could not be done
    WRONG_SETTINGS = 2  # usage or settings: found before anything is asked of Clari


class AlertKind(StrEnum):
    """The kinds of alert, as the table `alert` names them."""

    AUTH_FAILED = "auth_failed"
    EXPORT_REFUSED = "export_refused"
    EXPORT_FAILED = "export_failed"
    RUN_FAILED = "run_failed"
    FRESHNESS = "freshness"
    QUOTA_LOW = "quota_low"
    MASS_CHANGE = "mass_change"
    FORECAST_SWING = "forecast_swing"


class Remark(StrEnum):
    """Lines on stderr behind which no error of this pipeline's own stands."""

    UNEXPECTED_ERROR = "unexpected_error"
    OS_ERROR = "os_error"
    DISK_FULL = "disk_full"
    INTERRUPTED = "interrupted"
    EXPORT_STOPPED = "export_stopped"
    TYPES_REFUSED = "types_refused"
    QUOTA_UNKNOWN = "quota_unknown"
    ALERT_NOT_SENT = "alert_not_sent"
    MARTS_WITHOUT_FILES = "marts_without_files"
    NOTHING_KNOWN = "nothing_known"
    SERVER_TABLES_NOT_SAVED = "server_tables_not_saved"
    DOCUMENT_NOT_SAVED = "document_not_saved"
    DOCUMENTS_LANDED_SINCE = "documents_landed_since"
    QUARTER_STAYS = "quarter_stays"
    PART_LEFT_OUT = "part_left_out"
    NO_OPPORTUNITIES = "no_opportunities"
    JOB_ADOPTED = "job_adopted"
    MORE_NEXT_SYNC = "more_next_sync"


def anchor(section: str) -> str:
    """Where the page tells of it, such as `docs/runbook.md#auth_failed`."""
    return f"{PAGE}#{section}"


def see(text: str, section: str) -> str:
    """The text with where the page tells of it at its end; a text that names its section already is left as it is."""
    return text if f"({PAGE}#" in text else f"{text} ({anchor(section)})"


def section_of(error: BaseException) -> str:
    """The section on an error, whoever's it is."""
    match error:
        case PipelineError():
            return error.section
        case OSError(errno=number) if number in _FULL:
            return Remark.DISK_FULL
        case OSError():
            return Remark.OS_ERROR
        case _:
            return Remark.DISK_FULL if says_full(str(error)) else Remark.UNEXPECTED_ERROR


def section_named(name: str, message: str = "") -> str:
    """The same, where the name of the error's class and its message are all that is known."""
    if (kind := PipelineError.named(name)) is not None:
        return kind.section
    return Remark.DISK_FULL if says_full(message) else Remark.UNEXPECTED_ERROR


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that people should hear of, as one step returns it to the next.

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
        """The message with the runbook's anchor at its end."""
        return see(self.message, self.section)

    @classmethod
    def of_error(cls, error: BaseException, quarter: str | None = None, *, kind: AlertKind | None = None) -> Self:
        """The problem that an error stands for: its message, and the section on its class."""
        return cls(kind, quarter, str(error), section_of(error))


def says_full(message: str) -> bool:
    """Whether a library's message speaks of a disk without room, or of a limit on files that comes to the same."""
    return _SAYS_FULL.search(message) is not None


def unforeseen(error: BaseException) -> str:
    """One of `UNFORESEEN`, in one printable line."""
    said = "".join(character if character.isprintable() else " " for character in str(error)[:_LONGEST_SAID])
    return f"{type(error).__name__}: {' '.join(said.split())}".rstrip(": ")


def snake(name: str) -> str:
    """`AuthFailed` as `auth_failed`."""
    return _WORDS.sub("_", name).lower()
