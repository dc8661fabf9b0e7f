"""`clari-pipeline debug-bundle`: what support needs, and neither a secret nor a person."""

import json
import re
import tarfile
from pathlib import Path

import duckdb
import pytest
from pydantic import SecretStr

from clari_pipeline.config.settings import read_settings
from clari_pipeline.sandbox import Sandbox
from clari_pipeline.sync.masking import Mask
from clari_pipeline.warehouse.duckdb.engine import DuckWarehouse
from tests.helpers.beginnings import begin_after
from tests.helpers.terminal import Terminal

PARTS = {
    "versions", "settings", "preflight", "tables", "export_job", "product_fetch", "export_check", "export_quota",
    "alert", "health", "dagster_runs",
}  # fmt: skip
ALERT_URL = "json://someone:pa55word-of-hook@127.0.0.1:9/T0KEN-0123456789abcdef"


def bundle(terminal: Terminal, *words: str) -> dict[str, str]:
    """The archive's files, by name."""
    answer = terminal("debug-bundle", "--output", "debug.tar.gz", *words)
    assert (answer.code, answer.out) == (0, "debug.tar.gz\n"), answer.err
    assert Path("debug.tar.gz").stat().st_mode & 0o777 == 0o600
    found = {}
    with tarfile.open("debug.tar.gz") as archive:
        for entry in archive:
            stream = archive.extractfile(entry)
            assert stream is not None
            found[entry.name.removeprefix("debug/")] = stream.read().decode()
    return found


def people() -> set[str]:
    """Every name and address that the warehouse holds of anybody."""
    with duckdb.connect("data/warehouse.duckdb", read_only=True) as connection:
        told = connection.execute("select name, email from clari.forecast_user").fetchall()
    found = {text for one in told for text in one}
    assert len(found) == 26
    return found


@pytest.fixture
def in_dagster(terminal: Terminal, sandbox: Sandbox) -> Terminal:
    """A quarter was synced by runs in Dagster, which tell of the two at the top."""

    def sync() -> None:
        sandbox.scenario = "two_tops"
        assert terminal.with_dagster("sync", "--last", "1").code == 0

    begin_after("two tops in Dagster", sync, folder=terminal.folder)
    sandbox.scenario = "calm"
    return terminal


