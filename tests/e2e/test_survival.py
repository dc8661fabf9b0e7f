"""What Clari does to exports, and what a person sees of it at the end of a sync."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from clari_pipeline.clari import Cancelled, Retry
from clari_pipeline.config.settings import read_settings
from clari_pipeline.sandbox import Fault, Sandbox
from clari_pipeline.sandbox.answers import NO_ROUTE
from clari_pipeline.sync.context import Context
from clari_pipeline.sync.events import Event, Hooks
from clari_pipeline.sync.outcomes import outcomes_of
from tests.helpers.direct_steps import exported, sync
from tests.helpers.terminal import CURRENT, Terminal

LAST_THREE = [str(CURRENT.shifted(-ago)) for ago in range(3)]
STATES = "select state from clari.export_job order by submitted_at, attempt"


@contextmanager
def clari_with(monkeypatch: pytest.MonkeyPatch, *, people: int, monthly_quota: int) -> Iterator[Sandbox]:
    """A Clari of such limits, to which the settings point."""
    with Sandbox(job_seconds=0.02, people=people, monthly_quota=monthly_quota) as sandbox:
        monkeypatch.setenv("CLARI_BASE_URL", sandbox.base_url)
        monkeypatch.setenv("CLARI_API_KEY", sandbox.api_key)
        yield sandbox


@pytest.fixture
def clari(monkeypatch: pytest.MonkeyPatch, terminal: Terminal) -> Iterator[Sandbox]:
    """A Clari of the test's own: what it has counted and what it was asked matters to nobody else."""
    assert terminal
    with clari_with(monkeypatch, people=4, monthly_quota=30) as sandbox:
        yield sandbox


def posts(sandbox: Sandbox) -> int:
    return sum(seen.method == "POST" for seen in sandbox.requests)


def export_last(quarters: int, *forecasts: str, attempts: int = 6) -> list[str]:
    """Export the last so many quarters, and merge nothing; their states."""
    context = Context.of(read_settings())
    retry = Retry(attempts=attempts, first_wait_s=0.001, max_wait_s=0.002)
    asked = [CURRENT.shifted(-ago) for ago in range(quarters)]
    outcomes = outcomes_of(context.warehouse, exported(context, asked, forecasts or ["total_new"], retry=retry))
    return [outcome.export.state for outcome in outcomes]


def leave_at_clari(terminal: Terminal, state: str, **ago: int) -> None:
    """Let the exports be as a killed run leaves them at Clari; one that is SUBMITTING has no job yet."""
    terminal.execute(
        "update clari.export_job set state = $state, job_id = case $state when 'SUBMITTED' then job_id end, "
        "landing_path = null, submitted_at = submitted_at - $ago",
        state=state,
        ago=timedelta(**ago),
    )


def test_one_unknown_forecast_does_not_stop_the_other(terminal: Terminal, clari: Sandbox) -> None:
    """The good forecast is merged, the unknown one named with the setting to mend."""
    answer = terminal("sync", "--last", "1", "--forecast", "total_new", "--forecast", "no_such_tab", "--json")
    assert answer.code == 1
    states = {export["forecast_id"]: export["state"] for export in answer.document["exports"]}
    assert states == {"total_new": "LOADED", "no_such_tab": "FAILED"}
    assert "CLARI_FORECAST_IDS" in answer.err.strip().splitlines()[-1]
    assert terminal.query("select distinct forecast_id from clari.forecast_entry") == [("total_new",)]


# Of each: scenario, settings, words after `sync`, what the last line names.
NOTHING_COMES: dict[str, tuple[str, dict[str, str], list[str], str]] = {
    "a job that fails": ("failed", {"CLARI_MAX_REQUEUES": "0"}, ["--last", "1"], "failed at Clari"),
    "a document that is too large": (
        "calm",
        {"CLARI_MAX_RESULT_BYTES": "1000"},
        ["--last", "1"],
        "CLARI_MAX_RESULT_BYTES",
    ),
    "a quarter that has not begun": ("calm", {}, ["--period", "2062_Q4"], "2062_Q4 was asked for"),
}


