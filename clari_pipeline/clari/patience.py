"""How often a call is tried, and for how long, and which errors are retried."""

from __future__ import annotations

from dataclasses import dataclass, replace
from time import monotonic

import httpx

from clari_pipeline.clari.errors import (
    AnswerLost,
    ClariError,
    ClariUnreachable,
    ErrorAsAnswer,
    RateLimited,
    ServerFault,
    UnexpectedAnswer,
)


@dataclass(frozen=True, slots=True)
class Retry:
    """How often a call is tried and how long is waited between: exponential, with jitter, in seconds.

    After `patience_s` no further try is begun, unless Clari only asks to come back later (429): what it asks for is
    kept to, where all of it comes to no more than `longest_s`, and is the end of the call where it does not.
    """

    attempts: int = 10
    first_wait_s: float = 0.1
    max_wait_s: float = 5.0
    patience_s: float = 45.0
    longest_s: float = 60.0

    def within(self, seconds: float | None) -> Retry:
        """The same, and no longer than that in all."""
        if seconds is None:
            return self
        return replace(self, patience_s=min(self.patience_s, seconds), longest_s=min(self.longest_s, seconds))


class Patience:
    """How long a call is tried: so many seconds since it began, or since a try that made progress."""

    def __init__(self, retry: Retry) -> None:
        self._seconds, self._longest_s = retry.patience_s, retry.longest_s
        self._since = self._begun = monotonic()
        self._has_progressed = False

    def renew(self) -> None:
        """This try makes progress: its seconds begin afresh."""
        self._has_progressed = True

    def is_over(self) -> bool:
        """Whether, after this try, no further one is worth it."""
        if self._has_progressed:
            self._since, self._has_progressed = monotonic(), False
            return False
        return monotonic() - self._since > self._seconds

    def allows(self, seconds: float) -> bool:
        """Whether there is time for a wait that Clari asks for."""
        return monotonic() - self._begun + seconds <= self._longest_s


def is_passing(error: Exception) -> bool:
    """Whether the same call may well succeed a moment later."""
    return isinstance(error, RateLimited | ServerFault | ErrorAsAnswer | UnexpectedAnswer | httpx.RequestError)


def was_not_queued(error: Exception) -> bool:
    """Whether the export call has certainly queued nothing."""
    return isinstance(error, RateLimited) or (isinstance(error, ClariUnreachable) and not isinstance(error, AnswerLost))


def cause_of(error: Exception) -> str:
    """What went wrong, in a few words."""
    match error:
        case httpx.ConnectTimeout() | httpx.ConnectError():
            return "no connection"
        case httpx.TimeoutException():
            return "timed out"
        case ClariError():
            return str(error)
        case _:
            return "connection broken"
