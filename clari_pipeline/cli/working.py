"""What a command is doing, on a terminal: no silence longer than a breath."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from clari_pipeline.core.safe_text import PlainConsole


@contextmanager
def working(on: str, *, is_quiet: bool = False) -> Iterator[Callable[[str], None]]:
    """Show on a terminal's stderr what the block is doing; call what it yields with the next thing.

    Elsewhere than on a terminal, and with `is_quiet`, nothing is shown.
    """
    console = PlainConsole(stderr=True)
    if is_quiet or not console.is_terminal:
        yield lambda _next: None
        return
    with console.status(on) as status:
        yield status.update
