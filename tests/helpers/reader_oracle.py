"""A reference reader of relational documents: `json.loads` of the whole text, then plain loops.

Shares nothing with the reader but the names of Clari's keys and ours.
"""

import io
import json
import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

from clari_pipeline.core.periods import FiscalCalendar
from clari_pipeline.documents import MEASURES, Contract, DocumentUnreadable, count_exactly
from clari_pipeline.documents.json_shapes import ENTRY_KEYS, FLAT_AMOUNTS, FLAT_ONLY
from clari_pipeline.documents.rows import JSON_LISTS
from tests.documents.conftest import read

Row = dict[str, Any]
NUMBER = re.compile(r"(?P<sign>[+-]?)(?P<whole>[0-9]*)(\.(?P<part>[0-9]*))?([eE](?P<exponent>[+-]?[0-9]+))?")
FLAT = FLAT_AMOUNTS | {"ownerEmail": "user_id", "timePeriod": "time_period_id", "currency": "currency_code"}
COLUMNS = dict.fromkeys(ENTRY_KEYS.values())
AMOUNT_KEYS = {key for key, column in (ENTRY_KEYS | FLAT_AMOUNTS).items() if column in MEASURES}
YES, NO = {"true", "t", "yes", "y", "1"}, {"false", "f", "no", "n", "0"}
BY_HAND = {"updatedBy", "updatedOn", "adjustmentValue", "adjustmentAmount", "adjustedBy", "adjustedOn"}
KEYS = ("field_id", "time_frame_id", "time_period_id", "user_id")


class Written(str):
    """A number as it is written."""


class Constant(str):
    """NaN or an infinity, which may stand for an amount and for nothing else."""


class Refused(Exception):
    """The text is no document."""


@dataclass
class Expected:
    """What a reader must find."""

    shape: str = "relational"
    entries: list[Row] = field(default_factory=list)
    unreadable: list[Row] = field(default_factory=list)
    unknown: Counter[str] = field(default_factory=Counter)
    lists: dict[str, list[Row]] = field(default_factory=dict)
    totals: dict[tuple[str | None, str], tuple[Decimal, int]] = field(default_factory=dict)
    rounded: Counter[tuple[str | None, str]] = field(default_factory=Counter)
    most: Fraction = Fraction(0)
    elements: dict[str, list[Row]] = field(default_factory=dict)  # of each list that is read, and the document's own


def expect(content: bytes) -> Expected:
    """Raises `Refused`."""
    constants: list[Constant] = []

    def constant(name: str) -> Constant:
        constants.append(Constant(name))
        return constants[-1]

    def unique(pairs: list[tuple[str, Any]]) -> Row:
        for key, value in pairs:
            if key in AMOUNT_KEYS and isinstance(value, Constant):
                constants[:] = [one for one in constants if one is not value]
        return _unique(pairs)

    try:
        document = json.loads(
            content.removeprefix(b"\xef\xbb\xbf").decode(),
            parse_int=Written,
            parse_float=Written,
            parse_constant=constant,
            object_pairs_hook=unique,
        )
        if constants:
            raise Refused(constants[0])
        return _expected(document)
    except (ValueError, RecursionError) as error:  # broken UTF-8 and half characters are ValueErrors
        raise Refused(str(error)) from None


def _unique(pairs: list[tuple[str, Any]]) -> Row:
    if len({key for key, _ in pairs}) < len(pairs):
        raise Refused("a key twice")
    return dict(pairs)


def _rows(value: Any) -> list[Row]:
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise Refused("no list of objects")
    return value


def _expected(document: Any) -> Expected:
    if not isinstance(document, dict):
        raise Refused("no object")
    found = Expected()
    entries = _rows(document.get("entries"))
    first = entries[0] if entries else {}
    names_people = "fieldId" not in first and FLAT_ONLY & first.keys()
    found.shape = "flat" if names_people or not (entries or JSON_LISTS.keys() & document.keys()) else "relational"
    found.elements = {"": [document], "entries": entries}
    for entry in entries:
        _add_entry(found, entry)
    for name, value in document.items():
        if name in JSON_LISTS and found.shape == "relational":
            table, columns = JSON_LISTS[name]
            found.lists[table] = [] if value is None else _rows(value)
            found.elements[name] = found.lists[table]
            found.lists[table] = [_named(row, columns, name, found.unknown) for row in found.lists[table]]
            if name == "timeFrames":  # JSON does not say of which period a week is
                found.lists[table] = [row | {"time_period_id": None} for row in found.lists[table]]
            "".join(text or "" for row in found.lists[table] for text in row.values()).encode()
        elif name != "entries":
            found.unknown[name] += value is not None
    "".join(found.unknown).encode()
    return found


def _named(row: Row, columns: dict[str, str], name: str, unknown: Counter[str]) -> Row:
    """By our names, as text; unknown keys counted."""
    named: Row = dict.fromkeys(columns.values())
    for key, column in columns.items():
        value = row.get(key)
        text = _text(value.get("code") if key == "currency" and isinstance(value, dict) else value)
        named[column] = text or named[column]  # the older name of a column comes first
    for key in row.keys() - columns.keys():
        unknown[f"{name}.{key}"] += row[key] is not None
    return named


def _text(value: Any) -> str | None:
    if isinstance(value, str):
        return str(value).replace("\0", "\ufffd")
    return None if value is None else json.dumps(value, ensure_ascii=False)


