"""Send messages through Apprise: each channel in its own thread, with a timeout, and no address in logs or errors.

An address (`slack://…`, `mailto://…`, `jsons://…`) is a secret as a whole. Logs and tables hold the channel's name
instead: its scheme, its position in the setting and a short hash.
"""

import hashlib
import logging
import re
import threading
import time
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from pydantic import SecretStr

from clari_pipeline.core.setting_errors import ChannelsMissing, ChannelUnusable
from clari_pipeline.notify import teams
from clari_pipeline.notify.mail import send_mail
from clari_pipeline.notify.messages import Message
from clari_pipeline.notify.rendering import plain_in_markdown, slack_markdown

_KINDS = {"P1": "failure", "P2": "warning", "P3": "info"}
# Apprise declares these plain text; the services behind them render Markdown.
_READ_MARKDOWN = {"discord", "mmost", "mmosts", "zulip"}
_SINGLE_STAR_IS_BOLD = {"slack", "gchat"}
# Telegram's HTML has no tables: it gets plain text, which Apprise escapes.
_HTML_WITHOUT_TABLES = {"tgram"}
_WEBHOOKS = {"json", "jsons"}
_MAIL = {"mailto", "mailtos"}
_TEAMS = {"workflow", "workflows"}
_UNREACHABLE = "could not be reached, refused the sign-in, or gave no answer in time"
_SLACK_BLOCK, _SLACK_HEADER = 3000, 150
_LOGGERS = {"apprise", "urllib3", "requests", "requests_oauthlib", "oauthlib", "slixmpp", "paho", "gntp", "smpplib"}
_ANSWERED = re.compile(r"error=(\d{3})\b")
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*(?=://)", re.IGNORECASE)
_BETWEEN_ADDRESSES = re.compile(r"[\s,;]+(?=[A-Za-z][A-Za-z0-9+.-]*://)")


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Timeouts in seconds: to connect and to read (both enforced by Apprise), and of a delivery in total."""

    connect: float = 5
    answer: float = 10
    total: float = 30


@dataclass(frozen=True, slots=True)
class Delivery:
    """The outcome of one message on one channel, by name; `error` is None where it was accepted."""

    channel: str
    error: str | None


@dataclass(frozen=True, slots=True)
class Channel:
    """One address. `id` is a hash of it, so that it does not change with the position in the setting."""

    scheme: str
    position: int
    id: str
    address: SecretStr = field(repr=False)

    @property
    def name(self) -> str:
        """The name for logs and tables, such as `slack #1 (3fa9c0d21b7e)`."""
        return f"{self.scheme} #{self.position} ({self.id})"


class Channels:
    """The channels that alerts are sent to. Raises `ChannelUnusable` for an address that Apprise cannot parse."""

    def __init__(self, urls: Sequence[SecretStr | str], *, timeouts: Timeouts | None = None) -> None:
        self._timeouts = timeouts or Timeouts()
        self._channels = tuple(
            _channel(url if isinstance(url, SecretStr) else SecretStr(url), position)
            for position, url in enumerate(urls, start=1)
        )

    def __iter__(self) -> Iterator[Channel]:
        return iter(self._channels)

    def __len__(self) -> int:
        return len(self._channels)

    def __repr__(self) -> str:
        return f"Channels({', '.join(channel.name for channel in self)})"

    def deliver(self, message: Message, to: Iterable[Channel] | None = None) -> list[Delivery]:
        """Send once to every channel, or to those in `to`, in parallel. Raises nothing: a failure is an outcome.

        Returns after `Timeouts.total` at the latest; a channel that is still busy then counts as failed.
        """
        channels = list(self if to is None else to)
        errors: dict[Channel, str | None] = {}

        def send(channel: Channel) -> None:
            errors[channel] = _attempt(channel, message, self._timeouts)

        # Daemon threads: one that hangs must not keep the process from exiting.
        threads = [
            threading.Thread(target=send, args=(channel,), name=f"alert to {channel.name}", daemon=True)
            for channel in channels
        ]
        deadline = time.monotonic() + self._timeouts.total
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        late = f"gave no answer within {self._timeouts.total:g} s; it may have arrived all the same"
        return [Delivery(channel.name, errors.get(channel, late)) for channel in channels]


def open_channels(addresses: SecretStr | None) -> Channels:
    """The channels of `CLARI_ALERT_URLS`, none if unset. Raises `ChannelUnusable`, without the address."""
    return Channels(split_addresses(addresses.get_secret_value() if addresses else ""))


def required_channels(addresses: SecretStr | None) -> Channels:
    """`open_channels`; raises `ChannelsMissing`, too, where there is none."""
    if channels := open_channels(addresses):
        return channels
    raise ChannelsMissing("CLARI_ALERT_URLS is not set: name a channel, such as mailto:// or slack:// (see Apprise)")


def split_addresses(text: str) -> list[str]:
    """The addresses in a comma-separated setting; a comma inside an address (`?to=a@x.com,b@x.com`) separates none."""
    return [address for part in _BETWEEN_ADDRESSES.split(text) if (address := part.strip(" \t\r\n,;"))]


def _attempt(channel: Channel, message: Message, timeouts: Timeouts) -> str | None:
    """Send one message to one channel; returns why it was not accepted, None where it was."""
    try:
        with _captured() as captured:
            return None if _send(channel, message, timeouts) else captured.reason
    except OSError:  # of a mail server: smtplib's errors are such, too
        return _UNREACHABLE
    except Exception as fault:  # noqa: BLE001 (a channel's fault is an outcome; its text may hold the address)
        return f"could not be sent ({type(fault).__name__})"


def _channel(address: SecretStr, position: int) -> Channel:
    secret = address.get_secret_value().strip()
    with _captured():
        service = _service(secret)
        scheme = str(service.url(privacy=True)).partition("://")[0] if service is not None else None
    if scheme is None:
        raise ChannelUnusable(f"address {position} in CLARI_ALERT_URLS is not one that Apprise {_why_not(secret)}")
    return Channel(scheme, position, hashlib.sha256(secret.encode()).hexdigest()[:12], SecretStr(secret))


def _why_not(secret: str) -> str:
    # A word before :// is shown only where Apprise knows it: a mistyped address may begin with its secret.
    from apprise.manager_plugins import NotificationManager  # noqa: PLC0415 (heavy)

    manager: Any = NotificationManager
    scheme = _SCHEME.match(secret)
    if scheme is not None and scheme[0].lower() in manager().schemas():
        return f"can use: a part of it is missing or wrong; see how {scheme[0].lower()}:// is written at appriseit.com"
    return "knows: write one such as slack://…, mailtos://… or jsons://…; appriseit.com lists them all"


def _service(secret: str) -> Any:
    """Apprise's plugin for an address, None where it has none; untyped, as Apprise is."""
    import apprise  # noqa: PLC0415 (heavy)

    asset = apprise.AppriseAsset(
        app_id="Clari forecast pipeline",
        app_desc="Clari forecast pipeline",
        app_url="",
        # Without Apprise's logo in the message.
        image_url_mask="",
        image_url_logo="",
        # One thread, so that the records captured on it belong to this delivery.
        async_mode=False,
        secure_logging=True,
    )
    return apprise.Apprise.instantiate(secret, asset=asset)


def _send(channel: Channel, message: Message, timeouts: Timeouts) -> bool:
    import apprise  # noqa: PLC0415 (heavy)

    # A new plugin each time: a delivery that hangs shares no state with the next one.
    service = _service(channel.address.get_secret_value())
    # Mail has one bound for connecting and answering, and servers take their time to accept a message.
    service.socket_connect_timeout = timeouts.answer if channel.scheme in _MAIL else timeouts.connect
    service.socket_read_timeout = timeouts.answer
    # No retries: the next run sends again. "optional" would report a failure as sent.
    service.retry, service.optional = 0, False
    written = service.notify_format
    title, body, body_format = message.subject, message.text, apprise.NotifyFormat.TEXT
    if channel.scheme in _READ_MARKDOWN or written == apprise.NotifyFormat.MARKDOWN:
        title, body, body_format = plain_in_markdown(title), message.markdown, apprise.NotifyFormat.MARKDOWN
        if channel.scheme in _SINGLE_STAR_IS_BOLD:
            body = slack_markdown(body)
        elif channel.scheme in _TEAMS:
            teams.prepare(service)
            body = teams.card_text(body)
    elif written == apprise.NotifyFormat.HTML and channel.scheme not in _HTML_WITHOUT_TABLES:
        if channel.scheme in _MAIL:
            send_mail(service, message)
            return True
        body, body_format = message.html, apprise.NotifyFormat.HTML
    if channel.scheme in _WEBHOOKS:
        # The plugin serialises its payload as a whole, and adds entries from the address (?:name=text). Values that are
        # not text in `payload_extras` put JSON beside title and message; entries from the address take precedence.
        extras = {name: value for name, value in message.raw.items() if name not in {"subject", "message"}}
        service.payload_extras = extras | service.payload_extras
    if body_format != apprise.NotifyFormat.HTML and channel.scheme not in _WEBHOOKS:
        # Discord and Telegram refuse long messages: they are split.
        service.overflow_mode = apprise.OverflowMode.SPLIT
    if getattr(service, "use_blocks", False):
        service.body_maxlen, service.title_maxlen = _SLACK_BLOCK, _SLACK_HEADER
    post = apprise.Apprise(asset=service.asset)
    post.add(service)
    notify_type = apprise.NotifyType(_KINDS.get(message.severity, "info"))
    return bool(post.notify(body, title=title, notify_type=notify_type, body_format=body_format))


class _CapturedLog(threading.local):
    """What was parsed from Apprise's log records on this thread; the records contain addresses, and are dropped."""

    is_captured = False
    answer: str | None = None
    unreachable = False

    @property
    def reason(self) -> str:
        """Why a message was not accepted, without any part of the address."""
        if self.answer is not None:
            return f"answered {self.answer}"
        if self.unreachable:
            return _UNREACHABLE
        return "did not accept the message"


class _Capture(logging.Filter):
    """Drops the log records of a capturing thread, after parsing HTTP status and connection errors from them.

    Apprise logs addresses at DEBUG, hosts at WARNING, and the HTTP library below it logs paths.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        if not _captured_log.is_captured:
            return True
        words = record.getMessage()
        if found := _ANSWERED.search(words):
            _captured_log.answer = found[1]
        elif "connection error" in words.lower():
            _captured_log.unreachable = True
        return False


_captured_log = _CapturedLog()
_capture = _Capture()


@contextmanager
def _captured() -> Iterator[_CapturedLog]:
    """Capture this thread's log records of Apprise and its HTTP libraries; those of other threads are logged."""
    # urllib3's warning prints the host of an address with ?verify=no on stderr.
    warnings.filterwarnings("ignore", message="Unverified HTTPS request")
    for name in (*_LOGGERS, *logging.root.manager.loggerDict):
        if name.partition(".")[0] in _LOGGERS:
            # A parent logger's filter does not apply to its children's records: each needs its own.
            logging.getLogger(name).addFilter(_capture)
    _captured_log.is_captured, _captured_log.answer, _captured_log.unreachable = True, None, False
    try:
        yield _captured_log
    finally:
        _captured_log.is_captured = False
