"""A table of cases in one test is no excuse for seeing one failure at a time."""

import pytest

from tests.helpers.each_case import try_each


def test_each_case_is_tried_and_each_that_fails_is_named() -> None:
    """Or one bad case would hide the next."""
    tried = []

    def check(case: str) -> None:
        tried.append(case)
        assert case not in {"one", "three"}, f"{case} is bent"

    with pytest.raises(ExceptionGroup) as failed:
        try_each(["one", "two", "three"], check)
    assert tried == ["one", "two", "three"]
    assert [error.__notes__ for error in failed.value.exceptions] == [["case: one"], ["case: three"]]
    try_each(["two"], check)


def test_a_case_that_raises_nothing_where_it_should_is_named_too() -> None:
    def check(number: int) -> None:
        with pytest.raises(ZeroDivisionError):
            assert 1 / number

    with pytest.raises(ExceptionGroup) as failed:
        try_each([1, 0, 2], check)
    assert [error.__notes__ for error in failed.value.exceptions] == [["case: 1"], ["case: 2"]]
