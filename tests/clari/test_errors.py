"""Every envelope in which Clari says no becomes a named exception, and none of them shows the key."""

import asyncio
import json
import logging
import traceback
from base64 import b64encode, encodebytes, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from urllib.parse import quote

import httpx
import pytest

from clari_pipeline.clari import (
    AuthFailed,
    BadRequest,
    CancelFailed,
    ClariError,
    ClariRefused,
    JobNotReady,
    NotFound,
    NotOptedIn,
    QuotaOrConcurrencyReached,
    RateLimited,
    Redirected,
    Retry,
    ServerFault,
    TypeNotSupported,
    UnknownForecast,
)
from clari_pipeline.clari.errors import refusal
from tests.clari.conftest import Recorder, Sink, call_at, client_of, request_for
from tests.helpers.each_case import try_each

KEY = "key-f00dface-f00dface"
AWKWARD_KEY = "key+f00dface/f00dface?=="
ONCE = Retry(attempts=1)


def service(code: str, message: str = "It cannot be.") -> dict:
    return {"code": code, "namespace": "fcw", "errorId": "c16ae643-481a", "message": message, "orgId": 101}


def refused(status: int, body: object, key: str = KEY) -> ClariRefused:
    """What a client raises for an answer."""

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/export/jobs"):
            return httpx.Response(200, json=[])  # Clari is there, only this call of it is not
        if isinstance(body, bytes):
            return httpx.Response(status, content=body)
        return httpx.Response(status, json=body)

    transport = httpx.MockTransport(answer)
    with pytest.raises(ClariRefused) as failed:
        call_at("https://clari.example/v4", lambda client: client.limits(), key, retry=ONCE, transport=transport)
    return failed.value


# What a service's own envelope becomes, by its status and code.
OF_A_SERVICE = {
    (400, "bad_request"): BadRequest, (400, "no_such_forecast_config"): UnknownForecast,
    (400, "missing_forecast_id"): UnknownForecast, (400, "type_not_supported"): TypeNotSupported,
    (400, "export_monthly_quota_reached"): QuotaOrConcurrencyReached, (400, "invalid_jobId"): JobNotReady,
    (400, "export_failed_to_cancel"): CancelFailed, (400, "SWW"): BadRequest, (401, "no_optin"): NotOptedIn,
    (403, "forbidden"): AuthFailed,
}  # fmt: skip
# Status and body of the others, what they become, the message and the error id that are read of them.
NOT_FOUND = {"statusCode": 404, "reaspnPhrase": "Not Found", "description": None, "details": "look\n elsewhere"}
OTHERS = [
    (401, {"message": "Invalid credentials", "request_id": "9f"}, AuthFailed, "Invalid credentials", "9f"),
    (404, [NOT_FOUND | {"description": "No such resource", "details": ""}], NotFound, "No such resource", None),
    (404, [NOT_FOUND], NotFound, "Not Found (look elsewhere)", None),
    (404, [{"details": "elsewhere"}], NotFound, "elsewhere", None),
    (307, b"", Redirected, None, None),
    (408, b"", ServerFault, None, None),
    (429, {"message": "API rate limit exceeded", "request_id": "9f"}, RateLimited, "API rate limit exceeded", "9f"),
    (503, {"errors": [{"status": 503, "code": "x", "message": "Maintenance"}]}, ServerFault, "Maintenance", None),
    (500, {"errors": [{"code": "a"}], "message": "x"}, ServerFault, None, None),
    (500, {"errors": [], "message": "Outer"}, ServerFault, "Outer", None),
    (500, {"errors": ["bare words"]}, ServerFault, "bare words", None),
    (500, [], ServerFault, None, None),
    (500, "words", ServerFault, "words", None),
    (500, 7, ServerFault, None, None),
    (502, b"<html><h1>Bad gateway</h1>", ServerFault, "a web page instead of an answer", None),
    (502, b"\n <!doctype html>", ServerFault, "a web page instead of an answer", None),
    (504, b"\xff\xfe\x00 not text", ServerFault, None, None),
    (500, b"", ServerFault, None, None),
    (500, b"[" * 100_000, ServerFault, None, None),
    (500, b'{"message": ' + b"[" * 900 + b"]" * 900 + b"}", ServerFault, "[" * 300, None),
    (500, b'{"code": "\\ud800", "message": "half \\ud83d, \\u0000none"}', ServerFault, "half , none", None),
]


def test_every_envelope_becomes_its_exception_with_what_clari_said():
    def check(case: tuple[int, object, type[ClariRefused], str | None, str | None]) -> None:
        status, body, kind, message, error_id = case
        error = refused(status, body)
        assert type(error) is kind
        assert (error.status, error.clari_message, error.error_id) == (status, message, error_id)
        text = str(error)
        assert text.startswith(f"limits: Clari answered {status}: ")
        assert (message or error.code or "no reason given") in text
        assert error_id is None or f"(error id {error_id})" in text
        assert len(text.splitlines()) == 1

    of_a_service = [
        (status, service(code), kind, "It cannot be.", "c16ae643-481a") for (status, code), kind in OF_A_SERVICE.items()
    ]
    try_each([*of_a_service, *OTHERS], check)
    assert len(str(refused(500, service("a", "word " * 10_000)))) < 500


