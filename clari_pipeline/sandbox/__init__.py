"""A fake Clari API on loopback, for an invented sales company, with scenarios for every known fault of an export."""

from .answers import Fault
from .chaos import Chaos
from .faults import SCENARIOS
from .jobs import Export
from .server import ReceivedRequest, Sandbox

__all__ = ["SCENARIOS", "Chaos", "Export", "Fault", "ReceivedRequest", "Sandbox"]
