"""The TLS context of requests to Clari and to its status page."""

import os
import ssl
from functools import cache
from pathlib import Path

import httpx


def tls_context() -> ssl.SSLContext:
    """The shared TLS context: certifi's CA bundle, or what `SSL_CERT_FILE` or `SSL_CERT_DIR` names.

    Cached by these paths and their modification times, so that a changed bundle is reloaded.
    """
    named = {name: Path(path) for name in ("SSL_CERT_FILE", "SSL_CERT_DIR") if (path := os.environ.get(name))}
    return _context(*((*one, one[1].stat().st_mtime_ns if one[1].exists() else 0) for one in named.items()))


@cache
def _context(*_versions: tuple[str, Path, int]) -> ssl.SSLContext:
    return httpx.create_ssl_context()
