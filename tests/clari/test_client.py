"""Clari's calls over HTTP: what is sent, what comes back, and what is ridden out."""

import asyncio
import json
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest
from pydantic import SecretStr

from clari_pipeline.clari import (
    AnswerLost,
    AuthFailed,
    CancelFailed,
    ClariClient,
    ClariRefused,
    ClariUnreachable,
    Job,
    JobNotReady,
    JobState,
    Limits,
    NotOptedIn,
    RateLimited,
    Redirected,
    Retry,
    ServerFault,
    TypeNotSupported,
    UnexpectedAnswer,
    UnknownForecast,
)
from clari_pipeline.clari.retries import Circuit
from clari_pipeline.core.envelopes import ErrorDetails
from clari_pipeline.sandbox import Fault, Sandbox
from tests.clari.conftest import (
    CURRENT,
    MIXED,
    NOW,
    Recorder,
    Sink,
    answer,
    call,
    call_at,
    client_of,
    done,
    jobs_of,
    posts,
    request_for,
)
from tests.helpers.each_case import try_each


def finished(sandbox: Sandbox, forecast_id: str = "total_new") -> Job:
    """A job that is DONE."""
    return call(sandbox, lambda client: done(client, request_for(forecast_id)))


# What is sent


@pytest.mark.parametrize(
    ("scheme", "header"),
    [("apikey", {"apikey": "k-123"}), ("bearer", {"authorization": "Bearer k-123"})],
)
def test_the_key_travels_in_one_header_and_not_in_the_address(sandbox, scheme, header):
    with Recorder() as recorder:
        call_at(recorder.url + "/", lambda client: client.limits(), " k-123\n", auth_scheme=scheme)
    ((path, sent),) = recorder.seen
    assert path == "/v4/admin/limits"
    assert {name: value for name, value in sent.items() if "k-123" in value} == header
    assert call(sandbox, lambda client: client.limits(), auth_scheme=scheme).monthly_quota == 1000


def test_a_key_that_no_header_can_hold_is_refused_without_showing_it():
    for key in ("", "  ", "k\r\nx: y", "ключ"):
        with pytest.raises(ValueError, match="CLARI_API_KEY holds") as refused:
            ClariClient(base_url="http://127.0.0.1:9", api_key=SecretStr(key))
        assert not key.strip() or key not in str(refused.value)


def test_a_redirect_is_not_followed_since_it_would_carry_the_key_away():
    with Recorder() as elsewhere, Recorder(302, b"", {"Location": elsewhere.url}) as recorder:
        with pytest.raises(Redirected, match=r"answered 302.*CLARI_BASE_URL"):
            call_at(recorder.url, lambda client: client.limits())
        assert len(recorder.seen) == 1
        assert elsewhere.seen == []


def test_awkward_ids_arrive_as_they_are(sandbox):
    def check(forecast_id: str) -> None:
        sandbox.serve(forecast_id, CURRENT, forecast_id.encode())
        job = finished(sandbox, forecast_id)
        assert request_for(forecast_id).matches(job)
        sink = Sink()
        came = call(sandbox, lambda client: client.download(job.job_id, sink))
        assert sink.content == forecast_id.encode()
        assert came.size == len(sink.content)

    try_each(("../../x", "a b/c?d#é", "%2e%2e", "..", "total_new;x=1", "a%2Fb"), check)
    with Recorder() as recorder:
        for job_id in ("../../x?y", "..", "a.b"):
            assert call_at(recorder.url, lambda client, job_id=job_id: client.job(job_id)).job_id == job_id
    parts = ("..%2F..%2Fx%3Fy", "%2E%2E", "a.b")
    assert [path for path, _ in recorder.seen] == [f"/v4/export/jobs/{part}" for part in parts]


def test_what_is_asked_for_arrives(sandbox, tab):
    more = {"scope_id": "280600::MGR", "currency": "EUR", "include_historical": False}
    call(sandbox, lambda client: client.submit_export(request_for(tab, **more)))
    call(sandbox, lambda client: client.submit_export(request_for(tab)))
    first, second = (seen.body for seen in posts(sandbox, tab))
    assert first == {
        "timePeriod": CURRENT,
        "typesToExport": ["forecast", "forecast_updated", "quota", "adjustment", "crm_total", "crm_closed"],
        "schedule": "NONE",
        "includeHistorical": False,
        "exportFormat": "JSON",
        "scopeId": "280600::MGR",
        "currency": "EUR",
    }
    assert first.keys() - second.keys() == {"scopeId", "currency"}
    assert second["includeHistorical"] is True