def test_what_people_can_mend_names_the_setting():
    remedies = {
        (400, "no_such_forecast_config"): "CLARI_FORECAST_IDS", (400, "type_not_supported"): "CLARI_TYPES_TO_EXPORT",
        (401, "any"): "CLARI_API_KEY", (401, "no_optin"): "CLARI_SCOPE_ID", (404, "any"): "CLARI_BASE_URL",
    }  # fmt: skip
    for (status, code), remedy in remedies.items():
        assert remedy in str(refused(status, service(code)))


def test_retry_after_is_read_in_seconds_and_as_a_date():
    def seconds(written: str) -> float | None:
        return refusal("limits", 429, {"retry-after": written}, b"").retry_after_s

    none = ("soon", "", "9" * 400, "1e400", "Sat, 01 Jan 2050 00:00:00 -9999999999999999")
    for value, expected in ({"7": 7, "0.5": 0.5, "-1": 0, "86400": 86400} | dict.fromkeys(none)).items():
        assert seconds(value) == expected, value
    assert refusal("limits", 429, {}, b"").retry_after_s is None
    for ahead, low, high in ((60, 55, 60), (-60, 0, 0)):
        moment = datetime.now(UTC) + timedelta(seconds=ahead)
        for written in (format_datetime(moment, usegmt=True), moment.strftime("%a, %d %b %Y %H:%M:%S -0000")):
            assert low <= seconds(written) <= high


def everything_said(error: BaseException) -> str:
    """Text, arguments and tracebacks of an exception and of all that led to it."""
    parts = ["".join(traceback.format_exception(error))]
    seen: list[BaseException] = []
    queue: list[BaseException | None] = [error]
    while queue:
        one = queue.pop()
        if one is None or one in seen:
            continue
        seen.append(one)
        parts += [str(one), repr(one), repr(one.args), repr(getattr(one, "__dict__", {}))]
        queue += [one.__cause__, one.__context__]
    return "\n".join(parts)


CALLS = {
    "limits": lambda client: client.limits(),
    "jobs": lambda client: client.jobs(),
    "status": lambda client: client.job("1"),
    "results": lambda client: client.download("1", Sink()),
    "cancel": lambda client: client.cancel("1"),
    "submit": lambda client: client.submit_export(request_for()),
}


@pytest.mark.parametrize("scheme", ["apikey", "bearer"])
def test_the_key_stands_in_no_exception_and_no_log(sandbox, caplog, scheme):
    caplog.set_level(logging.DEBUG)
    passing = {"429", "500", "502", "reset", "garbage", "cut"}

    async def said(fault: str) -> list[str]:
        texts = []
        for name, ask in CALLS.items():
            # A client of its own for each call: one whose key was refused asks no more.
            async with client_of(sandbox, auth_scheme=scheme, retry=Retry(2, 0.001, 0.001)) as client:
                is_repeated = fault in {"401", "429"} or (fault in passing and name != "submit")
                sandbox.fail_next(name, [fault] * (2 if is_repeated else 1))
                try:
                    await ask(client)
                except ClariError as error:
                    texts.append(everything_said(error))
                texts.append(repr(client))
        return texts

    def check(fault: str) -> None:
        caplog.clear()
        texts = asyncio.run(said(fault))
        assert len(texts) == 2 * len(CALLS)
        texts += [record.getMessage() + repr(record.__dict__) for record in caplog.records]
        assert len(caplog.records) > len(CALLS)
        assert not [text for text in texts if sandbox.api_key in text]

    try_each((*sorted(passing), "400", "401", "403", "404", "quota"), check)


def test_a_wrong_key_is_named_and_not_shown(sandbox, caplog):
    caplog.set_level(logging.DEBUG)
    with pytest.raises(AuthFailed, match="CLARI_API_KEY") as failed:
        call_at(sandbox.base_url, lambda client: client.submit_export(request_for()), KEY, retry=ONCE)
    assert KEY not in everything_said(failed.value) + caplog.text


def test_a_gateway_that_repeats_what_it_was_sent_does_not_give_the_key_away():
    for status in (400, 401, 503):
        for scheme in ("apikey", "bearer"):
            with Recorder(status, b'{"message": "You sent {sent}"}') as recorder:
                with pytest.raises(ClariError, match="You sent") as failed:
                    call_at(recorder.url, lambda client: client.limits(), KEY, auth_scheme=scheme, retry=ONCE)
                assert KEY in repr(recorder.seen)
            assert KEY not in everything_said(failed.value)


def in_json(text: str) -> str:
    return json.dumps(text)[1:-1]


def as_units(text: str) -> str:
    return "".join(f"\\u{ord(sign):04X}" for sign in text)


