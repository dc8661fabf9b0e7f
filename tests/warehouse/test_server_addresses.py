"""Addresses of a PostgreSQL as clouds and libpq write them; what is wrong with one is named, and no secret."""

from pathlib import Path
from urllib.parse import urlsplit

import pytest
from pydantic import SecretStr

from clari_pipeline.config.settings import read_settings
from clari_pipeline.core.setting_errors import SettingsError
from clari_pipeline.store.opening import open_warehouse
from tests.helpers.house import House, document, entry, moment

_SECRET = "s3cret"


def _place(url: str, folder: Path) -> str:
    settings = read_settings(warehouse_url=SecretStr(url))
    return open_warehouse(settings.warehouse_url, data_dir=folder, env=None).place


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("postgres://clari:s3cret@db/sales", "postgresql://db:5432/sales"),
        ("postgresql://one:5433,two/sales", "postgresql://one:5433,two:5432/sales"),
        ("postgresql://one,two:5433/sales", "postgresql://one:5432,two:5433/sales"),
        ("postgresql:///sales?host=one,two&port=5433", "postgresql://one:5433,two:5433/sales"),
        ("postgresql://[::1]:5433/sales", "postgresql://[::1]:5433/sales"),
        ("postgresql://[fe80::1],two:5433/sales", "postgresql://[fe80::1]:5432,two:5433/sales"),
        ("postgresql://clari:s3cret?x=1@db/sales", "postgresql://db:5432/sales"),
        ("postgresql://db/sales?user=clari@cloud&ssl=true", "postgresql://db:5432/sales"),
    ],
)
def test_an_address_is_shown_as_server_and_database(url: str, place: str, tmp_path: Path) -> None:
    assert _place(url, tmp_path) == place


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://clari:s3cret@db/sales?schema=clari", "does not know (schema): take it out"),
        ("postgresql://clari:s3cret@db/sales?sslmode=require&pool_size=5", "does not know (pool_size)"),
        ("postgresql://clari@db/sales?password=half&s3cret=1", "signs such as & or % in a value"),
        ("postgresql://clari:12/s3cret?s3cret=1@db/sales", "in the password percent-encoded"),
        ("postgresql://clari:s3cret/@db/sales?schema=clari", "in the password percent-encoded"),
        ("postgresql://db/sales?sslmode", "in a value percent-encoded"),
    ],
)
def test_what_is_wrong_with_an_address_is_named(url: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as found:
        _place(url, tmp_path)
    assert said in str(found.value)
    assert _SECRET not in str(found.value)


def test_the_first_of_two_servers_may_be_down_and_texts_are_utf8(
    tmp_path: Path, prepared_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The short scheme as clouds hand it out, and a second server after one where nobody listens. Texts come and go by
    both drivers, whose library reads PGCLIENTENCODING.
    """
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    parts = urlsplit(prepared_database)
    user, _, _ = parts.netloc.rpartition("@")
    url = parts._replace(scheme="postgres", netloc=f"{user}@127.0.0.1:1,127.0.0.1:{parts.port}").geturl()
    house = House(tmp_path, url=url)
    house.bring(document(entry("Łucja", call=100)), moment(10, 2))
    assert house.tuples("select user_id, forecast_value from clari.forecast_vs_quota") == [("Łucja", 100)]