# What comes back


@pytest.mark.parametrize("scenario", ["calm", "bare_jobs"])
def test_a_job_is_read_wrapped_and_bare(sandbox, scenario):
    sandbox.scenario = scenario
    job = finished(sandbox)
    assert (job.state, job.start_time) == (JobState.DONE, NOW)
    assert job.end_time == NOW + timedelta(milliseconds=20)
    assert job.file_type == "JSON"
    assert not job.is_truncated


def test_a_job_is_read_in_odd_writings(sandbox):
    cases = [
        ({"jobId": "a", "status": None}, ("a", "", JobState.UNKNOWN)),
        ({"jobId": 12, "status": "DONE"}, ("12", "DONE", JobState.DONE)),
        ({"status": "done "}, ("a", "done ", JobState.DONE)),
        ({"status": "COMPLETED", "surprise": {}}, ("a", "COMPLETED", JobState.DONE)),
        ({"status": "PAUSED", "startTime": "soon"}, ("a", "PAUSED", JobState.UNKNOWN)),
        ({"status": "UNKNOWN"}, ("a", "UNKNOWN", JobState.UNKNOWN)),
    ]

    def check(case: tuple[dict[str, object], tuple[str, str, JobState]]) -> None:
        sandbox.fail_next("status", [answer(json.dumps(case[0]).encode())])
        job = call(sandbox, lambda client: client.job("a"))
        assert (job.job_id, job.status, job.state) == case[1]

    try_each(cases, check)
    for flag in ("rowsTruncated", "cellsTruncated"):
        assert Job.model_validate({"jobId": "1", flag: True}).is_truncated
        assert not Job.model_validate({"jobId": "1", flag: False}).is_truncated


def test_moments_are_epoch_milliseconds_in_utc_and_one_that_is_none_hides_no_job():
    """An export's figures are never as of 1970."""
    moment = datetime(2021, 4, 15, 1, 52, 55, 216000, UTC)
    written = [(one, moment) for one in (1618451575216, "1618451575216", 1618451575216.0, "1618451575216.0")]
    written += [(one, None) for one in (None, "", 0, "0", -5, "soon", 10**30, "nan", [], {})]
    for one, read in written:
        assert Job.model_validate({"jobId": "j", "status": "DONE", "startTime": one}).start_time == read, one
    assert Job(job_id="1", start_time=NOW).start_time == NOW


def test_limits_are_read_and_may_be_null(sandbox):
    limits = call(sandbox, lambda client: client.limits())
    assert (limits.concurrent_limit, limits.available_concurrent_limit) == (1000, 1000)
    assert limits.available_monthly_quota == 1000 - len(limits.submitted_job_ids)
    limits = Limits.model_validate({"concurrentLimit": "3", "runningJobIds": None, "submittedJobIds": None})
    assert (limits.concurrent_limit, limits.monthly_quota, limits.running_job_ids) == (3, None, ())


def test_a_list_of_jobs_is_read_in_each_wrapping_and_never_taken_for_an_empty_one(sandbox):
    """Else a job whose answer was lost would be queued twice. An odd entry does not hide the others."""
    named = (b'[{"jobId": "1"}]', b'[{"job": {"jobId": "1"}}]', b'{"jobs": [{"jobId": 1}]}')
    bodies: dict[bytes, list[str] | None] = {b"[]": [], b'{"jobs": []}': []}
    bodies |= {body: ["1"] for body in (*named, b'[{"status": "DONE"}, 7, {"jobId": "1"}]')}
    bodies |= dict.fromkeys((b"", b"{}", b'"x"', b'{"jobs": {}}', b'[{"status": "DONE"}]', b"[1]"))

    def check(body: bytes) -> None:
        sandbox.fail_next("jobs", [answer(body)])
        if bodies[body] is None:
            with pytest.raises(UnexpectedAnswer, match="list of jobs"):
                call(sandbox, lambda client: client.jobs())
        else:
            assert [job.job_id for job in call(sandbox, lambda client: client.jobs())] == bodies[body]

    try_each(bodies, check)


