"""A Clari API on this machine: an invented sales company, and every way in which an export has gone wrong."""

from .answers import Fault
from .faults import SCENARIOS
from .server import Sandbox, Seen

__all__ = ["SCENARIOS", "Fault", "Sandbox", "Seen"]
