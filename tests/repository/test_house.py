"""The rooms of the package: how many, on how many floors, none in a circle. The floors are import-linter's contract."""

import re

import pytest

from tests.repository import house


def test_there_are_few_rooms_on_seven_floors() -> None:
    """A circle between rooms would leave no floors to count."""
    imports = house.rooms()
    assert len(imports) <= 20
    assert 0 < house.floors(imports) <= 7


def test_nothing_lies_loose() -> None:
    """Beside the package's doors, every module lies in a room."""
    assert house.loose_modules() == []


@pytest.mark.parametrize("folder", [house.PACKAGE, "tests"])
def test_other_packages_are_used_by_their_public_names(folder: str) -> None:
    """In Python, and in the classes that Dagster's settings name."""
    assert house.private_names(folder) == []
    settings = [*house.ROOT.glob("dagster_home/*.yaml"), *house.ROOT.glob("deploy/*.yaml")]
    assert settings
    assert [file.name for file in settings if re.search(r"(?:module|class): .*\b_", file.read_text())] == []


def test_the_readme_is_short() -> None:
    """The rest stands in docs/."""
    assert house.lines("README.md") <= 180
