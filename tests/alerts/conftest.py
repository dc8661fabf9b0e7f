"""Alert channels on loopback: web servers and a mail server, and Dagster's daemon with a webhook."""

import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.helpers.daemon import Daemon, running
from tests.helpers.listeners import WebListener, address, free_port, web_listeners
from tests.helpers.terminal import Terminal


@dataclass
class MailListener:
    """A mail server that keeps what it was sent."""

    port: int
    received: list[EmailMessage] = field(default_factory=list)
    refuses: str | None = None

    async def handle_RCPT(  # noqa: N802 (aiosmtpd's name)
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if address == self.refuses:
            return "550 nobody of that name"
        envelope.rcpt_tos.append(address)
        return "250 OK"

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
def tls(tmp_path: Path) -> ssl.SSLContext:
    """A server's side of TLS, with a certificate that nobody trusts."""
    key = ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")]), datetime.now(UTC)
    certificate = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
    pem = certificate.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (tmp_path / "server.pem").write_bytes(secret + pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem")
    return context


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
