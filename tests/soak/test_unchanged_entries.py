"""Long sequences of exports, most of whose entries do not change."""

import pytest

from tests.soak.length import TIMES
from tests.warehouse.test_unchanged_entries import check_exports


@pytest.mark.parametrize("seed", range(3, 3 + 25 * TIMES))
def test_each_of_many_exports_says_what_a_plain_model_says(seed: int) -> None:
    """Partial ones among them, and the same once more; read or recognised, they leave the same."""
    check_exports(seed, 25)
