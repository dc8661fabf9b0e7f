"""The forecast without a job: what exports refuse, `sync --current`, and the current quarter beyond the quota."""

from pathlib import Path

import pytest

from clari_pipeline.sandbox import Sandbox
from clari_pipeline.sandbox.answers import NO_ROUTE
from tests.helpers.killing import Moment, Place, company
from tests.helpers.terminal import BEFORE, CURRENT, Terminal

ALL = "adjustment,crm_closed,crm_total,forecast,forecast_updated,quota"
GRANTED, REFUSED = "adjustment,forecast,forecast_updated,quota", "crm_closed,crm_total"
KNOWN = "select has_it from clari.current_call"


def asked(sandbox: Sandbox) -> list[str]:
    """Method and first part of the path of each request since the last call of this, without those of jobs' states."""
    named = [f"{one.method} {one.path.removeprefix('/v4/').partition('/')[0]}" for one in sandbox.requests]
    named = [name for one, name in zip(sandbox.requests, named, strict=True) if "/export/jobs/" not in one.path]
    sandbox.requests.clear()
    return named


def test_types_that_exports_refuse_are_brought_without_a_job(terminal: Terminal, sandbox: Sandbox) -> None:
    """Closed-won of both quarters is in the mart; the call is tried once, then used; it makes no swings."""
    sandbox.scenario = "type_refused"
    answer = terminal("sync", "--json")
    assert (answer.code, "without crm" in answer.err) == (0, False), answer.err
    of_quarter = [("EXPORT", "LOADED"), ("CURRENT", "LOADED")]
    found = [(one["time_period_id"], one["source"], one["state"]) for one in answer.document["exports"]]
    assert found == [(str(period), *one) for period in (CURRENT, BEFORE) for one in of_quarter]
    assert asked(sandbox).count("GET forecast") == 3
    of_exports = "select source, types_to_export, types_refused, include_historical from clari.export_job"
    assert terminal.query(f"{of_exports} where time_period_id = '{CURRENT}' order by exported_at") == [
        ("EXPORT", GRANTED, REFUSED, terminal.query("select true")[0][0]),
        ("CURRENT", REFUSED, None, False),
    ]
    assert terminal.query(
        "select count(*) from clari.forecast_vs_quota where crm_closed is null or quota_value is null"
    ) == [(0,)]
    assert terminal.query("select count(*) from clari.forecast_entry where not in_latest_export") == [(0,)]
    answer = terminal("sync", "--last", "1", "--json")
    assert (answer.code, answer.document["swings"], len(sandbox.jobs) > 0) == (0, 0, True)
    assert asked(sandbox).count("GET forecast") == 1
    reasons = "select distinct reason from clari.forecast_swing where reason is not null"
    assert terminal.query(reasons) == []
    assert terminal.query("select count(distinct job_id) from clari.forecast_swing_summary") == [(1,)]


def test_sync_current_finds_swings_without_an_export(terminal: Terminal, sandbox: Sandbox) -> None:
    """It is compared with the export before, and the next export with it; other weeks stay; no job is queued."""
    terminal.begin_after("sync", "--last", "1")
    entries = (
        "select time_frame_id, count(*) from clari.forecast_entry where in_latest_export group by all order by all"
    )
    before, jobs = terminal.query(entries), len(sandbox.jobs)
    sandbox.scenario = "swings"
    sandbox.requests.clear()
    answer = terminal("sync", "--current", "--json")
    assert answer.code == 0, answer.err
    assert asked(sandbox) == ["GET forecast"]
    (export,) = answer.document["exports"]
    assert (export["source"], export["job_id"][:8], export["time_period_id"]) == ("CURRENT", "current-", str(CURRENT))
    assert answer.document["swings"] > 0
    assert (terminal.query(entries), len(sandbox.jobs), terminal.query(KNOWN)) == (before, jobs, [(True,)])
    sources = """
        select baseline, before.source, now.source, count(*) filter (where is_swing) > 0, string_agg(distinct reason)
        from clari.forecast_swing as swing
        join clari.export_job as now on now.job_id = swing.job_id
        join clari.export_job as before on before.job_id = swing.previous_job_id
        group by all
    """
    ((baseline, *found, reasons),) = terminal.query(sources)
    assert (baseline, *found) == ("sync", "EXPORT", "CURRENT", True)
    assert set(reasons.split(",")) <= {"above_threshold", "to_zero", "from_zero"}
    status = terminal("status", "--json").document["exports"]
    assert [one["exported_at"] < one["current_at"] for one in status] == [True]
    answer = terminal("sync", "--last", "1", "--json")
    assert (answer.code, answer.document["swings"]) == (0, 0)
    assert ("sync", "CURRENT", "EXPORT", False, None) in terminal.query(sources)


