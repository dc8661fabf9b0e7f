"""Clari's status page: its incidents are named; a page that cannot be read changes nothing."""

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from clari_pipeline.clari import ClariUnreachable, StatusPageUnreadable, read_status_page
from clari_pipeline.sandbox import Sandbox
from tests.clari.conftest import NOW, call
from tests.helpers.each_case import try_each

INCIDENT = {
    "name": "Exports are\ndelayed",
    "status": "identified",
    "impact": "major",
    "shortlink": "https://stspg.example/1",
    "started_at": "2026-11-21T01:00:00.000-05:00",
}
UP = {"status": {"indicator": "none"}, "components": [{"name": "API", "status": "operational"}], "incidents": []}
SAID: list[tuple[Any, list[str]]] = [
    (UP, []),
    (UP | {"incidents": [INCIDENT | {"status": "resolved"}]}, []),
    (
        UP | {"incidents": [INCIDENT]},
        ["Exports are delayed (identified, since 2026-11-21 06:00 UTC, https://stspg.example/1)"],
    ),
    (
        UP | {"components": [{"name": "API", "status": "degraded_performance", "updated_at": "2026-11-21T01:00:00Z"}]},
        ["API (degraded performance)"],
    ),
    (UP | {"components": [{"name": "All", "status": "major_outage", "group": True}]}, []),
    (
        UP
        | {"scheduled_maintenances": [{"name": "Move", "status": "in_progress"}, {"name": "b", "status": "scheduled"}]},
        ["Move (in progress)"],
    ),
    ({"status": {"indicator": "minor", "description": "Minor Service Outage"}}, ["Minor Service Outage (minor)"]),
    (
        UP | {"incidents": [INCIDENT | {"shortlink": "javascript:1", "started_at": "soon"}]},
        ["Exports are delayed (identified)"],
    ),
    ({"incidents": [5, {}, {"name": 5}, {"name": "x", "status": None}], "components": "y", "status": 1}, []),
]
UNREADABLE: list[tuple[bytes, str]] = [
    (b"<html>Sign in</html>", "no JSON"),
    (b"[" * 100_000, "no JSON"),
    (b'{"entries": []}', "no status page"),
    (b"[]", "no status page"),
    (b"\xff", "no JSON"),
    (b" " * (1 << 20) + b"{}", "larger than 1 MB"),
]


class Page:
    """A web server that answers with one body, and keeps the headers that it was asked with."""

    def __init__(self) -> None:
        self.body, self.status, self.headers = b"{}", 200, dict[str, str]()
        self.asked: list[dict[str, str]] = []
        page = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                page.asked.append({name.lower(): value for name, value in self.headers.items()})
                self.send_response(page.status)
                for name, value in page.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(page.body)

            def log_message(self, *_: Any) -> None:
                """Log no requests."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/api/v2/summary.json"


@pytest.fixture
def page() -> Iterator[Page]:
    made = Page()
    Thread(target=made.server.serve_forever, args=(0.01,), daemon=True).start()
    yield made
    made.server.shutdown()
    made.server.server_close()


def test_each_trouble_is_one_line(page: Page) -> None:
    def check(case: tuple[Any, list[str]]) -> None:
        page.body = json.dumps(case[0]).encode()
        assert [one.line() for one in asyncio.run(read_status_page(page.url))] == case[1]

    try_each(SAID, check)
    page.body = json.dumps(UP | {"incidents": [INCIDENT]}).encode()
    (trouble,) = asyncio.run(read_status_page(page.url))
    assert "for 3 hours" in trouble.line(datetime(2026, 11, 21, 9, tzinfo=UTC))


def test_a_page_that_cannot_be_read_is_an_error_with_its_cause(page: Page) -> None:
    def check(case: tuple[bytes, str]) -> None:
        page.body = case[0]
        with pytest.raises(StatusPageUnreadable, match=case[1]):
            asyncio.run(read_status_page(page.url))

    try_each(UNREADABLE, check)
    page.status = 404
    with pytest.raises(StatusPageUnreadable, match="answers 404"):
        asyncio.run(read_status_page(page.url))


def test_no_redirect_is_followed(page: Page) -> None:
    page.status, page.headers = 302, {"Location": f"{page.url}?again"}
    with pytest.raises(StatusPageUnreadable, match=r"moved to .*again"):
        asyncio.run(read_status_page(page.url))
    assert len(page.asked) == 1


def test_where_clari_is_down_the_error_names_the_incident_and_the_page_is_asked_without_the_key(page: Page) -> None:
    """A page without incidents, or one that cannot be read, adds nothing to the error that Clari is down."""
    with Sandbox(scenario="down", now=lambda: NOW, people=1) as sandbox:
        with pytest.raises(ClariUnreachable, match=r"is down: .*; run again later") as of_sandbox:
            call(sandbox, lambda client: client.limits(), status_url=sandbox.status_url)
        said = "its status page says: Revenue API: exports and job status are unavailable (investigating, since "
        since = f"{NOW - timedelta(hours=2):%Y-%m-%d %H:%M} UTC, https://stspg.example/p31zjtct2jer)"
        assert said + since in str(of_sandbox.value)
        for body in (b"nonsense", json.dumps(UP).encode()):
            page.body = body
            with pytest.raises(ClariUnreachable, match="is down") as error:
                call(sandbox, lambda client: client.limits(), status_url=page.url)
            assert "status page" not in str(error.value)
        assert len(page.asked) == 2
        assert sandbox.api_key not in str(page.asked)
        with pytest.raises(ClariUnreachable, match="is down") as error:
            call(sandbox, lambda client: client.limits())
        assert "status page" not in str(error.value)
