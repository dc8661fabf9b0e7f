"""A Clari API on this machine: an invented sales company, and every way in which an export has gone wrong."""

from .answers import Fault
from .chaos import Chaos
from .faults import SCENARIOS
from .jobs import Export
from .server import Sandbox, Seen

__all__ = ["SCENARIOS", "Chaos", "Export", "Fault", "Sandbox", "Seen"]
