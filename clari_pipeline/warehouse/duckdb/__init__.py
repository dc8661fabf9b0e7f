"""The warehouse as a DuckDB file."""

from clari_pipeline.warehouse.capabilities import Capabilities, Engine

ENGINE = Engine(
    name="duckdb",
    title="DuckDB",
    schemes=("duckdb",),
    implementation="clari_pipeline.warehouse.duckdb.engine:DuckWarehouse",
    capabilities=Capabilities(is_file=True, is_copied=True, has_one_writer=True),
)
