"""What `make check` runs after a change."""

import pytest

from tests.helpers.touched import FAST, ROOT, affected_tests


@pytest.mark.parametrize(
    ("files", "tests"),
    [
        (["clari_pipeline/documents/reading.py"], ["tests/documents"]),
        (["clari_pipeline/documents/reading.py", "tests/documents/test_flat.py"], ["tests/documents"]),
        (["tests/clari/conftest.py"], ["tests/clari"]),
        (["clari_pipeline/core/periods.py"], ["tests/core"]),
        (["tests/core/test_gone.py", "README.md"], [f"tests/{name}" for name in FAST]),
        (["tests/soak/test_chaos.py"], [f"tests/{name}" for name in FAST]),
        (["sql/documents.sql"], ["tests/documents"]),
        ([], [f"tests/{name}" for name in FAST]),
    ],
)
def test_the_tests_of_what_was_touched_are_named(files: list[str], tests: list[str]) -> None:
    """By folder, by name, or the fast half where nothing tells."""
    assert affected_tests(files) == tests


def test_the_fast_half_is_there() -> None:
    assert [name for name in FAST if not (ROOT / "tests" / name).exists()] == []
