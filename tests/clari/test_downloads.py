"""Bodies that end early, in every way in which HTTP can hide it, and bodies larger or slower than anybody wants.

Answers are written onto the wire byte for byte: a sandbox's server would not write most of them.
"""

import asyncio
import gzip
import random
import zlib
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import zstandard
from pydantic import SecretStr

from clari_pipeline.clari import (
    ClariClient,
    ClariUnreachable,
    Download,
    ErrorAsDocument,
    Exporter,
    Job,
    RateLimited,
    Retry,
    UnexpectedAnswer,
)
from clari_pipeline.clari.bodies import Body
from clari_pipeline.sandbox import Fault
from tests.clari.conftest import QUICK, Sink, call, done, export_of, request_for
from tests.helpers.each_case import try_each

_chance = random.Random(7)
CSV = b"User,Email,Data Value\n" + b"".join(
    b"Dana,dana%d@northwind.example,%d.25\n" % (number, _chance.randrange(10**9)) for number in range(200)
)
JSON = b'\xef\xbb\xbf {"entries": [{"userId": "a\\"]}\\\\", "n": ["{", "\\u00e9"]}, {}], "users": []} \n'
DEFLATED = zlib.compress(CSV)
BARE = DEFLATED[2:-4]
ZSTD = zstandard.ZstdCompressor(write_checksum=True).compress(CSV)
GZIP = gzip.compress(CSV)


def sized(body: bytes, encoding: str = "", *, length: int | None = None) -> bytes:
    """An answer that says how long its body is."""
    lines = [b"HTTP/1.1 200 OK", b"Content-Length: %d" % (len(body) if length is None else length)]
    if encoding:
        lines.append(b"Content-Encoding: " + encoding.encode())
    return b"\r\n".join([*lines, b"", body])


def chunked(body: bytes, *, last: bool = True) -> bytes:
    pieces = [body[start : start + 1000] for start in range(0, len(body), 1000)]
    written = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + written + (b"0\r\n\r\n" if last else b"")


def unsized(body: bytes, encoding: str = "") -> bytes:
    """An answer that ends with its connection."""
    more = b"Content-Encoding: %b\r\n" % encoding.encode() if encoding else b""
    return b"HTTP/1.1 200 OK\r\n" + more + b"Connection: close\r\n\r\n" + body


def fetched(*answers: bytes, **more: Any) -> tuple[bytes, Download, int]:
    """What comes of a result where these answers are given in turn, and how often it was asked for."""
    asked = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answers[min(asked, len(answers) - 1)])
        asked += 1
        await writer.drain()
        writer.close()

    async def fetch() -> tuple[bytes, Download]:
        sink = Sink()
        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v4"
            settings: dict[str, Any] = {"retry": QUICK} | more
            async with ClariClient(base_url=address, api_key=SecretStr("key-f00dface"), **settings) as client:
                came = await client.download("1", sink)
        return sink.content, came

    content, came = asyncio.run(fetch())
    return content, came, asked


def test_a_whole_body_is_taken_at_once_in_every_writing():
    """Several gzip streams in a row and padding behind them included, of which a careless reader takes the first."""
    half = len(CSV) // 2
    cases = {
        "length": sized(CSV),
        "chunks": chunked(CSV),
        "gzip": sized(GZIP, "gzip"),
        "gzip in two": sized(gzip.compress(CSV[:half]) + gzip.compress(CSV[half:]) + bytes(20), "x-gzip"),
        "gzip without a length": unsized(GZIP, "GZIP"),
        "deflate": sized(DEFLATED, "deflate"),
        "bare deflate": sized(BARE, "deflate"),
        "zstd": sized(ZSTD, "zstd"),
        "zstd in two": unsized(b"".join(map(zstandard.compress, (CSV[:half], CSV[half:]))), "zstd"),
        "identity": sized(CSV, "identity"),
    }

    def check(name: str) -> None:
        assert fetched(cases[name]) == (CSV, Download(len(CSV)), 1)

    try_each(cases, check)
    assert fetched(unsized(JSON)) == (JSON, Download(len(JSON)), 1)
    assert fetched(sized(b"", "gzip")) == (b"", Download(0), 1)


