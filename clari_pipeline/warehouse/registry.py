"""Every engine that a warehouse can be kept in: one line each."""

from pydantic import SecretStr

from clari_pipeline.warehouse import duckdb, postgres, snowflake
from clari_pipeline.warehouse.capabilities import Capabilities, Engine

ENGINES = (
    duckdb.ENGINE,
    postgres.ENGINE,
    snowflake.ENGINE,
)


def engine_of(url: SecretStr) -> Engine:
    """The engine of a URL's scheme, which the settings have validated."""
    scheme = url.get_secret_value().partition("://")[0]
    return next(engine for engine in ENGINES if scheme in engine.schemes)


def capabilities_of(name: str) -> Capabilities:
    """What the engine of this name can do."""
    return next(engine.capabilities for engine in ENGINES if engine.name == name)
