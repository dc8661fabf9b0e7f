"""Parse money as people write it into a cell: `$3,000,190.00`, `-$1,200.00`, `($1,200.00)` [spec], `-2400000.0` [mdas].

One grammar: a sign, a currency and a number, the sign before or behind the currency, or brackets in its place; commas
between thousands, a point before decimals. Anything else is refused, and so is what is ambiguous: 3.000 is three in one
country and three thousand in another.
"""

import re
import unicodedata
from collections.abc import Iterable

from clari_pipeline.documents.rows import NoAmount

_ISO_4217 = """
AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CLF
CLP CNH CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HRK
HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA
MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB
RWF SAR SBD SCR SDG SEK SGD SHP SLE SLL SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD
UYU UZS VED VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG ZWL
"""
_CODES = frozenset(_ISO_4217.split())
# Each sign with the codes that it may stand for, separated by bars.
_SIGNS = """
$ ARS AUD BBD BMD BND BSD BZD CAD CLP COP CUP CVE DOP FJD GYD HKD JMD KYD LRD MXN NAD NIO NZD SBD SGD SRD TOP TTD TWD
  USD UYU WST XCD ZWL
| £ EGP FKP GBP GIP LBP SDG SHP SSP SYP | ¥ CNH CNY JPY | ₩ KPW KRW | ₱ CUP PHP | ₡ CRC SVC | ﷼ IRR OMR QAR SAR YER
| ₨ INR LKR MUR NPR PKR SCR | B$ BND BSD | C$ CAD NIO | A$ AUD | J$ JMD | R$ BRL | S$ SGD | Z$ ZWL | NT$ TWD | E£ EGP
| € EUR | ₹ INR | ₽ RUB | ₺ TRY | ₫ VND | ₪ ILS | ฿ THB | ₴ UAH | ₦ NGN | ₲ PYG | ₸ KZT | ₮ MNT | ₭ LAK | ₵ GHS | ₾ GEL
| ₼ AZN | ৳ BDT | ៛ KHR
"""
_STANDS_FOR = {sign: frozenset(codes) for sign, *codes in map(str.split, _SIGNS.split("|"))}
# Hyphens, dashes and minus signs, small and fullwidth ones; no tilde and no wave dash, which mean "about".
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


def parse_money(text: str) -> tuple[str | None, str | None]:
    """The amount as a plain number, and its currency: a code of ISO 4217 in capitals, or a sign such as `$` or `US$`.

    Both are None for an empty text. Of a text that is no money the amount is a `NoAmount`, which the gate refuses.
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


def specific_currency(sign: str, others: Iterable[str]) -> str | None:
    """The one of `others` that is a more specific sign or code for `sign`; None where none is, or several are."""
    mine = _codes_of(sign)
    closer = {other for other in others if _codes_of(other) < mine or (other in _CODES and mine == {other})}
    closer.discard(sign)
    return closer.pop() if len(closer) == 1 else None


def _codes_of(currency: str) -> frozenset[str]:
    """The codes that a currency (a code or a sign) may stand for; itself alone where that is unknown."""
    if currency in _STANDS_FOR:
        return _STANDS_FOR[currency]
    country, sign = currency[:-1], currency[-1:]
    if sign in _STANDS_FOR and len(country) == 2:
        codes = frozenset(code for code in _CODES if code[:2] == country) & (_STANDS_FOR[sign] | {"BRL"})
        return codes or frozenset({currency})
    return frozenset({currency})


def _currency(written: str) -> str | None:
    """A code in capitals, or a sign of Unicode's category Sc, which a country's one or two letters may stand before."""
    code = written.upper()
    if code in _CODES:
        return code
    country, sign = code[:-1], code[-1]
    if unicodedata.category(sign) != "Sc" or len(country) > 2 or not all("A" <= letter <= "Z" for letter in country):
        return None
    narrow = unicodedata.normalize("NFKC", sign)  # the fullwidth yen is the yen
    return country + (narrow if len(narrow) == 1 else sign)
