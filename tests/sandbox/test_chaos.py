"""Chaos: as much as was asked for, the same again for the same seed, and over when it was to be over."""

from collections import Counter

import httpx
import pytest

from clari_pipeline.sandbox import Chaos
from clari_pipeline.sandbox.chaos import JOBS, ChaosDraws
from tests.sandbox.conftest import CURRENT, FINISHED, NEWEST_PAST, OLDER, Clock

FINE = (200, None, "application/json")
CALM = Chaos(request_rate=0, job_rate=0, slots_rate=0)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def in_chaos(open_sandbox, clock):
    """A sandbox in chaos, whose clock stands still until it is turned, and with places for everybody."""

    def opened(chaos=None, **more):
        settings = {"concurrent_limit": 1000, "people": 3, "job_seconds": 60} | more
        return open_sandbox("chaos", chaos=chaos, clock=clock, now=clock.now, write_at_once=True, **settings)

    return opened


def outcome(ask):
    """What came of a call: its status, and Retry-After; or the way in which there was no answer."""
    try:
        answer = ask()
    except httpx.RemoteProtocolError as error:
        return "cut" if "complete message body" in str(error) else "no answer"
    return answer.status_code, answer.headers.get("retry-after"), answer.headers["content-type"].split(";")[0]


def many(caller, times=160):
    return [outcome(lambda: caller.http.get("/admin/limits")) for _ in range(times)]


def submitted(caller, clock, count):
    """So many exports of one quarter, long after their time."""
    for _ in range(count):
        assert caller.submit().status_code == 200
    clock.seconds += 1_000_000
    return caller.sandbox.jobs


def states(caller, clock, count=60):
    """What has become of them."""
    return [(job.status, job.truncated, job.expired) for job in submitted(caller, clock, count)]


def test_one_request_in_four_goes_wrong_in_every_way(in_chaos):
    """Errors with and without Retry-After, a proxy's page, no answer, half an answer; never the key."""
    seen = Counter(many(in_chaos(), 400))
    assert seen.keys() >= {
        (429, None, "application/json"),
        (429, "0", "application/json"),
        (500, None, "application/json"),
        (502, None, "text/html"),
        "no answer",
        "cut",
    }
    assert not any(answer[0] == 401 for answer in seen)
    assert 270 <= seen[FINE] <= 340


@pytest.mark.soak
def test_one_job_in_four_goes_wrong_in_every_way(in_chaos, clock):
    """It fails, hangs, is incomplete, its results are gone; or two of these."""
    seen = Counter(states(in_chaos(Chaos(request_rate=0, slots_rate=0)), clock, 200))
    assert seen.keys() == {
        ("DONE", False, False),
        ("FAILED", False, False),
        ("STARTED", False, False),
        ("DONE", True, False),
        ("DONE", False, True),
        ("DONE", True, True),
    }
    assert 130 <= seen["DONE", False, False] <= 175


def test_the_same_seed_goes_wrong_in_the_same_way(in_chaos, clock):
    def seen(seed):
        caller = in_chaos(Chaos(slots_rate=0), seed=seed, people=1)
        answers = many(caller) + [outcome(caller.submit) for _ in range(40)]
        clock.seconds += 100_000
        return answers, [(job.status, job.truncated, job.expired) for job in caller.sandbox.jobs]

    first = seen(7)
    assert first == seen(7)
    other = seen(8)
    assert [answer == FINE for answer in first[0]] != [answer == FINE for answer in other[0]], "others go wrong"
    assert first[1] != other[1]


def test_exports_side_by_side_do_not_change_each_others_faults(in_chaos):
    """What meets a quarter depends on its own requests, in whatever order those of other quarters come."""

    def seen(*order):
        caller, met = in_chaos(people=1), {}
        for period in order:
            met.setdefault(period, []).append(outcome(lambda period=period: caller.submit(period)))
        return met

    assert in_chaos(CALM, people=1).submit({"year": 2026}).json()["code"] == "bad_request"
    quarters = (CURRENT, NEWEST_PAST, OLDER)
    in_turn, one_by_one = seen(*quarters * 12), seen(*(quarter for quarter in quarters for _ in range(12)))
    assert in_turn == one_by_one
    assert in_turn[CURRENT] != in_turn[OLDER]


@pytest.mark.soak
def test_rates_are_kept(in_chaos, clock):
    assert set(many(in_chaos(CALM))) == {FINE}
    assert set(states(in_chaos(CALM), clock)) == {("DONE", False, False)}
    everything = in_chaos(Chaos(request_rate=1, job_rate=0, slots_rate=0))
    assert many(everything).count(FINE) < 40, "only dripping ones"
    bad = states(in_chaos(Chaos(request_rate=0, job_rate=1, slots_rate=0)), clock, 90)
    assert sum(state == ("DONE", False, False) for state in bad) < 30, "only slow ones"