def test_an_answer_of_another_kind_is_named_with_its_place(sandbox):
    cases = [
        ("limits", b'{"jobs": {"monthlyQuota": "many"}}', "monthlyQuota"),
        ("limits", b'{"jobs": {"monthlyQuota": 1%s}}' % (b"0" * 30), "monthlyQuota"),
        ("limits", b"[]", "its whole"),
        ("status", b'{"job": {"rowsTruncated": "perhaps"}}', "rowsTruncated"),
        ("status", b"7", "its whole"),
    ]

    def check(case: tuple[str, bytes, str]) -> None:
        name, body, where = case
        sandbox.fail_next(name, [answer(body)])
        with pytest.raises(UnexpectedAnswer, match=where) as failed:
            call(sandbox, asking(name, "1"))
        assert "perhaps" not in str(failed.value)

    try_each(cases, check)


def test_a_listed_job_is_known_by_its_file_name():
    new, old = "total_new_2021_Q12915_20210415_015255", "total_2021_Q12915_20210415_015255"
    twice = "a_2021_Q1_2021_Q12915_20210415_015255"
    cases = [
        (f"clari_export_forecast_{new}.json", "JSON", "total_new", "2021_Q1", True),
        (f"clari_export_forecast_{new}.json", "JSON", "total", "2021_Q1", False),
        (f"clari_export_forecast_{new}.json", "JSON", "total_new", "2021_Q2", False),
        (f"clari_export_forecast_{new}.json", "CSV", "total_new", "2021_Q1", False),
        (f"clari_export_forecast_{new}.json", None, "total_new", "2021_Q1", True),
        (f"clari_export_forecast_{old}.json", "JSON", "total", "2021_Q1", True),
        (f"clari_export_forecast_{old}.json", "JSON", "total_new", "2021_Q1", False),
        (f"clari_export_forecast_{twice}.json", "JSON", "a", "2021_Q1", False),
        (f"clari_export_forecast_{twice}.json", "JSON", "a_2021_Q1", "2021_Q1", True),
        ("clari_export_forecast_a_2021_Q12915_20210415.json", "JSON", "a", "2021_Q1", False),
        ("clari_export_default-view_20180118_004234.json", "JSON", "default-view", "2021_Q1", False),
        ("x_clari_export_forecast_a_2021_Q12915_20210415_015255.json", "JSON", "a", "2021_Q1", False),
        ("clari_export_forecast_a.b_2021_Q12915_20210415_015255.json", "json", "a.b", "2021_Q1", True),
        (None, "JSON", "a", "2021_Q1", False),
    ]
    for file_name, file_type, forecast_id, period, is_of in cases:
        job = Job(job_id="1", file_name=file_name, file_type=file_type)
        assert request_for(forecast_id, period).matches(job) is is_of, (file_name, file_type, forecast_id, period)


# What is ridden out


def asking(name: str, job_id: str):
    sink = Sink()
    return {
        "limits": lambda client: client.limits(),
        "status": lambda client: client.job(job_id),
        "jobs": lambda client: client.jobs(),
        "results": lambda client: client.download(job_id, sink),
        "cancel": lambda client: client.cancel(job_id),
    }[name]


def test_eight_mixed_failures_in_a_row_are_ridden_out_and_leave_stdout_alone(sandbox, capsys):
    """`--json` promises one document there and nothing else."""
    job = finished(sandbox)

    def check(name: str) -> None:
        sandbox.requests.clear()
        plain = call(sandbox, asking(name, job.job_id))
        sandbox.fail_next(name, MIXED)
        again = call(sandbox, asking(name, job.job_id))
        assert len(sandbox.requests) == 1 + len(MIXED) + 1
        if name in {"status", "jobs"}:  # how often it was fetched is counted, nothing else may differ
            assert repr(again) == repr(plain)
        else:
            assert again == plain

    try_each(("limits", "status", "jobs", "results"), check)
    assert capsys.readouterr().out == ""


def test_cancelling_rides_out_failures_too_and_a_result_that_is_not_ready_is_named(company):
    tab = company.tab("hung")
    job_id = company.queued(tab)
    with pytest.raises(JobNotReady, match="not finished executing") as refused:
        call(company.sandbox, asking("results", job_id))
    assert refused.value.code == "invalid_jobId"
    company.sandbox.fail_next("cancel", ["429", "500", "502", "reset", "503", "garbage", "504", "429"])
    call(company.sandbox, asking("cancel", job_id))
    assert call(company.sandbox, asking("status", job_id)).status in {"CANCELLED", "ABORTED"}
    with pytest.raises(CancelFailed, match="already finished"):
        call(company.sandbox, asking("cancel", job_id))


