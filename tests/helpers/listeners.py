"""Web servers on loopback that record POST requests, and may fail, hang or respond slowly."""

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

Manner = Literal["accepts", "fails", "is silent", "drips"]


@dataclass
class WebListener:
    """A web server that records paths and bodies of POST requests."""

    manner: Manner
    received: list[tuple[str, str]] = field(default_factory=list)
    port: int = 0

    @property
    def documents(self) -> list[dict[str, Any]]:
        """The bodies, each as the JSON that it must be."""
        return [json.loads(body) for _, body in self.received]


@contextmanager
def web_listeners() -> Iterator[Callable[..., WebListener]]:
    """A factory of web listeners; at the end all are stopped, and hanging requests released."""
    let_go = threading.Event()
    with ExitStack() as started:
        started.callback(let_go.set)

        def listen(manner: Manner = "accepts", port: int = 0, *, tls: ssl.SSLContext | None = None) -> WebListener:
            listener = WebListener(manner)
            server = ThreadingHTTPServer(("127.0.0.1", port), _handler(listener, let_go))
            server.daemon_threads = True
            server.block_on_close = False
            if tls is not None:
                server.socket = tls.wrap_socket(server.socket, server_side=True)
            listener.port = server.server_address[1]
            thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
            thread.start()
            started.callback(server.server_close)
            started.callback(server.shutdown)
            return listener

        yield listen


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