def test_a_body_that_ends_early_begins_anew():
    cases = {
        "gzip without its trailer": sized(GZIP[:-8], "gzip"),
        "gzip without a part of its trailer": unsized(GZIP[:-1], "gzip"),
        "gzip cut in the middle": sized(GZIP[:1500], "gzip"),
        "gzip cut in its header": sized(GZIP[:5], "gzip"),
        "nothing of gzip": unsized(b"", "gzip"),
        "the second of two gzip streams cut": sized(GZIP + GZIP[:400], "gzip"),
        "gzip with another sum": sized(GZIP[:-8] + bytes(4) + GZIP[-4:], "gzip"),
        "deflate without its sum": sized(DEFLATED[:-4], "deflate"),
        "bare deflate cut": sized(BARE[:-1], "deflate"),
        "zstd cut": sized(ZSTD[:-1], "zstd"),
        "shorter than its length": sized(CSV[:1000], length=len(CSV)),
        "without its last chunk": chunked(CSV, last=False),
        "an encoding that nobody asked for": sized(CSV, "br"),
    }

    def check(name: str) -> None:
        assert fetched(cases[name], sized(CSV)) == (CSV, Download(len(CSV)), 2)

    try_each(cases, check)
    assert fetched(unsized(JSON[:-3]), unsized(JSON)) == (JSON, Download(len(JSON)), 2)


def test_a_body_of_which_nothing_shows_the_end_is_fetched_until_two_copies_are_the_same():
    """And none was longer: the same cut may come twice."""
    whole, cut, line = unsized(CSV), unsized(CSV[:1003]), unsized(CSV[: CSV.rindex(b"Dana")])
    cases = {
        "twice": ([whole], 2),
        "cut once": ([cut, whole], 3),
        "cut in two ways": ([line, cut, whole, whole], 4),
        "cut twice alike": ([cut, whole, cut, whole], 4),
    }

    def check(name: str) -> None:
        answers, asked = cases[name]
        content, came, times = fetched(*answers)
        assert (content, came.size, came.is_whole, times) == (CSV, len(CSV), True, asked)

    try_each(cases, check)
    assert fetched(unsized(CSV[:40]), sized(CSV))[1:] == (Download(len(CSV)), 2)
    _, came, times = fetched(whole, cut, line, cut)
    assert (came.is_whole, came.size, times) == (False, 1003, 4)


