"""Which currencies a sign of money may stand for."""

from __future__ import annotations

from collections.abc import Iterable

_ISO_4217 = """
AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CLF
CLP CNH CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HRK
HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA
MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB
RWF SAR SBD SCR SDG SEK SGD SHP SLE SLL SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD
UYU UZS VED VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG ZWL
"""
CODES = frozenset(_ISO_4217.split())
_SHARED = {
    "$": "ARS AUD BBD BMD BND BSD BZD CAD CLP COP CUP CVE DOP FJD GYD HKD JMD KYD LRD MXN NAD NIO NZD SBD SGD SRD TOP "
    "TTD TWD USD UYU WST XCD ZWL",
    "£": "EGP FKP GBP GIP LBP SDG SHP SSP SYP",
    "¥": "CNH CNY JPY",
    "€": "EUR",
    "₹": "INR",
    "₩": "KPW KRW",
    "₽": "RUB",
    "₺": "TRY",
    "₫": "VND",
    "₪": "ILS",
    "฿": "THB",
    "₱": "CUP PHP",
    "₴": "UAH",
    "₦": "NGN",
    "₡": "CRC SVC",
    "₲": "PYG",
    "₸": "KZT",
    "₮": "MNT",
    "₭": "LAK",
    "₵": "GHS",
    "₾": "GEL",
    "₼": "AZN",
    "৳": "BDT",
    "៛": "KHR",
    "﷼": "IRR OMR QAR SAR YER",
    "₨": "INR LKR MUR NPR PKR SCR",
    "A$": "AUD",
    "B$": "BND BSD",
    "C$": "CAD NIO",
    "J$": "JMD",
    "R$": "BRL",
    "S$": "SGD",
    "Z$": "ZWL",
    "NT$": "TWD",
    "E£": "EGP",
}
_STANDS_FOR = {sign: frozenset(codes.split()) for sign, codes in _SHARED.items()}


def may_be(currency: str) -> frozenset[str]:
    """The codes that a currency, a code or a sign, may stand for; itself alone where nobody knows."""
    if currency in _STANDS_FOR:
        return _STANDS_FOR[currency]
    country, sign = currency[:-1], currency[-1:]
    if sign in _STANDS_FOR and len(country) == 2:
        codes = frozenset(code for code in CODES if code[:2] == country) & (_STANDS_FOR[sign] | {"BRL"})
        return codes or frozenset({currency})
    return frozenset({currency})


def known_as(sign: str, others: Iterable[str]) -> str | None:
    """The one of `others` that says more closely which currency `sign` is; None where none does, or several do."""
    closer = {other for other in others if may_be(other) < may_be(sign) or (other in CODES and may_be(sign) == {other})}
    closer.discard(sign)
    return closer.pop() if len(closer) == 1 else None
