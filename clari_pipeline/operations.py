"""What the commands do that look after the pipeline itself. Each returns the exit code."""

from __future__ import annotations

from clari_pipeline.settings import Settings
from clari_pipeline.warehouse import environment as environments
from clari_pipeline.warehouse.engines import open_warehouse
from clari_pipeline.warehouse.errors import WrongEnvironment


def environment(settings: Settings, *, take_over: bool) -> int:
    """Which environment the warehouse belongs to, and whose it is to be."""
    warehouse = open_warehouse(settings.warehouse_url, data_dir=settings.data_dir, env=settings.env)
    remembered = None
    if warehouse.exists() or take_over:
        try:
            with warehouse.session() as session:
                remembered = environments.belongs_to(session)
        except WrongEnvironment as other:
            remembered = other.remembered
    if take_over and remembered != settings.env:
        theirs = open_warehouse(settings.warehouse_url, data_dir=settings.data_dir, env=remembered)
        with theirs.session() as session:
            environments.give(session, settings.env)
        print(f"{warehouse.place} belonged to {_named(remembered)}, and to {_named(settings.env)} from now on")  # noqa: T201
        return 0
    print(f"{warehouse.place} belongs to {_named(remembered)}; CLARI_ENV names {_named(settings.env)}")  # noqa: T201
    return 0


def _named(env: str | None) -> str:
    return env or "no environment"
