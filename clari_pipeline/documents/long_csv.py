"""Read long CSV: twelve columns, one line per measure, no ids of Clari's [spec]."""

import csv
import io
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import IO, Any

from clari_pipeline.core.periods import FiscalCalendar, Quarter
from clari_pipeline.documents.contract import KeysSeen
from clari_pipeline.documents.control_totals import Totals, number_in_cell
from clari_pipeline.documents.dates import day_of
from clari_pipeline.documents.money import parse_money
from clari_pipeline.documents.rows import (
    ControlTotal,
    DocumentUnreadable,
    Lists,
    NoDocument,
    Row,
    amount_of,
    decimal_of,
    without_nul,
)

_HEADER = ["User", "Email", "CRM User ID", "Role", "Parent Role", "Timeframe", "Field", "Week", "Start Day", "End Day"]
_HEADER += ["Data Type", "Data Value"]
_COLUMNS = {name.casefold(): name for name in _HEADER}
_DATA_TYPES = {
    "Forecast Value": "forecast_value",
    "Forecast Updated": "is_updated",
    "Quota Value": "quota_value",
    "Adjustment Value": "adjustment_value",
    "CRM Total": "crm_total",
    "CRM Closed": "crm_closed",
}
_WORDS = {name.casefold(): name for name in _DATA_TYPES}
KEYS_READ = {"": tuple(_HEADER), "Data Type": tuple(_DATA_TYPES)}
"""What is read of a CSV, for the document's contract: columns, and words of Data Type."""
_PERSON = {
    "name": "User",
    "email": "Email",
    "crm_user_id": "CRM User ID",
    **dict.fromkeys(("role_id", "role_name"), "Role"),
    **dict.fromkeys(("parent_role_id", "parent_role_name"), "Parent Role"),
}
_YES_NO = {"yes": "true", "no": "false"}
_CURRENCY = "currency_code"

_WEEK = ("time_frame_id", "time_period_id", "start_date", "end_date")

_EntryKey = tuple[str | None, ...]


def read_long_csv(
    text: IO[str],
    calendar: FiscalCalendar,
    lists: Lists,
    unknown: Counter[str],
    seen: KeysSeen,
    *,
    currency: str | None = None,
    asked: Quarter | None = None,
) -> Iterator[Row]:
    """Read one entry per person, field and week, from as many lines; email (else CRM id) and field name are the ids.

    The same measure twice with the same value counts once; with another value, or an amount in another currency, it is
    a second entry of the same key, which the gate then refuses. `currency` replaces that of every amount; `asked` is
    the quarter that the document is to be of, by which `Q2` has a year. Raises `DocumentUnreadable`.
    """
    person_of, period_of = _person_ids(text), _Periods(calendar, asked)
    entries: dict[_EntryKey, list[Row]] = {}
    people: dict[str, Row] = {}
    periods: dict[str, Row] = {}
    weeks: dict[tuple[str | None, ...], Row] = {}
    words: Counter[str] = Counter()
    for line in _lines(text, unknown):
        word = _data_type(line)
        words[word] += 1
        user, period, week = person_of(line), period_of(line), _week(line["Week"])
        field = line["Field"] or None
        key: _EntryKey = (user or None, period["time_period_id"], week, field)
        column = _DATA_TYPES.get(word)
        if column is None:
            unknown[f"Data Type {word}"] += 1
        else:
            cell = line["Data Value"]
            is_flag = column == "is_updated"
            value, written_in = (_YES_NO.get(cell.strip().lower()), None) if is_flag else parse_money(cell)
            _put(entries.setdefault(key, []), column, value, currency or written_in)
        if user:
            people[user] = {"user_id": user, **{column: line[name] for column, name in _PERSON.items()}}
        if period["time_period_id"]:
            periods[period["time_period_id"]] = period
        if week:
            listed = (week, period["time_period_id"], line["Start Day"], line["End Day"])
            weeks[listed] = dict(zip(_WEEK, listed, strict=True))
    _note_keys(seen, unknown, words, len(entries))
    names = ("user_id", "time_period_id", "time_frame_id", "field_id")
    for key, versions in entries.items():
        for version in versions:
            yield dict(zip(names, key, strict=True)) | version
    for table, found in (("raw_user", people), ("raw_time_period", periods), ("raw_time_frame", weeks)):
        for row in found.values():
            lists.add(table, row)
    for field in dict.fromkeys(key[3] for key in entries):
        if field:
            lists.add("raw_field", {"field_id": field, "field_name": field})


def lines_of(text: Iterable[str]) -> Iterator[dict[str, str]]:
    """Each line by column, as it is written. Raises `DocumentUnreadable`."""
    return _lines(text, Counter())


def delivered_line(line: Mapping[str, str]) -> dict[str, Any]:
    """A line with `amount` and `currency` beside its columns: the money in Data Value, None where it is none."""
    written, currency = parse_money(line["Data Value"])
    return {**line, "amount": None if written is None else decimal_of(written), "currency": currency}


def count_lines(text: IO[str], calendar: FiscalCalendar, asked: Quarter | None = None) -> Totals:
    """Count the control totals of the lines; a line that stands twice counts once.

    Independent of `read_long_csv`, but for the ids of people and periods.
    """
    person_of, period_of = _person_ids(text), _Periods(calendar, asked)
    totals: Totals = {}
    seen: set[tuple[str | None, ...]] = set()
    for line in _lines(text, Counter()):
        measure, written = _DATA_TYPES.get(_data_type(line)), number_in_cell(line["Data Value"])
        amount = amount_of(written) if written is not None and measure != "is_updated" else None
        key = (person_of(line), period_of(line)["time_period_id"], _week(line["Week"]), line["Field"], measure, written)
        if measure is None or amount is None or key in seen:
            continue
        seen.add(key)
        totals.setdefault((line["Field"] or None, measure), ControlTotal()).add(amount)
    return totals


