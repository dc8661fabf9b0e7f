"""The tables on a server that somebody reads meanwhile, and that more than one release uses."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pydantic import SecretStr

from clari_pipeline.warehouse.catalogue import tables
from clari_pipeline.warehouse.errors import WarehouseLocked
from clari_pipeline.warehouse.migrations import schema_version
from clari_pipeline.warehouse.postgres.engine import PostgresWarehouse
from tests.helpers import postgres_server, prepared
from tests.helpers.house import House, document, entry, moment

_DEFINED = (
    "select attrelid::regclass::text, attname, format_type(atttypid, atttypmod), col_description(attrelid, attnum), "
    "obj_description(attrelid, 'pg_class'), pg_get_viewdef(attrelid) from pg_attribute "
    "inner join pg_class on pg_class.oid = attrelid where relnamespace = 'clari'::regnamespace and attnum > 0 "
    "and not attisdropped order by 1, 2"
)


@pytest.fixture
def database(server: str) -> Iterator[str]:
    """Of one document."""

    def fill(url: str) -> None:
        House(prepared.shared_folder() / "server-tables", url=url).bring(document(entry(call=100)), moment(10, 2))

    with postgres_server.filled_database(server, "tables", fill) as found:
        yield found


@pytest.fixture
def house(tmp_path: Path, database: str) -> House:
    return House(tmp_path, url=database)


def impatient(url: str, folder: Path) -> PostgresWarehouse:
    """Another process of this release, which waits a moment for who reads."""
    return PostgresWarehouse(SecretStr(url), data_dir=folder, lock_timeout_s=0.05)


@contextmanager
def read_by_somebody(url: str) -> Iterator[psycopg.Connection[Any]]:
    """A transaction that has read every table and has not ended."""
    with psycopg.connect(url, application_name="notebook") as reading:
        for table in tables():
            reading.execute(f"select * from clari.{table} limit 1".encode())
        yield reading


def make_another_releases(house: House, *changes: str) -> None:
    for change in (*changes, "update clari.warehouse_version set schema_sha256 = 'another'"):
        house.execute(change)


def is_of_this_release(warehouse: PostgresWarehouse, house: House) -> bool:
    return bool(house.value("select schema_sha256 from clari.warehouse_version") == schema_version())


def test_releases_that_alternate_wait_for_nobody(house: House, tmp_path: Path, database: str) -> None:
    """Where nothing is to be added no table is locked, whoever reads it."""
    made = house.rows(_DEFINED)
    make_another_releases(house)
    warehouse = impatient(database, tmp_path)
    with read_by_somebody(database), warehouse.session():
        pass
    assert is_of_this_release(warehouse, house)
    assert house.rows(_DEFINED) == made


def test_what_is_missing_or_different_is_made(house: House, tmp_path: Path, database: str) -> None:
    made = house.rows(_DEFINED)
    make_another_releases(
        house,
        "drop table clari.alert_delivery",
        "alter table clari.alert drop column detail",
        "comment on column clari.alert.kind is 'as it was called before'",
        "comment on table clari.time_frame is null",
        "create or replace view clari.api_limits as select quota.run_id, quota.read_at, quota.concurrent_limit, "
        "quota.available_concurrent_limit, quota.monthly_quota, quota.available_monthly_quota, quota.running_jobs, "
        "quota.submitted_jobs from clari.export_quota as quota where false",
    )
    with impatient(database, tmp_path).session():
        pass
    assert house.rows(_DEFINED) == made


def test_who_has_a_table_in_use_is_named(house: House, tmp_path: Path, database: str) -> None:
    """And nothing is changed: those who come after read on, and the next command makes what is missing."""
    make_another_releases(house, "alter table clari.alert drop column detail")
    changed = house.rows(_DEFINED)
    warehouse = impatient(database, tmp_path)
    with read_by_somebody(database) as reading:
        pid = reading.info.backend_pid
        with (
            pytest.raises(WarehouseLocked, match=rf"session {pid} \(clari, notebook\).*pg_terminate_backend\({pid}\)"),
            warehouse.session(),
        ):
            pass
        assert house.rows(_DEFINED) == changed
    with warehouse.session():
        pass
    assert is_of_this_release(warehouse, house)
