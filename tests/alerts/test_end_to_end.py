"""From a sync to what people get, through real listeners: told once, in time, and nothing that is not so."""

import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import dagster as dg
import pytest

from clari_pipeline.config.settings import point_dagster_at, read_settings
from clari_pipeline.sandbox import Sandbox
from tests.helpers.beginnings import begin_after
from tests.helpers.daemon import Daemon
from tests.helpers.listeners import Manner, WebListener, address, free_port
from tests.helpers.sensors import sensor_tick
from tests.helpers.terminal import BEFORE, CURRENT, Terminal

Listen = Callable[..., WebListener]


@pytest.fixture(scope="session")
def forty() -> Iterator[Sandbox]:
    """A company so large that a handful of swings is no mass change."""
    with Sandbox(people=40, job_seconds=0.02) as sandbox:
        yield sandbox


@pytest.fixture
def company(forty: Sandbox, terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """That company on a calm day; a test may set another scenario."""
    assert terminal
    forty.scenario = "calm"
    forty.now = lambda: datetime.now(UTC)
    monkeypatch.setenv("CLARI_BASE_URL", forty.base_url)
    monkeypatch.setenv("CLARI_API_KEY", forty.api_key)
    return forty


def begin_calmly(terminal: Terminal) -> None:
    """The company's quarter was synced once, and there was nothing to tell."""

    def sync() -> None:
        assert terminal("sync", "--last", "1").code == 0

    begin_after("forty synced", sync, folder=terminal.folder)


@dataclass(frozen=True)
class Notified:
    """What a sync said in which calls had swung, and every message that people got."""

    code: int
    answer: dict[str, Any]
    documents: list[dict[str, Any]]


@pytest.fixture
def notified(terminal: Terminal, company: Sandbox, hook: WebListener) -> Notified:
    """A folder in which people were told of swings, which still stand at Clari; the hook has had nothing yet."""

    def swing() -> list[Any]:
        begin_calmly(terminal)
        company.scenario = "swings"
        answer = terminal("sync", "--last", "1", "--json")
        return [answer.code, answer.document, hook.documents]

    found = Notified(*begin_after("forty told", swing, folder=terminal.folder))
    hook.received.clear()
    company.scenario = "swings"
    return found


def subjects(listener: WebListener) -> list[str]:
    return [document["title"] for document in listener.documents]


def alerts(terminal: Terminal, kind: str) -> list[tuple[Any, ...]]:
    return terminal.query(
        f"select severity, title, body, sent_at from clari.alert where kind = '{kind}' order by title"
    )


def earlier(terminal: Terminal, by: timedelta) -> None:
    """Let everything that was raised be so much older."""
    terminal.execute("update clari.alert set created_at = created_at - $by", by=by)


def test_a_calm_sync_sends_no_alert(terminal: Terminal, hook: WebListener) -> None:
    """A message can be sent on trial all the same."""
    terminal.begin_after("sync", "--last", "1")
    assert terminal("sync", "--last", "1", "--json").document["alerts_sent"] == 0
    assert hook.received == []
    assert terminal.query("select count(*) from clari.alert") == [(0,)]
    assert "No alert" in terminal("alerts", "list").out
    assert terminal("alerts", "test").code == 0
    assert len(hook.received) == 1


def test_swings_come_as_one_message_with_all_that_one_needs(terminal: Terminal, notified: Notified) -> None:
    """Who, what, from, to, by how much, against what; the raw values beside the words; written down and marked.

    What a manager's reports add up to, and what is the manager's own judgement, make the whole change.
    """
    assert notified.code == 0
    (message,) = notified.documents
    assert message["title"].startswith(f"[P3] Q{CURRENT.number} ")
    assert message["title"].endswith(f"{notified.answer['swings']} swings")
    swung = terminal.query(
        "select person.name, previous_value, current_value from clari.forecast_swing "
        "join clari.forecast_user as person using (forecast_id, user_id) where is_swing"
    )
    assert len(swung) == notified.answer["swings"] == notified.answer["alerts_sent"]
    for name, previous, current in swung:
        assert name in message["message"]
        assert f"{previous:,.2f} → {current:,.2f}" in message["message"]
    assert f"total_new, {CURRENT}" in message["message"]
    raw = {alert["detail"]["user_name"]: alert["detail"] for alert in message["alerts"]}
    assert {(name, Decimal(raw[name]["current_value"])) for name in raw} == {(name, now) for name, _, now in swung}
    assert [sent for *_, sent in alerts(terminal, "forecast_swing") if sent is None] == []
    explained = [detail for detail in raw.values() if detail["judgement_change"] is not None]
    assert explained
    for swing in explained:
        parts = ("reports_change", "joiners_change", "leavers_change", "judgement_change")
        assert sum(Decimal(swing[part] or 0) for part in parts) == Decimal(swing["change_amount"])
    assert "own judgement" in message["message"]


@pytest.mark.parametrize(
    ("scenario", "kind", "severity", "words", "syncs"),
    [
        ("truncated", "export_refused", "P2", "export_is_not_truncated", 2),
        pytest.param("failed", "export_failed", "P2", "failed at Clari", 1, marks=pytest.mark.soak),
        pytest.param("failed", "export_failed", "P2", "failed at Clari", 2, marks=pytest.mark.soak),
    ],
)
def test_an_export_that_is_refused_or_fails_raises_an_alert(
    terminal: Terminal,
    sandbox: Sandbox,
    hook: WebListener,
    scenario: str,
    kind: str,
    severity: str,
    words: str,
    syncs: int,
) -> None:
    """Forecast, quarter and reason; again after a day, not before."""
    sandbox.scenario = scenario
    quarter = BEFORE if scenario == "truncated" else CURRENT
    for _ in range(syncs):
        terminal("sync", "--period", str(quarter))
    ((found, title, body, sent),) = alerts(terminal, kind)
    assert (found, sent is not None) == (severity, True)
    assert f"total_new {quarter}" in title
    assert words in body
    (message,) = hook.documents
    assert message["title"].startswith(f"[{severity}]")
    assert str(quarter) in message["message"]
    assert "total_new" in message["message"]
    assert words in message["message"]
    earlier(terminal, timedelta(hours=25))
    terminal("sync", "--period", str(quarter))
    assert len(hook.received) == 2


def test_an_empty_export_and_a_refused_key_are_the_worst(
    terminal: Terminal, sandbox: Sandbox, hook: WebListener, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox.scenario = "empty"
    monkeypatch.setenv("CLARI_QUARTER_GRACE_DAYS", "0")
    terminal("sync", "--last", "1")
    assert [row[0] for row in alerts(terminal, "export_refused")] == ["P1"]
    monkeypatch.setenv("CLARI_API_KEY", "another-key")
    terminal("sync", "--last", "2")
    ((severity, _, body, sent),) = alerts(terminal, "auth_failed")
    assert (severity, sent is not None) == ("P1", True)
    assert "CLARI_API_KEY" in body
    assert "another-key" not in str(hook.received)
    assert all(subject.startswith("[P1]") for subject in subjects(hook))


def test_a_channel_that_is_down_is_sent_its_part_by_the_next_run(
    terminal: Terminal, company: Sandbox, web: Callable[[Manner], WebListener], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other has its message at once and once; the exit code stays 0, a line on stderr shows no address."""
    up, port = web("accepts"), free_port()
    monkeypatch.setenv("CLARI_ALERT_URLS", f"{address(up)},json://127.0.0.1:{port}/hidden-token")
    begin_calmly(terminal)
    company.scenario = "swings"
    answer = terminal("sync", "--last", "1", "--json")
    assert (answer.code, answer.document["alerts_sent"]) == (0, 0)
    assert "alert channel json #2" in answer.err
    assert "hidden-token" not in answer.err + answer.out
    assert len(up.received) == 1
    assert terminal("status", "--json").document["alerts_unsent"] == answer.document["swings"]
    stored = terminal.query("select distinct last_error, attempts, sent_at from clari.alert")
    assert len(stored) == 1
    assert "hidden-token" not in str(stored)
    late = _listen_at(web, port)
    again = terminal("sync", "--last", "1", "--json")
    assert again.document["alerts_sent"] == answer.document["swings"]
    assert (len(up.received), len(late.received)) == (1, 1)
    assert late.documents[0]["message"] == up.documents[0]["message"]
    assert terminal("status", "--json").document["alerts_unsent"] == 0


def _listen_at(web: Callable[..., WebListener], port: int) -> WebListener:
    with socket.socket() as probe:  # the port is still free
        probe.bind(("127.0.0.1", port))
    return web("accepts", port)


def test_stale_figures_raise_an_alert(
    terminal: Terminal, sandbox: Sandbox, hook: WebListener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A quarter that was loaded once and has not come for longer than allowed; one that never came is no alert.

    The export that fails has an alert of its own, which comes again after a day.
    """
    terminal.begin_after("sync", "--last", "1")
    terminal.execute("update clari.export_job set exported_at = exported_at - interval 27 hour")
    monkeypatch.setenv("CLARI_MAX_REQUEUES", "0")
    sandbox.scenario = "failed"
    terminal("sync", "--last", "1")
    ((severity, title, body, _),) = alerts(terminal, "freshness")
    assert severity == "P2"
    assert f"total_new {CURRENT}" in title
    assert "27 hours old" in body
    assert len(hook.received) == 2
    ((severity, title, body, sent),) = alerts(terminal, "export_failed")
    assert (severity, sent is not None) == ("P2", True)
    assert f"total_new {CURRENT}" in title
    assert "failed at Clari" in body
    (message,) = (found for found in hook.documents if found["alerts"][0]["kind"] == "export_failed")
    assert message["title"].startswith("[P2]")
    for words in (str(CURRENT), "total_new", "failed at Clari"):
        assert words in message["message"]
    earlier(terminal, timedelta(hours=25))
    terminal("sync", "--last", "1")
    assert len(alerts(terminal, "export_failed")) == 2


def test_alerts_are_listed_and_requeued(
    terminal: Terminal, notified: Notified, hook: WebListener, mail: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is sent again unless it is named; what nobody has been sent yet is sent without that, and goes to
    people's mail as it goes to a web address.
    """
    listed = terminal("alerts", "list", "--json").document["alerts"]
    assert len(listed) == len(notified.documents[-1]["alerts"])
    out = terminal("alerts", "list").out
    assert all(alert["title"] in out for alert in listed[:2])
    assert terminal("alerts", "resend").code == 0
    assert hook.received == []
    assert terminal("alerts", "resend", listed[0]["alert_key"]).code == 0
    assert len(hook.received) == 1
    unknown = terminal("alerts", "resend", "nonesuch")
    assert (unknown.code, "nonesuch" in unknown.err) == (2, True)
    terminal.execute("delete from clari.alert_delivery")
    terminal.execute("update clari.alert set sent_at = null")
    assert terminal("alerts", "resend").code == 0
    assert hook.documents[-1]["title"] == notified.documents[0]["title"]
    terminal.execute("update clari.alert set sent_at = null")
    monkeypatch.setenv("CLARI_ALERT_URLS", f"mailto://127.0.0.1:{mail.port}?from=pipeline@a.example&to=ops@a.example")
    assert terminal("alerts", "resend").code == 0
    (received,) = mail.received
    assert str(received["subject"]) == notified.documents[0]["title"]
    assert str(CURRENT) in received.get_body(("html",)).get_content()


def test_an_invalid_channel_address_is_refused_before_any_request(
    terminal: Terminal, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLARI_ALERT_URLS", "nonesuch://user:hidden-word@host")
    answer = terminal("sync")
    assert answer.code == 2
    assert "CLARI_ALERT_URLS" in answer.err
    assert "hidden-word" not in answer.err
    assert not sandbox.requests


# Under Dagster


def test_dagsters_sensors_send_each_alert_once(
    terminal: Terminal, daemon: Daemon, sandbox: Sandbox, hook: WebListener
) -> None:
    """A run of the daemon that swings, and one that fails: each is told when its sensor looks, and not again."""
    sandbox.scenario = "swings"
    assert daemon.sync()
    daemon.tick_sensors()
    assert len(hook.received) == 1
    assert "swings" in subjects(hook)[0]
    sandbox.scenario = "failed"
    assert not daemon.sync(may_fail=True)
    daemon.tick_sensors()
    daemon.tick_sensors()
    assert len(hook.received) == 2
    assert str(CURRENT) in hook.documents[1]["message"]
    assert [row[0] for row in alerts(terminal, "export_failed")] == ["P2"]


def test_stale_figures_raise_an_alert_though_nothing_runs(
    terminal: Terminal, sandbox: Sandbox, hook: WebListener
) -> None:
    """A schedule that is off, a cron line that is gone: the watch notices."""
    assert sandbox
    terminal.begin_after("sync", "--last", "1")
    point_dagster_at(read_settings())
    with dg.DagsterInstance.get() as instance:
        sensor_tick(instance, "freshness_watch", None)
        assert hook.received == []
        terminal.execute("update clari.export_job set exported_at = exported_at - interval 27 hour")
        for _ in range(2):
            sensor_tick(instance, "freshness_watch", None)
    assert len(hook.received) == 1
    assert f"total_new {CURRENT}" in subjects(hook)[0]


def test_alerts_that_one_run_could_not_raise_are_raised_by_the_next(
    terminal: Terminal, notified: Notified, hook: WebListener
) -> None:
    """A run that died after the merge, and before anybody was notified."""
    terminal.execute("delete from clari.alert")
    terminal.execute("delete from clari.alert_delivery")
    terminal.execute("update clari.export_job set told_at = null")
    terminal("sync", "--last", "1")
    (again,) = hook.documents
    assert again["message"].splitlines()[2:6] == notified.documents[0]["message"].splitlines()[2:6]


def test_a_replay_sends_no_alert(terminal: Terminal, notified: Notified, hook: WebListener) -> None:
    assert len(notified.documents) == 1
    (terminal.folder / "data/warehouse.duckdb").unlink()
    assert terminal("replay").code == 0
    terminal("sync", "--last", "1")
    assert hook.received == []


# Runs that could not be made


def test_a_run_that_cannot_open_the_warehouse_sends_an_alert_all_the_same(
    terminal: Terminal, hook: WebListener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At once and once a day; and when the warehouse is there again, it is written down as sent."""
    (terminal.folder / "data").mkdir()
    file = terminal.folder / "data/warehouse.duckdb"
    file.write_text("this is no database")
    for _ in range(2):
        assert terminal("sync", "--last", "1").code != 0
    assert len(hook.received) == 1
    assert "warehouse" in hook.documents[0]["message"]
    file.unlink()
    assert terminal("sync", "--last", "1").code == 0
    ((severity, _, body, sent),) = alerts(terminal, "run_failed")
    assert severity == "P2"
    assert "warehouse" in body
    assert sent is not None
    assert len(hook.received) == 1
