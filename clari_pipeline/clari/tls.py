"""The TLS context of every client: certificate authorities are read once a process, which takes 25 ms."""

from __future__ import annotations

import os
import ssl
from functools import cache
from pathlib import Path

import httpx


def tls_context() -> ssl.SSLContext:
    """A shared context: certifi's authorities, or those that `SSL_CERT_FILE` or `SSL_CERT_DIR` name.

    Loaded again where either names another path, or the file there has changed.
    """
    named = {name: Path(path) for name in ("SSL_CERT_FILE", "SSL_CERT_DIR") if (path := os.environ.get(name))}
    return _context(*((*one, one[1].stat().st_mtime_ns if one[1].exists() else 0) for one in named.items()))


@cache
def _context(*_versions: tuple[str, Path, int]) -> ssl.SSLContext:
    return httpx.create_ssl_context()
