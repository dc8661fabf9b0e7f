"""The one thing that ASGI has no word for: closing a connection without an answer."""

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from .answers import HANG_UP


class Connection(H11Protocol):
    """Puts into each request's scope what cuts its connection."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wrap the application for this connection alone."""
        super().connection_made(transport)
        served = self.app

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await served({**scope, HANG_UP: transport.abort}, receive, send)

        self.app = app
