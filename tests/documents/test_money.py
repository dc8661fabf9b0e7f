"""The grammar of money in a CSV, against a model that knows none: it writes amounts, and so knows what they are."""

import unicodedata
from decimal import Decimal
from itertools import product

from hypothesis import example, given, settings
from hypothesis import strategies as st

from clari_pipeline.documents.control_totals import number_in_cell
from clari_pipeline.documents.money import parse_money
from clari_pipeline.documents.rows import NoAmount, amount_of
from tests.documents.conftest import read
from tests.documents.test_long_csv import LINE, entry_of, read_line, written
from tests.helpers.each_case import try_each

# Hyphens, dashes and minus signs, small and fullwidth.
MINUS = "-\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u207b\u208b\u2796\ufe58\ufe63\uff0d"
CURRENCIES = {"": None, "$": "$", "€": "€", "US$": "US$", "us$": "US$", "CHF": "CHF", "eur": "EUR", "\uff04": "$"}
BLANKS = st.sampled_from(["", "", " ", "\u00a0", "\u202f", "\u2009", "\u3000", "\t"])
OTHERS = "~\u301c#<>%*=?!/\\'\"_&@^|;:[]{}\u200e\u00ad\u00b1\u2213\u2296\u02dc\u2248\uff5e\u00b0xXké\u0661\u00bd"
MONEY = {
    "$3,000,190.00": "3000190.00", "-$1,200.00": "-1200.00", "($1,200.00)": "-1200.00", "¥1,200": "1200",
    "$-1,200.00": "-1200.00", "€1,200.00": "1200.00", "US$5": "5", "CHF 5.5": "5.5", "5": "5", "-0.5": "-0.5",
    "$.50": ".50", "$0.00": "0.00", " $1.25 ": "1.25", "1234567.8901": "1234567.8901", "0.125": "0.125",
    "$99,999,999,999,999.9999": "99999999999999.9999", "$1,234.567": "1234.567", "1234.567": "1234.567",
    "2.4E7": "2.4E7", "+5": "5", "$(1,200.00)": "-1200.00", "- $ 1,200.00": "-1200.00", "": None, "  ": None,
    **{form.format(minus): "-1200.00" for minus in MINUS for form in ("{}$1,200.00", "$ {}1,200.00")},
}  # fmt: skip
NO_MONEY = (
    "12,5oo", "1,20", "1.200,00", "$", "($5", "$5)", "--5", "-$-5", "(-$5)", "1 200", "$1,2000", ",5", "5-5", "1.2.3",
    "n/a", "$5 USD", "1,234,56", "0x10",
)  # fmt: skip
# No mark before an amount is passed over, and no size is guessed.
MARKED = (
    "~1,200", "\u301c1,200", "#1200", "<5", "%12", "abc5", "ABC5", "=5", "'5", "\u200e5", "\xb15", "+-5", "US5",
    "kr 5", "AUS$5", "€3.000", "3.000", "-512.125", "$0,500", "1'200", "\uff11\uff12", "1,200.00-", "[5]", "$,5",
    "\u20bd", "$1.2E", "\u2296 5",
)  # fmt: skip


def test_money_is_read_and_what_is_none_stays_as_it_stands_for_the_gate_to_name():
    for text, number in MONEY.items():
        assert parse_money(text)[0] == number, text

    def check(text: str) -> None:
        assert parse_money(text) == (text, None)
        document = read_line(Data_Value=text)
        assert entry_of(document, "forecast_value") is None
        assert document.unreadable == [("forecast_value", text)]
        assert text in MARKED or document.exact_totals == {}

    try_each((*NO_MONEY, *MARKED), check)


def test_what_stands_before_an_amount_is_its_currency():
    currencies = {
        "$5": "$", "-€1,200.00": "€", "usd 5": "USD", "USD5": "USD", "(CHF 5.5)": "CHF", "us$5": "US$",
        "\uffe575,000": "¥", "₩5": "₩", "5": None, "": None,
    }  # fmt: skip

    def check(text: str) -> None:
        assert parse_money(text)[1] == currencies[text]
        assert entry_of(read_line(Data_Value=text), "currency_code") == currencies[text]
        named = read(written([LINE | {"Data Value": text}]), currency="GBP")
        assert entry_of(named, "currency_code") == "GBP"

    try_each(currencies, check)


