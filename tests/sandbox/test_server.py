"""The sandbox's API: who may call, what is refused, what counts against the limits, and what goes astray."""

import re
from contextlib import ExitStack, nullcontext, suppress
from datetime import timedelta

import httpx
import pytest

from clari_pipeline.sandbox import Export, Fault, Sandbox
from tests.helpers.each_case import try_each
from tests.sandbox.conftest import CURRENT, NEWEST_PAST, NOW, TRUST, WEEK, Caller, Clock


@pytest.fixture(scope="module")
def _opened():
    with Sandbox(now=lambda: NOW, job_seconds=0.02, people=1, concurrent_limit=1000) as sandbox, ExitStack() as stack:
        http = httpx.Client(base_url=sandbox.base_url, headers={"apikey": sandbox.api_key}, verify=TRUST)
        yield Caller(sandbox, stack.enter_context(http))


@pytest.fixture
def asked(_opened):
    """The module's one sandbox, for what nothing is left of that would matter to another test."""
    _opened.sandbox.requests.clear()
    return _opened


@pytest.fixture
def calm(open_sandbox):
    """A sandbox of its own: what it remembers matters here."""
    return open_sandbox(people=1)


def test_it_can_be_started_twice_stops_when_told_and_still_knows_its_jobs():
    sandbox = Sandbox(job_seconds=0.001, people=1)
    for _ in range(2):
        with sandbox, httpx.Client(base_url=sandbox.base_url, headers={"apikey": sandbox.api_key}) as http:
            assert http.post("/export/forecast/total_new", json={}).status_code == 200
            jobs = http.get("/export/jobs").json()
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{sandbox.base_url}/admin/limits", verify=TRUST)
    assert len(jobs) == 2
    sandbox.stop()


def test_a_taken_port_is_named(asked):
    port = httpx.URL(asked.sandbox.base_url).port
    with pytest.raises(OSError, match=rf"port {port} .*Name another one"):
        Sandbox(port=port).start()


def test_without_the_key_every_call_is_turned_away(asked):
    calls = [
        ("GET", "/admin/limits"),
        ("POST", "/export/forecast/total_new"),
        ("GET", "/export/jobs"),
        ("GET", "/export/jobs/1"),
        ("GET", "/export/jobs/1/results"),
        ("PATCH", "/export/jobs/1"),
        ("GET", "/nowhere"),
    ]
    with httpx.Client(base_url=asked.sandbox.base_url, verify=TRUST) as stranger:
        for headers in ({}, {"apikey": "sandbox-key-other"}, {"Authorization": "Bearer x"}):
            for method, path in calls:
                answer = stranger.request(method, path, headers=headers)
                assert (answer.status_code, answer.json()["message"]) == (401, "Invalid authentication credentials")
        headers = {"Authorization": f"Bearer {asked.sandbox.api_key}"}
        assert stranger.get("/admin/limits", headers=headers).status_code == 200
    assert asked.sandbox.api_key == Sandbox().api_key != Sandbox(seed=8).api_key


def test_calls_that_it_does_not_have_are_not_found(asked):
    for path in ("/forecast/types", "/export", "/export/audit/events"):
        assert asked.http.get(path).status_code == 404


def test_what_cannot_be_asked_for_is_refused_with_a_code(calm):
    bodies = (
        {"timePeriod": "Q4 2026"}, {"timePeriod": "2026_Q5"}, {"typesToExport": ["forecast", "forecast_value"]},
        {"typesToExport": "forecast"}, {"typesToExport": [["forecast"]]}, {"exportFormat": "XML"},
        {"schedule": "OFTEN"}, {"includeHistorical": "yes"}, {"currency": "ZZZ"}, {"currency": {}}, ["forecast"],
        {"scopeId": "1::MGR"}, {"scopeId": []},
    )  # fmt: skip

    def check(body):
        answer = calm.http.post("/export/forecast/total_new", json=body)
        assert answer.json().keys() == {"code", "namespace", "errorId", "message", "orgId"}
        expected = (401, "no_optin") if "scopeId" in body else (400, "bad_request")
        assert (answer.status_code, answer.json()["code"]) == expected

    try_each(bodies, check)
    assert calm.http.get("/export/jobs").json() == []


def test_a_request_without_a_body_gets_the_defaults(open_sandbox):
    calm = open_sandbox(people=5)
    job_id = calm.http.post("/export/forecast/total_new").json()["jobId"]
    calm.finished(job_id)
    document = calm.results(job_id).json()
    assert document["timePeriods"][0]["timePeriodId"] == CURRENT
    assert {entry["timeFrameId"] for entry in document["entries"]} == {WEEK}
    assert not any("quotaValue" in entry for entry in document["entries"])


