"""What somebody who mistyped a name has likely meant."""

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The known name that is most like a mistyped one, as the end of a sentence; empty where none is."""
    alike = get_close_matches(name, list(known), n=1)
    return f": did you mean {alike[0]}?" if alike else ""
