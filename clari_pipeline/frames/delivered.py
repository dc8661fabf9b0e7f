"""A landed document as a frame: each column of the type that all of its values have, amounts by their digits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

import pandas as pd
import pyarrow as pa

from clari_pipeline.documents import read_delivered
from clari_pipeline.landing import LandedDocument


def delivered_frame(document: LandedDocument) -> pd.DataFrame:
    """Read a document; a key is a column, one of an object in an entry is `currency.code`.

    A column whose values are all texts, all booleans or all numbers of at most 76 digits has Arrow's type for them; any
    other is of Python's values (dtype object). Raises `LandingError`, and what `documents.rows.UNREADABLE` names.
    """
    chunks: dict[str, list[Any]] = {}
    rows = 0

    def take(entries: list[dict[str, Any]]) -> None:
        nonlocal rows
        flat = [dict(_flat(entry)) for entry in entries]
        for key in dict.fromkeys(chain(chunks, *flat)):
            chunks.setdefault(key, [[None] * rows] if rows else []).append(
                _as_arrow([entry.get(key) for entry in flat])
            )
        rows += len(flat)

    with document.open() as stream:
        read_delivered(stream, take)
    return pd.DataFrame({key: _column(parts) for key, parts in chunks.items()}, index=pd.RangeIndex(rows))


def _flat(entry: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in entry.items():
        if isinstance(value, dict):
            yield from ((f"{key}.{inner}", item) for inner, item in value.items())
        else:
            yield key, value


def _as_arrow(values: list[Any]) -> Any:
    """The values in a tenth of the memory where Arrow holds them as they are; else the list."""
    if any(isinstance(value, dict | list) for value in values):
        return values
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError):  # of several types, or a number of too many digits
        return values


def _column(parts: list[Any]) -> pd.Series[Any]:
    arrays = [pa.array(part) if isinstance(part, list) and not any(part) else part for part in parts]
    if not any(isinstance(part, list) for part in arrays):
        try:
            whole = pa.concat_tables([pa.table({"": part}) for part in arrays], promote_options="permissive")[""]
            return pd.Series(pd.arrays.ArrowExtensionArray(whole))
        except (pa.ArrowInvalid, pa.ArrowTypeError):  # texts in one part, numbers in another
            pass
    values = chain.from_iterable(part if isinstance(part, list) else part.to_pylist() for part in arrays)
    return pd.Series(list(values), dtype=object)
