"""Alert channels on loopback: web servers and a mail server, and Dagster's daemon with a webhook."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

from tests.helpers.daemon import Daemon, running
from tests.helpers.listeners import WebListener, address, free_port, web_listeners
from tests.helpers.terminal import Terminal


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
    with web_listeners() as listen:
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
