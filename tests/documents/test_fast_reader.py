"""Entries that Arrow reads whole are those that `json` reads: the same documents accepted, the same rows, no more."""

import errno
import json
import random
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clari_pipeline.documents import DocumentUnreadable, control_totals
from tests.documents.conftest import read
from tests.helpers.document_writer import WRONG, Writer, broken, documents, in_pieces
from tests.helpers.reader_oracle import Refused, compare, expect

ENTRY = {"fieldId": "fc:commit", "userId": "1900:100", "forecastValue": 575504.71, "currency": {"code": "USD"}}
CALM = [ENTRY | {"userId": f"{number}:100", "quotaValue": number / 4} for number in range(40)]
SIZES = st.sampled_from([40, 200, 1000, 4000])
LEARNT = {"x": 1.5, "y": {"a": [{"b": "c"}]}}
WHOLE = json.dumps({"entries": CALM, "users": [{"userId": "1900:100", "name": "Maya"}]}).encode()


def among(odd: str, *, before: int = 10, after: int = 10, separator: str = ", ", more: dict | None = None) -> bytes:
    """An entry, written just so, between others that are not odd at all."""
    texts = [json.dumps(entry | (more or {})) for entry in CALM]
    return f'{{"entries": [{separator.join([*texts[:before], odd, *texts[:after]])}]}}'.encode()


def same(content: bytes, *, is_document: bool, is_fast: bool = True) -> None:
    """Reader and oracle say the same, whatever the pieces; `is_fast`: and Arrow took some of them."""
    taken = 0
    for piece, fewest in ((150, 1), (900, 2)):
        with in_pieces(piece, chunk=piece // 2, fewest=fewest) as pieces:
            assert compare(content) is is_document
        taken += pieces.taken
    assert taken or not is_fast


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(documents, SIZES, st.integers(16, 3000))
def test_whatever_is_written_is_read_as_json_reads_it(content, piece, chunk):
    with in_pieces(piece, chunk=chunk):
        compare(content)


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(broken, SIZES, st.integers(16, 3000))
def test_whatever_is_broken_is_refused_where_json_refuses_it(content, piece, chunk):
    with in_pieces(piece, chunk=chunk):
        compare(content)


def test_what_is_written_here_is_taken_and_left_accepted_and_refused():
    """Or the two searches above would search nothing."""
    offered = taken = accepted = 0
    for seed in range(100):
        with in_pieces(300) as pieces:
            accepted += compare(Writer(random.Random(seed)).document())
        offered, taken = offered + pieces.offered, taken + pieces.taken
    assert 50 < taken < offered - 50
    assert 30 < accepted < 90


def test_a_calm_document_is_taken_in_pieces_and_its_totals_are_right_at_once():
    with in_pieces(600) as pieces:
        document = read(WHOLE)
    assert pieces.taken > 5
    assert document.entry_count == len(CALM)
    assert document.control_totals == document.exact_totals
    assert document.entries["forecast_value"].to_pylist() == [Decimal("575504.71")] * len(CALM)
    same(WHOLE, is_document=True)


@pytest.mark.parametrize("pretty", [None, 1, "\t"])
@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": "), ("\r\n ,\t", " :\n")])
def test_pieces_are_taken_however_blanks_stand(pretty, separators):
    for members in ({"entries": CALM, "users": []}, {"users": [], "entries": CALM}):
        same(json.dumps(members, indent=pretty, separators=separators).encode(), is_document=True)


def test_every_size_around_that_of_the_document_reads_the_same():
    """A piece may end in front of, within and behind every byte of the last entries, the array's end and the text's."""
    content = json.dumps({"entries": [{"fieldId": "f", "crmTotal": number} for number in range(5)], "x": 1}).encode()
    taken = 0
    for piece in range(30, len(content) + 5):
        with in_pieces(piece, chunk=40 + piece % 50) as pieces:
            assert compare(content)
        taken += pieces.taken
    assert taken > len(content)


def test_every_cut_and_every_byte_put_in_is_judged_as_json_does():
    content = json.dumps({"entries": [{"fieldId": "f", "x": 1.5}] * 3, "users": []}).encode()
    for at in range(0, len(content), 2):
        for made in (content[:at], *(content[:at] + odd + content[at:] for odd in (b"}", b"\0", b"null"))):
            with in_pieces(40 + at % 70, chunk=32):
                compare(made)


@pytest.mark.parametrize("separator", [",", ", ", "\n,\n", ",\t"])
def test_separators_within_texts_are_text(separator):
    for text in (f"}}{separator}{{", f'}}{separator}{{"a":1}}', "}]", '],"fields":[', "\\", '"', "}\u0000,{"):
        same(among(json.dumps({"fieldId": text, "x": text}), separator=separator), is_document=True)
        same(among(json.dumps({"x": [{"a": text}, {"b": [text, {}]}, {}]}), separator=separator), is_document=True)


