"""Evidence of a check as Dagster's metadata: what is a number, a table, text."""

from decimal import Decimal
from typing import Any

import dagster as dg
import pytest

from clari_pipeline.defs.metadata import evidence_metadata, table

Judged = list[tuple[str, dict[str, Any]]]


@pytest.mark.parametrize(
    ("judged", "expected"),
    [
        ([("north", {"swings": 3, "summary": "3 moved"})], {"swings": 3}),
        ([("north", {"swings": 3}), ("south", {"swings": 4})], {"swings": 7}),
        ([("north", {"previous": {"rows": 5, "job_id": "a"}})], {"previous_rows": 5, "previous_job_id": "a"}),
        ([("north", {"amount": Decimal("-2848143.4500")})], {"amount": "-2,848,143.45"}),
        ([("north", {"amount": Decimal("12345678901234.5678")})], {"amount": "12,345,678,901,234.5678"}),
        (
            [("north", {"is_it": True, "keys": ["a", "b"], "none": None, "empty": []})],
            {"is_it": "True", "keys": "a, b"},
        ),
        ([("north", {"shape": "flat"}), ("south", {"shape": "flat"})], {"shape": "flat"}),
    ],
)
def test_evidence(judged: Judged, expected: dict[str, Any]) -> None:
    """Counts are numbers, added up over forecasts; amounts are exact text, whatever their size."""
    assert evidence_metadata(judged) == expected


@pytest.mark.parametrize(
    ("records", "columns", "first"),
    [
        (
            [{"reason": "up", "user_id": "1", "user_name": "Ann"}],
            ["user_name", "reason"],
            {"user_name": "Ann", "reason": "up"},
        ),
        ([{"user_id": "1", "user_name": None}], ["user_id"], {"user_id": "1"}),
        ([{"merged": ["1234.5000", 2]}], ["merged"], {"merged": "1,234.50, 2"}),
        ([dict.fromkeys("abcdefghi", 1)], list("abcdefg"), dict.fromkeys("abcdefg", "1")),
    ],
)
def test_a_table_fits_the_page(records: list[dict[str, Any]], columns: list[str], first: dict[str, str]) -> None:
    found = table(records)
    assert [column.name for column in found.schema.columns] == columns
    assert found.records[0] == dg.TableRecord(first)


def test_records_of_several_forecasts_name_theirs() -> None:
    found = evidence_metadata([("north", {"entries": [{"a": 1}]}), ("south", {"entries": [{"a": 2}]})])["entries"]
    assert [record.data for record in found.records] == [{"subject": "north", "a": "1"}, {"subject": "south", "a": "2"}]
