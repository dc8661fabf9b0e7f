"""Five incidents, mended by somebody who has the runbook and nothing else: what is seen leads to a section, and the
commands that stand there put it right.
"""

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from clari_pipeline.core.project import project_file
from clari_pipeline.core.runbook import PAGE, anchor
from clari_pipeline.sandbox import Sandbox
from tests.helpers.listeners import WebListener
from tests.helpers.terminal import Answer, Terminal

TEXT = (project_file("sql").parent / PAGE).read_text(encoding="utf-8")


def section(title: str) -> str:
    """The text below a heading."""
    (text,) = re.findall(rf"^## {title}\n(.*?)(?=^## )", TEXT, flags=re.MULTILINE | re.DOTALL)
    return str(text)


def blocks(title: str, language: str = "") -> list[str]:
    found = re.findall(r"^```(\w*)\n(.*?)^```$", section(title), flags=re.MULTILINE | re.DOTALL)
    return [text for name, text in found if name == language]


def leads_to(code: str, title: str) -> bool:
    """Whether the row on what was seen names the incident."""
    (row,) = (line for line in TEXT.splitlines() if f'<a id="{code}"></a>' in line)
    return f"(#{title.lower().replace(' ', '-')})" in row


@pytest.fixture
def operator(terminal: Terminal, hook: WebListener, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """One quarter is synced each day, and was yesterday."""
    terminal.begin_after("sync", "--last", "1")
    monkeypatch.setenv("CLARI_HISTORICAL_PERIODS", "0")
    monkeypatch.setenv("CLARI_QUARTER_GRACE_DAYS", "0")
    assert hook.received == []
    return terminal


def follow(operator: Terminal, title: str) -> Answer:
    """Type what the section says; the last sync's answer."""
    typed = [
        line.split("#")[0].split()[1:] for block in blocks(title) for line in block.splitlines() if "pipeline" in line
    ]
    answers = {tuple(words): operator(*words) for words in typed}
    (synced,) = (answer for words, answer in answers.items() if words[0] == "sync")
    return synced


def seen(operator: Terminal, hook: WebListener, *codes: str) -> Answer:
    """A sync that does not do what it should: stderr's last line and one message name their sections."""
    answer = operator("sync")
    code, *told = codes
    assert answer.code == 1
    assert answer.err.splitlines()[-1].endswith(f"({anchor(code)})"), answer.err
    (message,) = hook.documents
    for one in (code, *told):
        assert anchor(one) in message["message"]
    assert [alert["runbook"] for alert in message["alerts"]] == [anchor(told[0] if told else code)]
    return answer


def is_well(operator: Terminal, synced: Answer) -> bool:
    (export,) = operator("status", "--json").document["exports"]
    return synced.code == 0 and export["state"] == "LOADED"


@pytest.mark.soak
def test_the_key_is_revoked(operator: Terminal, hook: WebListener, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything stops, at once and loudly; the checklist says that it is the key; a new one, and it goes on."""
    title, good = "The key is revoked", os.environ["CLARI_API_KEY"]
    monkeypatch.setenv("CLARI_API_KEY", "revoked-key-of-somebody")
    seen(operator, hook, "auth_failed")
    assert leads_to("auth_failed", title)
    line = next(one for one in operator("preflight", "--json").document["checks"] if one["name"] == "key_is_accepted")
    assert (line["status"], anchor("key_is_accepted") in line["remedy"]) == ("FAIL", True)
    monkeypatch.setenv("CLARI_API_KEY", good)
    assert is_well(operator, follow(operator, title))


@pytest.mark.soak
def test_the_quota_is_used_up(operator: Terminal, sandbox: Sandbox, hook: WebListener) -> None:
    """What is there stays; once exports are left again, the current quarter alone is asked for."""
    title = "The quota is used up"
    sandbox.scenario = "no_quota"
    answer = operator("sync")
    assert (answer.code, answer.err.splitlines()[-1].endswith(f"({anchor('quota_exhausted')})")) == (1, True)
    assert {document["alerts"][0]["runbook"] for document in hook.documents} == {
        anchor("quota_low"),
        anchor("export_failed"),
    }
    assert leads_to("quota_exhausted", title)
    assert leads_to("quota_low", title)
    sandbox.scenario = "calm"
    assert is_well(operator, follow(operator, title))


def test_a_quarter_is_empty(operator: Terminal, sandbox: Sandbox, hook: WebListener) -> None:
    """The figures of before stand; the alert is one to get up for; the next export brings what Clari shows again."""
    title, before = "A quarter is empty", operator.tables()
    sandbox.scenario = "empty"
    seen(operator, hook, "export_is_not_empty", "export_refused")
    assert hook.documents[0]["title"].startswith("[P1]")
    assert operator.tables() == before
    assert leads_to("export_is_not_empty", title)
    assert leads_to("export_refused", title)
    sandbox.scenario = "calm"
    assert is_well(operator, follow(operator, title))


@contextmanager
def no_room(operator: Terminal) -> Iterator[None]:
    """/dev/full refuses every byte, as a full disk does: here the warehouse's log stands on it."""
    log = operator.folder / "data/warehouse.duckdb.wal"
    log.symlink_to("/dev/full")
    try:
        yield
    finally:
        log.unlink()


@pytest.mark.soak
def test_the_disk_of_the_warehouse_is_full(operator: Terminal, sandbox: Sandbox, hook: WebListener) -> None:
    """People are told although nothing can be written down; nothing is half merged, and nothing asked for in vain."""
    title, before = "The disk is full", operator.tables()
    with no_room(operator):
        seen(operator, hook, "warehouse_full", "run_failed")
    assert operator.tables() == before
    assert leads_to("warehouse_full", title)
    asked = len(sandbox.jobs)
    assert is_well(operator, follow(operator, title))
    assert len(sandbox.jobs) - asked <= 1
    assert operator.query("select kind, sent_at is not null from clari.alert") == [("run_failed", True)]


def test_a_swing_is_an_import_error(operator: Terminal, sandbox: Sandbox, hook: WebListener) -> None:
    """It is merged, for it stands in Clari; its cause can be seen by the query, and the figures are right after it."""
    title, calls = "A swing is an import error", "select user_id, field_id, forecast_value from clari.forecast_vs_quota"
    before = sorted(operator.query(calls), key=str)
    sandbox.scenario = "import_error"
    answer = operator("sync")
    assert (answer.code, anchor("forecast_swings_within_threshold") in answer.out) == (0, True)
    assert anchor("mass_change") in hook.documents[0]["message"]
    assert leads_to("mass_change", title)
    (query,) = blocks(title, "sql")
    assert {(row[2], row[3]) for row in operator.query(query)} == {(10, 10)}
    sandbox.scenario = "calm"
    assert is_well(operator, follow(operator, title))
    assert sorted(operator.query(calls), key=str) == before


@pytest.mark.soak
def test_a_bad_export_is_taken_back(operator: Terminal, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it stands there, word by word: afterwards no version of any call is what the wrong export said."""
    sandbox.scenario = "import_error"
    assert operator("sync").code == 0
    ((wrong,),) = operator.query("select landing_path from clari.export_job order by exported_at desc limit 1")
    sandbox.scenario = "calm"
    assert operator("sync").code == 0
    tall = "select max(forecast_value) from clari.forecast_entry_history"
    ((before,),) = operator.query(tall)
    (block,) = blocks("Rollback of a bad export")
    for line in block.replace("FORECAST/QUARTER/JOB", wrong).replace("/mnt/backup/clari", "backup").splitlines():
        words, pipeline, rest = line.partition("clari-pipeline ")
        if not pipeline:
            subprocess.run(line, shell=True, check=True)  # noqa: S602 - as somebody would type it
            continue
        with monkeypatch.context() as patch:
            if words:
                patch.setenv(*words.strip().split("="))
            answer = operator(*rest.split())
        assert answer.code == 0, (line, answer.err)
    ((after,),) = operator.query(tall)
    assert after * 5 < before
    assert is_well(operator, answer)
    assert len(list(operator.folder.glob("data/set-aside/*/document.zst"))) == 1
