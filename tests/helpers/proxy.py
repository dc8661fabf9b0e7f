"""A TCP proxy to a server that can cut connections at given bytes, or change responses."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

_CHUNK = 1 << 16


@dataclass
class Wire:
    """`cut_at`: a connection is cut once its client has sent these bytes; with `is_heard` the server still gets them.

    `bend` changes the bytes from the server; `cuts` counts cut connections.
    """

    url: str
    cut_at: bytes | None = None
    is_heard: bool = False
    bend: Callable[[bytes], bytes] = field(default=lambda data: data)
    cuts: int = 0


@contextmanager
def wire(url: str) -> Iterator[Wire]:
    """A proxy to the server at that URL; `Wire.url` is the URL by way of the proxy."""
    parts = urlsplit(url)
    listener = socket.create_server(("127.0.0.1", 0))
    credentials = parts.netloc.rpartition("@")[0]
    found = Wire(
        parts._replace(netloc=f"{credentials}@127.0.0.1:{listener.getsockname()[1]}", query="sslmode=disable").geturl()
    )

    def accept() -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.create_connection((parts.hostname or "", parts.port or 5432))
                for work in (_from_client, _from_server):
                    threading.Thread(target=work, args=(found, client, server), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield found
    finally:
        listener.close()


def _from_client(wire: Wire, client: socket.socket, server: socket.socket) -> None:
    with suppress(OSError):
        while data := client.recv(_CHUNK):
            if wire.cut_at is not None and wire.cut_at in data:
                wire.cut_at = None
                wire.cuts += 1
                client.shutdown(socket.SHUT_RDWR)  # the client gets no response
                if wire.is_heard:
                    server.sendall(data)
                    server.shutdown(socket.SHUT_WR)
                    while server.recv(_CHUNK):
                        pass
                break
            server.sendall(data)
    _close(client, server)


def _from_server(wire: Wire, client: socket.socket, server: socket.socket) -> None:
    with suppress(OSError):
        while data := server.recv(_CHUNK):
            client.sendall(wire.bend(data))
    _close(client)


def _close(*ends: socket.socket) -> None:
    for end in ends:
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()