@st.composite
def amounts(draw: st.DrawFn) -> tuple[str, Decimal | None, str | None]:
    """A writing, the amount and the currency that it stands for; None where a second amount could be meant."""
    whole = draw(st.integers(0, 10 ** draw(st.integers(1, 14)) - 1))
    decimals = draw(st.text("0123456789", max_size=6))
    is_grouped = draw(st.booleans()) and whole >= 1000
    digits = (f"{whole:,}" if is_grouped else str(whole)) + (
        f".{decimals}" if decimals else draw(st.sampled_from(["", "."]))
    )
    amount = Decimal(f"{whole}.{decimals or 0}")
    if len(decimals) == 3 and 1 <= whole <= 999:
        amount = None
    currency = draw(st.sampled_from(list(CURRENCIES)))
    minus, blank, other = draw(st.sampled_from(MINUS)), draw(BLANKS), draw(BLANKS)
    writing, is_negative = draw(
        st.sampled_from(
            [
                (f"{currency}{blank}{digits}", False),
                (f"{minus}{blank}{currency}{other}{digits}", True),
                (f"{currency}{blank}{minus}{other}{digits}", True),
                (f"({blank}{currency}{digits}{other})", True),
                (f"{currency}{blank}({digits})", True),
                (f"+{currency}{digits}", False),
            ]
        )
    )
    return blank + writing + other, amount and (-amount if is_negative else amount), CURRENCIES[currency]


@settings(max_examples=100, deadline=None)
@given(amounts())
def test_whatever_is_written_is_read_as_it_was_meant_or_not_at_all(drawn):
    writing, amount, currency = drawn
    found, found_currency = parse_money(writing)
    if amount is None:
        assert isinstance(found, NoAmount)
    else:
        assert (Decimal(found), found_currency) == (amount, currency)


@settings(max_examples=100, deadline=None)
@given(amounts(), st.sampled_from(OTHERS) | st.characters(exclude_categories=["Cs", "Zs"]), st.integers(0, 40))
def test_a_mark_too_many_is_never_passed_over(drawn, mark, place):
    """It is part of the amount, of its sign or of its currency, or the amount is refused."""
    writing, _, _ = drawn
    marked = writing[:place] + mark + writing[place:]
    found, currency = parse_money(marked)
    if isinstance(found, NoAmount) or mark.isspace():
        return
    is_known = mark in "0123456789.,()+" + MINUS + "\u02d7\u2052" or unicodedata.category(mark) == "Sc"
    assert is_known or (mark.isascii() and mark.isalpha() and (currency or mark in "eE"))


@given(st.text())
def test_money_never_fails(text):
    read_back, currency = parse_money(text)
    assert (read_back is None) == (not text.strip())
    assert currency is None or read_back


@settings(max_examples=150, deadline=None)
@given(
    st.text(st.sampled_from("0123456789.,,..-\u2212\u2013()+$€ \u00a0eEUSD~"), max_size=12)
    | amounts().map(lambda one: one[0])
)
@example("1e5")
@example("($1,234.5678)")
def test_control_totals_see_what_the_grammar_sees_by_code_of_their_own(text):
    found, _ = parse_money(text)
    if found is not None and not isinstance(found, NoAmount):
        counted = number_in_cell(text)
        assert counted is not None
        assert amount_of(counted) == amount_of(found)


def test_every_writing_of_a_sign_is_counted_right_at_once():
    """By DuckDB, without the count letter by letter."""
    amounts = [f"{sign}{currency}1,200.50" for sign, currency in product(MINUS, ("", "$", "EUR "))]
    lines = [
        LINE | {"Field": f"f{number}", "Data Value": amount} for number, amount in enumerate([*amounts, "($1,200.50)"])
    ]
    document = read(written(lines))
    assert document.control_totals == document.exact_totals
    assert {total.total for total in document.control_totals.values()} == {Decimal("-1200.50")}
    assert set(document.entries["forecast_value"].to_pylist()) == {Decimal("-1200.50")}
