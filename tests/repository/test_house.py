"""The rooms of the package: how many, on how many floors, none in a circle. The floors are import-linter's contract."""

from __future__ import annotations

from tests.repository import house


def test_there_are_few_rooms_on_seven_floors() -> None:
    """A circle between rooms would leave no floors to count."""
    imports = house.rooms()
    assert len(imports) <= 20
    assert 0 < house.floors(imports) <= 7


def test_nothing_lies_loose() -> None:
    """Beside the package's doors, every module lies in a room."""
    assert house.loose_modules() == []


def test_the_readme_is_short() -> None:
    """The rest stands in docs/."""
    assert house.lines("README.md") <= 180
