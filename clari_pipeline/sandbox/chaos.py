"""Random faults, reproducible by seed; two may coincide.

A request's fault is drawn from its subject and the number of such requests so far, a job's from its forecast, its
quarter and the number of such jobs so far. So a run is reproducible even if concurrent exports send their requests in
another order.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from .answers import Fault
from .draws import draw
from .faults import EVERY_QUARTER, TABLE, Scenario
from .jobs import JobBehaviour

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
SLOT_WINDOW = 3  # in durations of a job: for so long other users hold all slots, or none


@dataclass(frozen=True)
class Chaos:
    """Fault rates, from 0 to 1: of requests, of jobs, and of the time in which other users hold all slots.

    Faults are drawn from `seed`, else from the sandbox's own, which also draws the company's figures. After `until`
    requests since the scenario began, no new faults occur; a job accepted before keeps its own.
    """

    request_rate: float = 0.25
    job_rate: float = 0.25
    slots_rate: float = 0.1
    until: int | None = None
    seed: int | None = None


def _jobs() -> tuple[Scenario, ...]:
    failed, hung, truncated = TABLE["failed"], TABLE["hung"], TABLE["truncated"]
    expired = replace(TABLE["expired"], behaviour=JobBehaviour(expires=1))
    cells = replace(truncated, behaviour=JobBehaviour(cells_truncated=True))
    late = (
        replace(each, behaviour=replace(each.behaviour, duration_factor=4))
        for each in (failed, truncated, TABLE["slow"])
    )
    both = replace(truncated, behaviour=JobBehaviour(truncated=True, expires=1))
    faults = (failed, hung, truncated, cells, expired, both, *late, TABLE["late_list"])
    return tuple(replace(each, hits=EVERY_QUARTER) for each in faults)


JOBS = _jobs()
"""The scenarios of a faulty job: failed, hung, truncated, expired, slow, two of these, or listed late."""


class ChaosDraws:
    """The draws of one chaos scenario, from when it was set.

    How jobs are listed, and the skew of Clari's clock, are drawn once.
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
        """Whether more than `until` requests have come."""
        return self._chaos.until is not None and self._requests > self._chaos.until

    def request(self, call: str, concerns: Sequence[object]) -> Fault:
        """The fault of the next request of a call with this subject (forecast, quarter, number)."""
        self._requests += 1
        key = (call, *concerns)
        self._alike[key] += 1
        key = (*key, self._alike[key])
        if self.over or not self._hit(self._chaos.request_rate, "request", key):
            return Fault("none")
        words = {"submit": SUBMIT, "status": STATUS, "results": RESULTS}.get(call, ANY_CALL)
        return Fault.read(words[draw(self._seed, "fault", *key) % len(words)])

    def job(self, forecast_id: str, period_id: str, earlier: int) -> Scenario:
        """The scenario of a job that has `earlier` ones before it for the same forecast and quarter."""
        key = (forecast_id, period_id, earlier)
        if self.over or not self._hit(self._chaos.job_rate, "job", key):
            return TABLE["calm"]
        return JOBS[draw(self._seed, "manner", *key) % len(JOBS)]

    def slots_taken(self, jobs_long: float) -> bool:
        """Whether other users hold all slots, `jobs_long` durations of a job after the scenario began."""
        return not self.over and self._hit(self._chaos.slots_rate, "slots", (int(jobs_long / SLOT_WINDOW),))

    def _hit(self, rate: float, what: str, key: tuple[object, ...]) -> bool:
        return draw(self._seed, what, *key) < rate * 2**64
