"""The ledger's own sequence decides which of two exports is the newer one, where Clari gives no moment."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from clari_pipeline.clari import Completed, ExportRequest, Job, Submitted, Submitting
from clari_pipeline.clari.models import ActivityRequest
from clari_pipeline.store import ledger, merging
from clari_pipeline.store.ledger import FETCHES
from clari_pipeline.sync.recording import Recorder
from tests.helpers.each_case import try_each
from tests.helpers.house import QUARTER, House, moment

NOW = moment(11, 21)
HOUR = timedelta(hours=1)
# When each of two exports was submitted by our clock, and its `startTime` after that, where it has one.
TWO_EXPORTS = {
    "the clock is set back": ((NOW, None), (NOW - HOUR, None)),
    "Clari's clock is ahead, the second has no start": ((NOW, HOUR), (NOW + HOUR / 2, None)),
    "the clock is set back while Clari accepts": ((NOW, None), (NOW + HOUR, None)),
}


def made(record: Recorder, request: ExportRequest, request_id: str, case: tuple[Any, timedelta | None]) -> None:
    """What happens to an export, up to the end of its job; when it is accepted the clock has been set back again."""
    at, start = case
    which = {"request_id": request_id, "forecast_id": request.forecast_id, "time_period_id": request.time_period}
    job = Job(job_id=f"job-{request_id}", status="DONE", start_time=None if start is None else at + start)
    record(Submitting(**which, at=at, request=request, attempt=1))
    record(Submitted(**which, at=at - 2 * HOUR, job_id=job.job_id))
    record(Completed(**which, at=at, job=job, poll_count=1, wait_seconds=1))


def test_the_newer_export_is_never_taken_for_the_older(open_house: Callable[..., House]) -> None:
    house = open_house()

    def in_order(name: str) -> None:
        record, request = (
            Recorder(house.context.warehouse, "run"),
            ExportRequest(forecast_id=name, time_period=QUARTER, types=("forecast",)),
        )
        for number, case in enumerate(TWO_EXPORTS[name]):
            made(record, request, f"{name} {number}", case)
        with house.context.warehouse.session() as session:
            first, second = ledger.exports_of_quarter(session, name, QUARTER, ["SUBMITTED"])
        assert (first.request_id, second.request_id) == (f"{name} 0", f"{name} 1")
        assert first.exported_at < second.exported_at
        assert merging.is_late(first, [second]) and not merging.is_late(second, [first])

    with house.held_open():
        try_each(TWO_EXPORTS, in_order)


def test_nor_is_the_newer_fetch_of_another_product(open_house: Callable[..., House]) -> None:
    """Of activity, which is exported, and of what Clari answers at once."""
    house = open_house()
    day = NOW.date()
    with house.held_open(), house.context.warehouse.session() as session:
        record = Recorder(house.context.warehouse, "run", "activity")
        for number, case in enumerate(TWO_EXPORTS["the clock is set back"]):
            made(record, ActivityRequest.between(day, day), f"activity {number}", case)
        first, second = (FETCHES.row(session, f"activity {number}") for number in (0, 1))
        assert first.exported_at < second.exported_at
        which = {"run_id": "run", "product": "audit", "attempt": 1}
        asked = [
            FETCHES.submitting(session, request_id=f"audit {number}", submitted_at=NOW - number * HOUR, **which)
            for number in (0, 1)
        ]
        assert asked[0] < asked[1] == FETCHES.row(session, "audit 1").exported_at