@pytest.mark.parametrize("case", NOTHING_COMES)
def test_an_export_that_does_not_come_is_named(
    terminal: Terminal, clari: Sandbox, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    """The ledger holds the state, the last line the cause and the remedy, the exit code is 1, nothing is merged. Grace
    is for a quarter's first days: one that is mistyped is refused.
    """
    clari.scenario, settings, words, said = NOTHING_COMES[case]
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    answer = terminal("sync", *words)
    assert answer.code == 1
    assert said in answer.err.splitlines()[-1]
    has_landed = case == "a quarter that has not begun"
    assert terminal.query("select state, landing_path is not null from clari.export_job") == [
        ("REFUSED" if has_landed else "FAILED", has_landed)
    ]
    assert any(path.is_file() for path in (terminal.folder / "data/landing").rglob("*.zst")) == has_landed
    assert terminal.query("select count(*) from clari.forecast_entry") == [(0,)]
    assert posts(clari) == 1


def test_a_hung_job_is_cancelled_recorded_and_requeued(
    terminal: Terminal, clari: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As often as CLARI_MAX_REQUEUES says, each attempt a row; what is cancelled counts against no quota."""
    monkeypatch.setenv("CLARI_EXPORT_TIMEOUT_S", "0.3")
    monkeypatch.setenv("CLARI_MAX_REQUEUES", "2")
    clari.scenario = "hung"
    answer = terminal("sync", "--last", "1", "--json")
    assert answer.code == 1
    assert "attempt 3: job" in answer.err
    assert "CLARI_EXPORT_TIMEOUT_S" in answer.err.splitlines()[-1]
    attempts = terminal.query("select attempt, state from clari.export_job order by attempt")
    assert attempts == [(number, "TIMED_OUT") for number in (1, 2, 3)]
    assert [(job.status in {"CANCELLED", "ABORTED"}, job.counted) for job in clari.jobs] == [(True, False)] * 3
    assert len(answer.document["exports"]) == 1


@pytest.mark.parametrize(
    ("scenario", "quarter", "timeout", "state"),
    [("expired", LAST_THREE[1], "5", "FAILED"), ("hung", LAST_THREE[0], "0.5", "TIMED_OUT")],
)
def test_the_second_attempt_is_merged_and_the_sync_is_well(
    terminal: Terminal,
    clari: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    scenario: str,
    quarter: str,
    timeout: str,
    state: str,
) -> None:
    """Results that have expired are asked for again, and so is a job that hung once."""
    monkeypatch.setenv("CLARI_EXPORT_TIMEOUT_S", timeout)
    clari.scenario = scenario

    def calm(event: Event) -> None:
        if isinstance(event, Cancelled):
            clari.scenario = "calm"

    assert sync(Hooks([calm]), quarter) == 0
    rows = terminal.query("select attempt, state from clari.export_job order by attempt")
    assert rows == [(1, state), (2, "LOADED")]


def test_what_is_left_of_the_quota_goes_to_the_current_quarter_first(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In whatever order they are named; the others are not asked for, and said to be so; a low quota is an alert."""
    with clari_with(monkeypatch, people=3, monthly_quota=2) as scarce:
        words = [word for quarter in reversed(LAST_THREE) for word in ("--period", quarter)]
        answer = terminal("sync", *words, "--json")
        assert answer.code == 1
        states = {export["time_period_id"]: export["state"] for export in answer.document["exports"]}
        assert states == dict(zip(LAST_THREE, ("LOADED", "LOADED", "FAILED"), strict=True))
        assert posts(scarce) == 2
        last = answer.err.splitlines()[-1]
        assert LAST_THREE[2] in last
        assert "rolling 30 days" in last
        assert "export quota is low: 2 of 2 were left before this run's 3" in answer.err
        again = terminal("sync", "--last", "1")
    assert again.code == 1
    assert "2 of Clari's 2 exports are used up" in again.err.splitlines()[-1]
    low = terminal.query("select severity, sent_at from clari.alert where kind = 'quota_low'")
    assert low == [("P2", None)]
    ((alerts,),) = terminal.query("select count(*) from clari.alert")
    assert terminal("status", "--json").document["alerts_unsent"] == alerts


@pytest.mark.soak
def test_a_quota_that_is_not_low_is_no_alert(terminal: Terminal, clari: Sandbox) -> None:
    """27 of 30 are left after three exports: more than a tenth."""
    assert terminal("sync", "--last", "3").code == 0
    assert len(clari.jobs) == 3
    assert terminal.query("select count(*) from clari.alert") == [(0,)]


def test_refused_types_are_left_out_reported_and_keep_their_values(terminal: Terminal, sandbox: Sandbox) -> None:
    """The other measures are merged, the missing ones stay as they were, and the exit code is 0: where the organisation
    has no call without a job, which is asked for once.
    """
    terminal.begin_after("sync", "--last", "1")
    measures = (
        "select user_id, field_id, time_frame_id, crm_total, forecast_value, crm_closed from clari.forecast_entry "
        "order by all"
    )
    before = terminal.query(measures)
    sandbox.requests.clear()
    sandbox.scenario = "type_refused"
    sandbox.fail_next("current", [NO_ROUTE])
    answer = terminal("sync", "--last", "1", "--json")
    assert answer.code == 0, answer.err
    assert "without crm_closed, crm_total" in answer.err
    assert "CLARI_TYPES_TO_EXPORT" in answer.err
    assert terminal.query(measures) == before
    assert any(closed is not None for *_, closed in before)
    assert terminal.query(
        "select types_to_export, types_refused, state from clari.export_job order by submitted_at desc limit 1"
    ) == [("adjustment,forecast,forecast_updated,quota", "crm_closed,crm_total", "LOADED")]
    assert posts(sandbox) == 2


@pytest.mark.parametrize(("fault", "most"), [("401", 2), ("403", 4)])
def test_a_key_that_is_refused_stops_everything_at_the_first(
    terminal: Terminal, clari: Sandbox, fault: str, most: int
) -> None:
    """Five quarters are reported, Clari is asked twice at most: one look at the limits may be refused to a good key.
    The key is named, and its value stands in no output and in no file.
    """
    clari.fail_next("limits", [fault] * 20)
    clari.fail_next("submit", [fault] * 20)
    answer = terminal("sync", "--last", "5", "--json")
    assert answer.code == 1
    assert [export["state"] for export in answer.document["exports"]] == ["FAILED"] * 5
    (line,) = [line for line in answer.err.splitlines() if line.startswith("clari-pipeline:")]
    assert all(export["time_period_id"] in line for export in answer.document["exports"])
    assert "CLARI_API_KEY" in line
    assert len(clari.requests) <= most
    assert clari.api_key not in answer.out + answer.err
    files = [path for path in terminal.folder.rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if clari.api_key.encode() in path.read_bytes()]


def test_a_key_that_is_revoked_on_the_way_leaves_the_job_to_the_next_sync(terminal: Terminal, clari: Sandbox) -> None:
    clari.fail_next("status", ["401"] * 2)
    answer = terminal("sync", "--last", "1", "--json")
    assert answer.code == 1
    assert [export["state"] for export in answer.document["exports"]] == ["SUBMITTED"]
    assert "CLARI_API_KEY" in answer.err.splitlines()[-1]
    assert terminal("sync", "--last", "1").code == 0
    assert posts(clari) == 1
    assert terminal.query("select state, error from clari.export_job") == [("LOADED", None)]


def test_when_clari_is_down_every_quarter_is_reported_and_nothing_hammered(terminal: Terminal, clari: Sandbox) -> None:
    """One call is tried as often as a call may be, then nobody asks any more."""
    for call in ("limits", "submit", "jobs", "status"):
        clari.fail_next(call, ["503"] * 100)
    assert export_last(5, "total_new", "new_business", attempts=4) == ["FAILED"] * 10
    assert len(clari.requests) == 4 + 2  # the limits, and a look whether anything else is answered
    assert terminal.query("select count(*) from clari.export_job where error like '%is down%'") == [(10,)]


def test_when_clari_is_down_the_incident_on_its_status_page_is_named(
    terminal: Terminal, clari: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the ledger's line, which is also the alert's; the page is asked once."""
    monkeypatch.setenv("CLARI_STATUS_URL", clari.status_url)
    clari.scenario = "down"
    assert export_last(5, attempts=2) == ["FAILED"] * 5
    said = "%is down%its status page says: Revenue API: exports and job status are unavailable (investigating, since%"
    assert terminal.query(f"select count(*) from clari.export_job where error like '{said}'") == [(5,)]
    assert [seen.path for seen in clari.requests].count("/api/v2/summary.json") == 1


def test_results_that_cannot_be_had_do_not_stop_the_other_quarters(terminal: Terminal, clari: Sandbox) -> None:
    """Clari answers everything else, so it is not down: the documents are left to the next sync, which fetches them."""
    clari.fail_next("results", ["500"] * 6)
    assert export_last(2, attempts=3) == ["SUBMITTED"] * 2
    assert terminal("sync", "--last", "2").code == 0
    assert len(clari.jobs) == 2


def test_each_step_is_a_json_line(terminal: Terminal, clari: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every line on stderr is one JSON object that names its event, quarter and level; errors at the end included."""
    monkeypatch.setenv("CLARI_LOG_FORMAT", "json")
    clari.scenario = "failed"
    monkeypatch.setenv("CLARI_MAX_REQUEUES", "0")
    answer = terminal("sync", "--last", "2")
    assert answer.code == 1
    lines = [json.loads(line) for line in answer.err.splitlines()]
    failed, good = (
        [line["event"] for line in lines if line.get("time_period_id") == quarter] for quarter in LAST_THREE[:2]
    )
    assert failed[-1] == "failed"
    steps = [step for step in good if step not in {"polled", "waited"}]
    assert steps == ["submitting", "submitted", "completed", "landed", "merged"]
    assert {line["level"] for line in lines} == {"info", "error"}
    assert lines[-1]["level"] == "error"
    assert "failed at Clari" in lines[-1]["message"]
    assert all(line["at"] and line["request_id"] for line in lines if "time_period_id" in line)
    assert clari.api_key not in answer.err


def test_eight_failures_in_a_row_are_ridden_out(terminal: Terminal, clari: Sandbox) -> None:
    """429, 500, a proxy's page and a reset, mixed, of three calls: the export lands, and one was submitted."""
    for call in ("limits", "status", "results"):
        clari.fail_next(call, ["429:0", "500", "502", "reset", "503", "429:0", "502", "reset"])
    assert export_last(1, attempts=Retry().attempts) == ["LANDED"]
    assert sum(request.method == "POST" for request in clari.requests) == 1


def test_waits_retries_and_latency_are_in_the_ledger_and_in_the_mart(terminal: Terminal, clari: Sandbox) -> None:
    clari.fail_next("status", ["500", "reset"])
    clari.fail_next("submit", ["quota"])
    assert terminal("sync", "--last", "1").code == 0
    ((polls, retries, slots, latency, waited),) = terminal.query(
        "select poll_count, retry_count, slot_wait_seconds, latency_seconds, wait_seconds from clari.export_job"
    )
    assert retries == 2
    assert slots > 0
    assert latency >= waited > 0
    assert terminal.query(
        "select polls, retries, slot_wait_seconds, median_latency_seconds, max_latency_seconds "
        "from clari.pipeline_health"
    ) == [(polls, retries, slots, latency, latency)]


# What other runs have left


def test_an_export_left_behind_days_ago_is_fetched_beside_the_new_one(terminal: Terminal, clari: Sandbox) -> None:
    """Its figures are history now, and Clari cannot give them again: both documents are merged, in their order."""
    export_last(1)
    leave_at_clari(terminal, "SUBMITTED", days=2)
    answer = terminal("sync", "--last", "1", "--json")
    assert answer.code == 0, answer.err
    assert "1 exports of earlier runs are fetched" in answer.err
    assert len(clari.jobs) == 2
    assert terminal.query(STATES) == [("LOADED",)] * 2
    (export,) = answer.document["exports"]
    assert export["job_id"] == clari.jobs[1].job_id


def test_an_export_of_days_ago_that_never_reached_clari_is_let_go(terminal: Terminal, clari: Sandbox) -> None:
    """Its figures would be today's: the one export of today is enough."""
    export_last(1)
    leave_at_clari(terminal, "SUBMITTING", days=2)
    clari.fail_next("jobs", [Fault("answer", 200, {}, b"[]")] * 3)
    assert terminal("sync", "--last", "1").code == 0
    assert len(clari.jobs) == 2
    assert terminal.query(STATES) == [("FAILED",), ("LOADED",)]


@pytest.mark.soak
def test_a_document_of_another_request_and_quarter_is_fetched_too(
    terminal: Terminal, clari: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The settings have changed since the run died: what it left is not stranded, and does not stand for the new."""
    assert terminal("sync", "--period", LAST_THREE[2]).code == 0
    leave_at_clari(terminal, "SUBMITTED")
    monkeypatch.setenv("CLARI_TYPES_TO_EXPORT", "forecast,quota,crm_closed")
    answer = terminal("sync", "--period", LAST_THREE[0], "--json")
    assert answer.code == 0, answer.err
    rows = terminal.query("select time_period_id, state from clari.export_job order by time_period_id")
    assert rows == [(LAST_THREE[2], "LOADED"), (LAST_THREE[0], "LOADED")]
    assert posts(clari) == len(clari.jobs) == 2


@pytest.mark.soak
def test_a_recovered_document_does_not_hide_that_todays_failed(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    with clari_with(monkeypatch, people=3, monthly_quota=1):
        assert terminal("sync", "--last", "1").code == 0
        leave_at_clari(terminal, "SUBMITTING", hours=13)
        answer = terminal("sync", "--last", "1", "--json")
    assert answer.code == 1
    found = [(export["source"], export["state"]) for export in answer.document["exports"]]
    assert found == [("EXPORT", "FAILED"), ("CURRENT", "LOADED")]  # the newest week came without a job
    of_exports = "select state from clari.export_job where source = 'EXPORT' order by all"
    assert terminal.query(of_exports) == [("FAILED",), ("LOADED",)]


@pytest.mark.soak
def test_a_job_that_clari_has_forgotten_is_replaced(terminal: Terminal, clari: Sandbox) -> None:
    """A run died, and its job is no more: the sync says so in the ledger, and exports the quarter once more."""
    terminal("sync", "--last", "1")
    leave_at_clari(terminal, "SUBMITTED", minutes=1)  # so long ago that it would be listed by now
    terminal.execute("update clari.export_job set job_id = 'gone'")
    answer = terminal("sync", "--last", "1", "--json")
    assert answer.code == 0, answer.err
    assert [export["state"] for export in answer.document["exports"]] == ["LOADED"]
    assert posts(clari) == 2
    assert terminal.query(STATES) == [("FAILED",), ("LOADED",)]


def test_what_a_run_had_landed_is_merged_by_the_next_and_not_requested_twice(
    terminal: Terminal, clari: Sandbox
) -> None:
    """The disk was full, or somebody held the warehouse, when it was to be merged. What a killed download has left is
    swept away after a day; what may still be written to stays.
    """
    assert export_last(1) == ["LANDED"]
    then = (datetime.now(UTC) - timedelta(hours=25)).timestamp()
    arriving = terminal.folder / "data/landing/.arriving"
    for name in ("old", "young"):
        file = arriving / name / "document.zst"
        file.parent.mkdir(parents=True)
        file.write_bytes(b"half")
        if name == "old":
            os.utime(file, (then, then))
    answer = terminal("sync", "--last", "1", "--json")
    assert answer.code == 0, answer.err
    assert [export["state"] for export in answer.document["exports"]] == ["LOADED"]
    assert len(clari.jobs) == 1
    assert [path.name for path in arriving.iterdir()] == ["young"]
