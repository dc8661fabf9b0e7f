"""An engine's name and capabilities, without importing its driver. Code outside its folder never compares its name."""

from __future__ import annotations

from dataclasses import dataclass
from pkgutil import resolve_name
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clari_pipeline.warehouse.session import Warehouse


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an engine can do; the defaults are those of a server."""

    is_file: bool = False
    """It is one file on this machine, created where its folder is writable."""
    is_copied: bool = False
    """`Warehouse.copied` writes a file, for people to read beside the warehouse and for backups."""
    has_one_writer: bool = False
    """One process at a time can write it: runs that write are queued before they start."""
    is_experimental: bool = False
    """It has been run against an emulator alone."""


@dataclass(frozen=True, slots=True)
class Engine:
    """One kind of warehouse. Each engine's folder declares its own; `registry` lists them."""

    name: str
    """Short name: in backups, in assets' kinds, of the package's extra, and in file names `sql/<name>.<engine>.sql`."""
    title: str
    """The product's name, for people."""
    schemes: tuple[str, ...]
    """Schemes of its URLs."""
    implementation: str
    """Its `Warehouse` as `module:class`, imported when one is opened: drivers are extras."""
    capabilities: Capabilities = Capabilities()

    def load(self) -> type[Warehouse]:
        """The class of its warehouses. Raises `ImportError` where its driver is not installed."""
        found: type[Warehouse] = resolve_name(self.implementation)
        return found