@pytest.mark.parametrize("between", [",", " , ", ",\n", "\t,", ",  "])
def test_separators_may_be_mixed(between):
    texts = [json.dumps(entry) for entry in CALM]
    first, second = ", ".join(texts[:20]), between.join(texts[20:])
    same(f'{{"entries": [{first}{between}{second}]}}'.encode(), is_document=True)


@pytest.mark.parametrize(
    "between",
    [
        "", " ", "\n", ",,", ", ,", ",null,", " null ", "null", ",\ufeff", "\ufeff,", ",\0", "\0,", ";", "},", ",{",
        "]", ",[]", ",5,", "//,", ", 'x',", "NaN,", "\xa0,",
    ],
)  # fmt: skip
@pytest.mark.parametrize("before", [2, 13])
def test_what_stands_between_entries_is_one_comma(between, before):
    """A null in front of a piece would even crash Arrow, and a byte-order mark there would be passed over."""
    texts = [json.dumps(entry) for entry in CALM[:24]]
    whole = ", ".join(texts[:before]) + between + ", ".join(texts[before:])
    same(f'{{"entries": [{whole}]}}'.encode(), is_document=False, is_fast=False)


@pytest.mark.parametrize("end", [",", ", ", ",null", "\0", "\0}", " {", "}", "null", "\ufeff", ",}"])
def test_what_stands_before_the_end_is_an_entry(end):
    texts = ", ".join(json.dumps(entry) for entry in CALM[:24])
    same(f'{{"entries": [{texts}{end}]}}'.encode(), is_document=False, is_fast=False)
    same(f'{{"entries": [{texts}]}}{end.replace(" ", "x")}'.encode(), is_document=False, is_fast=False)


@pytest.mark.parametrize("wrong", [*WRONG, '"\ud800"', "[" * 200_000, '{"a":' * 200_000, "[" * 200_000 + "]" * 200_000])
@pytest.mark.parametrize("key", ["x", "y", "forecastValue"])
def test_what_is_no_json_is_refused_under_every_key(wrong, key):
    """Under keys that were learnt to hold numbers or objects, too, and behind pieces that were taken.

    A bare NaN or infinity alone is taken, where an amount is due: for one that is none, of a calculated column.
    """
    content = among(f'{{"fieldId": "f", "{key}": {{}}}}', more=LEARNT)
    content = content.replace(b"{}", wrong.encode(errors="surrogatepass"))
    is_no_amount = key == "forecastValue" and wrong in {"NaN", "Infinity", "-Infinity"}
    same(content, is_document=is_no_amount, is_fast=False)


@pytest.mark.parametrize(
    "value",
    [
        "NaN", "[NaN]", "Infinity", '{"a": -Infinity}', '{"a": [1, {"b": NaN}]}', '{"a": 1, "a": 1}',
        '{"a": [], "b": 1, "a": null}',
    ],
)  # fmt: skip
def test_what_arrow_would_take_under_a_key_that_it_has_learnt_is_refused(value):
    for shape in (1.5, [1.5], {"a": 1.5}, {"a": [1, {"b": 1.5}], "b": 1}):
        same(among(f'{{"fieldId": "f", "x": {value}}}', more={"x": shape}), is_document=False, is_fast=False)


@pytest.mark.parametrize(
    "value",
    [
        "null", "1e400", "-0", '"\\ud800"', '{"\\ud800": 1}', "[[[[[[[[[[1]]]]]]]]]]", "[]", "[{}]", '{"": {}}',
        '{"a": [null, {"b": null, "c": [{"a": 1}, {}]}]}', "[" * 300 + "]" * 300,
    ],
)  # fmt: skip
def test_what_json_takes_is_taken_under_keys_that_nobody_knows(value):
    for shape in (None, 1, [], LEARNT):
        same(among(f'{{"fieldId": "f", "x": {value}}}', more={"x": shape}), is_document=True)


@pytest.mark.parametrize(
    "odd",
    [
        '"1e0x2"', '"1e+0X2"', '"1e+-2"', '"1\\u00650x2"', '"1e0\\u0078002"', '"1e\\u002b-2"', '"0000000001e0x0"',
        '"0x10"', '" 7 "', '"5."', '".5"', '"+5"', '"."', "1.00000", "1.00001", "1e-5", "0e400", "1e400", "true",
        '""', "99999999999999.9999", "-100000000000000", "12345678901234567890123456789012345678901234567890",
        '"\\u0031"', "[1]", '{"a": 1.50}', '"12,5oo"',
    ],
)  # fmt: skip
def test_an_amount_among_others_is_that_which_it_is_alone(odd):
    same(among(f'{{"fieldId": "f", "forecastValue": {odd}}}'), is_document=True)
    same(among(f'{{"aggregationTotal": {odd}, "fieldId": "f", "crmTotal": ""}}'), is_document=True)


def test_long_tails_are_taken_in_pieces_and_rounded_as_they_are_one_by_one():
    """A calculated column in full: what double precision writes is no reason to read a million entries one by one."""
    tails = ["178406.46000000002", "0.30000000000000004", "-0.00015", '"2.00025"', "7", "0.0012345678901234567", "null"]
    texts = [f'{{"fieldId": "{"ab"[number % 2]}", "crmTotal": {tails[number % 7]}}}' for number in range(60)]
    content = f'{{"entries": [{", ".join(texts)}]}}'.encode()
    with in_pieces(300) as pieces:
        assert compare(content)
    assert pieces.taken > 3
    same(content, is_document=True)


