"""A fuzzer for documents: every notation that JSON allows, and some that it does not."""

import json
import random
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import strategies as st

from clari_pipeline.documents import arrow_entries, json_stream
from clari_pipeline.documents.json_shapes import ENTRY_KEYS


def words(text: str) -> tuple[str, ...]:
    """The words of a text."""
    return tuple(text.split())


AMOUNT_KEYS = ("forecastValue", "quotaValue", "adjustmentValue", "crmTotal", "aggregationTotal", "crmClosed")
AMOUNTS = words("""
    0 -0 -0.0 7 1200000 1200000.0 1.2E6 12E-1 1e-4 10E-5 1E+2 1.00000 0.1 575504.71 99999999999999.9999
    "1200000.00" "1.2E6" "0.5" null
""")
ODD_AMOUNTS = words(r"""
    0.00001 100000000000000 -99999999999999.99999 9007199254740993 1e400 0e400 0e4000 1e33 "+5" ".5" "5." "." "1e0x2"
    "1e+0X1" "1e+-2" "1\u00650x2" "\u0031" "" "12,5oo" "NaN" "Infinity" "1_000" true false {} [1] {"a":1.50}
    1e-99999 "1e00000000000002" "00012345e-2"
""")
TEXTS = words(r"""
    "W02" "1900:100" "" "null" "a\u0000b" "\ud83d\ude00" "🚀張" "},{" null "NaN" "Info" "\"\\\/\b\f\n\r\t" "\u2028"
    "],\"fields\":[" "}]" "{" "0x1e" "005e0x"
""")
TEXTS += ('"} , {"', '"},\\n{"', '"}\\n,\\n{ "')
ODD_TEXTS = words(r'5 1.50 1e2 true [] {"x":1} [{"a":1},{"b":2}] "\ud800" "\udc00\ud800"')
UNKNOWN = words(r"""
    null 1 -0.5 "x" true {"a":1} 1e400 -0.0 "},{" [] {} [null] [[]] [1,null] {"a":1,"b":[{"c":null}]}
    {"a":{"b":{"c":"d"}}} [{"a":1},{"b":2}] {"a":null} {"a":"x"} {"":0} [{}] "\ud800" {"\ud800":1} {"a":[{"b":1}]}
""")
UNKNOWN_KEYS = ("x", "y", "", "},{", "forecastvalue", "опции", "a\x00", "code", "entries", "timePeriod")
WRONG = words(r"""
    NaN Infinity -Infinity 01 1. .5 +1 1e {"a":1,"a":2} {"a":{"b":1,"b":null}} {"a":1,} [1,] [,] tru "\x" "\u12"
    'x' {a:1} null}null
""")
WRONG += ('"\x01"', '"a\nb"', '"\x00"', "1 2", '{"a" 1}')
BLANKS = ("", " ", "\n", "\r\n\t", "  \t ")
MARKS = [bytes([number]) for number in b'{}[],:"\\ \n\x000e-nNx\xff\xef+.'] + [
    b"null", b"NaN", b"\xef\xbb\xbf", b"},{", b"},", b"\\u", b"\\ud800", b"\xed\xa0\x80", b"} {", b"}]", b"//"
]  # fmt: skip


