"""The warehouse in PostgreSQL."""

from clari_pipeline.warehouse.capabilities import Engine

ENGINE = Engine(
    name="postgres",
    title="PostgreSQL",
    schemes=("postgresql", "postgres"),
    implementation="clari_pipeline.warehouse.postgres.engine:PostgresWarehouse",
)
