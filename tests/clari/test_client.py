"""Clari's calls over HTTP: what is sent, what comes back, and what is ridden out."""

import asyncio
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
    NotOptedIn,
    RateLimited,
    Redirected,
    Retry,
    ServerFault,
    TypeNotSupported,
    UnexpectedAnswer,
    UnknownForecast,
)
from clari_pipeline.clari.patience import Circuit
from clari_pipeline.core.envelopes import Words
from clari_pipeline.sandbox import Fault, Sandbox
from tests.clari.conftest import (
    CURRENT,
    NOW,
    Recorder,
    Sink,
    call,
    call_at,
    client_of,
    done,
    jobs_of,
    posts,
    request_for,
)

MIXED = ["429", "500", "502", "reset", "503", "garbage", "cut", "504"]


def finished(sandbox: Sandbox, forecast_id: str = "total_new", **more) -> Job:
    """A job that is DONE."""
    return call(sandbox, lambda client: done(client, request_for(forecast_id, **more)))


@pytest.mark.parametrize(
    ("scheme", "header"),
    [("apikey", {"apikey": "k-123"}), ("bearer", {"authorization": "Bearer k-123"})],
)
def test_the_key_travels_in_one_header_and_not_in_the_address(scheme, header):
    with Recorder() as recorder:
        call_at(recorder.url + "/", lambda client: client.limits(), " k-123\n", auth_scheme=scheme)
    ((path, sent),) = recorder.seen
    assert path == "/v4/admin/limits"
    assert {name: value for name, value in sent.items() if "k-123" in value} == header


@pytest.mark.parametrize("scheme", ["apikey", "bearer"])
def test_both_schemes_are_accepted(sandbox, scheme):
    assert call(sandbox, lambda client: client.limits(), auth_scheme=scheme).monthly_quota == 1000


@pytest.mark.parametrize("key", ["", "  ", "k\r\nx: y", "ключ"])
def test_a_key_that_no_header_can_hold_is_refused_without_showing_it(key):
    with pytest.raises(ValueError, match="CLARI_API_KEY holds") as refused:
        ClariClient(base_url="http://127.0.0.1:9", api_key=SecretStr(key))
    assert not key.strip() or key not in str(refused.value)


def test_a_redirect_is_not_followed_since_it_would_carry_the_key_away():
    with Recorder() as elsewhere, Recorder(302, b"", {"Location": elsewhere.url}) as recorder:
        with pytest.raises(Redirected, match=r"answered 302.*CLARI_BASE_URL"):
            call_at(recorder.url, lambda client: client.limits())
        assert len(recorder.seen) == 1
        assert elsewhere.seen == []


@pytest.mark.parametrize("scenario", ["calm", "bare_jobs"])
def test_a_job_is_read_wrapped_and_bare(sandbox, scenario):
    sandbox.scenario = scenario
    job = finished(sandbox)
    assert (job.state, job.start_time) == (JobState.DONE, NOW)
    assert job.end_time == NOW + timedelta(milliseconds=20)
    assert job.file_type == "JSON"
    assert not job.is_truncated


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ({"jobId": "a", "status": None}, ("", JobState.UNKNOWN)),
        ({"jobId": 12, "status": "DONE"}, ("DONE", JobState.DONE)),
        ({"status": "done "}, ("done ", JobState.DONE)),
        ({"status": "COMPLETED", "startTime": "1795240800000", "surprise": {}}, ("COMPLETED", JobState.DONE)),
        ({"status": "PAUSED", "startTime": "soon"}, ("PAUSED", JobState.UNKNOWN)),
        ({"status": "UNKNOWN"}, ("UNKNOWN", JobState.UNKNOWN)),
    ],
)
def test_a_job_is_read_in_odd_writings(sandbox, sent, read):
    sandbox.fail_next("status", [Fault("answer", 200, {}, httpx.Request("GET", "http://x", json=sent).content)])
    job = call(sandbox, lambda client: client.job("a"))
    assert (job.status, job.state) == read
    assert job.job_id == str(sent.get("jobId", "a"))
    assert job.start_time == (NOW if sent.get("startTime", "soon") != "soon" else None)


