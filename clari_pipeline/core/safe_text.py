"""Make text safe to show: in a terminal, a mail, a chat, a page, a file for a spreadsheet.

Names come from a CRM, messages from Clari and from proxies before it: they may hold anything. Control characters and
escape sequences would do something to a terminal, bidirectional overrides would show one thing and be another.
"""

import json
import re
from typing import Any

from rich.console import Console
from rich.text import Text

_CONTROLS = "\\x00-\\x1f\\x7f-\\x9f\\u2028\\u2029"  # lines and paragraphs of Unicode among them
_DROPPED = (
    "\\u202a-\\u202e\\u2066-\\u2069\\ud800-\\udfff"  # bidirectional embeddings, overrides, isolates; half characters
)
_CONTROL, _DROP = re.compile(f"[{_CONTROLS}]"), re.compile(f"[{_DROPPED}]")
_NOT_IN_JSON = re.compile(f"[\\x7f-\\x9f\\u2028\\u2029{_DROPPED}]")
_BLANKS = re.compile(" {2,}")
_FORMULA = re.compile(r"[\s\u200b\u2060\ufeff]*[=+\-@＝＋－＠]")
_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?")


def printable(value: object) -> str:
    """Replace each control character by a blank, and drop what changes the direction of reading."""
    return _DROP.sub("", _CONTROL.sub(" ", str(value)))


def one_line(value: object) -> str:
    """Printable text without blanks around it, and with one where there were several."""
    return _BLANKS.sub(" ", printable(value)).strip()


def json_text(document: Any, **options: Any) -> str:
    """Write JSON for a terminal: what is not printable stands in it as an escape."""
    text = json.dumps(document, ensure_ascii=False, **options)
    return _NOT_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def spreadsheet_cell(text: str) -> str:
    """Text that a spreadsheet does not take for a formula; a number stays one."""
    shown = printable(text)
    is_formula = text[:1] in {"\t", "\r", "\n"} or _FORMULA.match(shown)
    return f"'{shown}" if is_formula and not _NUMBER.fullmatch(text) else shown


def print_line(line: str) -> None:
    """Print a line of a command's answer on standard output."""
    print(printable(line))  # noqa: T201 - this is what people read


def print_json(document: Any) -> None:
    """Print the one JSON document of `--json` on standard output."""
    print(json_text(document, indent=1))  # noqa: T201


class PlainConsole(Console):
    """Rich's console for texts of anybody's: nothing in them formats, and all of it is printable."""

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """Rich calls this for whatever is printed: lines, and the cells of tables."""
        return super().render_str(printable(text), **options)