@pytest.mark.parametrize("words", [(), ("--period", str(BEFORE))])
def test_an_organisation_without_the_call_is_refused_without_asking_clari_a_second_time(
    terminal: Terminal, sandbox: Sandbox, words: tuple[str, ...]
) -> None:
    sandbox.scenario = "no_current_call"
    answer = terminal("sync", "--current", *words)
    assert (answer.code, asked(sandbox), terminal.query(KNOWN)) == (1, ["GET forecast"], [(False,)])
    (line,) = [line for line in answer.err.splitlines() if line.startswith("clari-pipeline:")]
    assert "has no call for the forecast without a job" in line and "#no_current_call" in line
    answer = terminal("sync", "--current", *words)
    assert (answer.code, asked(sandbox)) == (2, [])
    (line,) = answer.err.splitlines()
    assert "preflight" in line and "#current_call_missing" in line
    sandbox.scenario = "calm"
    terminal("preflight")
    assert terminal("sync", "--current", *words).code == 0


def test_answers_that_leave_it_open_are_not_remembered(terminal: Terminal, sandbox: Sandbox) -> None:
    """Such as a 404 of the service, instead of the gateway; the export is merged all the same."""
    sandbox.scenario = "type_refused"
    sandbox.fail_next("current", ["404"])
    answer = terminal("sync", "--last", "1")
    assert (answer.code, "without crm_closed, crm_total" in answer.err) == (0, True)
    assert terminal.query(KNOWN) == []
    sandbox.fail_next("current", ["404"])
    assert terminal("sync", "--current").code == 1
    assert terminal.query(KNOWN) == []


def test_a_call_that_is_gone_is_a_failure_once(terminal: Terminal, sandbox: Sandbox) -> None:
    sandbox.scenario = "type_refused"
    assert terminal("sync", "--last", "1").code == 0
    sandbox.fail_next("current", [NO_ROUTE])
    answer = terminal("sync", "--last", "1")
    assert (answer.code, "has no call" in answer.err, terminal.query(KNOWN)) == (1, True, [(False,)])
    assert terminal("sync", "--last", "1").code == 0


def test_the_current_quarter_falls_back_to_it_where_no_export_is_left(terminal: Terminal, sandbox: Sandbox) -> None:
    """Its newest week is merged, and a line names it; both exports are failures, as their other weeks did not come."""
    sandbox.scenario = "no_quota"
    answer = terminal("sync", "--json")
    found = [(one["time_period_id"], one["source"], one["state"]) for one in answer.document["exports"]]
    assert (answer.code, found) == (
        1,
        [
            (str(CURRENT), "EXPORT", "FAILED"),
            (str(CURRENT), "CURRENT", "LOADED"),
            (str(BEFORE), "EXPORT", "FAILED"),
        ],
    )
    instead, failure = answer.err.splitlines()[-2:]
    assert f"total_new {CURRENT}: the newest week was brought without a job" in instead
    assert "#quota_exhausted" in instead
    assert str(BEFORE) in failure
    assert terminal.query("select count(*) > 0, max(time_period_id) from clari.forecast_vs_quota") == [
        (True, str(CURRENT))
    ]
    sandbox.scenario = "calm"
    assert terminal("sync").code == 0
    weeks = terminal.query(
        f"select count(distinct time_frame_id) from clari.forecast_call_week where time_period_id = '{CURRENT}'"
    )
    assert weeks == terminal.query(
        f"select count(distinct time_frame_id) from clari.forecast_entry where time_period_id = '{CURRENT}'"
    )