@pytest.mark.parametrize("flag", ["rowsTruncated", "cellsTruncated"])
def test_either_flag_says_that_a_document_is_truncated(flag):
    assert Job.model_validate({"jobId": "1", flag: True}).is_truncated
    assert not Job.model_validate({"jobId": "1", flag: False}).is_truncated
    assert Job(job_id="1", start_time=NOW).start_time == NOW


def test_limits_are_read(sandbox):
    limits = call(sandbox, lambda client: client.limits())
    assert (limits.concurrent_limit, limits.available_concurrent_limit) == (1000, 1000)
    assert limits.available_monthly_quota == 1000 - len(limits.submitted_job_ids)


@pytest.mark.parametrize("forecast_id", ["../../x", "a b/c?d#é", "%2e%2e", "..", "total_new;x=1", "a%2Fb"])
def test_awkward_ids_arrive_as_they_are(sandbox, forecast_id):
    sandbox.serve(forecast_id, CURRENT, forecast_id.encode())
    job = finished(sandbox, forecast_id)
    assert request_for(forecast_id).is_named_by(job)
    sink = Sink()
    came = call(sandbox, lambda client: client.download(job.job_id, sink))
    assert sink.content == forecast_id.encode()
    assert came.size == len(sink.content)


@pytest.mark.parametrize(("job_id", "part"), [("../../x?y", "..%2F..%2Fx%3Fy"), ("..", "%2E%2E"), ("a.b", "a.b")])
def test_an_awkward_job_id_stays_one_part_of_the_path(job_id, part):
    with Recorder() as recorder:
        assert call_at(recorder.url, lambda client: client.job(job_id)).job_id == job_id
    assert [path for path, _ in recorder.seen] == [f"/v4/export/jobs/{part}"]


def test_what_is_asked_for_arrives(sandbox, tab):
    more = {"scope_id": "1900::MGR", "currency": "EUR", "include_historical": False}
    call(sandbox, lambda client: client.submit_export(request_for(tab, **more)))
    call(sandbox, lambda client: client.submit_export(request_for(tab)))
    first, second = (seen.body for seen in posts(sandbox, tab))
    assert first == {
        "timePeriod": CURRENT,
        "typesToExport": ["forecast", "forecast_updated", "quota", "adjustment", "crm_total", "crm_closed"],
        "schedule": "NONE",
        "includeHistorical": False,
        "exportFormat": "JSON",
        "scopeId": "1900::MGR",
        "currency": "EUR",
    }
    assert first.keys() - second.keys() == {"scopeId", "currency"}
    assert second["includeHistorical"] is True


# What is ridden out


def asking(name: str, job_id: str):
    sink = Sink()
    return {
        "limits": lambda client: client.limits(),
        "status": lambda client: client.job(job_id),
        "jobs": lambda client: client.jobs(),
        "results": lambda client: client.download(job_id, sink),
    }[name]


@pytest.mark.parametrize("name", ["limits", "status", "jobs", "results"])
def test_eight_mixed_failures_in_a_row_are_ridden_out(sandbox, name):
    job = finished(sandbox)
    sandbox.requests.clear()
    plain = call(sandbox, asking(name, job.job_id))
    sandbox.fail_next(name, MIXED)
    again = call(sandbox, asking(name, job.job_id))
    assert len(sandbox.requests) == 1 + len(MIXED) + 1
    if name in {"status", "jobs"}:  # how often it was fetched is counted, nothing else may differ
        assert repr(again) == repr(plain)
    else:
        assert again == plain


def test_cancelling_rides_out_failures_too(own_sandbox):
    sandbox = own_sandbox("hung")
    job_id = call(sandbox, lambda client: client.submit_export(request_for()))
    sandbox.fail_next("cancel", ["429", "500", "502", "reset", "503", "garbage", "504", "429"])
    call(sandbox, lambda client: client.cancel(job_id))
    assert call(sandbox, lambda client: client.job(job_id)).status in {"CANCELLED", "ABORTED"}
    with pytest.raises(CancelFailed, match="already finished"):
        call(sandbox, lambda client: client.cancel(job_id))


@pytest.mark.parametrize("fault", ["429", "503", "502", "garbage", "reset", "cut"])
@pytest.mark.parametrize("name", ["limits", "status", "jobs", "results"])
def test_what_does_not_pass_is_said_after_the_last_try(sandbox, name, fault):
    job = finished(sandbox)
    sandbox.requests.clear()
    sandbox.fail_next(name, [fault] * 3)
    paths = {
        "limits": "/admin/limits",
        "status": f"/jobs/{job.job_id}",
        "jobs": "/export/jobs",
        "results": f"/jobs/{job.job_id}/results",
    }
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


