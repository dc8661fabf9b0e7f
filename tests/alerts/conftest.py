"""People's ends of the line: a web server and a mail server on loopback, in good and in bad shape."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

from tests.helpers.daemon import Daemon, running
from tests.helpers.terminal import Terminal

Manner = Literal["accepts", "fails", "is silent", "drips"]


@dataclass
class WebListener:
    """A web server that keeps what it was sent."""

    manner: Manner
    received: list[tuple[str, str]] = field(default_factory=list)
    port: int = 0

    @property
    def documents(self) -> list[dict[str, Any]]:
        """The bodies, each as the JSON that it must be."""
        return [json.loads(body) for _, body in self.received]


@dataclass
class MailListener:
    """A mail server that keeps what it was sent."""

    port: int
    received: list[EmailMessage] = field(default_factory=list)

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 (aiosmtpd's name)
        assert isinstance(envelope.content, bytes)
        received = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(received, EmailMessage)
        self.received.append(received)
        return "250 taken"


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def web() -> Iterator[Callable[..., WebListener]]:
    """Makes web listeners; those that are silent or drip are let go at the end."""
    let_go = threading.Event()
    with ExitStack() as started:
        started.callback(let_go.set)

        def listen(manner: Manner = "accepts", port: int = 0) -> WebListener:
            listener = WebListener(manner)
            server = ThreadingHTTPServer(("127.0.0.1", port), _handler(listener, let_go))
            server.daemon_threads = True
            server.block_on_close = False
            listener.port = server.server_address[1]
            thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
            thread.start()
            started.callback(server.server_close)
            started.callback(server.shutdown)
            return listener

        yield listen


@pytest.fixture
def mail() -> Iterator[MailListener]:
    """A mail server that takes any password."""
    listener = MailListener(free_port())
    controller = Controller(
        listener,
        hostname="127.0.0.1",
        port=listener.port,
        authenticator=lambda *_: AuthResult(success=True),
        auth_require_tls=False,
    )
    controller.start()
    yield listener
    controller.stop()


@pytest.fixture
def hook(web: Callable[..., WebListener], monkeypatch: pytest.MonkeyPatch) -> WebListener:
    """A webhook that takes everything."""
    listener = web("accepts")
    monkeypatch.setenv("CLARI_ALERT_URLS", address(listener))
    return listener


@pytest.fixture
def daemon(terminal: Terminal, hook: WebListener) -> Iterator[Daemon]:
    """Dagster's daemon, which has synced the quarter once; nothing was to be told."""
    with running(terminal) as found:
        assert hook.received == []
        yield found


def address(listener: WebListener, token: str = "a-token") -> str:
    return f"json://127.0.0.1:{listener.port}/{token}"


def free_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _handler(listener: WebListener, let_go: threading.Event) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            listener.received.append((self.path, body))
            if listener.manner == "is silent":
                let_go.wait()
            elif listener.manner == "drips":
                self._drip()
            self.send_response(500 if listener.manner == "fails" else 200)
            self.end_headers()

        def _drip(self) -> None:
            try:
                self.wfile.write(b"HTTP/1.1 200 OK\r\n")
                while not let_go.wait(0.02):
                    self.wfile.write(b"X-Still: here\r\n")
            except OSError:
                let_go.wait()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    return Handler