def test_an_answer_is_lost_and_the_job_behind_it_fails_or_is_refused_for_want_of_places(in_chaos, clock):
    """Though there is quota."""
    caller = in_chaos(Chaos(request_rate=1, job_rate=1, slots_rate=0))
    failed_unheard = refusals = 0
    for _ in range(60):
        before = len(caller.sandbox.jobs)
        answered = outcome(caller.submit)
        clock.seconds += 100_000
        accepted = caller.sandbox.jobs[before:]
        failed_unheard += answered == "no answer" and [job.status for job in accepted] == ["FAILED"]
        if answered == (400, None, "application/json"):
            refusals += 1
            assert not accepted
    assert failed_unheard
    assert refusals


def test_jobs_of_chaos_are_truncated_or_hang_until_they_are_cancelled(in_chaos, clock):
    """Of a truncated one half the entries are missing, and the job says so in one or the other of its two words."""
    caller = in_chaos(Chaos(request_rate=0, job_rate=1, slots_rate=0), people=4)
    submitted(caller, clock, 40)
    sizes: dict[bool, set[int]] = {True: set(), False: set()}
    words = Counter()
    delivered = [job for job in caller.sandbox.jobs if job.status == "DONE" and not job.expired]
    for job in delivered:
        described = caller.status(job.job_id)
        words[described["rowsTruncated"], described["cellsTruncated"]] += 1
        sizes[job.truncated].add(len(caller.results(job.job_id).json()["entries"]))
    assert words.keys() == {(True, False), (False, True), (False, False)}
    assert {size * 2 for size in sizes[True]} == sizes[False]
    hung = [job for job in caller.sandbox.jobs if job.status not in FINISHED]
    assert hung
    for job in hung:
        assert caller.http.patch(f"/export/jobs/{job.job_id}", json={"type": "CANCEL"}).json()["successful"]
    assert {job.status for job in caller.sandbox.jobs} <= FINISHED
    # A truncated document is cut on its way, too.
    caller.sandbox.chaos = Chaos(request_rate=1, job_rate=0)
    caller.sandbox.scenario = "chaos"
    truncated = [job.job_id for job in delivered if job.truncated]
    assert "cut" in {outcome(lambda job=job: caller.results(job)) for job in truncated for _ in range(12)}


def test_now_and_then_somebody_else_holds_all_places_for_a_while(in_chaos, clock):
    """By the clock: whole windows of time, then places are free again. Another seed has other windows."""

    def seen(seed):
        clock.seconds = 0
        caller, free = in_chaos(Chaos(request_rate=0, job_rate=0, slots_rate=0.3), concurrent_limit=3, seed=seed), []
        for second in range(0, 60 * 3 * 30, 60):
            clock.seconds = second
            free.append(caller.http.get("/admin/limits").json()["jobs"]["availableConcurrentLimit"])
        return caller, [free[place : place + 3] for place in range(0, len(free), 3)]

    _, others = seen(8)
    caller, windows = seen(7)
    assert windows != others
    assert {tuple(window) for window in windows} == {(0, 0, 0), (3, 3, 3)}
    assert 3 <= windows.count([0, 0, 0]) <= 15
    clock.seconds = 60 * 3 * windows.index([0, 0, 0])
    assert caller.submit().json()["code"] == "export_monthly_quota_reached"


def test_chaos_ends_after_so_many_requests(in_chaos, clock):
    """Requests, jobs and places behave from then on."""
    caller = in_chaos(Chaos(request_rate=1, job_rate=1, slots_rate=1, until=25))
    assert many(caller, 25).count(FINE) < 10, "only dripping ones"
    limits = caller.http.get("/admin/limits").json()["jobs"]
    assert limits["availableConcurrentLimit"] == limits["concurrentLimit"]
    assert set(many(caller)) == {FINE}
    assert set(states(caller, clock)) == {("DONE", False, False)}


def test_every_fault_is_drawn_by_a_few_seeds():
    """Cut gzip, an error with 200 of a job and of a document, late lists; paged lists, foreign jobs, clocks apart."""
    storms = [ChaosDraws(Chaos(), seed) for seed in range(3, 25)]
    drawn = {
        (call, storm.request(call, ("total_new", CURRENT, number)).kind)
        for storm in storms
        for call in ("submit", "status", "results")
        for number in range(20)
    }
    assert drawn >= {("results", "gzip_cut"), ("results", "unsized_cut"), ("submit", "lost"), ("submit", "late")}
    envelopes = {call for call in ("status", "results") if (call, "answer") in drawn}
    assert envelopes == {"status", "results"}
    jobs = {id(storm.job("total_new", CURRENT, number)) for storm in storms for number in range(20)}
    assert jobs >= {id(job) for job in JOBS}
    once = {(storm.page, storm.has_foreign_jobs, storm.ahead.total_seconds()) for storm in storms}
    assert once == {(page, others, ahead) for page in (None, 2) for others in (True, False) for ahead in (0, -3600)}
