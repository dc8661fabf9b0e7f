"""Sensors look at an instance as Dagster's daemon lets them."""

import dagster as dg

from clari_pipeline.config.settings import Settings, read_settings
from clari_pipeline.defs.graph import build

_built: dict[str, dg.Definitions] = {}


def definitions_of(settings: Settings) -> dg.Definitions:
    """What a code location with these settings holds: built once, as its process does."""
    known_as = repr(settings.model_dump())
    if known_as not in _built:
        _built.clear()  # one at a time
        _built[known_as] = build(settings)
    return _built[known_as]


def sensor_tick(instance: dg.DagsterInstance, name: str, cursor: str | None) -> str | None:
    """One look of a sensor at the instance, as the daemon takes it; its new cursor."""
    definitions = definitions_of(read_settings())
    sensor = definitions.resolve_sensor_def(name)
    context = dg.build_sensor_context(
        instance=instance, cursor=cursor, repository_def=definitions.get_repository_def(), sensor_name=name
    )
    tick = sensor.evaluate_tick(context)
    for entry in tick.log_key or ():
        assert entry
    return tick.cursor
