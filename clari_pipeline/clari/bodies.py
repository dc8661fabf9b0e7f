"""An answer's body as it arrives: decompressed in pieces of bounded size, and followed to where it ends.

httpx decompresses at once whatever a packet holds, takes a gzip or deflate stream that breaks off for a whole one, and
of several gzip streams in a row reads the first. HTTP/1.1 takes the end of a connection for the end of a body whose
length it was not told. So what nothing shows to be whole is told apart here.
"""

import hashlib
import re
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Protocol

import httpx
import zstandard

from clari_pipeline.clari.errors import UnexpectedAnswer

ENCODINGS = "gzip, deflate, zstd"  # what `Accept-Encoding` asks for
LARGEST_ERROR = 64 << 10  # bytes that are read of an answer that is an error
_PIECE = 1 << 20
_FED_AT_ONCE = 512  # bytes: of zstd, four may stand for 128 KiB
_LARGEST_WINDOW = 8 << 20  # that a zstd encoder may ask for (RFC 9659)
_GZIP, _ZLIB, _BARE = 16 + zlib.MAX_WBITS, zlib.MAX_WBITS, -zlib.MAX_WBITS
_JSON_TEXT = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_BEFORE_JSON = b"\xef\xbb\xbf \t\r\n"


class Body:
    """The body of one answer, to be read once. `is_whole`: whether anything shows that it came to its end.

    That is its length, the last chunk, the end of its compression, or the last bracket of its JSON. Where nothing
    does, `digest` tells what came.
    """

    def __init__(self, call: str, response: httpx.Response) -> None:
        self._call = call
        self._response = response
        # httpx would decompress it, too.
        self._encoding = response.headers.pop("content-encoding", "").strip().lower()
        self._is_framed = "content-length" in response.headers or "transfer-encoding" in response.headers
        self._json = _JsonEnd()
        self._digest = hashlib.sha256()

    @property
    def is_whole(self) -> bool:
        """To be asked once all of it was read."""
        return self._is_framed or self._encoding in _DECODERS or self._json.has_come

    @property
    def digest(self) -> str | None:
        """SHA-256 of what came, where nothing shows that it is whole."""
        return None if self.is_whole else self._digest.hexdigest()

    async def pieces(self) -> AsyncIterator[bytes]:
        """Its bytes, decompressed, no piece empty.

        Raises `httpx.DecodingError` where the compression is damaged or breaks off, and `UnexpectedAnswer` where it is
        one that was not asked for.
        """
        if self._encoding not in {"", "identity", *_DECODERS}:
            raise UnexpectedAnswer(f"{self._call}: Clari's answer is compressed in a way that was not asked for")
        decoder = _DECODERS.get(self._encoding, _Decoder)()
        is_empty = self._is_framed
        try:
            async for raw in self._response.aiter_bytes():
                is_empty = is_empty and not raw
                for piece in filter(None, decoder.decode(raw)):
                    if not self._is_framed:
                        self._json.feed(piece)
                        self._digest.update(piece)
                    yield piece
            if rest := decoder.rest():
                yield rest
        except (zlib.error, zstandard.ZstdError) as error:
            raise httpx.DecodingError("the compressed body is damaged") from error
        if not decoder.has_ended and not is_empty:
            raise httpx.DecodingError("the compressed body breaks off")

    async def start(self, most: int) -> bytes:
        """Its first bytes, so many and no more: the rest of a larger one is not read."""
        found = bytearray()
        async for piece in self.pieces():
            found += piece[: most - len(found)]
            if len(found) == most:
                break
        return bytes(found)


class _Decoder:
    """Of a body that is not compressed."""

    @property
    def has_ended(self) -> bool:
        return True

    def decode(self, raw: bytes) -> Iterator[bytes]:
        yield raw

    def rest(self) -> bytes:
        return b""


class _Inflating(_Decoder):
    """Streams of zlib's: gzip, of which several may follow each other, or deflate, which some send bare (RFC 9110)."""

    def __init__(self, *, is_gzip: bool) -> None:
        self._is_gzip = is_gzip
        self._stream: zlib._Decompress | None = None

    @property
    def has_ended(self) -> bool:
        return self._stream is not None and self._stream.eof

    def decode(self, raw: bytes) -> Iterator[bytes]:
        while raw:
            if self._stream is None or self._stream.eof:
                if self._stream is not None and not (self._is_gzip and raw.strip(b"\0")):
                    return  # padding
                bare_or_not = _ZLIB if raw[0] & 15 == zlib.DEFLATED else _BARE
                self._stream = zlib.decompressobj(_GZIP if self._is_gzip else bare_or_not)
            yield self._stream.decompress(raw, _PIECE)
            raw = self._stream.unconsumed_tail or self._stream.unused_data

    def rest(self) -> bytes:
        return b"" if self._stream is None or self._stream.eof else self._stream.flush()


class _Zstd(_Decoder):
    """Frames of zstd, one after the other."""

    def __init__(self) -> None:
        self._frame: zstandard.ZstdDecompressionObj | None = None

    @property
    def has_ended(self) -> bool:
        return self._frame is not None and self._frame.eof

    def decode(self, raw: bytes) -> Iterator[bytes]:
        for place in range(0, len(raw), _FED_AT_ONCE):
            fed = raw[place : place + _FED_AT_ONCE]
            while fed:
                if self._frame is None or self._frame.eof:
                    self._frame = zstandard.ZstdDecompressor(max_window_size=_LARGEST_WINDOW).decompressobj()
                yield self._frame.decompress(fed)
                fed = self._frame.unused_data


_DECODERS: dict[str, Callable[[], _Decoder]] = {
    **dict.fromkeys(("gzip", "x-gzip"), lambda: _Inflating(is_gzip=True)),
    "deflate": lambda: _Inflating(is_gzip=False),
    "zstd": _Zstd,
}


class _JsonEnd:
    """Counts the brackets of a text that arrives, those within its texts left out: JSON's last one is its end."""

    def __init__(self) -> None:
        self._is_json: bool | None = None
        self._depth = 0
        self._open = b""  # what stands for a text that goes on in the next piece

    @property
    def has_come(self) -> bool:
        return bool(self._is_json) and self._depth == 0 and not self._open

    def feed(self, piece: bytes) -> None:
        if self._is_json is None and (begin := piece.lstrip(_BEFORE_JSON)[:1]):
            self._is_json = begin in {b"{", b"["}
        if not self._is_json:
            return
        text, quote, rest = _JSON_TEXT.sub(b"", self._open + piece).partition(b'"')
        is_escaping = (len(rest) - len(rest.rstrip(b"\\"))) % 2
        self._open = quote + b"\\" * is_escaping
        self._depth += sum(map(text.count, (b"{", b"["))) - sum(map(text.count, (b"}", b"]")))


class ResultSink(Protocol):
    """Takes a document's bytes; `restart` means that they begin at the first once more."""

    def write(self, chunk: bytes) -> object:
        """Take the next bytes."""
        ...

    def restart(self) -> None:
        """Forget what came so far."""
        ...
