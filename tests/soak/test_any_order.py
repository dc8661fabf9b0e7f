"""As many sequences of documents as an evening allows."""

from tests.warehouse.test_any_order import any_order_property


def test_any_order_of_arrival_gives_the_same_rows_over_and_over() -> None:
    """In order, in any order, loaded twice and replayed: the same rows, and those that the model says."""
    any_order_property(2000, is_soak=True)()
