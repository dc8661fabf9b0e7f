"""What an engine is and can do, known without its driver: nothing outside an engine's folder compares its name."""

from __future__ import annotations

from dataclasses import dataclass
from pkgutil import resolve_name
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clari_pipeline.warehouse.session import Warehouse


@dataclass(frozen=True, slots=True)
class Capabilities:
    """Facts by which the rest of the pipeline decides; those of a server unless an engine says otherwise."""

    is_file: bool = False
    """It is one file on this machine, made where its folder may be written."""
    is_copied: bool = False
    """`Warehouse.copied` leaves a file that people read beside the warehouse, and that a backup holds."""
    has_one_writer: bool = False
    """One process at a time may have it open: those who write it are queued before they start."""
    is_experimental: bool = False
    """It has been run against an emulator alone."""


@dataclass(frozen=True, slots=True)
class Engine:
    """One kind of warehouse. Each engine's folder declares its own; `registry` lists them."""

    name: str
    """As backups, assets' kinds, the extra of the package and files `sql/<name>.<engine>.sql` have it."""
    title: str
    """The product's name, for people."""
    schemes: tuple[str, ...]
    """What an address of it begins with, before `://`."""
    implementation: str
    """Its `Warehouse` as `module:class`, imported when one is opened: drivers are extras."""
    capabilities: Capabilities = Capabilities()

    def load(self) -> type[Warehouse]:
        """The class of its warehouses. Raises `ImportError` where its driver is not installed."""
        found: type[Warehouse] = resolve_name(self.implementation)
        return found
