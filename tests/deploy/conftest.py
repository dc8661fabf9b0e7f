import os
from collections.abc import Iterator

import pytest

from tests.helpers import postgres_server


@pytest.fixture(scope="package")
def address() -> Iterator[str]:
    """A PostgreSQL server; each test makes a database of its own in it."""
    if postgres_server.NAMED not in os.environ and postgres_server.programs() is None:
        pytest.skip("this machine has no PostgreSQL")
    with postgres_server.postgres() as found:
        yield found
