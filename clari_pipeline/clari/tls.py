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
    return _context(*(_version(os.environ.get(name)) for name in ("SSL_CERT_FILE", "SSL_CERT_DIR")))


@cache
def _context(*_versions: tuple[str, int] | None) -> ssl.SSLContext:
    return httpx.create_ssl_context()


def _version(path: str | None) -> tuple[str, int] | None:
    """A path, and when what is there was changed last."""
    if not path:
        return None
    found = Path(path)
    return path, found.stat().st_mtime_ns if found.exists() else 0