def test_what_does_not_pass_is_said_after_the_last_try(sandbox):
    job = finished(sandbox)
    paths = {"limits": "/admin/limits", "jobs": "/export/jobs"}
    paths |= {"status": f"/jobs/{job.job_id}", "results": f"/jobs/{job.job_id}/results"}

    def check(case: tuple[str, str]) -> None:
        name, fault = case
        sandbox.requests.clear()
        sandbox.fail_next(name, [fault] * 3)
        expected = {"429": RateLimited, "reset": ClariUnreachable, "cut": ClariUnreachable}.get(fault, ServerFault)
        with pytest.raises(expected) as failed:
            call(sandbox, asking(name, job.job_id), retry=Retry(attempts=3, first_wait_s=0.001, max_wait_s=0.002))
        asked = [seen.path for seen in sandbox.requests]
        is_probed = fault != "429"  # whether Clari answers anything else, by one look at its limits and one at its jobs
        own = 3 + (is_probed and name in {"limits", "jobs"})
        assert sum(path.endswith(paths[name]) for path in asked) == own
        assert len(asked) == 3 + 2 * is_probed
        assert len(str(failed.value).splitlines()) == 1
        if fault in {"502", "garbage"}:
            assert f"answered {200 if fault == 'garbage' else 502}: a web page" in str(failed.value)

    faults = ("429", "503", "502", "garbage", "reset", "cut")
    try_each([(name, fault) for name in paths for fault in faults], check)


def test_what_will_not_pass_is_asked_once(sandbox):
    for fault in ("400", "403", "404"):
        sandbox.requests.clear()
        sandbox.fail_next("limits", [fault])
        with pytest.raises(ClariRefused) as failed:
            call(sandbox, lambda client: client.limits())
        assert f"limits: Clari answered {fault}: " in str(failed.value)
        assert len(sandbox.requests) == 1


@pytest.mark.parametrize("writing", ["seconds", "date"])
def test_retry_after_is_honoured_in_both_writings(sandbox, writing):
    """Without it, this client waits a thousandth of a second."""
    later = datetime.now(UTC) + timedelta(seconds=2)
    value = "0.5" if writing == "seconds" else format_datetime(later, usegmt=True)
    sandbox.fail_next("limits", [Fault("answer", 429, {"Retry-After": value})])
    began = time.monotonic()
    call(sandbox, lambda client: client.limits())
    assert 0.5 <= time.monotonic() - began < 4
    if writing == "date":
        assert datetime.now(UTC) >= later.replace(microsecond=0)


def test_a_retry_after_that_says_nothing_leaves_the_ordinary_wait(sandbox):
    def check(value: str) -> None:
        sandbox.requests.clear()
        sandbox.fail_next("limits", [Fault("answer", 503, {"Retry-After": value})] * 3)
        assert call(sandbox, lambda client: client.limits()).monthly_quota == 1000
        assert len(sandbox.requests) == 4

    try_each(("0", "-3", "nan", "soon", "Mon, 01 Jan 2001 00:00:00 GMT", "1 2 3", "", "1e400"), check)


def test_a_document_that_is_cut_or_a_proxys_page_is_downloaded_afresh(sandbox, tab):
    """Patience counts from a try in which bytes came, not from when the download began: the last has none."""
    body = bytes(range(256)) * 4096
    sandbox.serve(tab, CURRENT, body)
    job = finished(sandbox, tab)
    impatient = {"retry": Retry(attempts=3, first_wait_s=0.001, max_wait_s=0.002, patience_s=0)}
    for faults, more in ((["cut", "cut", "500", "cut"], {}), (["garbage"], {}), (["cut", "cut"], impatient)):
        sandbox.fail_next("results", faults)
        sink = Sink()
        came = call(sandbox, lambda client, sink=sink: client.download(job.job_id, sink), **more)
        assert came.size == len(body)
        assert (sink.content, sink.begun) == (body, len(faults) + 1)


def test_what_the_sink_raises_is_not_tried_again(sandbox):
    job = finished(sandbox)
    sandbox.requests.clear()

    class Full(Sink):
        def write(self, _chunk: bytes) -> None:
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        call(sandbox, lambda client: client.download(job.job_id, Full()))
    assert len(sandbox.requests) == 1


# The export call


