from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest

from clari_pipeline.core.project import project_file
from tests.helpers import fake_snowflake, postgres_server
from tests.helpers.forecast import Forecast
from tests.helpers.house import House

ROLES = project_file("docs") / "postgres-roles.sql"
SECRET = "s3cret"


@pytest.fixture(scope="session")
def server() -> str:
    """The PostgreSQL of all tests; the URL of its administrator, without a database."""
    return postgres_server.shared()


@pytest.fixture
def database(server: str) -> Iterator[str]:
    """The URL of an empty database of one's own."""
    with postgres_server.database(server) as found:
        yield found


def as_user(url: str, user: str, password: str) -> str:
    """The same database, as somebody else."""
    parts = urlsplit(url)
    return parts._replace(netloc=f"{user}:{password}@{parts.hostname}:{parts.port}").geturl()


@pytest.fixture
def prepared_database(server: str) -> Iterator[str]:
    """The URL of a database of one's own, with every table of this release and no row."""
    with postgres_server.prepared_database(server) as found:
        yield found


@pytest.fixture
def roles(server: str, database: str) -> Iterator[Callable[[str], str]]:
    """The documented roles; gives the URL of each."""
    with psycopg.connect(server, autocommit=True) as administrator:
        administrator.execute("select pg_advisory_lock(1)")  # roles are the whole server's
        with psycopg.connect(database, autocommit=True) as here:
            here.execute(ROLES.read_bytes())
            for role in ("clari_writer", "clari_reader"):
                here.execute(f"alter role {role} password '{SECRET}'".encode())
            yield lambda role: as_user(database, role, SECRET)
            for role in ("clari_writer", "clari_reader"):
                here.execute(f"drop owned by {role} cascade".encode())
                here.execute(f"drop role {role}".encode())


@pytest.fixture(scope="session")
def snowflake_server() -> Iterator[str]:
    """fakesnow, or nothing where a real account is named."""
    with fake_snowflake.snowflake() as found:
        yield found


@pytest.fixture
def prepared_snowflake(snowflake_server: str) -> Iterator[str]:
    """The URL of a database of one's own, with every table of this release and no row."""
    with fake_snowflake.prepared_database(snowflake_server) as found:
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


@pytest.fixture
def forecast(house: House) -> Forecast:
    """A forecast in a warehouse of its own."""
    return Forecast(house, "north")
