"""The main job as its users meet it: the command line, a Clari sandbox over HTTP, DuckDB on disk."""

import json
import re
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from clari_pipeline.landing import Landing
from clari_pipeline.sandbox import Sandbox
from tests.helpers import forked
from tests.helpers.house import entry
from tests.helpers.terminal import BEFORE, CURRENT, Terminal

ENTRIES = "select count(*) from clari.forecast_entry"


def landed(terminal: Terminal, quarter: object) -> dict[str, object]:
    """The newest landed document of a quarter, its numbers as written."""
    documents = [
        document
        for document in Landing(terminal.folder / "data/landing")
        if document.manifest["time_period_id"] == str(quarter)
    ]
    newest = max(documents, key=lambda document: document.manifest["exported_at"])
    found: dict[str, object] = json.loads(newest.read(), parse_float=Decimal, parse_int=Decimal)
    return found


def test_a_sync_merges_every_amount_of_every_quarter_to_the_cent(terminal: Terminal) -> None:
    """The warehouse holds exactly what Clari delivered, for the current quarter and the one before it."""
    answer = terminal.with_dagster("sync")
    assert answer.code == 0, answer.err
    for quarter in (CURRENT, BEFORE):
        entries = landed(terminal, quarter)["entries"]
        assert isinstance(entries, list)
        delivered = {
            (entry["timeFrameId"], entry["userId"], entry["fieldId"]): tuple(
                entry.get(measure) for measure in ("forecastValue", "quotaValue", "crmClosed")
            )
            for entry in entries
        }
        merged = {
            row[:3]: row[3:]
            for row in terminal.query(
                "select time_frame_id, user_id, field_id, forecast_value, quota_value, crm_closed "
                f"from clari.forecast_entry where time_period_id = '{quarter}'"
            )
        }
        assert merged == delivered


def test_a_second_sync_changes_nothing_and_records_what_it_saw(terminal: Terminal) -> None:
    """Nothing is inserted or updated, and nothing swings; every entry is seen again, as of the newer export."""
    terminal.begin_after("sync", "--last", "1")
    before = terminal.query("select max(last_seen_at) from clari.forecast_entry")
    versions = terminal.query("from clari.forecast_entry_history order by all")
    answer = terminal("sync", "--last", "1", "--json")
    assert (answer.code, answer.document["swings"]) == (0, 0)
    (export,) = answer.document["exports"]
    assert (export["rows_inserted"], export["rows_updated"]) == (0, 0)
    assert export["rows_unchanged"] == export["rows_exported"] > 0
    assert terminal.query("from clari.forecast_entry_history order by all") == versions
    assert terminal.query("select min(last_seen_at) from clari.forecast_entry") > before


def test_json_is_one_document_with_the_promised_keys(terminal: Terminal) -> None:
    """In a process of its own, as a program runs it: nothing but JSON on stdout, progress on stderr."""
    done = forked.run(forked.program, "sync", "--last", "1", "--json")
    assert done.code == 0, done.err
    document = json.loads(done.out)
    promised = {"run_id", "started_at", "finished_at", "exports", "checks", "expectations", "swings", "alerts_sent"}
    assert set(document) == promised
    (export,) = document["exports"]
    rows = {"rows_exported", "rows_inserted", "rows_updated", "rows_unchanged"}
    assert set(export) == {"forecast_id", "time_period_id", "source", "job_id", "state", "error"} | rows
    assert (export["forecast_id"], export["time_period_id"], export["state"]) == ("total_new", str(CURRENT), "LOADED")
    assert export["source"] == "EXPORT"
    assert {check["name"] for check in document["checks"]} >= {"export_is_not_empty", "control_totals_reconcile"}
    keys = {"name", "forecast_id", "time_period_id", "passed", "severity", "evidence"}
    assert all(set(check) == keys for check in document["checks"])
    assert "LOADED" in done.err


