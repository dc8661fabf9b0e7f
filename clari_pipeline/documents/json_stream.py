"""Parse JSON as it arrives: one object's members, and long arrays a piece at a time, in bounded memory.

Values are decoded by the standard library's own scanner. Elements of an array can instead be handed out as bytes to
a faster parser: a piece is cut at a separator, and it is the parser's success that proves the cut to lie between two
elements, since a cut inside a text or inside a nested value leaves something open.
"""

import codecs
import io
import json
import re
from collections import deque
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NoReturn, TypeVar

from clari_pipeline.core.envelopes import find_error
from clari_pipeline.documents.rows import DocumentUnreadable, NoDocument

_BLANK = b" \t\r\n"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_LINE_END = b"\r"
_CHUNK = 1 << 20  # bytes
_AT_ONCE = 2  # pieces parsed in parallel
_PIECE = 1 << 20  # bytes
_FEWEST, _MOST = 256, 16384  # elements that are decoded one by one before a piece is tried again
_SEPARATOR = re.compile(rb"\}[ \t\r\n]*,[ \t\r\n]*\{")
_BLANKS = re.compile(r"[ \t\r\n]*")
_END = re.compile(rb"\}[ \t\r\n]*\]")
_UNFINISHED = 16  # characters at the end of the text that may be half a word, number or escape

_Parsed = TypeVar("_Parsed")
Parse = Callable[[bytes, int], _Parsed | None]


class Number(str):
    """A JSON number, exactly as it is written."""

    __slots__ = ()


class NotFinite(str):
    """A bare NaN or infinity: not JSON, though many programs write it."""

    __slots__ = ()