# Each as it may stand between the quotes of a text in JSON.
WAYS_TO_WRITE_IT = {
    "as it is": AWKWARD_KEY,
    "a slash escaped": AWKWARD_KEY.replace("/", "\\/"),
    "signs as units": AWKWARD_KEY.replace("=", "\\u003d").replace("/", "\\u002F"),
    "all as units": as_units(AWKWARD_KEY),
    "JSON within JSON": in_json(json.dumps({"apikey": AWKWARD_KEY}).replace("=", "\\u003d")),
    "as in Python": in_json(repr(AWKWARD_KEY.encode()).replace("=", "\\x3d")),
    "in an address": quote(AWKWARD_KEY, safe=""),
    "in an address within an address": quote(quote(AWKWARD_KEY, safe=""), safe="").lower(),
    "in an address as units": as_units(AWKWARD_KEY).replace("\\u", "%u"),
    "as code points": "".join(f"\\\\u{{{ord(sign):x}}}" for sign in AWKWARD_KEY),
    "as code points of C": "".join(f"\\\\U{ord(sign):08x}" for sign in AWKWARD_KEY),
    "in octals": "".join(f"\\\\{ord(sign):03o}" for sign in AWKWARD_KEY),
    "in HTML": AWKWARD_KEY.replace("=", "&#61;").replace("/", "&#x2F;").replace("?", "&quest;"),
    "in base64": b64encode(AWKWARD_KEY.encode()).decode().replace("/", "\\/"),
    "behind a name, in base64": b64encode(f"user:{AWKWARD_KEY}".encode()).decode(),
    "in base64 of addresses": quote(urlsafe_b64encode(f"is:{AWKWARD_KEY}:".encode())),
    "in base64 in base64": b64encode(b64encode(AWKWARD_KEY.encode())).decode(),
    "escaped, in base64": b64encode(f'{{"sent": "{as_units(AWKWARD_KEY)}"}}'.encode()).decode(),
    "in base64, over lines": in_json(encodebytes(f"{'is ' * 15}{AWKWARD_KEY}{' it' * 20}".encode()).decode()),
    "in base64 of UTF-16": b64encode(AWKWARD_KEY.encode("utf-16-le")).decode(),
    "in HTML, loosely": "".join(f"&#{ord(sign):09d}" for sign in AWKWARD_KEY),
    "over two lines": f"{AWKWARD_KEY[:9]}\\r\\n   {AWKWARD_KEY[9:]}",
    "with signs between that nobody sees": "\\u202e\\u200b".join(AWKWARD_KEY),
    "in hexadecimals with colons": AWKWARD_KEY.encode().hex(":"),
    "in hexadecimals": AWKWARD_KEY.encode().hex().upper(),
    "cut off": AWKWARD_KEY[:-6],
}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_key_that_is_repeated_in_another_form_is_masked_too(encoding):
    """Before the answer is decoded and after it: what is quoted stands in ledger, logs and alerts a moment later."""

    def check(way: str) -> None:
        body = f'{{"message": "Sent: {WAYS_TO_WRITE_IT[way]}", "errorId": "{WAYS_TO_WRITE_IT[way]}"}}'.encode(encoding)
        error = refused(400, body, AWKWARD_KEY)
        assert "Clari answered 400: Sent: " in str(error)
        assert "***" in str(error) and "***" in error.error_id
        said = everything_said(error)
        for written in (AWKWARD_KEY[4:-8], *WAYS_TO_WRITE_IT.values()):
            assert written not in said
        assert not any(AWKWARD_KEY[place : place + 6] in said for place in range(len(AWKWARD_KEY) - 5))

    try_each(WAYS_TO_WRITE_IT, check)


def test_an_answer_that_is_kept_holds_no_key():
    """A page of audit events that shows the call it came by is landed as it came, but for the key."""
    body = json.dumps({"items": [], "of": AWKWARD_KEY, "ü": AWKWARD_KEY}).replace("/", "\\/").encode()
    with Recorder(200, body) as recorder:
        content, read = call_at(recorder.url, lambda client: client.answer("audit", "/audit/events"), AWKWARD_KEY)
    assert content == body.replace(in_json(AWKWARD_KEY).replace("/", "\\/").encode(), b"***")
    assert read == {"items": [], "of": "***", "ü": "***"}


@pytest.mark.parametrize("padding", [0, 70_000])
def test_an_error_in_the_place_of_a_document_is_landed_without_the_key(padding):
    """What is longer than any error is a document, and comes as it is."""
    said = json.dumps({"sent": AWKWARD_KEY, "padding": " " * padding}).replace("=", "\\u003d").encode()
    sink = Sink()
    with Recorder(200, said) as recorder:
        call_at(recorder.url, lambda client: client.download("1", sink), AWKWARD_KEY, retry=ONCE)
    assert json.loads(sink.content)["sent"] == ("***" if not padding else AWKWARD_KEY)
