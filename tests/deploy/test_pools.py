"""Which runs take turns."""

import pytest
from pydantic import SecretStr

from clari_pipeline.config.settings import read_settings
from clari_pipeline.defs.graph import build


@pytest.mark.parametrize(
    ("address", "of_sync", "of_marts"),
    [
        ("duckdb:///data/warehouse.duckdb", {"clari_exports", "clari_warehouse"}, {"clari_warehouse"}),
        ("postgresql://warehouse.example.com/sales", {"clari_exports"}, set()),
    ],
)
def test_only_a_file_has_one_writer(address: str, of_sync: set[str], of_marts: set[str]) -> None:
    """Every run of a quarter counts against the exports allowed at once; a server takes several writers."""
    settings = read_settings().model_copy(update={"warehouse_url": SecretStr(address)})
    definitions = build(settings)
    pools = {
        name: {node.definition.pool for node in definitions.resolve_job_def(name).graph.nodes} - {None}
        for name in ("sync_quarter", "refresh_marts")
    }
    assert pools == {"sync_quarter": of_sync, "refresh_marts": of_marts}