@pytest.fixture
def in_trouble(in_dagster: Terminal, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """And an export was refused, and alerts name people."""
    monkeypatch.setenv("CLARI_ALERT_URLS", ALERT_URL)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with duckdb.connect("data/warehouse.duckdb") as connection:
        ((name, email),) = connection.execute(
            "select name, email from clari.forecast_user where is_top limit 1"
        ).fetchall()
        connection.execute(
            "update clari.export_job set error = ?, state = 'REFUSED'", [f"{name} <{email}> and {sandbox.api_key}"]
        )
        connection.execute(
            "update clari.export_check set passed = false, evidence = ? where check_name = 'totals_have_one_top'",
            [json.dumps({"summary": f"2 people stand at the top ({name}, Unknown Person)", "tops": [{"name": name}]})],
        )
        connection.execute(
            "update clari.export_check set evidence = ? where check_name = 'people_are_distinct'",
            [json.dumps({"email": "unknown.person@elsewhere.test", "shown": [{"name": "Unknown Person"}]})],
        )
        connection.execute(
            "insert into clari.alert (alert_key, alert_class, kind, severity, title, body, created_at, last_error) "
            "values ('k', ?, 'forecast_swing', 'P3', ?, ?, now(), 'json #1: 500')",
            [email, f"{name} moved", email],
        )
    return in_dagster


def test_no_person_and_no_secret_is_in_it(in_trouble: Terminal, sandbox: Sandbox) -> None:
    """Searched for every name and address of the company, the key, and the parts of the channel's address.

    Where people are asked for, alerts are as they were sent; secrets are in none.
    """
    found = bundle(in_trouble)
    assert set(found) == {"README.txt", *(f"{name}.json" for name in PARTS)}
    everything = "\n".join(found.values())
    secrets = {sandbox.api_key, ALERT_URL, "pa55word-of-hook", "T0KEN-0123456789abcdef"}
    unknown = {"Unknown Person", "unknown.person@elsewhere.test"}
    for text in people() | secrets | unknown:
        assert text.lower() not in everything.lower(), text
        assert json.dumps(text)[1:-1].lower() not in everything.lower(), text
    settings = json.loads(found["settings.json"])
    assert (settings["api_key"], settings["alert_urls"], settings["quota_field"]) == ("***", "***", None)
    jobs = json.loads(found["export_job.json"])
    assert {job["error"] for job in jobs} == {"(a person) <(a person)> and ***"}
    checks = json.loads(found["export_check.json"])
    assert {"entry_keys_are_unique", "totals_have_one_top"} < {check["check_name"] for check in checks}
    assert json.loads(found["tables.json"])["forecast_user"] == 13
    assert json.loads(found["alert.json"])[0]["kind"] == "forecast_swing"
    runs = json.loads(found["dagster_runs.json"])
    assert {run["job"] for run in runs} == {"sync_quarter", "refresh_marts"}
    assert any("merged" in event["message"] for run in runs for event in run["events"])
    assert "duckdb" in json.loads(found["versions.json"])["packages"]
    assert {line["name"] for line in json.loads(found["preflight.json"])} >= {"key_is_accepted", "quota_is_enough"}
    named = bundle(in_trouble, "--with-people")
    assert json.loads(named["alert.json"])[0]["body"] in people()
    assert "Unknown Person" in named["export_check.json"]
    assert [secret for secret in secrets if secret in "\n".join(named.values())] == []


@pytest.mark.parametrize(
    "lost", [pytest.param(False, id="another warehouse", marks=pytest.mark.soak), pytest.param(True, id="no warehouse")]
)
def test_nobody_of_a_warehouse_that_is_gone_is_in_it(in_dagster: Terminal, lost: bool) -> None:
    """Dagster's runs still tell of the two at the top, whom no warehouse knows any more."""
    names = [name for (name,) in in_dagster.query("select name from clari.forecast_user where is_top")]
    assert len(names) == 2
    Path("data/warehouse.duckdb").unlink()
    if not lost:
        DuckWarehouse(Path("data/warehouse.duckdb")).prepare()
    everything = "\n".join(bundle(in_dagster).values())
    assert [name for name in names if name in everything] == []
    assert names[0] in bundle(in_dagster, "--with-people")["dagster_runs.json"]


def test_a_file_that_was_there_is_the_owners_alone_from_now_on(terminal: Terminal) -> None:
    Path("debug.tar.gz").write_text("of before")
    Path("debug.tar.gz").chmod(0o644)
    assert "versions.json" in bundle(terminal)


@pytest.mark.parametrize(
    ("known_as", "said"),
    [
        ("Jane  Doe ", "the call of Jane Doe, CRO"),
        ("Jane Doe", "moved by Jane\nDoe"),
        ("李雷", "由李雷改"),
        ("Zoë Å", "Zoe\u0308 A\u030a"),
        ("Bob", "from jane@corp and jane.doe%40corp.test to bob"),
    ],
)
def test_a_name_is_found_however_it_is_written(known_as: str, said: str) -> None:
    """Blanks that were folded, scripts without blanks, letters in two parts, addresses without a dot or encoded."""
    told = Mask(people=[known_as]).text(said)
    assert not {"jane", "doe", "李雷", "zo", "bob"} & set(re.split(r"[\W_]+|(?<=由)|(?=改)", told.casefold()))


def test_a_secret_is_found_however_it_is_written() -> None:
    """In the escapes of JSON, in a web address, in base64; a password with letters beyond ASCII, too."""
    settings = read_settings(
        api_key=SecretStr("key+f00dface/f00dface=="),
        warehouse_url=SecretStr("postgresql://writer:p%C3%A4ss%2Fword@db.example.com/warehouse"),
    )
    told = Mask(settings).text(
        r"apikey key+f00dface\/f00dface\u003d\u003d, key%2Bf00dface%2Ff00dface%3D%3D, "
        "a2V5K2YwMGRmYWNlL2YwMGRmYWNlPT0=; p\\u00e4ss/word at db.example.com"
    )
    assert told == "apikey ***, ***, ***; *** at db.example.com"


def test_what_is_broken_does_not_keep_the_rest_out(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    """A warehouse that cannot be read: what may name people whom nobody knows stays out, and the reason is there."""
    terminal.begin_after("sync")
    Path("data/warehouse.duckdb").write_text("x" * 999)
    found = bundle(terminal)
    assert {"versions.json", "settings.json", "preflight.json", "tables.error.txt", "export_check.error.txt"} < set(
        found
    )
    assert "cannot be read" in found["tables.error.txt"]
    monkeypatch.setenv("CLARI_SYNC_CRON", "daily")
    found = bundle(terminal)
    assert set(found) == {"README.txt", "versions.json", "preflight.json", "settings.error.txt"}
    assert "CLARI_SYNC_CRON" in found["settings.error.txt"]


def test_before_the_first_sync_there_is_little_to_say(terminal: Terminal) -> None:
    found = bundle(terminal)
    assert json.loads(found["export_job.json"]) == json.loads(found["dagster_runs.json"]) == []
    assert terminal("debug-bundle").out.startswith("clari-debug-")
