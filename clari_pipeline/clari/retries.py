"""The retry policy of calls to Clari: attempts, deadlines, which errors are transient; and the circuit breaker."""

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
    """A retry policy: so many attempts, with exponential backoff and jitter between them. All times in seconds.

    After `patience_s` no further attempt is begun, except after 429. A wait that `Retry-After` asks for is obeyed as
    long as the call has then taken no more than `longest_s` in all; a longer one ends the call.
    """

    attempts: int = 10
    first_wait_s: float = 0.1
    max_wait_s: float = 5.0
    patience_s: float = 45.0
    longest_s: float = 60.0


class RetryDeadline:
    """The deadline of one call's retries: `patience_s` since it began or last made progress, bounded by `within_s`."""

    def __init__(self, retry: Retry, within_s: float | None = None) -> None:
        within_s = inf if within_s is None else within_s
        self._seconds, self._longest_s = min(retry.patience_s, within_s), min(retry.longest_s, within_s)
        self._since = self._begun = monotonic()
        self._has_progressed = False

    def renew(self) -> None:
        """Note that this attempt makes progress: the deadline restarts."""
        self._has_progressed = True

    def is_over(self) -> bool:
        """Whether the deadline has passed: no further attempt is begun."""
        if self._has_progressed:
            self._since, self._has_progressed = monotonic(), False
            return False
        return monotonic() - self._since > self._seconds

    def allows(self, seconds: float) -> bool:
        """Whether a `Retry-After` of so many seconds ends within `longest_s` of the call's beginning."""
        return monotonic() - self._begun + seconds <= self._longest_s


def is_passing(error: Exception) -> bool:
    """Whether an error is transient: the same call may succeed when it is retried."""
    return not errors.is_lasting(error) and isinstance(
        error,
        errors.RateLimited
        | errors.ServerFault
        | errors.ErrorAsAnswer
        | errors.UnexpectedAnswer
        | errors.ClariDown
        | httpx.RequestError,
    )


def was_not_queued(error: Exception) -> bool:
    """Whether the export call certainly queued no job, so that it is safe to retry: 429, or no connection."""
    return isinstance(error, errors.RateLimited) or (
        isinstance(error, errors.ClariUnreachable)
        and not isinstance(error, errors.AnswerLost)
        and not errors.is_lasting(error)
    )


def is_refused(error: BaseException) -> bool:
    """Whether nothing listens at the address: the system has refused the connection."""
    cause = error.__cause__ or error.__context__
    return isinstance(error, ConnectionRefusedError) or (cause is not None and is_refused(cause))


def cause_of(error: Exception) -> str:
    """The cause of a retry, in a few words."""
    match error:
        case httpx.ConnectTimeout():
            return "no connection in time"
        case httpx.ConnectError():
            return "connection refused" if is_refused(error) else "no connection"
        case httpx.TimeoutException():
            return "timed out"
        case errors.ClariError():
            return str(error)
        case _:
            return "connection broken"


class Circuit:
    """A circuit breaker: opens at the first `ClariDown` or refused key, and is half-open after two minutes."""

    def __init__(self) -> None:
        self._breaker = CircuitBreaker(failure_threshold=1, recovery_timeout=_HALF_OPEN_AFTER_S, name="clari")

    @property
    def is_open(self) -> bool:
        """Whether calls fail at once, without a request."""
        return bool(self._breaker.opened)

    @contextmanager
    def guarding(self, *, needs_good_key: bool) -> Iterator[None]:
        """Wrap a call to Clari; while the circuit is open, raise the error that opened it, without a request.

        `needs_good_key`: a 403 to this call means that the key is invalid, and opens the circuit. A 403 to another may
        only mean that a valid key may not read limits, or a job that another key has made.
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
        if not self.is_open:  # else a concurrent call has opened it, and it stays open
            self._breaker.reset()
