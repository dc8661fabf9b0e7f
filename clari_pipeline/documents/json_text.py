"""A JSON text read as it arrives: one object's members, and long arrays a piece at a time, in bounded memory.

Values are decoded by the standard library's own scanner. Elements of an array can instead be handed out as bytes to
a faster parser: a piece is cut at a separator, and it is the parser's success that proves the cut to lie between two
elements, since a cut inside a text or inside a nested value leaves something open.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable, Iterator
from typing import IO, Any, NoReturn

from clari_pipeline.documents.rows import DocumentUnreadable

_BLANK = b" \t\r\n"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_CHUNK = 1 << 20
_PIECE = 2 << 20
_FEWEST, _MOST = 256, 16384  # elements that are decoded one by one before a piece is tried again
_SEPARATOR = re.compile(rb"\}[ \t\r\n]*,[ \t\r\n]*\{")
_BLANKS = re.compile(r"[ \t\r\n]*")
_END = re.compile(rb"\}[ \t\r\n]*\]")
_UNFINISHED = 16  # characters at the end of the text that may be half a word, number or escape

Accept = Callable[[bytes, int], bool]


class Number(str):
    """A JSON number, exactly as it is written."""

    __slots__ = ()


class JsonText:
    """One JSON object in a stream of bytes. Raises `DocumentUnreadable` where it is none."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._buffer = b""
        self._at = 0  # in the buffer
        self._before = 0  # bytes of the stream that the buffer has left behind
        self._kept: int | None = None  # a place to go back to
        self._has_ended = False
        self._decoder = json.JSONDecoder(
            parse_float=Number, parse_int=Number, parse_constant=_refuse_constant, object_pairs_hook=_object
        )
        self._fill(_CHUNK)
        if self._buffer.startswith(_BYTE_ORDER_MARK):
            self._at = len(_BYTE_ORDER_MARK)

    def members(self) -> Iterator[str]:
        """The object's keys; the value of each is to be taken before the next. After the last, the text has ended."""
        if self._next() != b"{":
            self.value()
            raise DocumentUnreadable("the document is no JSON object")
        self._at += 1
        seen: set[str] = set()
        if self._next() == b"}":
            self._at += 1
        else:
            while True:
                if self._next() != b'"':
                    self._fail("a key in double quotes is missing")
                key = self.value()
                if key in seen:
                    raise DocumentUnreadable(f"the key {key!r} stands twice in one object")
                seen.add(key)
                self._expect(b":")
                yield key
                if self._next() == b"}":
                    self._at += 1
                    break
                self._expect(b",")
        if self._next():
            self._fail("something follows after its end")

    def is_array(self) -> bool:
        """Whether an array is next."""
        return self._next() == b"["

    def value(self) -> Any:
        """The next value, decoded: objects whose keys all differ, numbers as `Number`."""
        self._next()
        wanted = _CHUNK
        while True:
            text, is_cut = self._text(wanted)
            try:
                value, end = self._decoder.raw_decode(text)
            except json.JSONDecodeError as error:
                self._unless_cut(error, text, is_cut=is_cut)
            except RecursionError:
                raise _too_deep() from None
            else:
                if end < len(text) or not is_cut:  # else a number might go on
                    self._at += _size(text[:end])
                    return value
            wanted *= 2

    def _unless_cut(self, error: json.JSONDecodeError, text: str, *, is_cut: bool) -> None:
        """Say what is wrong, unless the text just was not there yet."""
        is_open = error.msg.startswith("Unterminated string") or error.pos >= len(text) - _UNFINISHED
        if not (is_cut and is_open):
            self._fail(error.msg, _size(text[: error.pos]))

    def first(self) -> Any:
        """The first element of the array that is next, which is not taken; None where it has none."""
        self._kept = self._before + self._at
        self._at += 1
        found = None if self._next() == b"]" else self.value()
        self._at, self._kept = self._kept - self._before, None
        return found

    def elements(self, accept: Accept, feed: Callable[[bytes], None]) -> Iterator[list[Any]]:
        """The elements of the array that is next.

        `accept` is offered pieces: the bytes of whole objects, the commas between them replaced by line ends, and how
        many there must be. What it does not take is decoded here and handed out, some elements at a time. `feed` is
        given the same elements, as they stand in the text, without the comma after the last.
        """
        self._expect(b"[")
        if self._next() == b"]":
            self._at += 1
            return
        walked, goes_on = _FEWEST, True
        separator: bytes | None = None
        while goes_on:
            self._fill(_PIECE)
            separator = separator or self._separator()
            if separator is not None and (taken := self._offer(separator, accept)):
                walked = _FEWEST
                feed(self._buffer[self._at : self._at + taken])
                self._at += taken
                goes_on = self._goes_on()
            else:
                found, goes_on = self._walk(walked, feed)
                yield found
                walked, separator = min(walked * 4, _MOST), None

    def _walk(self, most: int, feed: Callable[[bytes], None]) -> tuple[list[Any], bool]:
        """The next elements of an array, decoded one by one, and whether others follow."""
        found: list[Any] = []
        wanted, goes_on = _CHUNK, True
        while goes_on and len(found) < most:
            text, is_cut = self._text(wanted)
            at = done = _blank(text, 0)
            while goes_on and len(found) < most and at < len(text):
                try:
                    element, end = self._decoder.raw_decode(text, at)
                except json.JSONDecodeError as error:
                    self._unless_cut(error, text, is_cut=is_cut)
                    break
                except RecursionError:
                    raise _too_deep() from None
                mark = _blank(text, end)
                if mark == len(text) and is_cut:
                    break
                goes_on = text[mark : mark + 1] == ","
                if not goes_on and text[mark : mark + 1] != "]":
                    self._fail("',' is missing", _size(text[:mark]))
                found.append(element)
                done = at = _blank(text, mark + 1)
            if done == 0 and not is_cut:
                self._fail("its end is missing")
            taken = _size(text[:done])
            feed(self._buffer[self._at : self._at + taken].rstrip(_BLANK + (b"," if goes_on else b"]")))
            self._at += taken
            wanted = wanted * 2 if done == 0 else _CHUNK
        return found, goes_on

    def _separator(self) -> bytes | None:
        found = _SEPARATOR.search(self._buffer, self._at, self._at + _CHUNK)
        return found[0] if found else None

    def _offer(self, separator: bytes, accept: Accept) -> int:
        """How many bytes were taken from here on; 0 where none were."""
        cut = self._buffer.rfind(separator, self._at, self._at + _PIECE)
        if cut > 0:
            piece = self._buffer[self._at : cut + 1]
            if _is_taken(piece, separator, accept):
                return len(piece)
        # The array may end before that separator.
        end = _END.search(self._buffer, self._at, self._at + _PIECE)
        if end is not None:
            piece = self._buffer[self._at : end.start() + 1]
            if _is_taken(piece, separator, accept):
                return len(piece)
        return 0

    def _goes_on(self) -> bool:
        """Whether another element follows; the comma, or the closing bracket, is taken."""
        follows = self._next()
        if follows == b"]":
            self._at += 1
            return False
        self._expect(b",")
        self._next()
        return True

    def _next(self) -> bytes:
        """The next byte that is not blank, which is not taken; none at the end of the text."""
        while True:
            rest = self._buffer[self._at : self._at + 64].lstrip(_BLANK)
            if rest:
                self._at += min(64, len(self._buffer) - self._at) - len(rest)
                return rest[:1]
            self._at = min(self._at + 64, len(self._buffer))
            if self._at >= len(self._buffer) and not self._fill(1):
                return b""

    def _expect(self, mark: bytes) -> None:
        if self._next() != mark:
            self._fail(f"{mark.decode()!r} is missing")
        self._at += 1

    def _text(self, size: int) -> tuple[str, bool]:
        """The next bytes as text, and whether more may follow them."""
        self._fill(size)
        end = min(len(self._buffer), self._at + size)
        is_cut = end < len(self._buffer) or not self._has_ended
        try:
            return codecs.getincrementaldecoder("utf-8")().decode(self._buffer[self._at : end], not is_cut), is_cut
        except UnicodeDecodeError as error:
            place = self._before + self._at + error.start
            raise DocumentUnreadable(f"the document is not UTF-8: {error.reason} at byte {place}") from None

    def _fill(self, size: int) -> bool:
        """Have so many bytes ahead, or all that are left; whether there is any."""
        missing = size - (len(self._buffer) - self._at)
        if missing > 0 and not self._has_ended:
            left = self._at if self._kept is None else self._kept - self._before
            parts = [self._buffer[left:]]
            self._before += left
            self._at -= left
            while missing > 0:
                chunk = self._stream.read(max(missing, _CHUNK))
                if not chunk:
                    self._has_ended = True
                    break
                parts.append(chunk)
                missing -= len(chunk)
            self._buffer = b"".join(parts)
        return len(self._buffer) > self._at

    def _fail(self, reason: str, ahead: int = 0) -> NoReturn:
        place = self._before + self._at + ahead
        raise DocumentUnreadable(f"the document is not JSON: {reason} at byte {place}")


def _is_taken(piece: bytes, separator: bytes, accept: Accept) -> bool:
    """Offer a piece. A line end cannot stand in a text of JSON: one put there would be refused."""
    try:
        piece.isascii() or piece.decode()
    except UnicodeDecodeError:
        return False
    lines = piece.replace(separator, separator.replace(b",", b"\n"))
    gaps = lines.count(b"\n") - piece.count(b"\n")
    return accept(lines, gaps + 1)


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode(errors="surrogatepass"))


def _blank(text: str, at: int) -> int:
    """Where the blanks that begin there end."""
    found = _BLANKS.match(text, at)
    return found.end() if found else at


def _too_deep() -> DocumentUnreadable:
    return DocumentUnreadable("the document is nested too deeply")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose keys all differ: of two values one would be lost in silence."""
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise DocumentUnreadable(f"the key {twice!r} stands twice in one object")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise DocumentUnreadable(f"the document is not JSON: {name} is no JSON")
