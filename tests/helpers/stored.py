"""Instances of Dagster's private records, deserialised from its storage format."""

import json
from typing import Any

import dagster as dg


def part(kind: str, **fields: Any) -> dict[str, Any]:
    """A record that is a field of another."""
    return {"__class__": kind, **fields}


def stored(kind: str, **fields: Any) -> Any:
    """The record of that kind."""
    return dg.deserialize_value(json.dumps(part(kind, **fields)))


def repository(port: int = 4000) -> dict[str, Any]:
    """The repository of a code server on this machine, as a field of other records."""
    server = part("GrpcServerRepositoryLocationOrigin", host="127.0.0.1", port=port, socket=None, location_name="clari")
    return part("ExternalRepositoryOrigin", repository_location_origin=server, repository_name="__repository__")
