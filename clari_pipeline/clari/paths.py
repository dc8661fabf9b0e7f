"""Ids as parts of a path."""

from __future__ import annotations

from urllib.parse import quote


def segment(identifier: str) -> str:
    """An id as one part of a path, dots alone included, which would else climb up."""
    quoted = quote(identifier, safe="")
    return quoted if quoted.strip(".") else quoted.replace(".", "%2E")
