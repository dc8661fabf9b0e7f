"""Mask secrets in texts, also where they are encoded.

A gateway that refuses a call may echo the request: verbatim, wrapped over lines, escaped for JSON, URLs or HTML, in
base64 or hexadecimal, or in several of these nested. So a text is decoded recursively, and each match is mapped back to
the characters of the original text, which are replaced.
"""

import re
import sys
from binascii import a2b_base64
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from html import unescape
from urllib.parse import unquote

MASK = "***"
_SHORTEST = 4  # characters; shorter secrets are not masked: they would match everywhere
_SHORTEST_ENCODED = 8  # bytes; a shorter secret occurs in hexadecimal text by chance
_SHORTEST_PART = 12  # characters; a prefix of so many, and half of the secret, counts as the secret truncated
_MOST_DECODED = 1 << 18  # characters; a longer text is no error message, and is searched without decoding
_DEEPEST = 6  # nested encodings
_HEX = "[0-9a-fA-F]"
_ESCAPED = re.compile(
    rf"(?P<web>(?:%{_HEX}{{2}})+)"
    rf"|(?P<units>(?:[\\%]u{_HEX}{{4}})+)"
    rf"|(?P<bytes>(?:\\x{_HEX}{{2}})+)"
    rf"|\\(?:u\{{(?P<point>{_HEX}{{1,6}})\}}|U(?P<wide>{_HEX}{{8}})|(?P<octal>[0-3][0-7]{{2}}))"
    r"|\\(?P<sign>[^\sA-Za-z0-9]|[nrtfv])"
    rf"|(?P<html>&(?:\#\d{{1,20}};?|\#[xX]{_HEX}{{1,20}};?|[A-Za-z][A-Za-z0-9]{{1,30}};))"
)
_ESCAPE = "%\\&"  # the first character of each escape
# Whitespace and invisible characters: soft hyphens, joiners, direction marks, controls.
_UNSEEN = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]+")
_LOWERED = str.maketrans("ABCDEF", "abcdef")
_BASE64_OF_ADDRESSES = str.maketrans("-_", "+/")
# At least eight bytes, as shorter matches are chance. Without a capital letter it is an id, not base64.
_BASE64 = re.compile(r"(?<![A-Za-z0-9+/])(?=[a-z0-9+/]*[A-Z])[A-Za-z0-9+/]{11,}={0,2}")
_READABLE = re.compile(r"[\0\t\n\r -~]{11,}")  # within decoded bytes: may be encoded again
_Span = tuple[int, int]


