"""Secrets taken out of texts, in whatever way they are written there.

A gateway that refuses a call may repeat what it was sent: as it stands, in the escapes of JSON, of a web address or of
HTML, in base64 or in hexadecimals, one inside the other. So a text is decoded as often as there is something to decode,
and what stands in the text itself where a secret was found is replaced.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from html import unescape
from string import ascii_letters, digits
from urllib.parse import unquote

MASK = "***"
_SHORTEST = 4  # characters; what is shorter hides nothing, and its mask would hide everything
_SHORTEST_ENCODED = 8  # what is shorter stands in base64 and in hexadecimals by chance
_SHORTEST_PART = 12  # a secret of which at least so much, and half of it, is left was cut off by whoever repeats it
_MOST_DECODED = 1 << 20  # characters
_DEEPEST = 5  # escapes within escapes
_HEX = "[0-9a-fA-F]"
_ESCAPED = re.compile(
    rf"(?P<web>(?:%{_HEX}{{2}})+)"
    rf"|(?P<units>(?:\\u{_HEX}{{4}})+)"
    rf"|(?P<bytes>(?:\\x{_HEX}{{2}})+)"
    r"|\\(?P<sign>[^\sA-Za-z0-9])"
    rf"|(?P<html>&(?:\#\d{{1,7}}|\#[xX]{_HEX}{{1,6}}|[A-Za-z][A-Za-z0-9]{{1,30}});)"
)
_LOWERED = str.maketrans("ABCDEF", "abcdef")
_BASE64 = frozenset(f"{ascii_letters}{digits}+/-_=")
_Span = tuple[int, int]


class Hidden:
    """Some secrets, to be replaced wherever they turn up. Its `repr` shows none."""

    def __init__(self, secrets: Iterable[str], *, shortest: int = _SHORTEST) -> None:
        self._secrets = {secret for secret in secrets if len(secret) >= shortest}
        long = [secret.encode() for secret in self._secrets if len(secret.encode()) >= _SHORTEST_ENCODED]
        self._in_base64 = {core for secret in long for core in _cores(secret)}
        self._in_hex = {secret.hex() for secret in long}

    def __repr__(self) -> str:
        return f"Hidden({len(self._secrets)} secrets)"

    def text(self, text: str) -> str:
        """The text with a mask in the place of each secret."""
        shown, end = [], 0
        for first, last in sorted(self._found(text)):
            if last > end:
                shown += [text[end : max(first, end)], MASK if first >= end else ""]
                end = last
        return "".join([*shown, text[end:]]) if shown else text

    def _found(self, text: str) -> Iterator[_Span]:
        """Where secrets stand in the text, by its own characters."""
        if not self._secrets:
            return
        yield from self._written_in(text)
        if len(text) > _MOST_DECODED or not self._is_encoded_in(text):
            return
        decoded, places = text, [(place, place + 1) for place in range(len(text))]
        for _ in range(_DEEPEST):
            if not _ESCAPED.search(decoded):
                return
            decoded, places = _decoded(decoded, places)
            for first, last in self._written_in(decoded):
                yield places[first][0], places[last - 1][1]

    def _is_encoded_in(self, text: str) -> bool:
        """Whether a secret stands beneath the escapes: to follow each character to its place takes longer."""
        for _ in range(_DEEPEST):
            if not any(sign in text for sign in "%\\&"):
                return False
            text, escapes = _ESCAPED.subn(_read, text)
            if not escapes:
                return False
            if any(True for _ in self._written_in(text)):
                return True
        return False

    def _written_in(self, text: str) -> Iterator[_Span]:
        for secret in self._secrets:
            part = secret[: max(_SHORTEST_PART, (len(secret) + 1) // 2)]
            for first in _places(part, text):
                last = first + len(part)
                while last - first < len(secret) and text[last : last + 1] == secret[last - first]:
                    last += 1
                yield first, last
        as_base64 = text.replace("-", "+").replace("_", "/")  # as in addresses
        for core in self._in_base64:
            for place in _places(core, as_base64):
                first, last = place, place + len(core)
                while first and text[first - 1] in _BASE64:
                    first -= 1
                while last < len(text) and text[last] in _BASE64:
                    last += 1
                yield first, last
        if self._in_hex:
            lowered = text.lower() if text.isascii() else text.translate(_LOWERED)  # of as many characters
            for code in self._in_hex:
                for place in _places(code, lowered):
                    yield place, place + len(code)


def _cores(secret: bytes) -> Iterator[str]:
    """What base64 makes of the secret whatever stands before and behind it: it may begin at three places of a group."""
    for before, uncertain in ((0, 0), (1, 2), (2, 3)):
        whole = (before + len(secret)) * 8 // 6
        yield b64encode(bytes(before) + secret).decode()[uncertain:whole]


def _places(part: str, text: str) -> Iterator[int]:
    place = text.find(part)
    while place >= 0:
        yield place
        place = text.find(part, place + 1)


def _decoded(text: str, places: Sequence[_Span]) -> tuple[str, list[_Span]]:
    """The text with one layer of escapes decoded, and where in the undecoded one each of its characters stands."""
    signs: list[str] = []
    at: list[_Span] = []
    end = 0
    for found in _ESCAPED.finditer(text):
        read = _read(found)
        signs += [text[end : found.start()], read]
        at += places[end : found.start()]
        at += [(places[found.start()][0], places[found.end() - 1][1])] * len(read)
        end = found.end()
    return "".join([*signs, text[end:]]), [*at, *places[end:]]


def _read(escaped: re.Match[str]) -> str:
    match escaped.lastgroup:
        case "web":
            return unquote(escaped[0])
        case "units":
            units = bytes.fromhex(escaped[0].replace("\\u", ""))
            return units.decode("utf-16-be", "replace")
        case "bytes":
            return bytes.fromhex(escaped[0].replace("\\x", "")).decode(errors="replace")
        case "sign":
            return escaped["sign"]
        case _:
            return unescape(escaped[0])