def _add_entry(found: Expected, entry: Row) -> None:
    if found.shape == "flat":
        mine = {key: value for key, value in entry.items() if key != "ownerName"}
        named = _named(mine, FLAT, "entries", found.unknown)
        named = dict.fromkeys(COLUMNS) | named | {"field_id": "forecast", "time_frame_id": named["time_period_id"]}
        (_text(entry.get("ownerName")) if named["user_id"] else None or "").encode()
    else:
        named = _named(entry, ENTRY_KEYS, "entries", found.unknown)
    typed: Row = {}
    for column, text in named.items():
        if column in MEASURES:
            typed[column] = amount = None if text is None else _amount(text)
            if text is not None and text.strip() and amount is None:
                text.encode()
                found.unreadable.append({key: named[key] for key in KEYS} | {"measure": column, "written": text})
            if amount is not None and (lost := abs(Fraction(amount) - (_number(text) or 0))):
                found.rounded[named["field_id"], column] += 1
                found.most = max(found.most, lost)
            if amount is not None:
                total, count = found.totals.get((named["field_id"], column), (Decimal(0), 0))
                found.totals[named["field_id"], column] = total + amount, count + 1
        elif column in {"updated_at", "adjusted_at"}:
            typed[column] = None if text is None else _moment(text)
        elif column == "is_updated":
            word = (text or "").strip().lower()
            typed[column] = True if word in YES else False if word in NO else None
        else:
            typed[column] = text
            (text or "").encode()
    found.entries.append(typed)


def _number(text: str) -> Fraction | None:
    found = NUMBER.fullmatch(text.strip(" \t\r\n"))
    digits = found and found["whole"] + (found["part"] or "")
    if not found or not digits:
        return None
    if not digits.strip("0"):
        return Fraction(0)
    exponent = int(found["exponent"] or 0)
    if abs(exponent) > 999:
        return None
    return Fraction(int(found["sign"] + digits)) * Fraction(10) ** (exponent - len(found["part"] or ""))


def _amount(text: str) -> Decimal | None:
    """Rounded half to even to four decimals, by fractions."""
    number = _number(text)
    if number is None or abs(number) >= 10**14 or abs(kept := round(number * 10**4)) >= 10**18:
        return None
    return Decimal(kept).scaleb(-4)


def _moment(text: str) -> int | None:
    number = _number(text)
    if number is None or not _milliseconds(1) <= number < _milliseconds(9999) + 365 * 86_400_000:
        return None
    nearest = int(abs(number) + Fraction(1, 2)) * (1 if number > 0 else -1)
    return nearest if nearest < _milliseconds(9999) + 365 * 86_400_000 else None


def _milliseconds(year: int) -> int:
    """Of its beginning since 1970."""
    return int((datetime(year, 1, 1, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()) * 1000


def compare(content: bytes) -> bool:
    """Fails where the reader and the oracle do not say the same; whether the document is one."""
    try:
        expected = expect(content)
    except Refused:
        expected = None
    try:
        found = read(content)
    except DocumentUnreadable as error:
        assert expected is None, f"refused: {error}"
        assert len(str(error).splitlines()) == 1
        return False
    assert expected is not None, "read, though it is none"
    assert found.shape == expected.shape
    assert found.entry_count == len(expected.entries)
    for row, wanted in zip(found.entries.to_pylist(), expected.entries, strict=True):
        assert row == wanted
        assert str(row["is_updated"]) == str(wanted["is_updated"])
    assert sorted(found.tables["raw_unreadable"].to_pylist(), key=str) == sorted(expected.unreadable, key=str)
    assert found.rounded.counts == expected.rounded
    assert abs(Fraction(found.rounded.most) - expected.most) <= expected.most / 10**20
    assert found.unknown_keys == expected.unknown
    assert set(found.unknown_keys) == set(expected.unknown)
    for table, rows in expected.lists.items():
        if table == "raw_time_period":
            rows_found = found.tables[table].to_pylist()[: len(rows)]
            assert [row["time_period_id"] for row in rows_found] == [row["time_period_id"] for row in rows]
        else:
            assert found.tables[table].to_pylist() == rows
    _compare_contract(found.contract, expected.elements)
    exact = {
        key: (total.total, total.count) for key, total in count_exactly(io.BytesIO(content), FiscalCalendar()).items()
    }
    assert exact == expected.totals
    return True


def _compare_contract(found: Contract, elements: dict[str, list[Row]]) -> None:
    """Every key with a value; those without may be missed where Arrow parses them. No kind that no value has."""
    kinds, always = found.kinds(), {key.path for key in found.keys if key.is_always}
    values: dict[str, list[Any]] = {}
    for name, items in elements.items():
        for one in items:
            for key, value in one.items():
                path = (f"{name}[].{key}" if name else key).replace("\0", "\ufffd")
                values.setdefault(path, []).append(value)
    assert kinds.keys() <= values.keys()
    for path, written in values.items():
        there = [value for value in written if value is not None]
        count = len(elements.get(path.rpartition("[].")[0], elements[""]))
        if path not in kinds:
            assert not there or len(values) > 200, path  # of keys that are not known so many are kept
            continue
        assert kinds[path] <= {_kind(value) for value in written} | {"null"}, path
        assert kinds[path] - {"null"} or {_kind(value) for value in there} <= {"null", "text"}, path
        assert path not in always or len(written) == count or None in written, path  # which is judged by the first
        assert path in always or len(there) < count or path.rpartition(".")[2] in BY_HAND, path


def _kind(value: Any) -> str:
    if isinstance(value, str):
        return {Written: "number", Constant: "null"}.get(type(value), "text")
    return {bool: "boolean", dict: "object", list: "list"}.get(type(value), "null")