def test_a_job_names_forecast_and_quarter_in_its_file_name_only(calm):
    job_id = calm.submit().json()["jobId"]
    job = calm.finished(job_id)
    assert re.fullmatch(r"clari_export_forecast_total_new_2026_Q4\d+_20261121_060000\.json", job["fileName"])
    assert (job["startTime"], job["endTime"]) == (NOW.timestamp() * 1000, NOW.timestamp() * 1000 + 20)
    assert job["expiredTime"] > job["endTime"]
    assert job["rowsTruncated"] is job["cellsTruncated"] is False
    assert calm.http.get("/export/jobs").json() == [job]
    assert calm.http.get(f"/export/jobs/{job_id}").json() == {"job": job}


def test_the_concurrent_limit_holds_and_frees_itself(open_sandbox):
    clock = Clock()
    caller = open_sandbox(clock=clock, write_at_once=True, job_seconds=60, concurrent_limit=2)
    jobs = [caller.submit().json()["jobId"] for _ in range(2)]
    refused = caller.submit()
    assert (refused.status_code, refused.json()["code"]) == (400, "export_monthly_quota_reached")
    assert refused.json()["message"] == ("The monthly quota limit of 1000 or concurrent limit of 2 has been reached.")
    limits = caller.http.get("/admin/limits").json()["jobs"]
    assert (limits["availableConcurrentLimit"], limits["availableMonthlyQuota"]) == (0, 998)
    clock.seconds = 60
    limits = caller.http.get("/admin/limits").json()["jobs"]
    assert limits == {
        "concurrentLimit": 2,
        "monthlyQuota": 1000,
        "submittedJobIds": jobs,
        "availableConcurrentLimit": 2,
        "availableMonthlyQuota": 998,
    }
    assert caller.submit().status_code == 200


def test_running_jobs_are_listed_only_where_there_are_any(open_sandbox):
    clock = Clock()
    caller = open_sandbox("hung", clock=clock, write_at_once=True, job_seconds=2, people=1)
    running = [caller.http.get("/admin/limits").json()["jobs"]]
    job_id = caller.submit().json()["jobId"]
    running.append(caller.http.get("/admin/limits").json()["jobs"])
    clock.seconds = 2
    running.append(caller.http.get("/admin/limits").json()["jobs"])
    assert [jobs.get("runningJobIds") for jobs in running] == [None, None, [job_id]]


def test_the_monthly_quota_is_used_up_and_rolls_on_after_thirty_days(open_sandbox):
    caller = open_sandbox(monthly_quota=1)
    caller.export()
    assert caller.submit().json()["code"] == "export_monthly_quota_reached"
    caller.sandbox.now = lambda: NOW + timedelta(days=30)
    assert caller.submit().status_code == 200


def test_a_scheduled_job_is_cancelled_and_gives_its_quota_back(open_sandbox):
    caller = open_sandbox(job_seconds=30)
    job_id = caller.submit().json()["jobId"]
    answer = caller.http.patch(f"/export/jobs/{job_id}", json={"type": "CANCEL"})
    assert answer.json() == {"status": "CANCELLED", "successful": True}
    assert caller.status(job_id)["status"] == "CANCELLED"
    limits = caller.http.get("/admin/limits").json()["jobs"]
    assert (limits["availableConcurrentLimit"], limits["availableMonthlyQuota"]) == (3, 1000)
    assert [job["jobId"] for job in caller.http.get("/export/jobs").json()] == [job_id]
    assert [(job.status, job.counted) for job in caller.sandbox.jobs] == [("CANCELLED", False)]


def test_bytes_can_be_served_for_any_forecast(calm):
    """Awkward ids arrive as they were meant, and other quarters are not touched."""
    calm.sandbox.serve("../../x", CURRENT, b"exactly\x00these", "CSV")
    answer = calm.submit(forecast="..%2F..%2Fx")
    job = calm.finished(answer.json()["jobId"])
    assert job["fileName"].startswith("clari_export_forecast_../../x_2026_Q4")
    assert (job["fileType"], calm.results(job["jobId"]).content) == ("CSV", b"exactly\x00these")
    assert calm.export("2026_Q3", forecast="..%2F..%2Fx")[:1] == b"{"


def test_requests_are_remembered_with_what_was_asked(calm):
    calm.submit()
    calm.http.get("/admin/limits")
    first, second = calm.sandbox.requests
    assert (first.method, first.path, first.body["timePeriod"]) == (
        "POST",
        "/v4/export/forecast/total_new",
        CURRENT,
    )
    assert second == ("GET", "/v4/admin/limits", None)


def test_a_call_can_be_made_to_fail_once_in_every_envelope(asked):
    statuses = [400, 401, 403, 404, 429, 500, 502, 503]
    asked.sandbox.fail_next("limits", [*map(str, statuses), "garbage", "quota"])
    answers = dict(
        zip((*statuses, "garbage", "quota"), (asked.http.get("/admin/limits") for _ in range(10)), strict=True)
    )
    for status in statuses:
        assert (answers[status].status_code, "retry-after" in answers[status].headers) == (status, False)
    assert answers[401].json().keys() == {"message", "request_id"}
    assert answers[404].json()[0].keys() == {"statusCode", "reaspnPhrase", "description", "details"}
    assert answers[500].json()["code"] == "internal_server_error"
    assert answers[502].headers["content-type"].startswith("text/html")
    assert answers[503].json()["errors"][0]["status"] == "503"
    assert (answers["garbage"].status_code, answers["garbage"].content[:1]) == (200, b"<")
    assert answers["quota"].json()["code"] == "export_monthly_quota_reached"
    asked.sandbox.fail_next("limits", ["500"])
    assert asked.http.get("/export/jobs").status_code == 200
    assert [asked.http.get("/admin/limits").status_code for _ in range(2)] == [500, 200]


