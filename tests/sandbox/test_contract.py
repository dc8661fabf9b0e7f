"""The sandbox answers as Clari's API description says.

The description is Clari's, and no part of this project: CLARI_OPENAPI names the file, else it is looked for beside the
repository. Where it is absent, nothing can be compared, and these tests are skipped.

Where the description and production differ, the sandbox follows production, and the test says so.
"""

import csv
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from tests.helpers.each_case import try_each
from tests.helpers.fake_clock import FakeClock
from tests.sandbox.conftest import ALL_TYPES, CURRENT, NEWEST_PAST, Caller, Clock

REPOSITORY = Path(__file__).parents[2]
DESCRIPTION = Path(
    os.environ.get("CLARI_OPENAPI") or REPOSITORY.parent / "shared" / "clari-api" / "revenue-api-openapi.yml"
)
pytestmark = pytest.mark.skipif(
    not DESCRIPTION.is_file(), reason=f"Clari's API description is not at hand: CLARI_OPENAPI names no {DESCRIPTION}"
)

CALLS = {
    "submit": ("/export/forecast/{forecastId}", "post"),
    "status": ("/export/jobs/{jobId}", "get"),
    "jobs": ("/export/jobs", "get"),
    "results": ("/export/jobs/{jobId}/results", "get"),
    "cancel": ("/export/jobs/{jobId}", "patch"),
    "limits": ("/admin/limits", "get"),
}
LEFT_OUT = {
    "endTime": "a job that has not ended has none, and the description allows no null",
    "runningJobIds": "left out where nothing runs, as its own description says",
}
"""Documented keys that an answer may lack, and why; every other one is there."""
ADDED = {
    "deliveryStatusMap": "in the description's example of a job, though not among its properties",
}
"""Undocumented keys that an answer may have."""
OTHER_CODES = {
    ("cancel", "invalid_jobId"): "cancelling a job that is not there is not described",
    ("cancel", "bad_request"): "nor is a body that asks for something else",
}
"""Error codes that the description gives elsewhere, but not for this call."""
ELSEWHERE = {
    "401": ("/export/activity", "post", "401"),
    "404": ("/opportunity", "get", "4XX"),
    "503": ("/audit/events", "get", "5XX"),
}
"""Answers that any call may get, though the description shows them for other calls than these.

Not among them: 429, which it describes for imports alone, with `error` where the gateway writes `message`.
"""


class Description:
    """Clari's API description, as schemas that a validator understands."""

    def __init__(self, document: Any) -> None:
        self.document = _as_json_schema(document)
        registry: Registry[Any] = Registry()
        self._registry = registry.with_resource("urn:clari", DRAFT202012.create_resource(self.document))

    def answer(self, path: str, method: str, status: int | str) -> Any:
        """What is described for that answer; None where nothing is."""
        responses = self.document["paths"][path][method]["responses"]
        return responses.get(str(status), {}).get("content", {}).get("application/json")

    def errors(self, schema: Any, value: object) -> list[str]:
        """In what the value is not as described; [] where it is."""
        top = {"$schema": "https://json-schema.org/draft/2020-12/schema", **self.resolved(schema)}
        validator = Draft202012Validator(self._absolute(top), registry=self._registry)
        return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]

    def branches(self, schema: Any) -> list[Any]:
        """The schema, or the ones of which it is any."""
        schema = self.resolved(schema)
        return [self.resolved(branch) for branch in schema.get("anyOf", [schema])]

    def codes(self, schema: Any) -> set[str]:
        """The error codes for which an answer is described."""
        return {branch["properties"]["code"]["example"] for branch in self.branches(schema)}

    def resolved(self, schema: Any) -> Any:
        """The schema itself, where a reference stands for it."""
        while "$ref" in schema:
            schema = self._registry.resolver("urn:clari").lookup(f"urn:clari{schema['$ref']}").contents
        return schema

    def unlike(self, schema: Any, value: object) -> tuple[set[str], set[str]]:
        """Documented keys that are missing from the value, and keys of it that are not documented, at all levels."""
        schema = self.resolved(schema)
        missing: set[str] = set()
        added: set[str] = set()
        inner: list[tuple[Any, object]] = []
        if isinstance(value, dict) and "properties" in schema:
            missing, added = schema["properties"].keys() - value.keys(), value.keys() - schema["properties"].keys()
            inner = [(part, value[name]) for name, part in schema["properties"].items() if name in value]
        elif isinstance(value, list) and "items" in schema:
            inner = [(schema["items"], each) for each in value]
        for part, each in inner:
            less, more = self.unlike(part, each)
            missing, added = missing | less, added | more
        return missing, added

    def _absolute(self, schema: Any) -> Any:
        if isinstance(schema, dict):
            return {
                key: f"urn:clari{value}" if key == "$ref" else self._absolute(value) for key, value in schema.items()
            }
        return [self._absolute(each) for each in schema] if isinstance(schema, list) else schema