def test_the_end_of_json_shows_wherever_it_is_cut_into_pieces():
    """And nowhere before: a bracket within a text is none, nor is a quote behind a backslash the text's end."""

    class Stream(httpx.AsyncByteStream):
        def __init__(self, *pieces: bytes) -> None:
            self._pieces = pieces

        async def __aiter__(self) -> AsyncIterator[bytes]:
            for piece in self._pieces:
                yield piece

    async def is_whole(*pieces: bytes) -> bool:
        body = Body("", httpx.Response(200, stream=Stream(*pieces)))
        await body.start(len(JSON) + 1)
        return body.is_whole

    async def ends() -> set[int]:
        size = len(JSON.rstrip())
        assert all([await is_whole(JSON[:at], JSON[at:]) for at in range(size)])
        assert await is_whole(*(JSON[at : at + 1] for at in range(len(JSON))))
        return {at for at in range(size) if await is_whole(JSON[: at // 2], JSON[at // 2 : at])}

    assert asyncio.run(ends()) == set()


def test_an_error_in_place_of_the_document_is_fetched_again_and_named_in_claris_words():
    envelopes = [
        (b'{"errors": [{"status": "500", "code": "E1", "message": "No report"}]}', "No report"),
        (
            b'{"code": "SWW", "namespace": "x", "errorId": "c16a", "message": "Wrong", "orgId": 1}',
            "Wrong (error id c16a)",
        ),
        (b'[{"statusCode": 500, "reaspnPhrase": "Oops", "description": null, "details": ""}]', "Oops"),
        (b'{"message": "You sent key-f00dface", "request_id": "9f"}', "You sent *** (error id 9f)"),
        (b'{"data": {"of": [{"error": {"detail": "Deep", "errorId": "e"}}]}}', "Deep (error id e)"),
        (b'"{\\"message\\": \\"In a text\\"}"', "In a text"),
        (b'"Bare"', "Bare"),
        (b'{"code": "E2", "message": "No quarter", "fields": ["timePeriod"]}', "No quarter"),
        (b'{"errors": [{"code": "E3", "message": "No scope", "fields": [{"name": "scopeId"}]}]}', "No scope"),
    ]

    def check(case: tuple[bytes, str]) -> None:
        body, said = case
        assert fetched(sized(body), sized(body), sized(JSON)) == (JSON, Download(len(JSON)), 3)
        with pytest.raises(ErrorAsDocument) as failed:
            fetched(sized(body), retry=Retry(attempts=2, first_wait_s=0.001, max_wait_s=0.002))
        assert f"result of job 1: Clari answered 200: {said}, in place of the document" in str(failed.value)

    try_each(envelopes, check)


def test_what_is_no_error_is_landed_for_the_gate_to_judge():
    error_beside_fields = b'{"errors": [{"code": "E", "message": "m"}], "fields": [{"fieldId": "f"}]}'
    bodies = (b'{"entries": []}', b'{"users": [], "message": "m"}', error_beside_fields, b"[]", b"{}", b"[1]", CSV)

    def check(body: bytes) -> None:
        assert fetched(sized(body)) == (body, Download(len(body)), 1)

    try_each(bodies, check)


def test_an_answer_without_content_is_no_document(sandbox, tab):
    """204: whatever an empty document is, this is none."""
    sandbox.serve(tab, "2026_Q4", JSON)
    sink = Sink()

    async def fetch(client: ClariClient) -> Download:
        job_id = (await done(client, request_for(tab))).job_id
        sandbox.fail_next("results", [Fault("answer", 204, {}, b"")] * 2)
        return await client.download(job_id, sink)

    assert call(sandbox, fetch) == Download(len(JSON))
    assert (sink.content, sink.begun) == (JSON, 3)


# Too large, too slow


def test_a_small_answer_that_unpacks_into_a_large_one_is_refused(sandbox):
    """No more of it is unpacked than is allowed, of an error's neither."""
    bomb = gzip.compress(bytes(17 << 20), 1)
    fault = Fault("answer", 200, {"Content-Encoding": "gzip"}, bomb)
    sandbox.fail_next("limits", [fault])
    once = Retry(attempts=1)
    with pytest.raises(UnexpectedAnswer, match=r"limits: Clari's answer is larger than 16,777,216 bytes"):
        call(sandbox, lambda client: client.limits(), retry=once)
    sandbox.fail_next("limits", [Fault("answer", 429, {"Content-Encoding": "gzip"}, bomb)])
    with pytest.raises(RateLimited, match="no reason given"):
        call(sandbox, lambda client: client.limits(), retry=once)


def test_a_body_is_unpacked_in_pieces_of_bounded_size():
    async def sizes(encoding: str, packed: bytes) -> list[int]:
        headers = {"Content-Encoding": encoding}
        body = Body("", httpx.Response(200, headers=headers, stream=httpx.ByteStream(packed)))
        return [len(piece) async for piece in body.pieces()]

    found = asyncio.run(sizes("gzip", gzip.compress(bytes(4 << 20), 1)))
    assert (sum(found), max(found)) == (4 << 20, 1 << 20)
    found = asyncio.run(sizes("zstd", zstandard.compress(bytes(24 << 20))))
    assert sum(found) == 24 << 20
    assert max(found) <= 16 << 20


def test_a_download_may_take_as_long_as_a_job_may(sandbox, tab):
    """It comes steadily, and would not end in time."""
    sandbox.serve(tab, "2026_Q4", CSV, "CSV")
    sandbox.fail_next("results", ["drip:5"])

    async def fetch(client: ClariClient) -> Download:
        job_id = (await done(client, request_for(tab))).job_id
        exporter = Exporter(client, export_timeout_s=0.05)
        return await exporter.fetch(export_of(request_for(tab)), Job(job_id=job_id), Sink())

    with pytest.raises(ClariUnreachable, match=r"has not come within 0.05 s.*CLARI_EXPORT_TIMEOUT_S"):
        call(sandbox, fetch)


def test_a_wait_that_is_longer_than_is_allowed_ends_the_call(sandbox):
    sandbox.fail_next("limits", ["429:0.01", "429:3600"])
    with pytest.raises(RateLimited, match="wants to be asked again after 3600 s"):
        call(sandbox, lambda client: client.limits())
    assert len(sandbox.requests) == 2


def test_what_the_sandbox_can_do_to_a_body_is_ridden_out(sandbox, tab):
    sandbox.serve(tab, "2026_Q4", CSV, "CSV")
    faults = ["gzip_cut", "unsized_cut:0.9", "envelope", "unsized", "gzip"]
    sink = Sink()

    async def fetch(client: ClariClient) -> Download:
        job_id = (await done(client, request_for(tab))).job_id
        sandbox.fail_next("results", faults)
        return await client.download(job_id, sink)

    assert call(sandbox, fetch) == Download(len(CSV))
    assert (sink.content, sink.begun) == (CSV, len(faults))
