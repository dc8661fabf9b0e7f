import os
from collections.abc import Iterator

import pytest

from tests.warehouse import servers


@pytest.fixture(scope="package")
def address() -> Iterator[str]:
    """A PostgreSQL server; each test makes a database of its own in it."""
    if servers.NAMED not in os.environ and servers.programs() is None:
        pytest.skip("this machine has no PostgreSQL")
    with servers.postgres() as found:
        yield found
