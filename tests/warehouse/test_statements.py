"""Rows as values of a dataclass: a field without a column is an error that names both."""

from dataclasses import dataclass

import pytest

from clari_pipeline.warehouse.session import rows_as
from tests.helpers.house import House, document, entry, moment


@dataclass(frozen=True, slots=True)
class Few:
    forecast_id: str
    exports_loaded: int


@dataclass(frozen=True, slots=True)
class More:
    forecast_id: str
    colour: str


def test_a_row_is_a_value_of_its_dataclass(house: House) -> None:
    """Columns that it has no field for are left out, those of a newer release among them."""
    house.bring(document(entry(call=1)), moment(10, 20))
    with house.context.warehouse.session() as session:
        assert rows_as(Few, session, "marts/newest_loaded") == [Few("north", 1)]
        with pytest.raises(LookupError, match=r"^marts/newest_loaded answers no colour, as More has$"):
            rows_as(More, session, "marts/newest_loaded")
