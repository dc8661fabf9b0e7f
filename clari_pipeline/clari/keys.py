"""API key authentication: a fixed key, or one that is reloaded from its source when it is rotated during a run."""

import json
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Literal, Protocol

import httpx
from pydantic import SecretStr

from clari_pipeline.clari.errors import ClariError
from clari_pipeline.core.secret_masking import SecretMasker

_REFUSED = (401, 403)


class KeySource(Protocol):
    """The source of a key that may be rotated, such as a file."""

    def current(self) -> SecretStr:
        """The current key."""
        ...

    def refresh(self) -> SecretStr:
        """Reload the key, as Clari has refused the one that was sent."""
        ...


class KeyAuth(httpx.Auth):
    """Signs each request with the key, in the header `apikey` or `Authorization: Bearer`, and nowhere else.

    After 401 or 403 the key is reloaded, and the request sent once more where it has changed: a refused request had no
    effect. Raises `ValueError` for a key that is empty, or not printable ASCII.
    """

    def __init__(self, key: SecretStr | KeySource, scheme: Literal["apikey", "bearer"]) -> None:
        self._current: Callable[[], SecretStr]
        self._refresh: Callable[[], SecretStr]
        if isinstance(key, SecretStr):
            self._current = self._refresh = lambda: key
        else:
            self._current, self._refresh = key.current, key.refresh
        self._scheme = scheme
        self._sent: set[str] = set()
        self._hidden = SecretMasker(())
        _header_text(self._current())

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Sign and send; after 401 or 403 reload the key, and where it has changed sign and send once more."""
        sent = self._sign(request, self._current())
        response = yield request
        if response.status_code in _REFUSED and (newest := self._refresh()) != sent:
            self._sign(request, newest)
            yield request

    def masked(self, body: bytes) -> bytes:
        """Mask in a response body every key that was ever sent: some gateways echo the request, also escaped."""
        encoding, errors = json.detect_encoding(body), "strict"
        try:
            text = body.decode(encoding)
        except UnicodeDecodeError:
            encoding, errors = "utf-8", "surrogateescape"
            text = body.decode(encoding, errors)
        shown = self._hidden.text(text)
        return body if shown == text else shown.encode(encoding, errors)

    @contextmanager
    def hiding(self) -> Iterator[None]:
        """Mask keys, in any encoding, in the message and string attributes of a `ClariError` that leaves the block."""
        try:
            yield
        except ClariError as error:
            error.args = tuple(self._hidden.text(one) if isinstance(one, str) else one for one in error.args)
            for name, value in vars(error).items():
                if isinstance(value, str):
                    setattr(error, name, self._hidden.text(value))
            raise

    def _sign(self, request: httpx.Request, key: SecretStr) -> SecretStr:
        text = _header_text(key)
        if text not in self._sent:
            self._sent.add(text)
            self._hidden = SecretMasker(self._sent)
        if self._scheme == "apikey":
            request.headers["apikey"] = text
        else:
            request.headers["Authorization"] = f"Bearer {text}"
        return key


def _header_text(key: SecretStr) -> str:
    text = key.get_secret_value().strip()
    if not text or not text.isascii() or not text.isprintable():
        raise ValueError("CLARI_API_KEY holds characters that no token has: copy it again from Clari")
    return text
