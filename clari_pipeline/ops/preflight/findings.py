"""What a check of the checklist finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Status: TypeAlias = Literal["PASS", "WARN", "FAIL"]


@dataclass(frozen=True, slots=True)
class Finding:
    """How a thing stands, what was seen, and what to do about it: the remedy is empty where nothing is to be done."""

    status: Status
    detail: str
    remedy: str = ""


class NotSeen(Exception):
    """A thing could not be looked at. The message says why; `remedy` what to do."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.remedy = remedy


def well(detail: str) -> Finding:
    """As it should be."""
    return Finding("PASS", detail)


def doubtful(detail: str, remedy: str) -> Finding:
    """It will do, and somebody should look."""
    return Finding("WARN", detail, remedy)


def wrong(detail: str, remedy: str) -> Finding:
    """To be mended before this goes live."""
    return Finding("FAIL", detail, remedy)