def test_faults_are_met_in_their_order(asked):
    asked.sandbox.fail_next("status", ["429:1", "none", Fault("answer", 418, {"X-Pot": "tea"}, b"short")])
    first, second, third = (asked.http.get("/export/jobs/none") for _ in range(3))
    assert (first.status_code, first.headers["retry-after"]) == (429, "1")
    assert second.status_code == 400
    assert (third.status_code, third.headers["x-pot"], third.content) == (418, "tea", b"short")


def test_an_answer_can_be_lost_or_an_error_whether_the_job_was_queued_or_not(calm):
    queued = 0
    for fault, status, more in (("reset", None, 0), ("lost", None, 1), ("late:502", 502, 1), ("502", 502, 0)):
        calm.sandbox.fail_next("submit", [fault])
        with pytest.raises(httpx.RemoteProtocolError) if status is None else nullcontext():
            answer = calm.submit()
            assert (answer.status_code, answer.headers["content-type"].startswith("text/html")) == (status, True)
        queued += more
        assert len(calm.http.get("/export/jobs").json()) == queued, fault


def test_a_download_can_stop_half_way_or_come_in_small_pieces(asked):
    job_id = asked.submit().json()["jobId"]
    asked.finished(job_id)
    asked.sandbox.fail_next("results", ["cut", "drip:0.05"])
    received = b""
    with (
        pytest.raises(httpx.RemoteProtocolError),
        asked.http.stream("GET", f"/export/jobs/{job_id}/results") as answer,
    ):
        for piece in answer.iter_raw():
            received += piece
    with asked.http.stream("GET", f"/export/jobs/{job_id}/results") as dripping:
        pieces = list(dripping.iter_raw())
    whole = asked.results(job_id).content
    assert int(answer.headers["content-length"]) == len(whole)
    assert received == whole[: len(whole) // 2]
    assert len(pieces) > 5
    assert b"".join(pieces) == whole


def test_two_faults_can_meet_one_request(asked):
    """Here a body that comes in small pieces and stops half way, and an answer that is late and then lost."""
    asked.sandbox.fail_next("limits", ["drip:0.05+cut", "hang:0.01+lost", "hang:0.01+503"])
    pieces = []
    with (
        pytest.raises(httpx.RemoteProtocolError, match="complete message body"),
        asked.http.stream("GET", "/admin/limits") as answer,
    ):
        pieces.extend(answer.iter_raw())
    assert 0 < len(b"".join(pieces)) <= int(answer.headers["content-length"]) // 2
    with pytest.raises(httpx.RemoteProtocolError):
        asked.http.get("/admin/limits")
    assert asked.http.get("/admin/limits").status_code == 503
    asked.sandbox.fail_next("limits", ["hang:5"])
    with pytest.raises(httpx.ReadTimeout):
        asked.http.get("/admin/limits", timeout=0.05)


def test_it_tells_what_has_become_of_each_export(calm):
    """In the order of acceptance. A download counts once all of it was sent."""
    ids = [calm.submit(period).json()["jobId"] for period in (CURRENT, NEWEST_PAST)]
    for job_id in ids:
        calm.finished(job_id)
    assert calm.sandbox.jobs == tuple(
        Export(job_id, "total_new", period, "DONE", truncated=False, expired=False, downloads=0, counted=True)
        for job_id, period in zip(ids, (CURRENT, NEWEST_PAST), strict=True)
    )
    calm.sandbox.fail_next("results", ["cut", "lost", "late:500", "500", "none", "drip:0.01"])
    for _ in range(3):
        with suppress(httpx.RemoteProtocolError):
            calm.results(ids[0])
    calm.results(ids[0])
    assert [job.downloads for job in calm.sandbox.jobs] == [0, 0]
    calm.results(ids[0])
    calm.results(ids[0])
    assert [job.downloads for job in calm.sandbox.jobs] == [2, 0]


def test_unknown_words_are_refused_at_once(asked):
    with pytest.raises(ValueError, match="No fault is called 'oops'"):
        asked.sandbox.fail_next("limits", ["oops"])
    with pytest.raises(ValueError, match="No call is called 'export'"):
        asked.sandbox.fail_next("export", ["429"])
    with pytest.raises(ValueError, match="No scenario is called 'storm'"):
        asked.sandbox.scenario = "storm"
    with pytest.raises(ValueError, match="at least one person"):
        Sandbox(people=0)