def test_an_export_call_without_a_readable_answer_is_not_repeated(sandbox, tab):
    bodies = (
        b"", b"{}", b"[]", b"null", b'{"jobId": null}', b'"x"', b"{", b'{"jobId": "6\\ud8007"}',
        b'{"jobId": "6\\u00007"}', b'{"jobId": {"a": 1}}', b'{"jobId": "' + b"6" * 70_000 + b'"}',
    )  # fmt: skip
    faults = {"hang:0.3": "timed out"} | dict.fromkeys(
        ("500", "502", "503", "garbage", "reset", "lost", "cut"), "export of "
    )
    cases = [*faults.items(), *((answer(body), f"export of {tab} {CURRENT}: ") for body in bodies)]

    def check(case: tuple[str | Fault, str]) -> None:
        sandbox.requests.clear()
        sandbox.fail_next("submit", [case[0]])
        timeout = 0.1 if case[0] == "hang:0.3" else 5
        with pytest.raises(AnswerLost, match=case[1]):
            call(sandbox, lambda client: client.submit_export(request_for(tab)), request_timeout_s=timeout)
        assert len(posts(sandbox)) == 1

    try_each(cases, check)


class Refusing(httpx.AsyncHTTPTransport):
    """A network on which connections are refused so many times, then not."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.left = times

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self.left:
            self.left -= 1
            raise httpx.ConnectError("[Errno 111] Connection refused", request=request)
        return await super().handle_async_request(request)


def test_an_export_call_is_repeated_where_nothing_can_have_been_queued(sandbox, tab):
    sandbox.fail_next("submit", ["429", "429:0.01", "429", "429"])
    transport = Refusing(4)
    job_id = call(sandbox, lambda client: client.submit_export(request_for(tab)), transport=transport)
    assert transport.left == 0
    assert len(posts(sandbox)) == 5
    assert jobs_of(sandbox, tab) == [job_id]


def test_an_address_at_which_nobody_answers_is_named():
    with httpx.Client() as http, Sandbox() as sandbox:
        address = sandbox.base_url
        assert http.get(f"{address}/admin/limits").status_code == 401
    with pytest.raises(ClariUnreachable, match=address) as failed:
        call(sandbox, lambda client: client.submit_export(request_for()))
    assert not isinstance(failed.value, AnswerLost)


def test_refusals_of_an_export_are_named(sandbox):
    with pytest.raises(UnknownForecast, match=r"nonesuch does not exist.*CLARI_FORECAST_IDS") as unknown:
        call(sandbox, lambda client: client.submit_export(request_for("nonesuch")))
    assert unknown.value.code == "no_such_forecast_config"
    assert unknown.value.error_id in str(unknown.value)
    with pytest.raises(NotOptedIn, match=r"No optins for scope 9::MGR.*CLARI_SCOPE_ID") as scope:
        call(sandbox, lambda client: client.submit_export(request_for(scope_id="9::MGR")))
    assert "create a new token" not in str(scope.value)
    sandbox.scenario = "type_refused"
    with pytest.raises(TypeNotSupported, match=r"(?i)CRM.Closed.*CLARI_TYPES_TO_EXPORT"):
        call(sandbox, lambda client: client.submit_export(request_for()))
    assert len(sandbox.requests) == 3


# The circuit


def test_a_call_in_flight_does_not_close_the_circuit_that_another_has_opened(sandbox):
    """The key was refused meanwhile: it is not sent again."""
    sandbox.fail_next("limits", ["hang:0.3"])
    sandbox.fail_next("jobs", ["401"] * 2)

    async def asked() -> list[object]:
        async with client_of(sandbox) as client:
            slow = asyncio.create_task(client.limits())
            with pytest.raises(AuthFailed):
                await client.jobs()
            await slow
            sent = len(sandbox.requests)
            with pytest.raises(AuthFailed):
                await client.jobs()
            return [sent, len(sandbox.requests)]

    assert asyncio.run(asked()) == [3, 3]


def test_a_refusal_that_says_nothing_of_the_key_leaves_an_open_circuit_open():
    """A call that was let through before: 403 to it is no sign that Clari is worth asking again."""
    circuit = Circuit()

    def refused(status):
        return AuthFailed("a call", status, ErrorDetails())

    with pytest.raises(AuthFailed), circuit.guarding(needs_good_key=False):
        with pytest.raises(AuthFailed), circuit.guarding(needs_good_key=True):
            raise refused(401)
        assert circuit.is_open
        raise refused(403)
    assert circuit.is_open


def test_a_job_that_this_key_may_not_see_does_not_stop_the_others(sandbox):
    job = finished(sandbox)
    sandbox.fail_next("status", ["403"])

    async def asked() -> Job:
        async with client_of(sandbox) as client:
            with pytest.raises(AuthFailed):
                await client.job("another-key-made-it")
            return await client.job(job.job_id)

    assert asyncio.run(asked()).state is JobState.DONE