def _data_type(line: dict[str, str]) -> str:
    """The word of a line's `Data Type`, in Clari's own spelling where it is one of Clari's."""
    return _WORDS.get(_folded(line["Data Type"]), line["Data Type"])


def _person_ids(text: IO[str]) -> Callable[[dict[str, str]], str]:
    """A function from a line to its person's id: `email` or else CRM id; `email (role)` of those with several roles.

    Reads the text to its end, and rewinds it.
    """
    roles: defaultdict[str, set[str]] = defaultdict(set)
    for line in _lines(text, Counter()):
        roles[line["Email"] or line["CRM User ID"]].add(line["Role"])
    text.seek(0)
    several = {user for user, found in roles.items() if user and len(found - {""}) > 1}

    def person_of(line: dict[str, str]) -> str:
        user, role = line["Email"] or line["CRM User ID"], line["Role"]
        return f"{user} ({role})" if role and user in several else user

    return person_of


def header_of(text: Iterable[str]) -> list[str]:
    """The columns of a CSV, as `_spelt` has them; empty where it has no header, or none that can be read."""
    try:
        return _spelt(next(_reader(text), []))
    except csv.Error:
        return []


def is_header(text: str) -> bool:
    """Whether a text begins with any of the columns of a long CSV."""
    return not set(_HEADER).isdisjoint(header_of(io.StringIO(text, newline="")))


def _spelt(columns: Iterable[str]) -> list[str]:
    """Columns that the pipeline reads as Clari spells them, whatever their case and spaces; others as they are."""
    return [_COLUMNS.get(_folded(name), name) for name in columns]


def _folded(name: str) -> str:
    return " ".join(name.split()).casefold()


def _reader(text: Iterable[str]) -> Any:
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    return csv.reader(map(without_nul, text), strict=True)


def _lines(text: Iterable[str], unknown: Counter[str]) -> Iterator[dict[str, str]]:
    """Each line by column; unknown columns are counted. Raises `DocumentUnreadable`, `NoDocument` for another file."""
    reader = _reader(text)
    try:
        header = next(reader, None)
        if header is None:
            raise DocumentUnreadable("the document has no bytes")
        header = _spelt(header)
        if missing := [name for name in _HEADER if name not in header]:
            kind = DocumentUnreadable if len(missing) < len(_HEADER) else NoDocument
            raise kind(f"the CSV has no column {', '.join(missing)}")
        if twice := [name for name in _HEADER if header.count(name) > 1]:
            raise DocumentUnreadable(f"the CSV has the column {', '.join(twice)} more than once")
        for name in set(header) - set(_HEADER):
            unknown[name] += 1
        for line in reader:
            if not line:
                continue
            if len(line) != len(header):
                raise DocumentUnreadable(
                    f"line {reader.line_num} has {len(line)} columns where the header has {len(header)}"
                )
            yield dict(zip(header, line, strict=True))
    except csv.Error as error:
        raise DocumentUnreadable(f"line {reader.line_num}: {error}") from None


def _note_keys(seen: KeysSeen, unknown: Iterable[str], words: Mapping[str, int], entries: int) -> None:
    """Note the columns, and the words of Data Type: a word is always there if each entry has a line of it."""
    seen.add("", [dict.fromkeys([*_HEADER, *(name for name in unknown if not name.startswith("Data Type "))], "")])
    lines = {word: min(count, entries) for word, count in words.items()}
    seen.add_parsed("Data Type", entries, lines, lambda _: "text")


def _put(versions: list[Row], column: str, value: str | None, currency: str | None) -> None:
    """Set a measure in the first version of an entry that it does not contradict, else in a new version."""
    for version in versions:
        if version.get(column, value) == value and (currency is None or version.get(_CURRENCY, currency) == currency):
            break
    else:
        versions.append(version := {})
    version[column] = value
    if currency is not None:
        version[_CURRENCY] = currency


def _week(text: str) -> str | None:
    """A week's id as JSON writes it: `W08` for a number; any other text as it is."""
    number = text.strip()
    return f"W{number.lstrip('0'):0>2}" if number.isascii() and number.isdecimal() else number or None


class _Periods:
    """Finds a line's period by its label and the days of its week. A label that cannot be parsed is the period's id."""

    def __init__(self, calendar: FiscalCalendar, asked: Quarter | None) -> None:
        self._calendar, self._asked = calendar, asked
        self._known: dict[tuple[str, str, str], Row] = {}

    def __call__(self, line: dict[str, str]) -> Row:
        key = line["Timeframe"], line["Start Day"], line["End Day"]
        if key not in self._known:
            self._known[key] = self._row(*key)
        return self._known[key]

    def _row(self, label: str, *days: str) -> Row:
        day = next((day for written in days if (day := day_of(written, self._calendar.zone))), None)
        found = self._calendar.period_of_label(label, day=day, asked=self._asked)
        if found is None:
            return {"time_period_id": label.strip() or None, "label": label}
        return {
            "time_period_id": found.id,
            "period_type": found.type,
            "label": found.label,
            "year": str(found.year),
            "start_date": found.first.isoformat(),
            "end_date": found.last.isoformat(),
        }
