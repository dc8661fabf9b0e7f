"""Faults by chance: the same seed draws the same ones again, and two may meet.

A request's fault is drawn from what it concerns and how many such requests there have been, a job's from its
forecast, its quarter and how many such jobs there have been. So a run can be repeated even where its exports go on
side by side and their requests come in another order.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from .answers import Fault
from .draws import draw
from .faults import EVERY_QUARTER, TABLE, Scenario
from .jobs import Manner

ANY_CALL = (
    *("429", "429:0", "500", "502", "reset", "lost", "late:500", "cut"),
    *("drip:0.05", "drip:0.05+cut", "hang:0.05+lost", "drip:0.05+late:502"),
)
SUBMIT = (*ANY_CALL, "quota", "quota", "lost", "lost", "late:502")
STATUS = (*ANY_CALL, "envelope")
RESULTS = (
    *(*ANY_CALL, "cut", "cut", "drip:0.2", "drip:0.1+cut"),
    *("gzip", "gzip_cut", "unsized", "unsized_cut", "unsized_cut:0.9", "envelope"),
)
SLOT_WINDOW = 3  # times as long as a job takes: for so long somebody else holds all places, or nobody does


@dataclass(frozen=True)
class Chaos:
    """How much goes wrong: the share of requests, of jobs, and of the time (somebody else holds all places).

    What goes wrong is drawn from `seed`, else from the sandbox's own, which also draws the company's figures.
    After `until` requests, counted from when the scenario began, all that is new behaves: requests, jobs accepted
    from then on, places. A job that was accepted before stays as it is.
    """

    request_rate: float = 0.25
    job_rate: float = 0.25
    slots_rate: float = 0.1
    until: int | None = None
    seed: int | None = None


def _jobs() -> tuple[Scenario, ...]:
    failed, hung, truncated = TABLE["failed"], TABLE["hung"], TABLE["truncated"]
    expired = replace(TABLE["expired"], manner=Manner(expires=1))
    cells = replace(truncated, manner=Manner(cells_truncated=True))
    late = (replace(each, manner=replace(each.manner, patience=4)) for each in (failed, truncated, TABLE["slow"]))
    both = replace(truncated, manner=Manner(truncated=True, expires=1))
    faults = (failed, hung, truncated, cells, expired, both, *late, TABLE["late_list"])
    return tuple(replace(each, hits=EVERY_QUARTER) for each in faults)


JOBS = _jobs()
"""What happens to a job that goes wrong: failed, hung, incomplete, its results gone, late, or two of these; or it is
listed late.
"""


class Storm:
    """One time of chaos: what has been drawn, and what is drawn next.

    How jobs are listed, and what Clari's clock says, is drawn once.
    """

    def __init__(self, chaos: Chaos, seed: int) -> None:
        self._chaos = chaos
        self._seed = seed
        self._requests = 0
        self._alike: Counter[tuple[object, ...]] = Counter()
        self.page = 2 if draw(seed, "pages") % 2 else None
        self.has_foreign_jobs = draw(seed, "others") % 2 == 0
        self.ahead = timedelta(hours=-1) if draw(seed, "clock") % 2 else timedelta()

    @property
    def over(self) -> bool:
        """Whether as many requests have come as chaos was to last for."""
        return self._chaos.until is not None and self._requests > self._chaos.until

    def request(self, call: str, concerns: Sequence[object]) -> Fault:
        """The fault of the next request of that call that concerns this."""
        self._requests += 1
        key = (call, *concerns)
        self._alike[key] += 1
        key = (*key, self._alike[key])
        if self.over or not self._hit(self._chaos.request_rate, "request", key):
            return Fault("none")
        words = {"submit": SUBMIT, "status": STATUS, "results": RESULTS}.get(call, ANY_CALL)
        return Fault.read(words[draw(self._seed, "fault", *key) % len(words)])

    def job(self, forecast_id: str, period_id: str, earlier: int) -> Scenario:
        """How a job runs that has had so many before it for the same forecast and quarter."""
        key = (forecast_id, period_id, earlier)
        if self.over or not self._hit(self._chaos.job_rate, "job", key):
            return TABLE["calm"]
        return JOBS[draw(self._seed, "manner", *key) % len(JOBS)]

    def slots_taken(self, jobs_long: float) -> bool:
        """Whether somebody else holds all places, so many times as long as a job takes after the beginning."""
        return not self.over and self._hit(self._chaos.slots_rate, "slots", (int(jobs_long / SLOT_WINDOW),))

    def _hit(self, rate: float, what: str, key: tuple[object, ...]) -> bool:
        return draw(self._seed, what, *key) < rate * 2**64
