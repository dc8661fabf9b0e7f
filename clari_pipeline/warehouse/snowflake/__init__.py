"""The warehouse in Snowflake. Experimental: run against an emulator, never yet against a real account."""

from clari_pipeline.warehouse.capabilities import Capabilities, Engine

ENGINE = Engine(
    name="snowflake",
    title="Snowflake",
    schemes=("snowflake",),
    implementation="clari_pipeline.warehouse.snowflake.engine:SnowflakeWarehouse",
    capabilities=Capabilities(is_experimental=True),
)