def _as_json_schema(part: Any) -> Any:
    """OpenAPI's own words in those of JSON Schema: `nullable` is a second type.

    The errors of one status are described as `oneOf`, but each of them is an object of the same strings, so that
    every answer would be several of them at once: they are meant as, and here read as, any of them.
    """
    if isinstance(part, list):
        return [_as_json_schema(each) for each in part]
    if not isinstance(part, dict):
        return part
    part = {key: _as_json_schema(value) for key, value in part.items()}
    if part.get("nullable") is True and isinstance(part.get("type"), str):
        part["type"] = [part["type"], "null"]
    if isinstance(part.get("oneOf"), list):
        # The position stays, because references lead through it.
        part["anyOf"] = part["oneOf"]
        del part["oneOf"]
    if isinstance(part.get("$ref"), str):
        part["$ref"] = part["$ref"].replace("/oneOf/", "/anyOf/")
    return part


@pytest.fixture(scope="module")
def description():
    # The C loader reads the file in a tenth of the time, where PyYAML was built with it.
    return Description(yaml.load(DESCRIPTION.read_bytes(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))


class Visit:
    """A sandbox of one person's company whose clock is turned, and the calls that lead to each kind of answer."""

    def __init__(self, caller: Caller, clock: FakeClock) -> None:
        self.caller = caller
        self.clock = clock

    def job(self, seconds: float = 0, **asked: Any) -> str:
        """A job that was submitted so many seconds ago; it takes two."""
        job_id: str = self.caller.submit(**asked).json()["jobId"]
        self.clock.seconds += seconds
        return job_id

    def ask(self, call: str, job_id: str = "none", **body: Any) -> httpx.Response:
        """That call."""
        path, method = CALLS[call]
        path = path.format(forecastId="total_new", jobId=job_id)
        return self.caller.http.request(method, path, **({"json": body} if method != "get" else {}))

    def fail(self, call: str, fault: str) -> httpx.Response:
        """The same, where it meets with a fault."""
        self.caller.sandbox.fail_next(call, [fault])
        return self.ask(call)

    def stop(self, job_id: str, kind: str = "CANCEL") -> httpx.Response:
        """Cancel a job."""
        return self.ask("cancel", job_id, type=kind)

    def after(self, *_: object) -> "Visit":
        """This visit, after what was done to make the arguments."""
        return self


@dataclass(frozen=True)
class Case:
    """An answer that can be had; `says` is an error's code or a job's state."""

    call: str
    status: int
    says: str
    ask: Callable[[Visit], httpx.Response]
    scenario: str = "calm"
    quota: int = 100


SUBMIT, STATUS, JOBS, RESULTS, CANCEL, LIMITS = CALLS
CASES = [
    Case(SUBMIT, 200, "", lambda visit: visit.caller.submit()),
    Case(SUBMIT, 400, "export_monthly_quota_reached", lambda visit: visit.ask(SUBMIT), quota=0),
    Case(SUBMIT, 400, "export_monthly_quota_reached", lambda visit: visit.ask(SUBMIT), scenario="no_slots"),
    Case(SUBMIT, 400, "export_monthly_quota_reached", lambda visit: visit.fail(SUBMIT, "quota")),
    Case(SUBMIT, 400, "no_such_forecast_config", lambda visit: visit.caller.submit(forecast="nonesuch")),
    Case(SUBMIT, 400, "missing_forecast_id", lambda visit: visit.caller.http.post("/export/forecast/")),
    Case(SUBMIT, 400, "type_not_supported", lambda visit: visit.caller.submit(), "type_refused"),
    Case(SUBMIT, 400, "type_not_supported", lambda visit: visit.caller.submit(), "type_refused_unnamed"),
    Case(SUBMIT, 400, "bad_request", lambda visit: visit.ask(SUBMIT, currency="ZZZ")),
    Case(SUBMIT, 400, "bad_request", lambda visit: visit.ask(SUBMIT, typesToExport=["forecast_value"])),
    Case(SUBMIT, 400, "bad_request", lambda visit: visit.caller.http.post("/export/forecast/total_new", content="{")),
    Case(SUBMIT, 401, "no_optin", lambda visit: visit.ask(SUBMIT, scopeId="1::MGR")),
    Case(STATUS, 200, "SCHEDULED", lambda visit: visit.ask(STATUS, visit.job())),
    Case(STATUS, 200, "STARTED", lambda visit: visit.ask(STATUS, visit.job(1))),
    Case(STATUS, 200, "DONE", lambda visit: visit.ask(STATUS, visit.job(2))),
    Case(STATUS, 200, "FAILED", lambda visit: visit.ask(STATUS, visit.job(2)), "failed"),
    Case(STATUS, 200, "CANCELLED", lambda visit: _cancelled(visit, 0)),
    Case(STATUS, 200, "ABORTED", lambda visit: _cancelled(visit, 1)),
    Case(STATUS, 200, "SCHEDULED", lambda visit: visit.ask(STATUS, visit.job()), "bare_jobs"),
    Case(STATUS, 200, "DONE", lambda visit: visit.ask(STATUS, visit.job(2)), "bare_jobs"),
    Case(STATUS, 400, "SWW", lambda visit: visit.ask(STATUS)),
    Case(JOBS, 200, "", lambda visit: visit.ask(JOBS)),
    Case(JOBS, 200, "", lambda visit: visit.after(visit.job(2), visit.job(1, period=NEWEST_PAST)).ask(JOBS)),
    Case(JOBS, 400, "SWW", lambda visit: visit.fail(JOBS, "400")),
    Case(RESULTS, 400, "invalid_jobId", lambda visit: visit.ask(RESULTS, visit.job(1))),
    Case(RESULTS, 400, "invalid_jobId", lambda visit: visit.ask(RESULTS)),
    Case(RESULTS, 400, "invalid_jobId", lambda visit: visit.ask(RESULTS, visit.job(2, period=NEWEST_PAST)), "expired"),
    Case(CANCEL, 200, "CANCELLED", lambda visit: visit.stop(visit.job())),
    Case(CANCEL, 200, "ABORTED", lambda visit: visit.stop(visit.job(1))),
    Case(CANCEL, 400, "export_failed_to_cancel", lambda visit: visit.stop(visit.job(2))),
    Case(CANCEL, 400, "invalid_jobId", lambda visit: visit.stop("none")),
    Case(CANCEL, 400, "bad_request", lambda visit: visit.stop(visit.job(), "STOP")),
    Case(LIMITS, 200, "", lambda visit: visit.ask(LIMITS)),
    Case(LIMITS, 200, "", lambda visit: visit.after(visit.job(1)).ask(LIMITS)),
    Case(LIMITS, 200, "", lambda visit: visit.ask(LIMITS), "no_quota"),
    Case(LIMITS, 200, "", lambda visit: visit.ask(LIMITS), "no_slots"),
]
CASES += [Case(call, 500, "internal_server_error", lambda visit, call=call: visit.fail(call, "500")) for call in CALLS]
CASES += [Case(call, 403, "forbidden", lambda visit, call=call: visit.fail(call, "403")) for call in (STATUS, JOBS)]


def _cancelled(visit: Visit, seconds: float) -> httpx.Response:
    job_id = visit.job(seconds)
    visit.stop(job_id)
    return visit.ask(STATUS, job_id)


@pytest.fixture
def visit(open_sandbox) -> Iterator[Callable[..., Visit]]:
    def opened(scenario="calm", **more):
        clock = Clock()
        settings = {"people": 1, "job_seconds": 2, "write_at_once": True} | more
        return Visit(open_sandbox(scenario, clock=clock, now=clock.now, **settings), clock)

    return opened


def as_described(description, schema, value, *, code=None):
    """The value is of that schema, has its keys and, but for those that are excused, no others."""
    assert description.errors(schema, value) == []
    alike = [
        branch
        for branch in description.branches(schema)
        if code is None or branch["properties"]["code"]["example"] == code
    ] or description.branches(schema)
    differences = [description.unlike(branch, value) for branch in alike]
    excused = [(missing - LEFT_OUT.keys(), added - ADDED.keys()) for missing, added in differences]
    assert (set(), set()) in excused, excused


def test_each_answer_is_as_described(description, visit):
    """Good answers and errors, by path, method and status.

    A job's status comes wrapped in production (`{"job": {}}`) and is described bare: the inner object is compared.
    """

    def check(case):
        answer = case.ask(visit(case.scenario, monthly_quota=case.quota))
        assert answer.status_code == case.status
        assert answer.headers["content-type"] == "application/json"
        value = answer.json()
        if case.call == STATUS and case.status == 200 and case.scenario != "bare_jobs":
            assert value.keys() == {"job"}
            value = value["job"]
        schema = description.answer(*CALLS[case.call], case.status)["schema"]
        if case.says:
            assert value["code" if case.status >= 400 else "status"] == case.says
        as_described(description, schema, value, code=case.says if case.status >= 400 else None)
        if case.status == 400 and (case.call, case.says) not in OTHER_CODES:
            assert case.says in description.codes(schema)

    try_each(CASES, check)


def test_every_documented_answer_is_among_these(description):
    """Each status of each call, each code of its errors, each state of a job.

    Results are compared by themselves; "Bad request" is the code of another product's call.
    """
    described = {
        (call, int(status)) for call, (path, method) in CALLS.items()
        for status in description.document["paths"][path][method]["responses"]
    }  # fmt: skip
    assert described - {(RESULTS, 200)} == {(case.call, case.status) for case in CASES}
    for call, place in CALLS.items():
        bad = description.answer(*place, 400)
        said = {case.says for case in CASES if (case.call, case.status) == (call, 400)}
        expected = description.codes(bad["schema"]) if bad else set()
        assert expected == said - {code for of, code in OTHER_CODES if of == call}
    states = description.answer(*CALLS[STATUS], 200)["schema"]["properties"]["status"]["enum"]
    assert set(states) == {case.says for case in CASES if (case.call, case.status) == (STATUS, 200)}


def test_nothing_is_excused_without_need(description, visit):
    """A running job has no end, an idle organisation no running jobs; all else that is excused was asked for too."""
    here = visit()
    job = here.ask(STATUS, here.job(1)).json()["job"]
    bare = description.answer(*CALLS[STATUS], 200)["schema"]
    assert description.unlike(bare, job) == ({"endTime"}, ADDED.keys())
    here.clock.seconds += 10
    idle = description.answer(*CALLS[LIMITS], 200)["schema"]
    assert description.unlike(idle, here.ask(LIMITS).json()) == ({"runningJobIds"}, set())


def test_an_unknown_key_is_turned_away_as_described_for_other_calls(description, visit):
    """These calls' own descriptions do not mention it, or (a submission's) mention another 401 only."""
    here = visit()
    here.caller.http.headers["apikey"] = "nobody's"
    schema = description.answer(*ELSEWHERE["401"])["schema"]
    for call in CALLS:
        answer = here.ask(call)
        assert answer.status_code == 401
        assert description.errors(schema, answer.json()) == []
        assert answer.json()["message"] == schema["properties"]["message"]["example"]


def test_other_services_envelopes_are_as_described_for_their_calls(description, visit):
    for status in ("404", "503"):
        answer = visit().fail(STATUS, status)
        assert answer.status_code == int(status)
        schema = description.answer(*ELSEWHERE[status])["schema"]
        assert description.errors(schema, answer.json()) == []
        _, added = description.unlike(schema, answer.json())
        assert added == set()


def test_results_have_the_columns_and_writings_of_the_documented_example(description, visit):
    """The description gives results no schema but an example: the cells of a CSV in one list, called JSON.

    So the relational JSON that production delivers cannot be compared with it, and the CSV is: its columns, the
    writing of dates and amounts, the kinds of data.
    """
    described = description.answer(*CALLS[RESULTS], 200)
    assert "schema" not in described
    cells = described["example"]
    here = visit()
    answer = here.ask(RESULTS, here.job(2, exportFormat="CSV", typesToExport=ALL_TYPES))
    rows = list(csv.DictReader(StringIO(answer.text, newline="")))
    assert list(rows[0]) == cells[:12]
    shown = [place for place, cell in enumerate(cells) if cell in {"Forecast Value", "Forecast Updated"}]
    assert shown
    for place in shown:
        week, start, end, kind, value = cells[place - 3 : place + 2]
        assert kind in {row["Data Type"] for row in rows}
        for name, cell in (("Week", week), ("Start Day", start), ("End Day", end)):
            assert _shape(cell) in {_shape(row[name]) for row in rows}
        if value[0] in "$YN":  # the example leaves empty cells out, so that a person's name may stand here
            assert _shape(value) in {_shape(row["Data Value"]) for row in rows if row["Data Type"] == kind}
    as_json = here.ask(RESULTS, here.job(2, period=CURRENT))
    assert as_json.headers["content-type"] == "application/json"
    assert as_json.json().keys() == {"fields", "users", "timeFrames", "entries", "timePeriods"}


def _shape(text: str) -> str:
    """Which writing it is: digits become 0, and groups of them that only say how large it is become one."""
    return re.sub(r"^\$0{1,3}(,000)*", "$0", re.sub(r"\d", "0", text))
