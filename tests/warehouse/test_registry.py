"""What an engine can do is asked of its capabilities, and its class is found by the address alone."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

import clari_pipeline
from clari_pipeline.warehouse.capabilities import Engine
from clari_pipeline.warehouse.registry import ENGINES, capabilities_of, engine_of

_PACKAGE = Path(clari_pipeline.__file__).parent


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.name)
def test_an_address_names_one_engine_whose_class_knows_it(engine: Engine) -> None:
    found = [engine_of(SecretStr(f"{scheme}://place")) for scheme in engine.schemes]
    assert found == [engine] * len(found)
    assert found[0].load().kind is engine
    assert capabilities_of(found[0].name) is found[0].capabilities


def test_what_has_met_an_emulator_alone_is_experimental() -> None:
    assert [engine.name for engine in ENGINES if engine.capabilities.is_experimental] == ["snowflake"]


def test_no_engines_name_is_compared_outside_its_folder() -> None:
    """The settings alone read an address before there is a warehouse; they are on the warehouse's own floor."""
    assert [place for place in _comparisons() if not place.startswith("config/settings.py")] == []


def _comparisons() -> Iterator[str]:
    names = {engine.name for engine in ENGINES}
    for file in sorted(_PACKAGE.rglob("*.py")):
        place = file.relative_to(_PACKAGE)
        if place.parts[:1] == ("warehouse",) and place.parts[1] in names:
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            sides = [node.left, *node.comparators] if isinstance(node, ast.Compare) else []
            sides += [node.value] if isinstance(node, ast.MatchValue) else []
            if any(isinstance(side, ast.Constant) and side.value in names for side in sides):
                yield f"{place.as_posix()}:{node.lineno}"  # type: ignore[attr-defined]