class JsonStream:
    """One JSON object in a stream of bytes. Raises `DocumentUnreadable` where it is none.

    Under the keys `maybe_nan` of any object a bare NaN or infinity is accepted, as a text.
    """

    def __init__(self, stream: io.BufferedReader, *, maybe_nan: Collection[str] = ()) -> None:
        self._stream = stream
        self._maybe_nan = maybe_nan
        self._strays: list[str] = []  # NaN and infinities of the value being decoded, less those under `maybe_nan`
        self._buffer = bytearray(2 * _CHUNK)
        self._end = 0  # of what the buffer holds
        self._at = 0  # in the buffer
        self._before = 0  # bytes of the stream that the buffer has left behind
        self._has_ended = False
        self._decoder = json.JSONDecoder(
            parse_float=Number, parse_int=Number, parse_constant=self._constant, object_pairs_hook=self._object
        )
        self._fill(_CHUNK)
        if self._buffer.startswith(_BYTE_ORDER_MARK, 0, self._end):
            self._at = len(_BYTE_ORDER_MARK)

    def members(self) -> Iterator[str]:
        """Iterate over the object's keys; read each one's value before the next. After the last, the text has ended."""
        if self._next() != b"{":
            raise no_document(self.value(), "the document is no JSON object")
        self._at += 1
        seen: set[str] = set()
        while self._next() != b"}":
            if seen:
                self._expect(b",")
            if self._next() != b'"':
                self._fail("a key in double quotes is missing")
            key = self.value()
            if key in seen:
                raise DocumentUnreadable(f"the key {key!r} stands twice in one object")
            seen.add(key)
            self._expect(b":")
            yield key
        self._at += 1
        if self._next():
            self._fail("something follows after its end")

    def is_array(self) -> bool:
        """Whether an array is next."""
        return self._next() == b"["

    def value(self) -> Any:
        """Decode the next value: objects whose keys all differ, numbers as `Number`."""
        self._next()
        value, size = self._peeked(0)
        self._at += size
        return value

    def first(self) -> Any:
        """Peek at the first element of the array that is next; None where it has none."""
        return self._peeked(1)[0]

    def sample(self, most: int) -> list[Any]:
        """Peek at the first elements of the array that is next: at most so many, of those that lie in its first MB."""
        text, _ = self._text(_CHUNK)
        found: list[Any] = []
        at = _blank(text, 1)
        while len(found) < most and text[at : at + 1] not in {"", "]"}:
            try:
                element, end = self._decoded(text, at)
            except (json.JSONDecodeError, DocumentUnreadable):  # cut off, or what is reported once it is read
                break
            found.append(element)
            mark = _blank(text, end)
            at = _blank(text, mark + 1) if text[mark : mark + 1] == "," else len(text)
        return found

    def _peeked(self, skipped: int) -> tuple[Any, int]:
        """Decode the value after `skipped` bytes, and where it ends, in bytes; None at the end of an array."""
        wanted = _CHUNK
        while True:
            text, is_cut = self._text(wanted)
            at = _blank(text, skipped) if skipped else 0
            if skipped and text[at : at + 1] == "]":
                return None, 0
            try:
                value, end = self._decoded(text, at)
            except json.JSONDecodeError as error:
                self._fail_unless_cut(error, text, is_cut=is_cut)
            else:
                if end < len(text) or not is_cut:  # else a number might continue
                    return value, _size(text[:end])
            wanted *= 2

    def _decoded(self, text: str, at: int) -> tuple[Any, int]:
        self._strays.clear()
        try:
            found = self._decoder.raw_decode(text, at)
        except RecursionError:
            raise DocumentUnreadable("the document is nested too deeply") from None
        if self._strays:
            raise DocumentUnreadable(f"the document is not JSON: {self._strays[0]} is no JSON")
        return found

    def _constant(self, name: str) -> NotFinite:
        self._strays.append(name)
        return NotFinite(name)

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        """An object. Raises `DocumentUnreadable` for a duplicate key, of which a dict would drop a value silently."""
        found = dict(pairs)
        if len(found) != len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise DocumentUnreadable(f"the key {twice!r} stands twice in one object")
        if self._strays:
            for name, value in pairs:
                if isinstance(value, NotFinite) and name in self._maybe_nan:
                    self._strays.remove(value)
        return found

    def _fail_unless_cut(self, error: json.JSONDecodeError, text: str, *, is_cut: bool) -> None:
        """Raise `DocumentUnreadable`, unless the text is cut off there and more is to come."""
        is_open = error.msg.startswith("Unterminated string") or error.pos >= len(text) - _UNFINISHED
        if not (is_cut and is_open):
            self._fail(error.msg, _size(text[: error.pos]))

    def decoded_elements(
        self, feed: Callable[[bytes], None] | None = None, *, at_once: int | None = None
    ) -> Iterator[list[Any]]:
        """Decode the elements of the array that is next, in lists: of `at_once`, else of growing length.

        `feed` is given the same elements as bytes, without the comma after the last.
        """
        count, most = at_once or _FEWEST, at_once or _MOST
        has_more = self._enter_array()
        while has_more:
            found, has_more = self._decode_some(count, feed)
            yield found
            count = min(count * 4, most)

    def elements(
        self, parse: Parse[_Parsed], take: Callable[[_Parsed], None], feed: Callable[[bytes], None]
    ) -> Iterator[list[Any]]:
        """Parse the elements of the array that is next; yields those that `parse` rejects, decoded, in lists.

        `parse` is given pieces, several at once in threads: the bytes of whole objects, the commas between them
        replaced by line ends, and how many objects there are. Its results are handed to `take` in order; what it
        returns None for is decoded here and yielded. `feed` is given all elements as bytes, without the comma after
        the last.
        """
        has_more = self._enter_array()
        count = _FEWEST
        separator: bytes | None = None
        ahead: deque[tuple[bytes, bytes, Future[_Parsed | None]]] = deque()  # pieces, the gaps behind them
        with ThreadPoolExecutor(_AT_ONCE, "pieces") as pool:
            while has_more:
                if separator is None and self._fill(_CHUNK):
                    found_one = _SEPARATOR.search(self._buffer, self._at, min(self._end, self._at + _CHUNK))
                    separator = found_one[0] if found_one else None
                while len(ahead) <= _AT_ONCE and separator is not None and self._fill(_PIECE):
                    cut = self._buffer.rfind(separator, self._at, min(self._end, self._at + _PIECE))
                    if cut < 0:
                        break
                    text = self._bytes(cut + 1)  # up to the last separator of a piece
                    ahead.append((text, separator[1:-1], pool.submit(_parsed, text, separator, parse)))
                    self._at += len(text) + len(separator) - 2
                if ahead and (parsed := ahead[0][2].result()) is not None:
                    take(parsed)
                    feed(ahead.popleft()[0])
                    count = _FEWEST
                    continue
                if ahead:  # put the pieces ahead back into the buffer
                    taken = b"".join(part for text, gap, _ in ahead for part in (text, gap))
                    self._buffer = bytearray(taken) + self._buffer[self._at : self._end]
                    self._before += self._at - len(taken)
                    self._at, self._end = 0, len(self._buffer)
                    ahead.clear()
                self._fill(_PIECE)
                # Up to where the array may end.
                end = _END.search(self._buffer, self._at, min(self._end, self._at + _PIECE)) if separator else None
                text = self._bytes(end.start() + 1) if end else b""
                if separator and text and (parsed := _parsed(text, separator, parse)) is not None:
                    take(parsed)
                    feed(text)
                    self._at += len(text)
                    has_more = self._next() != b"]"
                    self._expect(b"," if has_more else b"]")
                    self._next()
                else:
                    found, has_more = self._decode_some(count, feed)
                    yield found
                    count, separator = min(count * 4, _MOST), None

    def _enter_array(self) -> bool:
        """Consume the bracket of the array that is next, and the end of an empty one; whether it has an element."""
        self._expect(b"[")
        if self._next() != b"]":
            return True
        self._at += 1
        return False

    def _decode_some(self, most: int, feed: Callable[[bytes], None] | None) -> tuple[list[Any], bool]:
        """Decode at most `most` elements of an array one by one, and whether others follow."""
        found: list[Any] = []
        wanted, has_more = _CHUNK, True
        while has_more and len(found) < most:
            text, is_cut = self._text(wanted)
            at = done = _blank(text, 0)
            while has_more and len(found) < most and at < len(text):
                try:
                    element, end = self._decoded(text, at)
                except json.JSONDecodeError as error:
                    self._fail_unless_cut(error, text, is_cut=is_cut)
                    break
                mark = _blank(text, end)
                if mark == len(text) and is_cut:
                    break
                has_more = text[mark : mark + 1] == ","
                if not has_more and text[mark : mark + 1] != "]":
                    self._fail("',' is missing", _size(text[:mark]))
                found.append(element)
                done = at = _blank(text, mark + 1)
            if done == 0 and not is_cut:
                self._fail("its end is missing")
            taken = _size(text[:done])
            if feed is not None:
                feed(self._bytes(self._at + taken).rstrip(_BLANK + (b"," if has_more else b"]")))
            self._at += taken
            wanted = wanted * 2 if done == 0 else _CHUNK
        return found, has_more

    def _next(self) -> bytes:
        """Peek at the next byte that is not blank; empty at the end of the text."""
        while True:
            end = min(self._end, self._at + 64)
            rest = self._bytes(end).lstrip(_BLANK)
            if rest:
                self._at = end - len(rest)
                return rest[:1]
            self._at = end
            if self._at >= self._end and not self._fill(1):
                return b""

    def _expect(self, mark: bytes) -> None:
        if self._next() != mark:
            self._fail(f"{mark.decode()!r} is missing")
        self._at += 1

    def _text(self, size: int) -> tuple[str, bool]:
        """The next bytes as text, and whether more may follow them."""
        self._fill(size)
        end = min(self._end, self._at + size)
        is_cut = end < self._end or not self._has_ended
        try:
            return codecs.getincrementaldecoder("utf-8")().decode(self._bytes(end), not is_cut), is_cut
        except UnicodeDecodeError as error:
            place = self._before + self._at + error.start
            raise DocumentUnreadable(f"the document is not UTF-8: {error.reason} at byte {place}") from None

    def _fill(self, size: int) -> bool:
        """Read until `size` bytes are ahead, or all that are left; whether there are any."""
        if self._end - self._at < size and not self._has_ended:
            del self._buffer[: self._at]
            self._buffer.extend(bytes(max(self._at, size - len(self._buffer))))
            self._before, self._end, self._at = self._before + self._at, self._end - self._at, 0
            with memoryview(self._buffer) as buffer:
                while self._end - self._at < size and not self._has_ended:
                    read = self._stream.readinto(buffer[self._end :])
                    self._end += read
                    self._has_ended = not read
        return self._end > self._at

    def _bytes(self, end: int) -> bytes:
        """The bytes ahead, up to a position in the buffer."""
        with memoryview(self._buffer) as buffer:
            return bytes(buffer[self._at : end])

    def _fail(self, reason: str, ahead: int = 0) -> NoReturn:
        place = self._before + self._at + ahead
        raise DocumentUnreadable(f"the document is not JSON: {reason} at byte {place}")


def _parsed(piece: bytes, separator: bytes, parse: Parse[_Parsed]) -> _Parsed | None:
    """Parse a piece, its separators replaced by line ends: one within a JSON string would be rejected by the parser."""
    try:
        piece.isascii() or piece.decode()
    except UnicodeDecodeError:
        return None
    # In one go, and counted: bytes.replace takes twice as long.
    lines, gaps = re.subn(re.escape(separator), separator.replace(b",", _LINE_END), piece)
    return parse(lines, gaps + 1)


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode(errors="surrogatepass"))


def _blank(text: str, at: int) -> int:
    """The position after the blanks at `at`."""
    found = _BLANKS.match(text, at)
    return found.end() if found else at


def no_document(value: Any, otherwise: str) -> DocumentUnreadable:
    """The error on JSON that is no document: with Clari's message where it is one of its error envelopes."""
    message = find_error(value)
    return NoDocument(f"Clari sent an error in place of the document: {message}" if message else otherwise)
