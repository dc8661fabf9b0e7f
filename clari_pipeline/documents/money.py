"""Money as people write it into a cell: `$3,000,190.00`, `-$1,200.00`, `($1,200.00)` [spec], `-2400000.0` [mdas].

One grammar: a sign, a currency and a number, the sign before or behind the currency, or brackets in its place; commas
between thousands, a point before decimals. What it does not know it refuses, and what can be read in two ways: 3.000 is
three here and three thousand there.
"""

from __future__ import annotations

import re
import unicodedata

from clari_pipeline.documents.currencies import CODES
from clari_pipeline.documents.rows import NoAmount

# Hyphens, dashes and minus signs, small and fullwidth ones; no tilde and no wave dash, which say "about".
_MINUS = "\\-\u02d7\u2010-\u2015\u2052\u207b\u208b\u2212\u2796\ufe58\ufe63\uff0d"
_MONEY = re.compile(
    rf"""
    (?P<sign>[(+{_MINUS}])? \s*
    (?P<currency>[^\s0-9.,()+{_MINUS}]+)? \s*
    (?P<late_sign>[(+{_MINUS}])? \s*
    (?P<number>
        [1-9][0-9]{{0,2}}(?:,[0-9]{{3}})+(?:\.[0-9]*)?
        | (?![1-9][0-9]{{0,2}}\.[0-9]{{3}}(?![0-9eE]))[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]{{1,3}})?
        | \.[0-9]+
    ) \s*
    (?P<end>\))?
    """,
    re.VERBOSE,
)


def money(text: str) -> tuple[str | None, str | None]:
    """The amount as a plain number, and its currency: a code of ISO 4217 in capitals, or a sign such as `$` or `US$`.

    Neither where the text is empty; of one that is no money the amount is a `NoAmount`, for the gate to name.
    """
    written = text.strip()
    if not written:
        return None, None
    found = _MONEY.fullmatch(written)
    currency = _currency(found["currency"]) if found and found["currency"] else None
    signs = [sign for sign in (found["sign"], found["late_sign"]) if sign] if found else []
    if (
        found is None
        or (found["currency"] and currency is None)
        or len(signs) > 1
        or ("(" in signs) != bool(found["end"])
    ):
        return NoAmount(text), None
    is_negative = signs not in ([], ["+"])
    return "-" * is_negative + found["number"].replace(",", ""), currency


def _currency(written: str) -> str | None:
    """A code in capitals, or a sign of Unicode's category Sc, which a country's one or two letters may stand before."""
    code = written.upper()
    if code in CODES:
        return code
    country, sign = code[:-1], code[-1]
    if unicodedata.category(sign) != "Sc" or len(country) > 2 or not all("A" <= letter <= "Z" for letter in country):
        return None
    narrow = unicodedata.normalize("NFKC", sign)  # the fullwidth yen is the yen
    return country + (narrow if len(narrow) == 1 else sign)
