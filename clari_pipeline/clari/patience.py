"""How often a call is tried, for how long and at which errors; and the circuit breaker: when nothing more is asked."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf
from time import monotonic

import httpx
from circuitbreaker import CircuitBreaker

from clari_pipeline.clari import errors

_HALF_OPEN_AFTER_S = 120


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
    """How long a call is tried: so many seconds since it began, or since one that made progress; `within_s` in all."""

    def __init__(self, retry: Retry, within_s: float | None = None) -> None:
        within_s = inf if within_s is None else within_s
        self._seconds, self._longest_s = min(retry.patience_s, within_s), min(retry.longest_s, within_s)
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
    return isinstance(
        error,
        errors.RateLimited | errors.ServerFault | errors.ErrorAsAnswer | errors.UnexpectedAnswer | httpx.RequestError,
    )


def was_not_queued(error: Exception) -> bool:
    """Whether the export call has certainly queued nothing."""
    return isinstance(error, errors.RateLimited) or (
        isinstance(error, errors.ClariUnreachable) and not isinstance(error, errors.AnswerLost)
    )


def cause_of(error: Exception) -> str:
    """What went wrong, in a few words."""
    match error:
        case httpx.ConnectTimeout() | httpx.ConnectError():
            return "no connection"
        case httpx.TimeoutException():
            return "timed out"
        case errors.ClariError():
            return str(error)
        case _:
            return "connection broken"


class Circuit:
    """Opens at the first `ClariDown` or refused key; after two minutes one call is let through to try."""

    def __init__(self) -> None:
        self._breaker = CircuitBreaker(failure_threshold=1, recovery_timeout=_HALF_OPEN_AFTER_S, name="clari")

    @property
    def is_open(self) -> bool:
        """Whether nothing is asked at present."""
        return bool(self._breaker.opened)

    @contextmanager
    def guarding(self, *, needs_good_key: bool) -> Iterator[None]:
        """A call to Clari. Raises what opened the circuit, without a call, while it is open.

        `needs_good_key`: 403 to this call means that the key is refused. To others it may mean no more than that a
        good key may not look at limits, or at a job that another key has made.
        """
        if self.is_open and isinstance(self._breaker.last_failure, errors.ClariError):
            raise self._breaker.last_failure
        try:
            yield
        except (errors.ClariDown, errors.AuthFailed) as error:
            is_refused = isinstance(error, errors.AuthFailed) and error.status == 403
            if not needs_good_key if is_refused else isinstance(error, errors.NotOptedIn):
                raise
            with self._breaker:
                raise
        if not self.is_open:  # else another call has opened it meanwhile, and knows better
            self._breaker.reset()