class SecretMasker:
    """Replaces the given secrets in texts, also encoded or truncated. Its `repr` shows none."""

    def __init__(self, secrets: Iterable[str], *, shortest: int = _SHORTEST) -> None:
        self._secrets = {secret for secret in secrets if len(secret) >= shortest}
        as_bytes = {secret.encode(errors="surrogatepass") for secret in self._secrets}
        self._written = {*self._secrets, *(secret.decode("latin-1") for secret in as_bytes)}
        self._unspaced = {bare for one in self._written if len(bare := _UNSEEN.sub("", one)) >= _SHORTEST_PART}
        self._in_hex = {code for one in as_bytes if len(one) >= _SHORTEST_ENCODED for code in (one.hex(), one.hex(":"))}

    def __repr__(self) -> str:
        return f"SecretMasker({len(self._secrets)} secrets)"

    def text(self, text: str) -> str:
        """Replace each secret in the text by `***`."""
        shown, end = [], 0
        for first, last in sorted(self._found(text)) if self._secrets else ():
            if last > end:
                shown += [text[end : max(first, end)], MASK if first >= end else ""]
                end = last
        return "".join([*shown, text[end:]]) if shown else text

    def _found(self, text: str, depth: int = _DEEPEST) -> Iterator[_Span]:
        """Yield the spans of secrets in the text, decoding escapes up to `depth` times."""
        is_decoded = depth > 0 and len(text) <= _MOST_DECODED
        yield from self._written_in(text, self._written, depth if is_decoded else 0)
        if not is_decoded:
            return
        if self._unspaced and _UNSEEN.search(text):
            bare = _Rewritten(text, _UNSEEN, lambda _: "")
            yield from map(bare.origin, self._written_in(bare.text, self._unspaced, depth))
        if any(sign in text for sign in _ESCAPE) and _ESCAPED.search(text):
            decoded = _Rewritten(text, _ESCAPED, _read)
            yield from map(decoded.origin, self._found(decoded.text, depth - 1))

    def _written_in(self, text: str, secrets: set[str], depth: int) -> Iterator[_Span]:
        """Yield the spans of secrets verbatim or truncated, in hexadecimal, and, unless `depth` is 0, in base64."""
        yield from _parts(text, secrets)
        lowered = text.translate(_LOWERED) if self._in_hex else ""
        for code in self._in_hex:
            yield from ((place, place + len(code)) for place in _places(code, lowered))
        for run in _BASE64.finditer(text.translate(_BASE64_OF_ADDRESSES)) if depth else ():
            for before in range(4):  # a secret may begin at any offset of a group of four characters
                code = run[0][before:].rstrip("=")
                code = code[: len(code) - (len(code) % 4 == 1)]
                decoded = a2b_base64(code + "===").decode("latin-1")
                found = list(_parts(decoded, secrets))
                for readable in _READABLE.finditer(decoded):
                    at = readable.start()
                    found += [(at + first, at + last) for first, last in self._found(readable[0], depth - 1)]
                for first, last in found:
                    end = run.end() if last == len(decoded) else run.start() + before + -(-last * 4 // 3)
                    yield run.start() + before + first * 4 // 3, end


class _Rewritten:
    """A text after a regex replacement, which maps its spans back to spans of the original text."""

    def __init__(self, before: str, pattern: re.Pattern[str], read: Callable[[re.Match[str]], str]) -> None:
        self._before, self._pattern, self._read = before, pattern, read
        self.text = pattern.sub(read, before)

    def origin(self, span: _Span) -> _Span:
        """The span in the original text; a span inside a replacement covers all that was replaced."""
        first, last = span
        return self._at(first, 0), self._at(last - 1, 1)

    @cached_property
    def _stretches(self) -> list[tuple[int, int, int, bool]]:
        """Where each begins, where it began and ended before, and whether it is as it was; asked for after a find."""
        stretches, begin, end = [], 0, 0
        for found in self._pattern.finditer(self._before):
            stretches.append((begin, end, found.start(), True))
            begin += found.start() - end
            stretches.append((begin, *found.span(), False))
            begin += len(self._read(found))
            end = found.end()
        return [*stretches, (begin, end, len(self._before), True)]

    def _at(self, place: int, side: int) -> int:
        which = bisect_right(self._stretches, place, key=lambda stretch: stretch[0]) - 1
        begin, began, ended, is_same = self._stretches[which]
        return began + place - begin + side if is_same else (began, ended)[side]


def _parts(text: str, secrets: set[str]) -> Iterator[_Span]:
    """Yield the spans of secrets verbatim, or of their prefixes."""
    for secret in secrets:
        part = secret[: max(_SHORTEST_PART, (len(secret) + 1) // 2)]
        for first in _places(part, text):
            last = first + len(part)
            while last - first < len(secret) and text[last : last + 1] == secret[last - first]:
                last += 1
            yield first, last


def _places(part: str, text: str) -> Iterator[int]:
    place = text.find(part)
    while place >= 0:
        yield place
        place = text.find(part, place + 1)


def _read(escaped: re.Match[str]) -> str:
    match escaped.lastgroup:
        case "web":
            return unquote(escaped[0])
        case "units":
            units = bytes.fromhex(re.sub(r"[\\%]u", "", escaped[0]))
            return units.decode("utf-16-be", "replace")
        case "bytes":
            return bytes.fromhex(escaped[0].replace("\\x", "")).decode(errors="replace")
        case "point" | "wide" | "octal" as name:
            return chr(min(int(escaped[name], 8 if name == "octal" else 16), sys.maxunicode))
        case "sign":
            return " " if escaped["sign"].isalpha() else escaped["sign"]
        case _:
            return unescape(escaped[0])
