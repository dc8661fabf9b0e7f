"""Audit events: pages to their end, windows that overlap, what goes wrong on the way, what can no longer be had."""

import json
from datetime import timedelta

import pytest
from pydantic import SecretStr

from clari_pipeline.clari import ClariClient
from clari_pipeline.clari.errors import LinkAstray
from clari_pipeline.sandbox import Fault, Sandbox
from clari_pipeline.sync.products.audit import OVERLAP
from tests.helpers.product_documents import GOOD, NOW
from tests.sync.products.conftest import SIGHTS, Clock, Desk

ALL_THAT_IS_KEPT = NOW - timedelta(days=30)


# A page's link that is good no more.
GONE = Fault("answer", 400, {}, b'{"errors": [{"status": "400", "message": "The page is no longer available."}]}')
NOT_FOUND = Fault("answer", 404, {}, b'{"errors": [{"status": "404", "message": "No such page."}]}')


@pytest.fixture
def people() -> int:
    """Enough for three pages of events."""
    return 8


def pages(sandbox: Sandbox) -> int:
    return sum(seen.path.endswith("/audit/events") for seen in sandbox.requests)


@pytest.mark.parametrize("people", [12])
def test_thousands_of_events_come_page_by_page(desk: Desk, sandbox: Sandbox) -> None:
    """All of 30 days, each once, a thousand a page, with the people behind them; a page that fails is asked for again:
    a fault of the server, and one request too many, each on another page.
    """
    sandbox.fail_next("audit", ["none", "500", "none", "429:0", "reset"])
    (fetch,) = desk.bring("audit").fetches
    assert (fetch.state, fetch.window_from, fetch.window_to) == ("LOADED", ALL_THAT_IS_KEPT, NOW)
    assert fetch.retry_count == 3
    events = desk.rows("audit_event")
    assert len(events) == fetch.rows_inserted == fetch.rows_exported > 3000
    assert fetch.answer_count == pages(sandbox) - 3 == -(-len(events) // 1000)
    assert all(ALL_THAT_IS_KEPT <= one["event_at"] < NOW for one in events)
    assert {one["actor_id"] for one in events} == {one["actor_id"] for one in desk.rows("audit_actor")}
    # Edited in bulk: nothing but the parameters tells them apart.
    assert len({(one["event_at"], one["actor_id"], one["session_id"], one["event"]) for one in events}) < len(events)


def test_a_second_sync_asks_from_the_last_event_on(desk: Desk, sandbox: Sandbox, clock: Clock) -> None:
    """With an overlap; what is known changes nothing but when it was seen. Nor do pages that repeat each other."""
    desk.bring("audit")
    before = desk.tables("audit", without=SIGHTS)
    newest = max(one["event_at"] for one in before["audit_event"])
    (again,) = desk.bring("audit").fetches
    assert again.window_from == newest - OVERLAP
    assert again.rows_unchanged == again.rows_staged > 0
    assert desk.tables("audit", without=SIGHTS) == before

    desk.forget("audit_event", "audit_actor", "product_fetch")
    sandbox.scenario = "audit_repeats"
    (repeated,) = desk.bring("audit").fetches
    assert repeated.rows_exported == repeated.rows_staged + 3 * (repeated.answer_count - 1)
    assert desk.tables("audit", without=SIGHTS) == before

    sandbox.scenario = "calm"
    clock.turn(days=1)
    (later,) = desk.bring("audit").fetches
    assert later.rows_inserted > 0 < later.rows_unchanged
    assert len(desk.rows("audit_event")) == len(before["audit_event"]) + later.rows_inserted


def test_a_page_that_cannot_be_had_leaves_nothing_half_done(desk: Desk, sandbox: Sandbox) -> None:
    """The fetch failed and says why; nothing lands or is merged; links that lead elsewhere are not followed, least of
    all to another host, where the key would travel. The next sync brings all of it.
    """
    wrong = []
    for scenario, said in (
        ("audit_breaks", "page 3"),
        ("audit_link_dead", "no longer available"),
        ("audit_link_back", "leads back to a page that came before"),
        ("audit_link_astray", "leads to elsewhere.example, away from 127.0.0.1"),
    ):
        sandbox.scenario = scenario
        (fetch,) = (result := desk.bring("audit")).fetches
        line = result.failures[0].line
        if fetch.state != "FAILED" or said not in line or sandbox.api_key in f"{line} {fetch.error}":
            wrong.append((scenario, fetch.state, fetch.error, line))
        if scenario == "audit_breaks":
            assert fetch.error_kind == "ServerFault"
    assert wrong == []
    assert desk.rows("audit_event") == [] == list(desk.loader("audit").landing)
    sandbox.scenario = "calm"
    (fetch,) = desk.bring("audit").fetches
    assert (fetch.state, fetch.window_from) == ("LOADED", ALL_THAT_IS_KEPT)


def test_a_link_that_is_gone_has_the_pages_asked_for_anew(desk: Desk, sandbox: Sandbox, clock: Clock) -> None:
    """Once: where it happens again, the fetch failed."""
    sandbox.fail_next("audit", ["none", "none", GONE])
    (fetch,) = desk.bring("audit").fetches
    assert (fetch.state, fetch.answer_count) == ("LOADED", pages(sandbox) - 3)
    assert fetch.rows_exported == len(desk.rows("audit_event"))
    sandbox.fail_next("audit", [GONE])
    (refused,) = desk.bring("audit").fetches
    assert (refused.state, "no longer available" in refused.error) == ("FAILED", True)
    assert refused.error_kind == "BadRequest"  # the first page: it is not a page that is gone
    sandbox.fail_next("audit", ["none", NOT_FOUND, "none", NOT_FOUND])
    clock.turn(days=20)  # more than a page
    result = desk.bring("audit")
    assert [fetch.error_kind for fetch in result.fetches] == ["PageGone"]
    (line,) = [problem.line for problem in result.failures]
    assert "page 2" in line and line.endswith("begins at the first page again (docs/runbook.md#page_gone)")
    (later,) = desk.bring("audit").fetches
    assert (later.state, later.window_from) == ("LOADED", refused.window_from)


LINKS = {
    "?limit=1000&page=2": "/v4/audit/events?limit=1000&page=2",
    "events?page=2": "/v4/audit/events?page=2",
    "more/2": "/v4/audit/more/2",
    "../later/events": "/v4/later/events",
    "/v4/audit/events?page=2": "/v4/audit/events?page=2",
    "/audit/events?page=2": "/v4/audit/events?page=2",
    "/v5/events": "/v5/events",
}


def test_a_relative_link_starts_at_its_own_page() -> None:
    """As RFC 3986 has it: not at the base URL. Nobody is asked."""
    host, own = "http://127.0.0.1:4711", "/audit/events?limit=1000"
    client = ClariClient(base_url=f"{host}/v4", api_key=SecretStr("a-key"))
    assert {link: client.resolve_link("page 1", link, on=own).removeprefix(host) for link in LINKS} == LINKS
    for page in (f"{host}/v4{own}", own):
        for astray in ("//elsewhere.example/v4/audit/events", "https://127.0.0.1/v4", "http://127.0.0.1:1/v4"):
            with pytest.raises(LinkAstray, match="away from"):
                client.resolve_link("page 1", astray, on=page)


def test_links_that_are_relative_are_walked_to_the_end(desk: Desk, sandbox: Sandbox) -> None:
    """Over HTTP: two pages, of which each names the next by its query alone."""
    for number in (1, 2):
        page = json.dumps({"items": [GOOD | {"event": f"event {number}"}], "nextLink": f"?limit=1000&skip={number}"})
        sandbox.fail_next("audit", [Fault("answer", 200, {}, page.encode())])
    (fetch,) = desk.bring("audit").fetches
    assert fetch.state == "LOADED"
    assert {seen.path for seen in sandbox.requests} == {"/v4/audit/events"}
    assert {"event 1", "event 2"} <= {one["event"] for one in desk.rows("audit_event")}


def test_what_clari_has_thrown_away_is_said_and_stays_said(desk: Desk, clock: Clock) -> None:
    """After 45 days without a sync: a sentence, a warning of the gate, and a row that keeps both ends."""
    desk.bring("audit")
    clock.turn(days=45)
    result = desk.bring("audit")
    (fetch,) = result.fetches
    assert fetch.state == "LOADED"
    assert (fetch.gap_from, fetch.gap_to) == (NOW, clock() - timedelta(days=30)) == (NOW, fetch.window_from)
    assert "audit from 2026-11-21 06:00 to 2026-12-06 06:00 UTC is missing" in result.warnings[0].line
    assert desk.verdicts(fetch.request_id)["window_has_no_gap"] is False
    clock.turn(days=1)
    (later,) = desk.bring("audit").fetches
    assert later.gap_from is None
    assert desk.verdicts(later.request_id)["window_has_no_gap"] is True


def test_a_key_that_may_not_have_audit_events_is_no_reason_to_make_a_new_one(desk: Desk, sandbox: Sandbox) -> None:
    sandbox.fail_next("audit", ["403"])
    (fetch,) = desk.bring("audit").fetches
    assert "this key may not have audit" in fetch.error
    assert "create a new token" not in fetch.error