@pytest.mark.parametrize(
    "odd",
    [
        253402300799999,
        253402300800000,
        -62135596800000,
        -62135596800001,
        9 * 10**15,
        -(10**16),
        2**63,
        2**64,
        1.5,
        -0.5,
        "1760918098260.0",
        "",
        "x",
        True,
    ],
)
def test_a_moment_among_others_is_that_which_it_is_alone(odd):
    same(among(json.dumps({"fieldId": "f", "updatedOn": odd})), is_document=True)


_CURRENCIES = [5, 1.5, True, "USD", "", None, [], {"code": 5}, {"code": True}, {"symbol": "$"}, {"code": None, "x": {}}]
_OTHERS = ["1e2", "1.50", '"EUR"', '{"code": 1.50}', '{"code": "EUR", "code": "USD"}', "NaN", "false"]


@pytest.mark.parametrize(
    ("kind", "other"),
    [
        pytest.param(kind, other, marks=() if (place + number) % 3 == 0 else pytest.mark.soak)
        for place, kind in enumerate(_CURRENCIES)
        for number, other in enumerate(_OTHERS)
    ],
)
def test_a_currency_is_text_as_it_is_written(kind, other):
    content = among(f'{{"fieldId": "f", "currency": {other}}}', more={"currency": kind})
    same(content, is_document="NaN" not in other and other.count("code") < 2, is_fast=False)


@pytest.mark.parametrize("text", [b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\x80", b"\xe2\x80"])
def test_what_is_not_utf8_is_refused_wherever_it_stands(text):
    for key in (b"fieldId", b"x", b"forecastValue"):
        odd = among('{"fieldId": "f"}', more=LEARNT).replace(b'{"fieldId": "f"}', b'{"' + key + b'": "' + text + b'"}')
        same(odd, is_document=False, is_fast=False)


@pytest.mark.parametrize("escaped", ["\\ud800", "\\udc00", "\\ud800\\u0041", "\\udc00\\ud800"])
def test_half_a_character_is_refused_where_it_would_be_kept(escaped):
    same(among(f'{{"fieldId": "{escaped}"}}'), is_document=False, is_fast=False)
    same(among(f'{{"{escaped}": 1}}'), is_document=False, is_fast=False)
    same(among(f'{{"x": "{escaped}"}}', more={"x": "y"}), is_document=True)
    same(among(f'{{"x": {{"{escaped}": 1}}}}', more={"x": {"a": 1}}), is_document=True)


def test_keys_may_be_escaped_and_still_stand_only_once():
    same(among('{"\\u0066ieldId": "f", "userI\\u0064": "u"}'), is_document=True)
    same(among('{"fieldId": "f", "\\u0066ieldId": "f"}'), is_document=False, is_fast=False)
    same(among('{"fieldId": null, "userId": "a", "fieldId": null}'), is_document=False, is_fast=False)
    same(among('{"fieldId\\u0000": "f", "": 1, "}, {": 2}'), is_document=True)


def test_an_entry_longer_than_a_piece_is_read():
    for length in (100, 149, 150, 151, 899, 900, 901, 20_000):
        same(among(json.dumps({"fieldId": "f", "x": "é" * length, "forecastValue": 7})), is_document=True)


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


def test_a_byte_order_mark_stands_only_before_the_document():
    same(b"\xef\xbb\xbf" + WHOLE, is_document=True)
    same(b"\xef\xbb\xbf\xef\xbb\xbf" + WHOLE, is_document=False, is_fast=False)
    same(b" \xef\xbb\xbf" + WHOLE, is_document=False, is_fast=False)
    same(b" " * 5000 + b"\xef\xbb\xbf" + WHOLE, is_document=False, is_fast=False)


def test_a_disk_without_room_for_the_count_leaves_it_to_the_exact_one(monkeypatch, tmp_path):
    """Nobody waits for a counter that has given up, however much is still to be fed."""
    monkeypatch.setattr(control_totals, "_BATCH", 1)
    monkeypatch.setattr(control_totals, "TemporaryDirectory", lambda **_: _Full())
    with in_pieces(150):
        document = read(WHOLE)
    assert document.entry_count == len(CALM)
    assert document.control_totals is None
    assert document.exact_totals["fc:commit", "forecast_value"].count == len(CALM)


class _Full:
    """A folder on a full disk."""

    def __enter__(self) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    def __exit__(self, *_: object) -> None:
        pass


def test_the_oracle_knows_a_document_when_it_sees_one():
    assert [row["forecast_value"] for row in expect(WHOLE).entries] == [Decimal("575504.71")] * len(CALM)
    with pytest.raises(Refused):
        expect(WHOLE[:-1])
    with pytest.raises(DocumentUnreadable):
        read(WHOLE[:-1])