# What each check refuses is in tests/warehouse/test_gate.py; a refused quarter as make test has it, in tests/defs.
@pytest.mark.parametrize(
    ("scenario", "check"),
    [
        ("unreadable", "export_is_readable"),
        pytest.param("truncated", "export_is_not_truncated", marks=pytest.mark.soak),
        pytest.param("echo", "export_period_matches_request", marks=pytest.mark.soak),
    ],
)
def test_a_bad_quarter_is_kept_out_and_the_others_are_merged(
    terminal: Terminal, sandbox: Sandbox, scenario: str, check: str
) -> None:
    """Refused with its reason, its tables untouched, the current quarter merged, exit code 1."""
    terminal.begin_after("sync", "--period", str(BEFORE))
    rows = terminal.query("from clari.forecast_entry order by all")
    sandbox.scenario = scenario
    answer = (terminal.with_dagster if scenario == "truncated" else terminal)("sync", "--json")
    found = {export["time_period_id"]: export for export in answer.document["exports"]}
    states = {quarter: export["state"] for quarter, export in found.items()}
    assert states == {str(CURRENT): "LOADED", str(BEFORE): "REFUSED"}
    assert check in found[str(BEFORE)]["error"]
    assert answer.code == 1
    of_before = [one for one in answer.document["checks"] if one["time_period_id"] == str(BEFORE)]
    assert {one["name"] for one in of_before if not one["passed"]} == {check}
    last_line = answer.err.strip().splitlines()[-1]
    assert str(BEFORE) in last_line
    assert check in last_line
    assert terminal.query(f"from clari.forecast_entry where time_period_id = '{BEFORE}' order by all") == rows


@pytest.mark.parametrize("scenario", ["monthly", "flat"])
def test_what_clari_writes_otherwise_is_merged_all_the_same(
    terminal: Terminal, sandbox: Sandbox, scenario: str
) -> None:
    """Another shape, order or wording is no fault; every entry is accounted for."""
    sandbox.scenario = scenario
    answer = terminal("sync", "--period", str(BEFORE), "--json")
    assert answer.code == 0, answer.err
    (export,) = answer.document["exports"]
    assert export["rows_inserted"] == terminal.query(ENTRIES)[0][0] == export["rows_exported"] > 0


@pytest.mark.soak
def test_number_writings_and_order_do_not_change_a_figure(terminal: Terminal, sandbox: Sandbox) -> None:
    """1200000, 1200000.0, 1.2E6 and "1200000.00" are one amount: after calm, nothing is new or changed.

    Nor by another word for a job that is done, or a list of jobs without an object around it.
    """
    terminal.begin_after("sync", "--period", str(BEFORE))
    for scenario in ("number_writings", "unordered", "duplicates_exact", "completed_word", "bare_jobs"):
        sandbox.scenario = scenario
        (export,) = terminal("sync", "--period", str(BEFORE), "--json").document["exports"]
        assert (export["rows_inserted"], export["rows_updated"]) == (0, 0), scenario
        dropped = 3 if scenario == "duplicates_exact" else 0
        kept = terminal.query(ENTRIES)[0][0]
        assert export["rows_unchanged"] == kept == export["rows_exported"] - dropped > 0, scenario