def test_replay_brings_back_what_came_without_a_job(terminal: Terminal, sandbox: Sandbox) -> None:
    sandbox.scenario = "type_refused"
    assert terminal("sync", "--last", "1").code == 0
    assert terminal("sync", "--current").code == 0
    ledger = """
        select request_id, job_id, source, types_to_export, exported_at, include_historical
        from clari.export_job
        order by all
    """
    known, tables = terminal.query(ledger), terminal.tables()
    assert [row[2] for row in known].count("CURRENT") == 2
    (terminal.folder / "data/warehouse.duckdb").unlink()
    sandbox.requests.clear()
    assert terminal("replay").code == 0
    assert (terminal.query(ledger), asked(sandbox)) == (known, [])
    assert terminal.tables() == tables


@pytest.mark.parametrize(
    "moments",
    [
        [Moment("Submitting", is_written=True), Moment("Answered", is_written=True), Moment("Landed", is_written=True)],
        pytest.param(
            [Moment(name, is_written=False) for name in ("Submitting", "Answered", "Landed", "Merged")],
            marks=pytest.mark.soak,
        ),
    ],
    ids=["after", "before"],
)
def test_after_a_kill_the_call_is_made_again_and_no_job_is_looked_for(tmp_path: Path, moments: list[Moment]) -> None:
    """A sync with jobs does not resume it either: it has no job at Clari."""
    with company() as sandbox:
        place = Place(tmp_path, sandbox)
        for moment in moments:
            assert place.sync("current", moment), moment
        assert not place.sync("current")
        assert set(asked(sandbox)) == {"GET forecast"}
        states = "select source, state from clari.export_job group by all order by all"
        assert place.query(states) in ([("CURRENT", "FAILED"), ("CURRENT", "LOADED")], [("CURRENT", "LOADED")])
        assert place.sync("current", Moment("Answered", is_written=True))
        assert not place.sync(1)
        assert asked(sandbox).count("GET export") == 0
        assert len(sandbox.jobs) == 1
        assert place.query("select count(*) from clari.export_job where state in ('SUBMITTING', 'SUBMITTED')") == [(0,)]


def test_concurrent_syncs_keep_to_their_own_rows(tmp_path: Path) -> None:
    with company(job_seconds=0.3) as sandbox:
        place = Place(tmp_path, sandbox, has_warehouse=True)
        syncs = [place.begun("current"), place.begun("current"), place.begun(1)]
        for process in syncs:
            process.join()
        assert [process.exitcode for process in syncs] == [0, 0, 0], (tmp_path / "output.txt").read_text()
        assert place.query("select source, state, count(*) from clari.export_job group by all order by all") == [
            ("CURRENT", "LOADED", 2),
            ("EXPORT", "LOADED", 1),
        ]


def test_current_and_last_exclude_each_other(terminal: Terminal, sandbox: Sandbox) -> None:
    answer = terminal("sync", "--current", "--last", "2")
    assert (answer.code, asked(sandbox)) == (2, [])


def test_another_address_of_clari_is_asked_anew(
    terminal: Terminal, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What one answered holds for no other, such as the next sandbox of `sync --sandbox`."""
    sandbox.scenario = "no_current_call"
    assert terminal("sync", "--current").code == 1
    sandbox.scenario = "calm"
    assert terminal("sync", "--current").code == 2
    monkeypatch.setenv("CLARI_BASE_URL", sandbox.base_url.replace("127.0.0.1", "localhost"))
    assert terminal("sync", "--current").code == 0
