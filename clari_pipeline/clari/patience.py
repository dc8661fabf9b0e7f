"""How often a call is tried, and for how long."""

from __future__ import annotations

from dataclasses import dataclass
from time import monotonic


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


class Patience:
    """How long a call is tried: so many seconds since it began, or since a try that made progress."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._since = self._begun = monotonic()
        self._has_progressed = False

    def renew(self) -> None:
        """This try makes progress."""
        self._has_progressed = True

    def is_over(self) -> bool:
        """Whether, after this try, no further one is worth it."""
        if self._has_progressed:
            self._since, self._has_progressed = monotonic(), False
            return False
        return monotonic() - self._since > self._seconds

    def spent(self) -> float:
        """Seconds since the first try."""
        return monotonic() - self._begun
