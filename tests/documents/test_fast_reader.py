"""Entries that Arrow reads whole are those that `json` reads: the same documents accepted, the same rows, no more."""

import errno
import json
import random
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clari_pipeline.documents import MEASURES, DocumentUnreadable, control_totals
from clari_pipeline.documents.json_shapes import ENTRY_KEYS
from tests.documents.conftest import read
from tests.helpers.document_writer import WRONG, Writer, broken, documents, in_pieces
from tests.helpers.each_case import try_each
from tests.helpers.reader_oracle import Refused, compare, expect

ENTRY = {"fieldId": "fc:commit", "userId": "1900:100", "forecastValue": 575504.71, "currency": {"code": "USD"}}
CALM = [ENTRY | {"userId": f"{number}:100", "quotaValue": number / 4} for number in range(40)]
TEXTS = [json.dumps(entry) for entry in CALM]
SIZES = st.sampled_from([40, 200, 1000, 4000])
LEARNT = {"x": 1.5, "y": {"a": [{"b": "c"}]}}
WHOLE = json.dumps({"entries": CALM, "users": [{"userId": "1900:100", "name": "Maya"}]}).encode()


def among(odd: str, *, separator: str = ", ", more: dict | None = None) -> bytes:
    """An entry, written just so, between others that are not odd at all."""
    texts = [json.dumps(entry | (more or {})) for entry in CALM]
    return f'{{"entries": [{separator.join([*texts[:10], odd, *texts[:10]])}]}}'.encode()


def same(content: bytes, *, is_document: bool, is_fast: bool = True) -> None:
    """Reader and oracle say the same, whatever the pieces; `is_fast`: and Arrow took some of them."""
    taken = 0
    for piece, fewest in ((150, 1), (900, 2)):
        with in_pieces(piece, chunk=piece // 2, fewest=fewest) as pieces:
            assert compare(content) is is_document
        taken += pieces.taken
    assert taken or not is_fast


# Searches: make soak has the same over many more documents.


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(documents | broken, SIZES, st.integers(16, 3000))
def test_whatever_is_written_or_broken_is_read_or_refused_as_json_does(content, piece, chunk):
    with in_pieces(piece, chunk=chunk):
        compare(content)


def test_what_is_written_here_is_taken_and_left_accepted_and_refused():
    """Or the search above would search nothing."""
    offered = taken = accepted = 0
    for seed in range(100):
        with in_pieces(300) as pieces:
            accepted += compare(Writer(random.Random(seed)).document())
        offered, taken = offered + pieces.offered, taken + pieces.taken
    assert 50 < taken < offered - 50
    assert 30 < accepted < 90


texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
amounts = st.decimals(-(10**14) + 1, 10**14 - 1, places=4) | st.decimals(-(10**6), 10**6, places=2)
entries = st.fixed_dictionaries(
    {"fieldId": texts},
    optional=dict.fromkeys(("timeFrameId", "timePeriodId", "userId", "scopeId", "currency"), st.none() | texts)
    | {key: st.none() | amounts for key, column in ENTRY_KEYS.items() if column in MEASURES}
    | {"isUpdated": st.booleans(), "updatedOn": st.integers(0, 2**44), "unknown": st.none() | texts},
)


@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(entries, max_size=5), st.sampled_from(["{:f}", '"{:f}"', "{:E}"]), st.booleans())
def test_entries_of_any_texts_and_amounts_are_read_back_exactly(rows, writing, is_ascii):
    def written(value: Any) -> str:
        return writing.format(value) if isinstance(value, Decimal) else json.dumps(value, ensure_ascii=is_ascii)

    members = [", ".join(f"{json.dumps(key)}: {written(value)}" for key, value in row.items()) for row in rows]
    content = f'{{"entries": [{", ".join(f"{{{one}}}" for one in members)}], "users": []}}'.encode()
    assert compare(content)
    for row, found in zip(rows, read(content).entries.to_pylist(), strict=True):
        for key in row.keys() & {"forecastValue", "quotaValue", "adjustmentValue", "crmTotal", "crmClosed"}:
            assert found[ENTRY_KEYS[key]] == row[key] or (key == "crmTotal" and row[key] is None)


# Pieces


