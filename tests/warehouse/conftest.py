import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.warehouse import fake_snowflake, servers

from .house import House


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """A PostgreSQL; the URL of its administrator, without a database."""
    if servers.programs() is None and servers.NAMED not in os.environ:
        pytest.skip("this machine has no PostgreSQL: make postgres, or name a server in CLARI_TEST_POSTGRES")
    with servers.postgres() as found:
        yield found


@pytest.fixture
def database(server: str) -> Iterator[str]:
    """The URL of an empty database of one's own."""
    with servers.database(server) as found:
        yield found


@pytest.fixture(scope="session")
def snowflake_server() -> Iterator[str]:
    """fakesnow, or nothing where a real account is named."""
    with fake_snowflake.snowflake() as found:
        yield found


@pytest.fixture
def snowflake(snowflake_server: str) -> Iterator[str]:
    """The URL of an empty database of one's own."""
    with fake_snowflake.database(snowflake_server) as found:
        yield found


@pytest.fixture
def open_house(tmp_path: Path) -> Iterator[Callable[..., House]]:
    """Houses with settings of their own, on one landing folder; their files stay open, to open them takes the time."""
    with ExitStack() as held_open:

        def open_one(**settings: Any) -> House:
            house = House(tmp_path, **settings)
            held_open.enter_context(house.held_open())
            return house

        yield open_one


@pytest.fixture
def house(open_house: Callable[..., House]) -> House:
    return open_house()
