"""What ASGI has no words for: closing a connection without an answer, and an answer that ends with its connection."""

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from .answers import HANG_UP, UNSIZED


class Connection(H11Protocol):
    """Puts into each request's scope what cuts its connection, and what has the answer be without a length."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wrap the application for this connection alone."""
        super().connection_made(transport)
        served = self.app

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await served({**scope, HANG_UP: transport.abort, UNSIZED: self._unsized}, receive, send)

        self.app = app

    def _unsized(self) -> None:
        """Answer as to HTTP/1.0, which knows no chunks."""
        self.conn.their_http_version = b"1.0"