def test_a_calm_document_is_taken_in_pieces_and_its_totals_are_right_at_once():
    with in_pieces(600) as pieces:
        document = read(WHOLE)
    assert pieces.taken > 5
    assert document.entry_count == len(CALM)
    assert document.control_totals == document.exact_totals
    assert document.entries["forecast_value"].to_pylist() == [Decimal("575504.71")] * len(CALM)
    same(WHOLE, is_document=True)


def test_every_size_around_that_of_the_document_reads_the_same():
    """A piece may end in front of, within and behind every byte of the last entries, the array's end and the text's."""
    content = json.dumps({"entries": [{"fieldId": "f", "crmTotal": number} for number in range(4)], "x": 1}).encode()
    taken = 0
    for piece in range(30, len(content) + 5):
        with in_pieces(piece, chunk=40 + piece % 50) as pieces:
            assert compare(content)
        taken += pieces.taken
    assert taken > len(content)
    for chunk in range(8, 40):  # a number beside the entries may go on in the next chunk
        with in_pieces(10, chunk=chunk):
            assert compare(b'{"x": 123456789012345678901234567890, "entries": []}')
            assert compare(b'{"entries": [], "x": 123456789012345678901234567890}')


def test_every_cut_and_every_byte_put_in_is_judged_as_json_does():
    content = json.dumps({"entries": [{"fieldId": "f", "x": 1.5}] * 3, "users": []}).encode()
    for at in range(0, len(content), 2):
        for made in (content[:at], *(content[:at] + odd + content[at:] for odd in (b"}", b"\0", b"null"))):
            with in_pieces(40 + at % 70, chunk=32):
                compare(made)


def test_long_tails_are_taken_in_pieces_and_rounded_as_they_are_one_by_one():
    """A calculated column in full: what double precision writes is no reason to read a million entries one by one."""
    tails = ["178406.46000000002", "0.30000000000000004", "-0.00015", '"2.00025"', "7", "0.0012345678901234567", "null"]
    texts = [f'{{"fieldId": "{"ab"[number % 2]}", "crmTotal": {tails[number % 7]}}}' for number in range(60)]
    content = f'{{"entries": [{", ".join(texts)}]}}'.encode()
    with in_pieces(300) as pieces:
        assert compare(content)
    assert pieces.taken > 3
    same(content, is_document=True)


def test_keys_that_only_late_entries_have_are_counted():
    late = [entry | {"late": number % 3 or None} for number, entry in enumerate(CALM)]
    content = json.dumps({"entries": CALM + late, "more": 1}).encode()
    same(content, is_document=True)
    assert read(content).unknown_keys == {"entries.late": 26, "more": 1}


def test_made_up_keys_are_counted_and_not_followed():
    """As many keys as entries: a table with a column for each would not fit into memory."""
    made = [entry | {f"key{number}": 1, "x": {f"key{number}": 1}} for number, entry in enumerate(CALM * 40)]
    content = json.dumps({"entries": made + CALM}).encode()
    with in_pieces(2000, fewest=100):
        assert compare(content)
        assert len(read(content).unknown_keys) == len(made) + 1


# Documents that json takes or refuses

HALF_CHARACTERS = ("\\ud800", "\\udc00", "\\ud800\\u0041", "\\udc00\\ud800")
NO_AMOUNTS = ("NaN", "Infinity", "-Infinity")


