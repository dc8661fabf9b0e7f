"""How long an export is asked for whose answers are lost: each is looked for first, so each costs half a minute."""

from __future__ import annotations

from clari_pipeline.clari.errors import AnswerLost, ClariError, ClariRefused, ClariUnreachable
from clari_pipeline.clari.models import ExportRequest

_MOST = 10
_LONGEST_S = 600.0
_LONGEST_ALIKE_S = 75.0
_MOST_GIVEN_UP = 2


class Acceptance:
    """Whether Clari accepts exports at all: no longer after the second one given up while none was accepted.

    One alone may be its own quarter's fault. After it, another is asked for once.
    """

    def __init__(self) -> None:
        self._given_up = 0
        self._last: ClariError | None = None

    @property
    def is_in_doubt(self) -> bool:
        """Whether an export was given up, and none accepted since."""
        return self._given_up > 0

    def check(self, request: ExportRequest) -> None:
        """Raise `ClariUnreachable` where this one is not to be asked for."""
        if self._given_up >= _MOST_GIVEN_UP:
            raise ClariUnreachable(
                f"export of {request.forecast_id} {request.time_period}: not asked for, since Clari accepts none "
                f"({self._last}): run again later"
            ) from self._last

    def note_accepted(self) -> None:
        """Clari has queued an export."""
        self._given_up = 0

    def note_given_up(self, error: ClariError) -> None:
        """All answers to an export were lost."""
        self._given_up, self._last = self._given_up + 1, error


class LostAnswers:
    """The answers of one export that were lost so far. Times are seconds of the clock's `monotonic`."""

    def __init__(self, acceptance: Acceptance) -> None:
        self.count = 0
        self._acceptance = acceptance
        self._alike = 0
        self._first = 0.0
        self._kind: object = None

    def is_last(self, error: AnswerLost, *, asked: float, now: float) -> bool:
        """Whether this one, to what was asked then, is the last: the export is given up, and next time looked for.

        It was asked for too often, for too long in the same way, or others were, before it.
        """
        self._first = self._first if self.count else asked
        kind = _kind(error)
        self._alike = self._alike + 1 if kind == self._kind else 1
        self._kind = kind
        self.count += 1
        spent = now - self._first
        is_hopeless = self.count >= _MOST or spent > _LONGEST_S or (self._alike > 1 and spent > _LONGEST_ALIKE_S)
        return is_hopeless or self._acceptance.is_in_doubt


def _kind(error: AnswerLost) -> object:
    """What tells one way of losing an answer from another; ids of errors differ each time."""
    cause = error.__cause__
    return type(cause), cause.status if isinstance(cause, ClariRefused) else None
