"""A circuit breaker for Clari: once it is down, or the key is refused, nothing more is asked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from circuitbreaker import CircuitBreaker

from clari_pipeline.clari.errors import AuthFailed, ClariDown, ClariError, NotOptedIn

_HALF_OPEN_AFTER_S = 120


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
        if self.is_open and isinstance(self._breaker.last_failure, ClariError):
            raise self._breaker.last_failure
        try:
            yield
        except (ClariDown, AuthFailed) as error:
            if not _is_hopeless(error, needs_good_key=needs_good_key):
                raise
            with self._breaker:
                raise
        if not self.is_open:  # else another call has opened it meanwhile, and knows better
            self._breaker.reset()


def _is_hopeless(error: ClariDown | AuthFailed, *, needs_good_key: bool) -> bool:
    """Whether every further call would meet with the same."""
    if isinstance(error, AuthFailed) and error.status == 403:
        return needs_good_key
    return not isinstance(error, NotOptedIn)