def taken() -> Iterator[bytes]:
    """Documents, of which Arrow takes pieces, and among them an entry that is odd."""
    # However blanks stand.
    for pretty in (None, 1, "\t"):
        for separators in ((",", ":"), (", ", ": "), ("\r\n ,\t", " :\n")):
            for members in ({"entries": CALM, "users": []}, {"users": [], "entries": CALM}):
                yield json.dumps(members, indent=pretty, separators=separators).encode()
    for between in (",", " , ", ",\n", "\t,", ",  "):
        yield f'{{"entries": [{", ".join(TEXTS[:20])}{between}{between.join(TEXTS[20:])}]}}'.encode()
    # Separators within texts are text.
    for separator in (",", ", ", "\n,\n", ",\t"):
        for text in (f"}}{separator}{{", f'}}{separator}{{"a":1}}', "}]", '],"fields":[', "\\", '"', "}\u0000,{"):
            yield among(json.dumps({"fieldId": text, "x": text}), separator=separator)
            yield among(json.dumps({"x": [{"a": text}, {"b": [text, {}]}, {}]}), separator=separator)
    # Under a key that nobody knows, whatever others hold there.
    for value in (
        "null", "1e400", "-0", '"\\ud800"', '{"\\ud800": 1}', "[[[[[[[[[[1]]]]]]]]]]", "[]", "[{}]", '{"": {}}',
        '{"a": [null, {"b": null, "c": [{"a": 1}, {}]}]}', "[" * 300 + "]" * 300,
    ):  # fmt: skip
        for shape in (None, 1, [], LEARNT):
            yield among(f'{{"fieldId": "f", "x": {value}}}', more={"x": shape})
    for amount in (
        '"1e0x2"', '"1e+0X2"', '"1e+-2"', '"1\\u00650x2"', '"1e0\\u0078002"', '"1e\\u002b-2"', '"0000000001e0x0"',
        '"0x10"', '" 7 "', '"5."', '".5"', '"+5"', '"."', "1.00000", "1.00001", "1e-5", "0e400", "1e400", "true",
        '""', "99999999999999.9999", "-100000000000000", "12345678901234567890123456789012345678901234567890",
        '"\\u0031"', "[1]", '{"a": 1.50}', '"12,5oo"',
    ):  # fmt: skip
        yield among(f'{{"fieldId": "f", "forecastValue": {amount}}}')
        yield among(f'{{"aggregationTotal": {amount}, "fieldId": "f", "crmTotal": ""}}')
    for moment in (
        253402300799999, 253402300800000, -62135596800000, -62135596800001, 9 * 10**15, -(10**16), 2**63, 2**64,
        1.5, -0.5, "1760918098260.0", "", "x", True,
    ):  # fmt: skip
        yield among(json.dumps({"fieldId": "f", "updatedOn": moment}))
    # Keys that are escaped; half a character where nothing is kept of it; entries longer than a piece.
    yield among('{"\\u0066ieldId": "f", "userI\\u0064": "u"}')
    yield among('{"fieldId\\u0000": "f", "": 1, "}, {": 2}')
    for escaped in HALF_CHARACTERS:
        yield among(f'{{"x": "{escaped}"}}', more={"x": "y"})
        yield among(f'{{"x": {{"{escaped}": 1}}}}', more={"x": {"a": 1}})
    for length in (100, 149, 150, 151, 899, 900, 901, 20_000):
        yield among(json.dumps({"fieldId": "f", "x": "é" * length, "forecastValue": 7}))
    yield b"\xef\xbb\xbf" + WHOLE


def test_what_json_takes_is_taken_as_it_is_alone():
    try_each(taken(), lambda content: same(content, is_document=True))


