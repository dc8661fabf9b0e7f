"""Whom TLS connections trust, read once a process: to read the authorities' file takes 25 ms a client."""

from __future__ import annotations

import os
import ssl
from functools import cache

import httpx


def tls_context() -> ssl.SSLContext:
    """The context of every client: certifi's authorities, or those that `SSL_CERT_FILE` or `SSL_CERT_DIR` name."""
    return _context(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))


@cache
def _context(_file: str | None, _folder: str | None) -> ssl.SSLContext:
    return httpx.create_ssl_context()
