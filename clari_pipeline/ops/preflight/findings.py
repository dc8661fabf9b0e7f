"""What a check finds: passed, a warning, failed, or an exception where it cannot be run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Status: TypeAlias = Literal["PASS", "WARN", "FAIL"]


@dataclass(frozen=True, slots=True)
class Finding:
    """Status of a check, what was found, and what to do about it: `remedy` is empty where nothing is to be done."""

    status: Status
    detail: str
    remedy: str = ""


class CannotCheck(Exception):
    """A check could not be run. The message is the cause; `remedy` what to do."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.remedy = remedy


def passed(detail: str) -> Finding:
    """Nothing is to be done."""
    return Finding("PASS", detail)


def warning(detail: str, remedy: str) -> Finding:
    """The pipeline works so, but somebody should look into it."""
    return Finding("WARN", detail, remedy)


def failed(detail: str, remedy: str) -> Finding:
    """To be fixed before the pipeline goes live."""
    return Finding("FAIL", detail, remedy)
