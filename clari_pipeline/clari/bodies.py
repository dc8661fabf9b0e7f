"""Stream a response body: decompress it in chunks of bounded size, and detect whether it is complete.

httpx's own decoders do not bound the size of a decompressed chunk, accept a truncated gzip or deflate stream as
complete, and read only the first of several concatenated gzip streams. In HTTP/1.1 a body without Content-Length or
chunked encoding ends with the connection, so that a cut connection looks like the end: `Body.is_whole`.
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
LARGEST_ERROR = 64 << 10  # bytes of an error response that are read at most
_CHUNK_BYTES = 1 << 20
_ZSTD_INPUT_BYTES = 512  # compressed bytes a step: four bytes of zstd may decompress to 128 KiB
_ZSTD_WINDOW_BYTES = 8 << 20  # the largest window that a zstd encoder may use over HTTP (RFC 9659)
_GZIP, _ZLIB, _RAW_DEFLATE = 16 + zlib.MAX_WBITS, zlib.MAX_WBITS, -zlib.MAX_WBITS
_JSON_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_JSON_PREFIX = b"\xef\xbb\xbf \t\r\n"


class Body:
    """The body of one response, read once. `is_whole`: whether there is proof that it is complete.

    Proof is Content-Length, the last chunk of a chunked body, the end of the compressed stream, or the closing bracket
    of its JSON. Without any, `digest` identifies the bytes received, to be compared with those of another download.
    """

    def __init__(self, call: str, response: httpx.Response) -> None:
        self._call = call
        self._response = response
        # Removed, as httpx would decompress the body, too.
        self._encoding = response.headers.pop("content-encoding", "").strip().lower()
        self._is_framed = "content-length" in response.headers or "transfer-encoding" in response.headers
        self._json = _JsonBrackets()
        self._digest = hashlib.sha256()

    @property
    def is_whole(self) -> bool:
        """Whether the body is proved complete; valid only after all of it was read."""
        return self._is_framed or self._encoding in _DECODERS or self._json.are_closed

    @property
    def digest(self) -> str | None:
        """SHA-256 of the decompressed bytes; None where the body is proved complete."""
        return None if self.is_whole else self._digest.hexdigest()

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield the decompressed bytes in non-empty chunks.

        Raises `httpx.DecodingError` where the compressed stream is damaged or truncated, and `UnexpectedAnswer` for an
        encoding that `Accept-Encoding` did not name.
        """
        if self._encoding not in {"", "identity", *_DECODERS}:
            raise UnexpectedAnswer(f"{self._call}: Clari's answer is compressed in a way that was not asked for")
        decoder = _DECODERS.get(self._encoding, _IdentityDecoder)()
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
        """The first `most` bytes at most; the rest of a larger body is not read."""
        found = bytearray()
        async for piece in self.pieces():
            found += piece[: most - len(found)]
            if len(found) == most:
                break
        return bytes(found)


class _IdentityDecoder:
    """The decoder of a body that is not compressed."""

    @property
    def has_ended(self) -> bool:
        return True

    def decode(self, raw: bytes) -> Iterator[bytes]:
        yield raw

    def rest(self) -> bytes:
        return b""


class _ZlibDecoder(_IdentityDecoder):
    """gzip, also of several concatenated streams, or deflate, with or without a zlib header (RFC 9110)."""

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
                zlib_or_raw = _ZLIB if raw[0] & 15 == zlib.DEFLATED else _RAW_DEFLATE
                self._stream = zlib.decompressobj(_GZIP if self._is_gzip else zlib_or_raw)
            yield self._stream.decompress(raw, _CHUNK_BYTES)
            raw = self._stream.unconsumed_tail or self._stream.unused_data

    def rest(self) -> bytes:
        return b"" if self._stream is None or self._stream.eof else self._stream.flush()


class _ZstdDecoder(_IdentityDecoder):
    """zstd, also of several concatenated frames."""

    def __init__(self) -> None:
        self._frame: zstandard.ZstdDecompressionObj | None = None

    @property
    def has_ended(self) -> bool:
        return self._frame is not None and self._frame.eof

    def decode(self, raw: bytes) -> Iterator[bytes]:
        for place in range(0, len(raw), _ZSTD_INPUT_BYTES):
            fed = raw[place : place + _ZSTD_INPUT_BYTES]
            while fed:
                if self._frame is None or self._frame.eof:
                    self._frame = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW_BYTES).decompressobj()
                yield self._frame.decompress(fed)
                fed = self._frame.unused_data


_DECODERS: dict[str, Callable[[], _IdentityDecoder]] = {
    **dict.fromkeys(("gzip", "x-gzip"), lambda: _ZlibDecoder(is_gzip=True)),
    "deflate": lambda: _ZlibDecoder(is_gzip=False),
    "zstd": _ZstdDecoder,
}


class _JsonBrackets:
    """Tracks the depth of brackets outside JSON strings in a stream: JSON is complete when it is back at zero."""

    def __init__(self) -> None:
        self._is_json: bool | None = None
        self._depth = 0
        self._open = b""  # an unclosed string: its quote, and a backslash at the end of the chunk

    @property
    def are_closed(self) -> bool:
        return bool(self._is_json) and self._depth == 0 and not self._open

    def feed(self, piece: bytes) -> None:
        if self._is_json is None and (begin := piece.lstrip(_JSON_PREFIX)[:1]):
            self._is_json = begin in {b"{", b"["}
        if not self._is_json:
            return
        text, quote, rest = _JSON_STRING.sub(b"", self._open + piece).partition(b'"')
        is_escaping = (len(rest) - len(rest.rstrip(b"\\"))) % 2
        self._open = quote + b"\\" * is_escaping
        self._depth += sum(map(text.count, (b"{", b"["))) - sum(map(text.count, (b"}", b"]")))


class ResultSink(Protocol):
    """Where a download writes a document; `restart` begins a new attempt from byte 0."""

    def write(self, chunk: bytes) -> object:
        """Append the next bytes."""
        ...

    def restart(self) -> None:
        """Discard the bytes written so far."""
        ...
