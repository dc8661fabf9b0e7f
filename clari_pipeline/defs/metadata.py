"""Evidence and figures as Dagster's metadata: numbers, which it draws over time, tables, and text."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import dagster as dg

_MONEY = re.compile(r"-?\d+\.\d{2,}")
_FEWEST_DECIMALS = 2
_MOST_COLUMNS = 7
# Who and what, then the amounts: the columns that tell most of a row.
_FIRST = (
    *("subject", "forecast", "user_name", "user_id", "field_name", "field_id", "time_frame_id", "measure"),
    *("previous_value", "current_value", "change_amount", "change_pct", "document", "merged", "reason"),
    *("state", "error"),
)
_NOTED = {"summary"}  # the result's description says it


def evidence_metadata(judged: Sequence[tuple[str, Mapping[str, Any]]]) -> dict[str, Any]:
    """The evidence of a check, by subject, as metadata entries under names that are the same for each run.

    A count is a number, the sum of all subjects'. A list of records is a table, with a column `subject` where there
    are several. Everything else is text.
    """
    numbers: dict[str, int] = {}
    records: dict[str, list[dict[str, Any]]] = {}
    texts: dict[str, list[str]] = {}
    for subject, evidence in judged:
        plain = json.loads(json.dumps(evidence, default=str))
        for name, value in _flat({name: value for name, value in plain.items() if name not in _NOTED}):
            match value:
                case bool():
                    texts.setdefault(name, []).append(str(value))
                case int():
                    numbers[name] = numbers.get(name, 0) + value
                case [dict(), *_]:
                    of = {"subject": subject} if len(judged) > 1 else {}
                    records.setdefault(name, []).extend(of | one for one in value)
                case _ if value not in (None, "", []):
                    texts.setdefault(name, []).append(_cell(value))
    return {
        **numbers,
        **{name: ", ".join(dict.fromkeys(found)) for name, found in texts.items()},
        **{name: table(found) for name, found in records.items()},
    }


def table(records: Sequence[Mapping[str, Any]]) -> dg.TableMetadataValue:
    """A table of these records that fits Dagster's page: at most seven columns, those of `_FIRST` first.

    Without columns that are empty in all records, and without ids that have a name beside them.
    """
    filled = dict.fromkeys(name for one in records for name, value in one.items() if value not in (None, "", []))
    named = [name for name in filled if name.removesuffix("_id") + "_name" not in filled or not name.endswith("_id")]
    places = {name: place for place, name in enumerate(_FIRST)}
    names = sorted(named, key=lambda name: places.get(name, len(places)))[:_MOST_COLUMNS]
    return dg.MetadataValue.table(
        [dg.TableRecord({name: _cell(one.get(name)) for name in names}) for one in records],
        schema=dg.TableSchema([dg.TableColumn(name) for name in names]),
    )


def _flat(evidence: Mapping[str, Any], before: str = "") -> Iterable[tuple[str, Any]]:
    """The values of a dictionary and of those in it, named `outer_inner`."""
    for name, value in evidence.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{name}_")
        else:
            yield before + name, value


def _cell(value: Any) -> str:
    """A value as text; amounts, which are decimals, with separators of thousands and no more zeros than cents need."""
    if isinstance(value, list | tuple):
        return ", ".join(map(_cell, value))
    if value is None:
        return ""
    if isinstance(value, bool) or not _MONEY.fullmatch(text := str(value)):
        return str(value)
    whole, _, decimals = f"{Decimal(text):,f}".partition(".")
    return f"{whole}.{decimals.rstrip('0').ljust(_FEWEST_DECIMALS, '0')}"
