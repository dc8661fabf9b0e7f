"""Whether Clari is worth asking: once it is down, or the key is refused, nobody asks again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from circuitbreaker import CircuitBreaker

from clari_pipeline.clari.errors import AuthFailed, ClariDown, ClariError, NotOptedIn

_CLOSED_AGAIN_AFTER_S = 120


class Circuit:
    """A circuit breaker that opens at the first `ClariDown` or refused key, and tries again after two minutes."""

    def __init__(self) -> None:
        self._breaker = CircuitBreaker(
            failure_threshold=1, recovery_timeout=_CLOSED_AGAIN_AFTER_S, expected_exception=_is_hopeless, name="clari"
        )

    @property
    def is_open(self) -> bool:
        """Whether nothing is asked at present."""
        return bool(self._breaker.opened)

    @contextmanager
    def guarding(self) -> Iterator[None]:
        """A call to Clari. Raises what opened the circuit, without a call, while it is open."""
        if self.is_open and isinstance(self._breaker.last_failure, ClariError):
            raise self._breaker.last_failure
        try:
            yield
        except (ClariDown, AuthFailed):
            with self._breaker:
                raise
        if not self.is_open:  # else another call has opened it meanwhile, and knows better
            self._breaker.reset()


def _is_hopeless(_kind: type[BaseException], error: BaseException) -> bool:
    """Whether every further call would meet with the same.

    403 is about the key where an export or the list of jobs is asked for; a good key may not be allowed to look at
    limits, or at a job that another key has made.
    """
    if isinstance(error, AuthFailed) and error.status == 403:
        return error.call.startswith(("export of", "list of jobs"))
    return isinstance(error, ClariDown | AuthFailed) and not isinstance(error, NotOptedIn)
