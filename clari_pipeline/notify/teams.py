"""A message as one Adaptive Card of Teams, which takes some 28 KB; Apprise would split it at 1,000 characters."""

import json
import re
from pathlib import Path
from typing import Any

CARD = Path(__file__).parent / "templates" / "teams_card.json"
"""A card whose title and text wrap; Apprise's own cuts a long title off."""
_CARD_BYTES = 28 * 1024
_FRAME_BYTES = 3 * 1024  # the card around the text, and the title
_ESCAPED_BYTES = 12  # of the longest character in JSON
_ITEM = re.compile(r"^(?=- \*\*)", re.MULTILINE)
_TAIL = "\nWhere to look:\n"


def prepare(service: Any) -> None:
    """Have Apprise's plugin send one card, ours unless the address names a template."""
    service.body_maxlen = _CARD_BYTES
    if not service.template:
        service.template.add(str(CARD))


def card_text(markdown: str, *, most: int = _CARD_BYTES - _FRAME_BYTES) -> str:
    """The Markdown of a message within `most` bytes of JSON: what does not fit is counted, where to look stays.

    Adaptive Cards know no code: the backticks are dropped. Names contain none.
    """
    markdown = markdown.replace("`", "")
    if _size(markdown) <= most:
        return markdown
    text, separator, tail = markdown.rpartition(_TAIL)
    tail = separator + tail
    start, *items = _ITEM.split(text)
    for kept in range(len(items) - 1, 0, -1):
        more = f"and {len(items) - kept} more: clari-pipeline alerts list\n"
        shown = "".join([start, *items[:kept], more, tail])
        if _size(shown) <= most:
            return shown
    return f"{text[: (most - _size(tail)) // _ESCAPED_BYTES]}… (clari-pipeline alerts list shows all)\n{tail}"


def _size(text: str) -> int:
    return len(json.dumps(text))