def refused() -> Iterator[bytes]:
    # A null in front of a piece would even crash Arrow, and a byte-order mark there would be passed over.
    for between in (
        "", " ", "\n", ",,", ", ,", ",null,", " null ", "null", ",\ufeff", "\ufeff,", ",\0", "\0,", ";", "},", ",{",
        "]", ",[]", ",5,", "//,", ", 'x',", "NaN,", "\xa0,",
    ):  # fmt: skip
        for before in (2, 13):
            yield f'{{"entries": [{", ".join(TEXTS[:before])}{between}{", ".join(TEXTS[before:24])}]}}'.encode()
    for end in (",", ", ", ",null", "\0", "\0}", " {", "}", "null", "\ufeff", ",}"):
        yield f'{{"entries": [{", ".join(TEXTS[:24])}{end}]}}'.encode()
        yield f'{{"entries": [{", ".join(TEXTS[:24])}]}}{end.replace(" ", "x")}'.encode()
    # Under keys that were learnt to hold numbers or objects, too, and behind pieces that were taken.
    for key in ("x", "y", "forecastValue"):
        for wrong in (*WRONG, '"\ud800"', "[" * 200_000, '{"a":' * 200_000, "[" * 200_000 + "]" * 200_000):
            if not (key == "forecastValue" and wrong in NO_AMOUNTS):
                content = among(f'{{"fieldId": "f", "{key}": {{}}}}', more=LEARNT)
                yield content.replace(b"{}", wrong.encode(errors="surrogatepass"))
    for value in (
        "NaN", "[NaN]", "Infinity", '{"a": -Infinity}', '{"a": [1, {"b": NaN}]}', '{"a": 1, "a": 1}',
        '{"a": [], "b": 1, "a": null}',
    ):  # fmt: skip
        for shape in (1.5, [1.5], {"a": 1.5}, {"a": [1, {"b": 1.5}], "b": 1}):
            yield among(f'{{"fieldId": "f", "x": {value}}}', more={"x": shape})
    # What is not UTF-8, half a character where it would be kept, a byte-order mark that is not the first.
    for text in (b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\x80", b"\xe2\x80"):
        for name in (b"fieldId", b"x", b"forecastValue"):
            odd = b'{"' + name + b'": "' + text + b'"}'
            yield among('{"fieldId": "f"}', more=LEARNT).replace(b'{"fieldId": "f"}', odd)
    for escaped in HALF_CHARACTERS:
        yield among(f'{{"fieldId": "{escaped}"}}')
        yield among(f'{{"{escaped}": 1}}')
    for mark in (b"\xef\xbb\xbf\xef\xbb\xbf", b" \xef\xbb\xbf", b" " * 5000 + b"\xef\xbb\xbf"):
        yield mark + WHOLE
    # A key twice.
    yield among('{"fieldId": "f", "\\u0066ieldId": "f"}')
    yield among('{"fieldId": null, "userId": "a", "fieldId": null}')


def test_what_is_no_json_is_refused():
    try_each(refused(), lambda content: same(content, is_document=False, is_fast=False))


def test_a_bare_nan_or_infinity_is_taken_where_an_amount_is_due():
    """For one that is none, of a calculated column."""
    for odd in NO_AMOUNTS:
        content = among(f'{{"fieldId": "f", "forecastValue": {odd}}}', more=LEARNT)
        same(content, is_document=True, is_fast=False)


_CURRENCIES = [5, 1.5, True, "USD", "", None, [], {"code": 5}, {"code": True}, {"symbol": "$"}, {"code": None, "x": {}}]
_OTHERS = ["1e2", "1.50", '"EUR"', '{"code": 1.50}', '{"code": "EUR", "code": "USD"}', "NaN", "false"]


@pytest.mark.parametrize("part", [0, pytest.param(1, marks=pytest.mark.soak), pytest.param(2, marks=pytest.mark.soak)])
def test_a_currency_is_text_as_it_is_written(part):
    """One kind after another; of three pairs one is tried in each part."""

    def check(case: tuple[Any, str]) -> None:
        kind, other = case
        content = among(f'{{"fieldId": "f", "currency": {other}}}', more={"currency": kind})
        same(content, is_document="NaN" not in other and other.count("code") < 2, is_fast=False)

    pairs = [
        (kind, other)
        for place, kind in enumerate(_CURRENCIES)
        for number, other in enumerate(_OTHERS)
        if (place + number) % 3 == part
    ]
    try_each(pairs, check)


def test_a_disk_without_room_for_the_count_leaves_it_to_the_exact_one(monkeypatch):
    """Nobody waits for a counter that has given up, however much is still to be fed."""

    class Full:
        def __enter__(self) -> str:
            raise OSError(errno.ENOSPC, "No space left on device")

        def __exit__(self, *_: object) -> None:
            pass

    monkeypatch.setattr(control_totals, "_BATCH", 1)
    monkeypatch.setattr(control_totals, "TemporaryDirectory", lambda **_: Full())
    with in_pieces(150):
        document = read(WHOLE)
    assert document.entry_count == len(CALM)
    assert document.control_totals is None
    assert document.exact_totals["fc:commit", "forecast_value"].count == len(CALM)


def test_the_oracle_knows_a_document_when_it_sees_one():
    assert [row["forecast_value"] for row in expect(WHOLE).entries] == [Decimal("575504.71")] * len(CALM)
    with pytest.raises(Refused):
        expect(WHOLE[:-1])
    with pytest.raises(DocumentUnreadable):
        read(WHOLE[:-1])