@pytest.mark.parametrize("fault", ["400", "401", "403", "404"])
def test_what_will_not_pass_is_asked_once(sandbox, fault):
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


@pytest.mark.parametrize("value", ["0", "-3", "nan", "soon", "Mon, 01 Jan 2001 00:00:00 GMT", "1 2 3", "", "1e400"])
def test_a_retry_after_that_says_nothing_leaves_the_ordinary_wait(sandbox, value):
    sandbox.fail_next("limits", [Fault("answer", 503, {"Retry-After": value})] * 3)
    assert call(sandbox, lambda client: client.limits()).monthly_quota == 1000
    assert len(sandbox.requests) == 4


@pytest.mark.parametrize(
    ("faults", "more"),
    [
        (["cut", "cut", "500", "cut"], {}),
        (["garbage"], {}),
        (["cut", "cut"], {"retry": Retry(attempts=3, first_wait_s=0.001, max_wait_s=0.002, patience_s=0)}),
    ],
)
def test_a_document_that_is_cut_or_a_proxys_page_is_downloaded_afresh(sandbox, tab, faults, more):
    """Patience counts from a try in which bytes came, not from when the download began: the last has none."""
    body = bytes(range(256)) * 4096
    sandbox.serve(tab, CURRENT, body)
    job = finished(sandbox, tab)
    sandbox.fail_next("results", faults)
    sink = Sink()
    assert call(sandbox, lambda client: client.download(job.job_id, sink), **more).size == len(body)
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


def test_a_result_that_is_not_ready_is_named(own_sandbox):
    sandbox = own_sandbox("hung")
    job_id = call(sandbox, lambda client: client.submit_export(request_for()))
    with pytest.raises(JobNotReady, match="not finished executing") as refused:
        call(sandbox, lambda client: client.download(job_id, Sink()))
    assert refused.value.code == "invalid_jobId"


# The export call


@pytest.mark.parametrize("fault", ["500", "502", "503", "garbage", "reset", "lost", "cut"])
def test_an_export_call_without_a_readable_answer_is_not_repeated(sandbox, tab, fault):
    sandbox.fail_next("submit", [fault])
    with pytest.raises(AnswerLost):
        call(sandbox, lambda client: client.submit_export(request_for(tab)))
    assert len(posts(sandbox)) == 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b'{"jobId": null}',
        b'"x"',
        b"{",
        b'{"jobId": "6\\ud8007"}',
        b'{"jobId": "6\\u00007"}',
        b'{"jobId": {"a": 1}}',
        b'{"jobId": "' + b"6" * 70_000 + b'"}',
    ],
)
def test_an_answer_that_names_no_job_is_lost(sandbox, tab, body):
    sandbox.fail_next("submit", [Fault("answer", 200, {}, body)])
    with pytest.raises(AnswerLost, match=f"export of {tab} {CURRENT}: "):
        call(sandbox, lambda client: client.submit_export(request_for(tab)))
    assert len(posts(sandbox)) == 1


def test_an_export_call_that_times_out_is_not_repeated(sandbox, tab):
    sandbox.fail_next("submit", ["hang:0.3"])
    with pytest.raises(AnswerLost, match="timed out"):
        call(sandbox, lambda client: client.submit_export(request_for(tab)), request_timeout_s=0.1)
    assert len(posts(sandbox)) == 1


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


@pytest.mark.parametrize("body", [b"", b"{}", b'"x"', b'{"jobs": {}}', b'[{"status": "DONE"}]', b"[1]"])
def test_a_list_of_jobs_that_is_none_is_never_taken_for_an_empty_one(sandbox, body):
    """Else a job whose answer was lost would be queued twice."""
    sandbox.fail_next("jobs", [Fault("answer", 200, {}, body)])
    with pytest.raises(UnexpectedAnswer, match="list of jobs"):
        call(sandbox, lambda client: client.jobs())