class Writer:
    """Writes one random document; the rate of unusual content is drawn once for the whole document."""

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice
        self.odd = dice.choice((0, 0, 0.002, 0.005, 0.03, 0.2))
        self.wrong = dice.choice((0, 0, 0, 0.02))
        self.blanks = dice.choice((("",), ("", " "), ("\n  ",), BLANKS))
        self.between = dice.choice((",", ", ", ",\n    ", " , ", "\n,\r\n\t"))
        self.keys = dice.sample(list(ENTRY_KEYS), dice.randint(1, len(ENTRY_KEYS))) + ["fieldId"] * (
            dice.random() < 0.9
        )
        self.keys = list(dict.fromkeys(self.keys))
        self.texts = dice.choice((TEXTS[:7], TEXTS))
        unknown = dice.choice((UNKNOWN[:6], UNKNOWN))
        self.unknown = {key: dice.choice(unknown) for key in dice.sample(UNKNOWN_KEYS, dice.choice((0, 0, 1, 3)))}
        self.currency = dice.choice(('{"code":"USD","symbol":"$"}', '"USD"', "null", '{"symbol":"$"}', '{"code":null}'))

    def document(self) -> bytes:
        entries = [self.entry() for _ in range(self.dice.choice((0, 2, 10, 40, 60)))]
        members = {"entries": self._array(entries)}
        for name, key in (("users", "userId"), ("fields", "fieldId"), ("timePeriods", "type"), ("timeFrames", "x")):
            if self.dice.random() < 0.4:
                rows = [self._object([(key, self.dice.choice(self.texts))]) for _ in range(self.dice.randint(0, 2))]
                members[name] = self._array(rows) if self.dice.random() > self.odd else self.dice.choice(UNKNOWN)
        if self.dice.random() < 0.3:
            members[self.dice.choice(("release", "Entries", "x"))] = self.dice.choice(UNKNOWN)
        pairs = list(members.items())
        self.dice.shuffle(pairs)
        before = self.dice.choice(("", "", "\ufeff", "\n "))
        return (before + self._object(pairs) + self._blank()).encode(errors="surrogatepass")

    def entry(self) -> str:
        keys = self.keys if self.dice.random() < 0.8 else self.dice.sample(self.keys, len(self.keys))
        pairs = [(key, self._value(key)) for key in keys if self.dice.random() > self.odd]
        pairs += list(self.unknown.items())
        if self._is_odd():
            pairs.append((self.dice.choice(UNKNOWN_KEYS), self.dice.choice(UNKNOWN)))
        if self.dice.random() < self.wrong:
            place = self.dice.randrange(len(pairs) + 1)
            pairs.insert(place, self.dice.choice([*pairs, ("new", "1")]))
            pairs[place] = (pairs[place][0], self.dice.choice(WRONG))
            del pairs[place + 1 : place + self.dice.choice((1, 2, 2))]
        return self._object(pairs) if self.dice.random() >= self.wrong / 3 else self.dice.choice(("null", "5", "[]"))

    def _value(self, key: str) -> str:
        match key:
            case "isUpdated":
                return self.dice.choice(ODD_AMOUNTS if self._is_odd() else ("true", "false", "null"))
            case "updatedOn" | "adjustedOn":
                odd = (*ODD_AMOUNTS, "253402300800000", "253402300799999", "-62135596800001", "-1.5", "1760918098260.0")
                return self.dice.choice(odd if self._is_odd() else ("1760918098260", '"1760918098260"', "null", "0"))
            case "currency":
                return (
                    self.dice.choice((*ODD_TEXTS, '{"code":5}', '{"code":"","x":1}'))
                    if self._is_odd()
                    else self.currency
                )
            case _ if key in AMOUNT_KEYS:
                return self.dice.choice(ODD_AMOUNTS if self._is_odd() else AMOUNTS)
            case _:
                return self.dice.choice(ODD_TEXTS if self._is_odd() else self.texts)

    def _is_odd(self) -> bool:
        return self.dice.random() < self.odd

    def _blank(self) -> str:
        return self.dice.choice(self.blanks)

    def _object(self, pairs: list[tuple[str, str]]) -> str:
        inner = ",".join(
            f"{self._blank()}{self._key(key)}{self._blank()}:{self._blank()}{value}" for key, value in pairs
        )
        return f"{{{inner}{self._blank()}}}"

    def _key(self, key: str) -> str:
        if self._is_odd() and key:
            return f'"\\u{ord(key[0]):04x}{json.dumps(key[1:])[1:]}'
        return json.dumps(key, ensure_ascii=self.dice.random() < 0.5)

    def _array(self, items: list[str]) -> str:
        text = items[0] if items else ""
        for item in items[1:]:
            text += (" ,\t" if self._is_odd() else self.between) + item
        if self.dice.random() < self.wrong:
            text = text.replace(self.between, self.dice.choice(("", " ", ",,", ",null,")), 1)
        return f"[{self._blank()}{text}{self._blank()}]"


def mutated(content: bytes, dice: random.Random) -> bytes:
    """The same with a few bytes dropped, put in, changed or cut off."""
    for _ in range(dice.choice((1, 1, 1, 2, 3))):
        at = dice.randrange(len(content) + 1)
        match dice.randrange(5):
            case 0:
                content = content[:at] + content[at + 1 :]
            case 1:
                content = content[:at] + dice.choice(MARKS) + content[at:]
            case 2:
                content = content[:at] + dice.choice(MARKS) + content[at + 1 :]
            case 3 if dice.random() < 0.2:
                content = content[:at]
            case _:
                end = min(len(content), at + dice.randrange(1, 60))
                content = content[:end] + content[at:end] + content[end:]
    return content


documents = st.integers(0, 2**48).map(lambda seed: Writer(random.Random(seed)).document())
broken = st.integers(0, 2**48).map(
    lambda seed: mutated(Writer(random.Random(seed)).document(), random.Random(seed + 1))
)


class Pieces:
    """Counts the pieces that were offered to Arrow, and those that it took."""

    def __init__(self) -> None:
        self.offered = 0
        self.taken = 0


@contextmanager
def in_pieces(piece: int, *, chunk: int | None = None, fewest: int = 1) -> Iterator[Pieces]:
    """Cut documents into pieces of so many bytes, and read them in chunks of so many."""
    found = Pieces()
    read = arrow_entries.ArrowEntries.read

    def counted(self, *arguments):
        table = read(self, *arguments)
        found.offered += 1
        found.taken += table is not None
        return table

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_stream, "_PIECE", piece)
        patch.setattr(json_stream, "_CHUNK", chunk or piece)
        patch.setattr(json_stream, "_FEWEST", fewest)
        patch.setattr(json_stream, "_MOST", max(fewest, 4))
        patch.setattr(arrow_entries.ArrowEntries, "read", counted)
        yield found
