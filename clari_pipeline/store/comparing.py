"""Compare the tables of a forecast's quarter with the same tables, rebuilt from its landed documents.

Within one transaction: `keep_quarter` copies the rows aside, the caller rebuilds them, `differences` compares. The same
for a forecast's people, who are of all its quarters and are made from `forecast_user_sighting`.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any

from clari_pipeline.warehouse.session import Record, Session, rows, run

_MOST = 1000
"""Rows of a table that are named, of all that differ."""
_WEEK = ("time_period_id", "time_frame_id")
_ENTRY = (*_WEEK, "user_id", "field_id")
_QUARTER: dict[str, tuple[str, ...]] = {  # the columns of the key
    "forecast_entry": _ENTRY,
    "forecast_entry_history": (*_ENTRY, "valid_from"),
    "forecast_time_frame": _WEEK,
    "forecast_user_sighting": ("user_id", "first_seen_at"),
    "forecast_field": ("field_id",),
    "time_period": ("time_period_id",),
    "time_frame": _WEEK,
}
_PEOPLE: dict[str, tuple[str, ...]] = {
    "forecast_user": ("user_id",),
    "forecast_user_history": ("user_id", "valid_from"),
    # Rows of quarters that the ledger does not know as loaded.
    "orphan_forecast_entry_state": ("quarter_id", *_ENTRY),
    "orphan_forecast_entry_history": ("quarter_id", *_ENTRY, "valid_from"),
    "orphan_forecast_time_frame": ("quarter_id", *_WEEK),
    "orphan_forecast_user_sighting": ("quarter_id", "user_id", "first_seen_at"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One value that the table has otherwise than the documents give it, or with `column` None rows of one key.

    `key` has the columns of the table's key. Of rows `in_table` and `by_documents` are how many there are in surplus.
    """

    table: str
    key: Mapping[str, Any]
    column: str | None
    in_table: Any
    by_documents: Any
    user_name: str | None = None

    @property
    def line(self) -> str:
        """Key and difference, in one line for people."""
        name = f" ({self.user_name})" if self.user_name else ""
        key = " ".join(f"{value}{name * (column == 'user_id')}" for column, value in self.key.items())
        if self.column is None:
            more, fewer = self.in_table, self.by_documents
            rows = f"{more} row{'s' * (more > 1)} that no document gives" if more else f"{fewer} of its rows missing"
            return f"{self.table} {key}: {rows}"
        return f"{self.table} {key} {self.column}: the table has {_shown(self.in_table)}, the documents give " + _shown(
            self.by_documents
        )


@dataclass(frozen=True, slots=True)
class Compared:
    """How many keys differ, by table, and the differences: of each table those of the first rows."""

    keys_differing: Mapping[str, int] = field(default_factory=dict)
    differences: Sequence[Difference] = ()


def quarters(session: Session) -> list[tuple[str, str]]:
    """Forecast and quarter of all that the tables hold, without those that retention has retired."""
    return [(found["forecast_id"], found["quarter_id"]) for found in rows(session, "verify/quarters")]


def keep_quarter(session: Session, forecast_id: str, quarter_id: str) -> None:
    """Copy a quarter's rows aside; forget what its exports describe of fields, periods and weeks that it shares."""
    for name in ("keep_quarter", "forget_described", "forget_periods"):
        run(session, f"verify/{name}", forecast_id=forecast_id, quarter_id=quarter_id)


def quarter_differences(session: Session, forecast_id: str, quarter_id: str) -> Compared:
    """Compare the rows that were copied aside with the quarter, which the caller has rebuilt."""
    run(session, "verify/forget_undescribed", forecast_id=forecast_id, quarter_id=quarter_id)
    return _compared(session, _QUARTER, forecast_id=forecast_id, quarter_id=quarter_id)


def keep_people(session: Session, forecast_id: str) -> None:
    """Copy a forecast's people aside; delete its rows of quarters that the ledger does not know as loaded."""
    for name in ("keep_people", "forget_orphans"):
        run(session, f"verify/{name}", forecast_id=forecast_id)


def people_differences(session: Session, forecast_id: str) -> Compared:
    """Compare the people that were copied aside with those that the caller has rebuilt."""
    return _compared(session, _PEOPLE, forecast_id=forecast_id)


def _compared(session: Session, tables: Mapping[str, tuple[str, ...]], **asked: str) -> Compared:
    counts: Counter[str] = Counter()
    found: list[Difference] = []
    for table, key in tables.items():
        differing = rows(session, f"verify/{table}", **asked, most=_MOST)
        if differing:
            shown = table.removeprefix("orphan_")
            counts[shown] = differing[0]["keys_differing"]
            found += _differences(shown, key, differing)
    people = sorted({one.key["user_id"] for one in found if one.key.get("user_id") is not None})
    if people:
        named = rows(session, "verify/names", forecast_id=asked["forecast_id"], user_ids=people)
        names = {one["user_id"]: one["name"] for one in named}
        found = [replace(one, user_name=names.get(one.key.get("user_id"))) for one in found]
    return Compared(dict(counts), found)


def _differences(table: str, names: tuple[str, ...], differing: Iterable[Record]) -> Iterator[Difference]:
    for values, group in groupby(differing, lambda row: tuple(row[name] for name in names)):
        key, of_key = dict(zip(names, values, strict=True)), list(group)
        more = [row for row in of_key if row["times"] < 0]
        fewer = [row for row in of_key if row["times"] > 0]
        if len(more) == len(fewer) == 1 and more[0]["times"] == -fewer[0]["times"]:
            for column in more[0]:
                if column != "times" and more[0][column] != fewer[0][column]:
                    yield Difference(
                        table=table,
                        key=key,
                        column=column,
                        in_table=more[0][column],
                        by_documents=fewer[0][column],
                    )
            continue
        if more:
            surplus = -sum(row["times"] for row in more)
            yield Difference(table=table, key=key, column=None, in_table=surplus, by_documents=0)
        if fewer:
            missing = sum(row["times"] for row in fewer)
            yield Difference(table=table, key=key, column=None, in_table=0, by_documents=missing)


def _shown(value: Any) -> str:
    return "nothing" if value is None else str(value)