@pytest.mark.parametrize(
    "body",
    [b"[]", b'{"jobs": []}', b'[{"jobId": "1"}]', b'[{"job": {"jobId": "1"}}]', b'{"jobs": [{"jobId": 1}]}'],
)
def test_a_list_of_jobs_is_read_in_each_wrapping(sandbox, body):
    sandbox.fail_next("jobs", [Fault("answer", 200, {}, body)])
    jobs = call(sandbox, lambda client: client.jobs())
    assert [job.job_id for job in jobs] == (["1"] if b"1" in body else [])


@pytest.mark.parametrize(
    ("name", "body", "where"),
    [
        ("limits", b'{"jobs": {"monthlyQuota": "many"}}', "monthlyQuota"),
        ("limits", b'{"jobs": {"monthlyQuota": 1%s}}' % (b"0" * 30), "monthlyQuota"),
        ("limits", b"[]", "its whole"),
        ("status", b'{"job": {"rowsTruncated": "perhaps"}}', "rowsTruncated"),
        ("status", b"7", "its whole"),
    ],
)
def test_an_answer_of_another_kind_is_named_with_its_place(sandbox, name, body, where):
    sandbox.fail_next(name, [Fault("answer", 200, {}, body)])
    with pytest.raises(UnexpectedAnswer, match=where) as failed:
        call(sandbox, asking(name, "1"))
    assert "perhaps" not in str(failed.value)


@pytest.mark.parametrize(
    ("file_name", "file_type", "forecast_id", "period", "is_of"),
    [
        ("clari_export_forecast_total_new_2021_Q12915_20210415_015255.json", "JSON", "total_new", "2021_Q1", True),
        ("clari_export_forecast_total_new_2021_Q12915_20210415_015255.json", "JSON", "total", "2021_Q1", False),
        ("clari_export_forecast_total_new_2021_Q12915_20210415_015255.json", "JSON", "total_new", "2021_Q2", False),
        ("clari_export_forecast_total_new_2021_Q12915_20210415_015255.json", "CSV", "total_new", "2021_Q1", False),
        ("clari_export_forecast_total_new_2021_Q12915_20210415_015255.json", None, "total_new", "2021_Q1", True),
        ("clari_export_forecast_total_2021_Q12915_20210415_015255.json", "JSON", "total", "2021_Q1", True),
        ("clari_export_forecast_total_2021_Q12915_20210415_015255.json", "JSON", "total_new", "2021_Q1", False),
        ("clari_export_forecast_a_2021_Q1_2021_Q12915_20210415_015255.json", "JSON", "a", "2021_Q1", False),
        ("clari_export_forecast_a_2021_Q1_2021_Q12915_20210415_015255.json", "JSON", "a_2021_Q1", "2021_Q1", True),
        ("clari_export_forecast_a_2021_Q12915_20210415.json", "JSON", "a", "2021_Q1", False),
        ("clari_export_default-view_20180118_004234.json", "JSON", "default-view", "2021_Q1", False),
        ("x_clari_export_forecast_a_2021_Q12915_20210415_015255.json", "JSON", "a", "2021_Q1", False),
        ("clari_export_forecast_a.b_2021_Q12915_20210415_015255.json", "json", "a.b", "2021_Q1", True),
        (None, "JSON", "a", "2021_Q1", False),
    ],
)
def test_a_listed_job_is_known_by_its_file_name(file_name, file_type, forecast_id, period, is_of):
    job = Job(job_id="1", file_name=file_name, file_type=file_type)
    assert request_for(forecast_id, period).is_named_by(job) is is_of


# The circuit


def test_a_call_in_flight_does_not_close_the_circuit_that_another_has_opened(sandbox):
    """The key was refused meanwhile: it is not sent again."""
    sandbox.fail_next("limits", ["hang:0.3"])
    sandbox.fail_next("jobs", ["401"])

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

    assert asyncio.run(asked()) == [2, 2]


def test_a_refusal_that_says_nothing_of_the_key_leaves_an_open_circuit_open():
    """A call that was let through before: 403 to it is no sign that Clari is worth asking again."""
    circuit = Circuit()

    def refused(status):
        return AuthFailed("a call", status, Words())

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


def test_one_odd_entry_does_not_hide_the_other_jobs(sandbox):
    body = b'[{"status": "DONE"}, 7, {"jobId": "1"}]'
    sandbox.fail_next("jobs", [Fault("answer", 200, {}, body)])
    assert [job.job_id for job in call(sandbox, lambda client: client.jobs())] == ["1"]
