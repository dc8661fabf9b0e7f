"""The call for the newest week without a job: its request, its document, and the answers of those who lack it."""

import json

import pytest

from clari_pipeline.clari import AuthFailed, BadRequest, ClariError, NoCurrentCall, NotFound
from clari_pipeline.clari.errors import ResultTooLarge
from clari_pipeline.sandbox.answers import NO_ROUTE, Fault, refusal
from tests.clari.conftest import CURRENT, MIXED, Sink, call, request_for

REQUEST = request_for().without_job(("quota", "crm_closed"))


def read(sandbox, request=REQUEST, **more):
    """The document, and its download."""
    sink = Sink()
    download = call(sandbox, lambda client: client.current_forecast(request, sink, **more))
    return sink.content, download


def test_the_call_delivers_the_newest_week_of_the_types_asked_for(sandbox):
    """No job is queued; the currency is sent by the name that it has in a job's request."""
    sandbox.scenario = "type_refused"
    jobs = len(sandbox.jobs)
    content, download = read(sandbox)
    found = json.loads(content)
    assert [one["timePeriodId"] for one in found["timePeriods"]] == [CURRENT, CURRENT[:4]]
    assert len(found["timeFrames"]) == 1
    keys = set.union(*map(set, found["entries"]))
    assert keys == {"fieldId", "timeFrameId", "timePeriodId", "userId", "currency", "quotaValue", "crmClosed"}
    assert (download.size, download.is_whole, download.date is not None) == (len(content), True, True)
    euros = json.loads(read(sandbox, request_for(currency="EUR").without_job(("quota",)))[0])
    assert {one["currency"]["code"] for one in euros["entries"]} == {"EUR"}
    assert len(sandbox.jobs) == jobs
    assert call(sandbox, lambda client: client.has_current_call(REQUEST))


def test_a_damaged_or_failed_answer_is_requested_again(sandbox):
    expected, _ = read(sandbox)
    sandbox.fail_next("current", [*MIXED, "envelope"])
    assert read(sandbox)[0] == expected
    for damage in ("gzip_cut", "unsized_cut", "drip:0.05+cut"):
        sandbox.fail_next("current", [damage])
        assert read(sandbox)[0] == expected, damage
    with pytest.raises(ResultTooLarge):
        read(sandbox, max_bytes=len(expected) - 1)


@pytest.mark.parametrize(
    ("fault", "error"),
    [(NO_ROUTE, None), ("403", None), ("404", NotFound), ("401", AuthFailed), ("400", BadRequest)],
    ids=["no route", "403", "404", "401", "400"],
)
def test_only_the_gateways_404_and_a_403_mean_that_there_is_no_such_call(sandbox, fault, error):
    sandbox.fail_next("current", [fault] * (4 if fault == "401" else 2))
    if error is None:
        assert not call(sandbox, lambda client: client.has_current_call(REQUEST))
        with pytest.raises(NoCurrentCall, match="preflight"):
            read(sandbox)
        return
    for use in (lambda: call(sandbox, lambda client: client.has_current_call(REQUEST)), lambda: read(sandbox)):
        with pytest.raises(error) as raised:
            use()
        assert not isinstance(raised.value, NoCurrentCall)
        assert isinstance(raised.value, ClariError)


def test_a_refusal_of_types_is_an_answer_of_the_call(sandbox):
    """An organisation may have the call, and not the types of the CRM [spec]."""
    body = refusal(400, "type_not_supported", "Type crm_closed is not supported.", "fcw").body
    sandbox.fail_next("current", [Fault("answer", 400, body=bytes(body))])
    assert call(sandbox, lambda client: client.has_current_call(REQUEST))
