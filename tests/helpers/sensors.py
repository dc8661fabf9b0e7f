"""Evaluate Dagster's sensors as its daemon does."""

import dagster as dg

from clari_pipeline.config.settings import Settings, read_settings
from clari_pipeline.defs.graph import build

_built: dict[str, dg.Definitions] = {}


def definitions_of(settings: Settings) -> dg.Definitions:
    """The definitions for these settings, cached, as a code location's process has them."""
    known_as = repr(settings.model_dump())
    if known_as not in _built:
        _built.clear()  # one at a time
        _built[known_as] = build(settings)
    return _built[known_as]


def sensor_tick(instance: dg.DagsterInstance, name: str, cursor: str | None) -> str | None:
    """Evaluate one tick of a sensor; returns its new cursor."""
    definitions = definitions_of(read_settings())
    sensor = definitions.resolve_sensor_def(name)
    context = dg.build_sensor_context(
        instance=instance, cursor=cursor, repository_def=definitions.get_repository_def(), sensor_name=name
    )
    tick = sensor.evaluate_tick(context)
    for entry in tick.log_key or ():
        assert entry
    return tick.cursor
