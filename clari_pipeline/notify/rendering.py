"""Format amounts, and render templates as plain text, Markdown of several dialects, and HTML.

Names from a CRM are untrusted. Each Jinja environment escapes every printed value (`finalize`, `autoescape`): control
characters are dropped, and no name can add formatting, a link, a mention or markup.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from typing import Any

import jinja2

from clari_pipeline.core.safe_text import one_line

_CENT = Decimal("0.01")
_TENTH = Decimal("0.1")
_UNITS = ((Decimal(10**9), "B"), (Decimal(10**6), "M"), (Decimal(10**3), "k"))
_WORD_JOINER = "\u2060"
# Slack has no escape character, while CommonMark requires one: homoglyphs are plain text in both.
_LOOK_ALIKES = str.maketrans({"*": "∗", "`": "ˋ", "~": "∼", "|": "∣", "<": "‹", ">": "›", "\\": "∖"})
_EDGE_UNDERSCORE = re.compile(r"(?<![^\W_])_+|_+(?![^\W_])")
_MENTION = re.compile(r"(?<!\w)@")
_ENTITY = re.compile(r"&(?=#?\w+;)")
_WEB_ADDRESS = re.compile(r"(https?://\S+)")


def plain_in_markdown(value: object) -> str:
    """Escape text so that neither Slack nor CommonMark nor Discord takes it for formatting, a link or a mention."""
    text = one_line(value).translate(_LOOK_ALIKES).replace("](", f"]{_WORD_JOINER}(")
    # An underscore inside a word (2026_Q4) formats nothing, and is kept, so that the word can be copied.
    text = _EDGE_UNDERSCORE.sub(lambda found: "ˍ" * len(found[0]), text)
    return _ENTITY.sub(f"&{_WORD_JOINER}", _MENTION.sub("＠", text))


def slack_markdown(markdown: str) -> str:
    """Convert a message's Markdown for Slack and Google Chat, where one star is bold. Names contain no star."""
    return markdown.replace("**", "*")


def money(amount: Decimal, *, signed: bool = False) -> str:
    """`−12,400,000.00`: rounded half up to the cent, with U+2212 as minus, and a plus if `signed`."""
    return _signs(f"{amount.quantize(_CENT, ROUND_HALF_UP):{'+' if signed else ''},.2f}")


def percent(fraction: Decimal, *, signed: bool = False, places: int = 1) -> str:
    """`−23.4 %` of the fraction −0.234."""
    shown = (fraction * 100).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
    return _signs(f"{shown:{'+' if signed else ''},.{places}f}") + " %"


def compact(amount: Decimal, *, beside: Decimal | None = None, signed: bool = False) -> str:
    """`12.4M`, `850k`; in the unit of the amount `beside` it unless that is less than 0.1 of it."""
    size = abs(amount)
    for unit, letter in _UNITS:
        is_beside = beside is not None and abs(beside) >= unit and size >= unit * _TENTH
        # The unit changes 0.05 % early, so that 999,960 is 1M and not 1000k.
        if size >= unit - unit * Decimal("0.0005") or is_beside:
            places = Decimal(1) if letter == "k" and size >= 100 * unit else _TENTH
            shown = (amount / unit).quantize(places, ROUND_HALF_UP)
            return _signs(f"{_short(shown):{'+' if signed else ''},f}{letter}")
    return _signs(f"{_short(amount.quantize(_CENT, ROUND_HALF_UP)):{'+' if signed else ''},f}")


def moment(when: datetime) -> str:
    """`2026-10-06 06:00 UTC`, of a moment in any zone."""
    return when.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def render(name: str, **shown: Any) -> tuple[str, str, str]:
    """Render the three templates of a name; returns text, Markdown and HTML."""
    text, markdown, html = (
        environment.get_template(f"{name}.{ending}.j2").render(**shown)
        for ending, environment in (
            ("txt", _environment(autoescape=False, finalize=one_line)),
            ("md", _environment(autoescape=False, finalize=_markdown_of)),
            ("html", html_environment()),
        )
    )
    return _tidy(text), _tidy(markdown), html.strip() + "\n"


def html_environment(*packages: str) -> jinja2.Environment:
    """The Jinja environment for HTML, with the templates of these packages and of this one."""
    return _environment(*packages, autoescape=True, finalize=_html_of)


@cache
def _environment(*packages: str, autoescape: bool, finalize: Callable[[Any], object]) -> jinja2.Environment:
    environment = jinja2.Environment(
        # By package name, so that templates are found inside an installed wheel, too.
        loader=jinja2.ChoiceLoader([jinja2.PackageLoader(name) for name in (*packages, "clari_pipeline.notify")]),
        autoescape=autoescape,  # noqa: S701 - on for HTML; `finalize` escapes text and Markdown
        finalize=finalize,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "money": money,
        "change": lambda amount: money(amount, signed=True),
        "percent": percent,
        "pct_change": lambda fraction: percent(fraction, signed=True),
        "moment": moment,
        "ratio": lambda ratio: _signs(f"{ratio:.4f}"),
        "where": _Where,
        "is_web_address": lambda text: _WEB_ADDRESS.fullmatch(text) is not None,
    }
    return environment


def _html_of(value: Any) -> object:
    return value if hasattr(value, "__html__") else one_line(value)


class _Where(str):
    """A trusted line that says where to look: its URLs are not escaped in Markdown."""

    __slots__ = ()


def _markdown_of(value: object) -> str:
    if not isinstance(value, _Where):
        return plain_in_markdown(value)
    parts = _WEB_ADDRESS.split(str(value))
    return " ".join(part if _WEB_ADDRESS.fullmatch(part) else plain_in_markdown(part) for part in parts if part.strip())


def _tidy(text: str) -> str:
    return re.sub(r"\n{3,}", "\n\n", re.sub(r"[ \t]+\n", "\n", text)).strip() + "\n"


def _short(amount: Decimal) -> Decimal:
    return amount.to_integral_value() if amount == amount.to_integral_value() else amount


def _signs(figure: str) -> str:
    # U+2212 does not break at the end of a line as a hyphen does; zero has no sign.
    nothing = not any(digit in figure for digit in "123456789")
    return figure.lstrip("+-") if nothing else figure.replace("-", "−")
