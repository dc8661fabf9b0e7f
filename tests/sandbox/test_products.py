"""The sandbox's other calls: pages and their links, activity as a job, opportunities by id."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from clari_pipeline.sandbox import Sandbox

NOW = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def running() -> Any:
    with Sandbox(now=lambda: NOW, job_seconds=0, people=4, write_at_once=True) as sandbox:
        yield sandbox


@pytest.fixture
def http(running: Sandbox) -> Any:
    running.scenario = "calm"
    with httpx.Client(base_url=running.base_url, headers={"apikey": running.api_key}) as client:
        yield client


def test_pages_lead_to_all_events_of_the_window_and_end(http: httpx.Client, running: Sandbox) -> None:
    """A hundred a page unless asked otherwise, the newest first; the last page names no other."""
    window = {"dateFrom": f"{NOW - timedelta(days=9):%Y-%m-%dT%H:%M:%SZ}", "dateTo": "2026-11-20"}
    page = http.get("/audit/events", params=window).json()
    assert len(page["items"]) == 100
    events = page["items"]
    while "nextLink" in page:
        assert page["nextLink"].startswith(running.base_url)
        page = http.get(page["nextLink"]).json()
        events += page["items"]
    moments = [event["eventTimestamp"] for event in events]
    assert moments == sorted(moments, reverse=True)
    assert window["dateFrom"] <= moments[-1] <= moments[0] < "2026-11-20"
    assert {actor["actorId"] for actor in page["actors"]} == {event["actorId"] for event in page["items"]}
    everything = http.get("/audit/events", params=window | {"limit": 1000}).json()
    assert (everything["items"], "nextLink" in everything) == (events, False)


def test_nothing_older_than_thirty_days_can_be_had(http: httpx.Client) -> None:
    oldest = http.get("/audit/events", params={"dateFrom": "2026-01-01", "limit": 1000}).json()
    while "nextLink" in oldest:
        oldest = http.get(oldest["nextLink"]).json()
    assert oldest["items"][-1]["eventTimestamp"] >= f"{NOW - timedelta(days=30):%Y-%m-%dT%H:%M:%SZ}"


@pytest.mark.parametrize("asked", [{"limit": 0}, {"limit": 1001}, {"limit": "all"}, {"dateFrom": "yesterday"}])
def test_what_cannot_be_read_is_refused(http: httpx.Client, asked: dict[str, Any]) -> None:
    answer = http.get("/audit/events", params=asked)
    assert (answer.status_code, answer.json()["errors"][0]["status"]) == (400, "400")


def test_activity_is_a_job_beside_the_others(http: httpx.Client) -> None:
    """Of the days asked for, and no others; it counts against the quota."""
    answer = http.post(
        "/export/activity", json={"startDate": "2026-11-14T00:00:00Z", "endDate": "2026-11-16T00:00:00Z"}
    )
    assert answer.status_code == 202
    job = http.get(f"/export/jobs/{answer.json()['jobId']}").json()["job"]
    assert (job["module"], job["status"], job["fileName"].startswith("clari_export_activity_")) == (
        "ACTIVITY",
        "DONE",
        True,
    )
    document = http.get(f"/export/jobs/{job['jobId']}/results").json()
    days = {datetime.fromtimestamp(one["date"] / 1000, UTC).day for one in document["activities"]}
    assert days == {14, 15, 16}
    assert job["jobId"] in http.get("/admin/limits").json()["jobs"]["submittedJobIds"]
    assert http.post("/export/activity", json={"exportFormat": "CSV"}).status_code == 400


def test_opportunities_are_given_by_id(http: httpx.Client) -> None:
    """Those that are nobody's are passed over; more than a hundred, or none, are refused."""
    job = http.post("/export/activity", json={}).json()["jobId"]
    activities = http.get(f"/export/jobs/{job}/results").json()["activities"]
    known = activities[0]["opportunities"][0]["opportunityId"]
    (found,) = http.get("/opportunity", params={"oppId": [known, "006nobody"]}).json()
    assert found["id"] == known
    assert {field["id"] for field in found["fields"]} >= {"opportunity.amount", "opportunity.stage"}
    for ids in ([], ["006x"] * 101):
        answer = http.get("/opportunity", params={"oppId": ids})
        assert (answer.status_code, answer.json()[0]["statusCode"]) == (400, 400)
