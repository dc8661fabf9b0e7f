import pytest

from tests.helpers import postgres_server


@pytest.fixture(scope="session")
def address() -> str:
    """A PostgreSQL server; each test makes a database of its own in it."""
    return postgres_server.shared()
