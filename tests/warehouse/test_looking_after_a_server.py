"""What looks after a warehouse, where a server keeps it: its environment, and a backup of the documents."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from clari_pipeline.cli import operations
from clari_pipeline.config.settings import read_settings
from clari_pipeline.ops.preflight import in_warehouse
from clari_pipeline.ops.preflight.probe import Probe
from clari_pipeline.sync.context import Context
from clari_pipeline.warehouse.errors import WrongEnvironment
from tests.helpers.house import House, document, entry, moment


def test_another_environment_is_refused_and_documents_alone_are_saved(
    prepared_database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A line says what is not in the backup; from what is, the tables are made again."""
    house = House(tmp_path / "data", url=prepared_database, env="prod")
    house.context.prepare()
    for day, call in ((2, 100), (3, 250)):
        house.bring(document(entry(call=call)), moment(10, day))
    settings = house.context.settings
    with pytest.raises(WrongEnvironment, match="belongs to prod, and CLARI_ENV is staging"):
        Context.of(settings.model_copy(update={"env": "staging"})).prepare()

    probe = Probe(settings, now=lambda: datetime.now(UTC))
    assert probe.is_schema_current
    assert in_warehouse.warehouse_is_writable(probe).status == "PASS"

    saved = tmp_path / "saved"
    assert operations.backup(settings, saved) == 0
    told = capsys.readouterr()
    assert "2 landed documents, 2 of them new, and no warehouse" in told.out
    assert "are not in it: save them there (pg_dump --schema clari" in told.err
    assert "word@" not in told.out + told.err

    known: list[dict[str, Any]] = house.rows("select * from clari.forecast_entry_history order by valid_from")
    house.execute("drop schema clari cascade")
    elsewhere = read_settings(warehouse_url=settings.warehouse_url, data_dir=tmp_path / "elsewhere")
    assert operations.restore(elsewhere, saved, force=False, documents_only=False, dry_run=False) == 0
    again = House(tmp_path / "elsewhere", url=prepared_database)
    again.replay([], ())
    assert again.rows("select * from clari.forecast_entry_history order by valid_from") == known
