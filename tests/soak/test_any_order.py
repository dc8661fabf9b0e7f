"""As many sequences of documents as there is time for."""

import pytest

from tests.soak.length import EACH_PART, TIMES
from tests.warehouse.test_any_order import any_order_property


@pytest.mark.parametrize("part", EACH_PART)
def test_any_order_of_arrival_gives_the_same_rows_over_and_over(part: int) -> None:
    """In order, in any order, loaded twice and replayed: the same rows, and those that the model says."""
    any_order_property(10 * TIMES, part=part, is_soak=True)()
