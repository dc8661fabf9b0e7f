"""Sanitise untrusted text for a terminal, a mail, a chat, a web page, or a spreadsheet.

Names come from a CRM, messages from Clari and from proxies before it. Control characters and escape sequences can
control a terminal; bidirectional overrides display a text in another order than it has.
"""

import json
import re
from typing import Any

from rich.console import Console
from rich.text import Text

_CONTROLS = "\\x00-\\x1f\\x7f-\\x9f\\u2028\\u2029"  # with Unicode's line and paragraph separators
_DROPPED = "\\u202a-\\u202e\\u2066-\\u2069\\ud800-\\udfff"  # bidirectional embeddings, overrides, isolates; surrogates
_CONTROL, _DROP = re.compile(f"[{_CONTROLS}]"), re.compile(f"[{_DROPPED}]")
_NOT_IN_JSON = re.compile(f"[\\x7f-\\x9f\\u2028\\u2029{_DROPPED}]")
_BLANKS = re.compile(" {2,}")
_FORMULA = re.compile(r"[\s\u200b\u2060\ufeff]*[=+\-@＝＋－＠]")
_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?")


def printable(value: object) -> str:
    """Replace each control character by a space, and drop bidirectional controls and surrogates."""
    return _DROP.sub("", _CONTROL.sub(" ", str(value)))


def one_line(value: object) -> str:
    """Printable text, stripped, with runs of spaces collapsed."""
    return _BLANKS.sub(" ", printable(value)).strip()


def json_text(document: Any, **options: Any) -> str:
    """Serialise JSON for a terminal: characters that are not printable are escaped."""
    text = json.dumps(document, ensure_ascii=False, **options)
    return _NOT_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def spreadsheet_cell(text: str) -> str:
    """Printable text, with a leading apostrophe where a spreadsheet would run it as a formula; numbers stay numbers."""
    shown = printable(text)
    is_formula = text[:1] in {"\t", "\r", "\n"} or _FORMULA.match(shown)
    return f"'{shown}" if is_formula and not _NUMBER.fullmatch(text) else shown


def print_line(line: str) -> None:
    """Print a line of a command's answer on standard output."""
    print(printable(line))  # noqa: T201 - the command's output


def print_json(document: Any) -> None:
    """Print the one JSON document of `--json` on standard output."""
    print(json_text(document, indent=1))  # noqa: T201


class PlainConsole(Console):
    """Rich's console for untrusted text: no markup or emoji codes are interpreted, and all of it is made printable."""

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """Called by Rich for each string that it prints: lines, and cells of tables."""
        return super().render_str(printable(text), **options)