def test_csv_holds_the_same_figures_as_json(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    """The long CSV, money strings and all, gives JSON's amounts, by email, field name and first day of the week."""
    sql = """
        select person.email, field.field_name, week.start_date, entry.time_period_id,
            entry.forecast_value, entry.quota_value, entry.crm_total, entry.crm_closed
        from clari.forecast_entry as entry
        join clari.time_frame as week using (time_period_id, time_frame_id)
        join clari.forecast_user as person using (forecast_id, user_id)
        join clari.forecast_field as field using (forecast_id, field_id)
        order by all
    """
    terminal.begin_after("sync", "--period", str(BEFORE))
    as_json = terminal.query(sql)
    monkeypatch.setenv("CLARI_EXPORT_FORMAT", "CSV")
    monkeypatch.setenv("CLARI_WAREHOUSE_URL", "duckdb:///csv/warehouse.duckdb")
    assert terminal("sync", "--period", str(BEFORE)).code == 0
    assert terminal.query(sql, warehouse="csv/warehouse.duckdb") == as_json


def test_a_years_quota_stands_beside_the_quarters(terminal: Terminal, sandbox: Sandbox) -> None:
    """It need not be the sum of the quarters' [community]; what a call is held against is the quarter's."""
    terminal.begin_after("sync", "--last", "1")
    held_against = "select user_id, field_id, quota_value from clari.forecast_vs_quota order by all"
    before = terminal.query(held_against)
    sandbox.scenario = "annual_quotas"
    answer = terminal("sync", "--last", "1")
    assert answer.code == 0, answer.err
    assert terminal.query(held_against) == before
    (people,) = terminal.query(
        f"""
        select count(distinct user_id)
        from clari.forecast_entry as annual
        inner join clari.forecast_entry as quarterly using (forecast_id, user_id, field_id, time_frame_id)
        where
            annual.time_period_id = '{CURRENT.year}' and quarterly.time_period_id = '{CURRENT}'
            and annual.quota_value = cast(quarterly.quota_value * 4.2 as decimal(18, 4))
        """
    )
    assert people == (12,)


def test_people_who_leave_stay_in_the_tables(terminal: Terminal, sandbox: Sandbox) -> None:
    """Their rows are kept, marked as no longer shown, in the current table and in the history."""
    terminal.begin_after("sync", "--last", "1")
    everybody = terminal.query(ENTRIES)
    sandbox.scenario = "departure"
    answer = terminal("sync", "--last", "1")
    assert answer.code == 0, answer.err
    gone = terminal.query("select user_id from clari.forecast_user where not in_latest_export")
    assert len(gone) == 1
    assert terminal.query(ENTRIES) == everybody
    for table, is_gone in (
        ("forecast_entry", "not in_latest_export"),
        ("forecast_entry_history", "not is_present and valid_to is null"),
        ("forecast_vs_quota", "not in_latest_export and forecast_value is not null"),
    ):
        assert terminal.query(f"select distinct user_id from clari.{table} where {is_gone}") == gone, table


def test_calls_that_swing_are_counted_and_shown_from_and_to(terminal: Terminal, sandbox: Sandbox) -> None:
    """A calm sync, then one in which calls moved: who, what, from and to; the exit code stays 0."""
    terminal.begin_after("sync", "--last", "1")
    sandbox.scenario = "swings"
    answer = terminal("sync", "--last", "1")
    assert answer.code == 0
    swings = terminal.query(
        "select person.name, previous_value, current_value, reason from clari.forecast_swing "
        "join clari.forecast_user as person using (forecast_id, user_id) where is_swing"
    )
    assert swings
    for name, previous, current, reason in swings:
        (line,) = [line for line in answer.out.splitlines() if line.strip().startswith(" ".join(name.split()))]
        assert re.search(rf"  {previous:,.2f} +{current:,.2f} ", line)  # in one row, whatever is in the name
        moved = abs(current - previous)
        assert reason in {"from_zero", "to_zero", "sign_flip"} or moved > Decimal("0.2") * abs(previous)


@pytest.mark.parametrize("part", [("--period", str(BEFORE)), pytest.param((), marks=pytest.mark.soak)])
def test_replay_rebuilds_a_lost_warehouse_without_asking_clari(
    terminal: Terminal, sandbox: Sandbox, part: tuple[str, ...]
) -> None:
    """From landed documents alone: the same rows and versions; those that were refused are no failure. Before the first
    one has landed, it names the command to run.
    """
    nothing = terminal("replay")
    assert (nothing.code, "clari-pipeline sync" in nothing.out) == (0, True)
    (terminal.folder / "data/warehouse.duckdb").unlink()
    terminal.begin_after("sync", *part)
    sandbox.scenario = "late_edits"
    terminal("sync", *part)
    sandbox.scenario = "unreadable"
    assert terminal("sync", *part).code == 1
    tables = terminal.tables()
    exports = "select job_id, state, rows_inserted, rows_updated, rows_unchanged from clari.export_job order by all"
    ledger = terminal.query(exports)
    asked = len(sandbox.requests)
    again = terminal("replay", "--json")
    assert again.code == 0, again.err
    assert terminal.tables() == tables
    (terminal.folder / "data/warehouse.duckdb").unlink()
    terminal("replay")
    assert len(sandbox.requests) == asked
    assert terminal.tables() == tables
    assert terminal.query(exports) == ledger


def test_a_document_from_elsewhere_is_merged_once(terminal: Terminal) -> None:
    """The same file again is the same export; its types are those that it carries."""
    file = terminal.folder / "q4.json"
    file.write_text(json.dumps({"entries": [entry("1", "W00", call=10, quota=20)]}))
    words = ("replay", "--document", str(file), "--forecast", "elsewhere", "--period", "2026_Q4", "--json")
    answers = [terminal(*words, "--exported-at", "2026-11-02T06:00:00Z") for _ in range(2)]
    assert [answer.code for answer in answers] == [0, 0], answers
    (before,), (after,) = (answer.document["exports"] for answer in answers)
    assert before["job_id"] == after["job_id"]
    assert (before["rows_inserted"], after["rows_inserted"], after["rows_unchanged"]) == (1, 0, 1)
    assert terminal.query("select types_to_export, exported_at from clari.export_job") == [
        ("forecast,quota", datetime(2026, 11, 2, 6, tzinfo=UTC))
    ]


def test_a_forecast_may_be_called_anything(terminal: Terminal, sandbox: Sandbox) -> None:
    """What reads like a path stays inside the landing folder, what terminals would take for markup is shown as it is
    written.
    """
    names = ("../../x", "[/red] tab")
    content = json.dumps({"entries": [entry("u", "W00", call=1, period=str(CURRENT))]}).encode()
    for name in names:
        sandbox.serve(name, str(CURRENT), content)

    def outside() -> set[object]:
        return {path for path in terminal.folder.parent.rglob("*") if terminal.folder not in path.parents}

    before = outside()
    answer = terminal("sync", "--last", "1", "--forecast", names[0], "--forecast", names[1])
    assert answer.code == 0, answer.err
    assert outside() == before
    assert len(list((terminal.folder / "data/landing").glob("[!.]*/*/*/document.zst"))) == 2
    status = terminal("status").out
    assert all(name in answer.out and name in status for name in names)


def test_what_stops_a_merge_is_said_with_its_remedy(terminal: Terminal) -> None:
    """A landing folder that cannot take the document: cause and setting in one line, the export continued later."""
    in_the_way = terminal.folder / "data/landing/total_new"
    in_the_way.parent.mkdir(parents=True)
    in_the_way.touch()
    answer = terminal.with_dagster("sync", "--last", "1")
    assert answer.code == 1
    assert "CLARI_DATA_DIR" in answer.err
    in_the_way.unlink()
    assert terminal("sync", "--last", "1").code == 0
    assert terminal.query("select state from clari.export_job") == [("LOADED",)]


def test_status_shows_age_rows_and_quota(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing yet, then a row a quarter; the quota is Clari's own answer, unknown without a key."""
    nothing = terminal("status", "--json")
    assert (nothing.code, nothing.document["exports"]) == (0, [])
    terminal.begin_after("sync", "--last", "1")
    answer = terminal("status", "--json")
    (export,) = answer.document["exports"]
    assert set(export) == {"forecast_id", "time_period_id", "state", "exported_at", "age_hours", "rows"}
    assert export["state"] == "LOADED"
    assert 0 <= export["age_hours"] < 1
    assert export["rows"] == terminal.query(ENTRIES)[0][0]
    assert answer.document["quota"]["monthly"] == 1000
    assert answer.document["alerts_unsent"] == 0
    assert str(CURRENT) in terminal("status").out
    monkeypatch.delenv("CLARI_API_KEY")
    assert terminal("status", "--json").document["quota"] is None


def test_the_sandbox_never_reaches_the_real_warehouse(terminal: Terminal) -> None:
    """`--sandbox` keeps its figures in a warehouse of its own, with a copy of its own, whatever the settings say."""
    answer = terminal("sync", "--sandbox", "--last", "1")
    assert answer.code == 0, answer.err
    assert not list((terminal.folder / "data").glob("*.duckdb"))
    assert terminal.query(ENTRIES, warehouse="data/sandbox/warehouse.duckdb") > [(0,)]
    copied = terminal.query(
        "select 1 from clari.forecast_vs_quota limit 1", warehouse="data/sandbox/warehouse-read.duckdb"
    )
    assert copied
    assert "data/sandbox/warehouse.duckdb" in answer.out
    assert "Read-only copy: data/sandbox/warehouse-read.duckdb, data/sandbox/marts/" in answer.out
