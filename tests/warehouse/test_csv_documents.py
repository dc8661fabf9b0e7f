"""CSV documents in the warehouse: currencies, and people without ids. How money is read stands in tests/documents."""

from pathlib import Path

import pytest

from clari_pipeline.core.periods import Quarter
from tests.helpers.csv_lines import csv_line, csv_of
from tests.helpers.each_case import try_each
from tests.helpers.forecast import Forecast, broken
from tests.helpers.house import QUARTER, House, document, entry, moment, person


def test_the_sign_before_its_amounts_is_the_currency_of_a_csv(forecast: Forecast) -> None:
    """The same code in small letters is no other currency."""
    for day, ann, bob in ((24, "$500.00", "USD 500.00"), (25, "¥75,000", "usd 500.00")):
        lines = csv_line(ann), csv_line(bob, name="Bob", email="bob@corp.test", crm="005B", roles="Rep,CRO")
        outcome = forecast.bring(csv_of(*lines), moment(10, day))
    assert broken(outcome).keys() == {"currency_is_stable"}
    assert forecast.by("user_id", "forecast_swing", "reason", "is_swing") == {
        "ann@corp.test": ("currency_changed", False),
        "bob@corp.test": (None, False),
    }
    currencies = forecast.by("user_id", "forecast_entry", "currency_code")
    assert currencies == {"ann@corp.test": "¥", "bob@corp.test": "USD"}


def test_the_currency_that_was_asked_for_is_that_of_a_csv(forecast: Forecast) -> None:
    forecast.bring(csv_of(csv_line("$500.00")), moment(10, 24), currency="CAD")
    assert forecast.row("forecast_entry")["currency_code"] == "CAD"


def test_the_currency_of_a_csv_from_elsewhere_is_the_one_that_is_set(tmp_path: Path) -> None:
    """Nobody knows what it was asked for, and what stands before its amounts is no code."""
    file = tmp_path / "delivered.csv"
    file.write_bytes(csv_of(csv_line("$500.00")))
    for currency, known in ((None, "$"), ("cad", "CAD")):
        house = House(tmp_path, currency=currency)
        with house.context.landing.arriving(file) as arriving:
            house.replay_document(
                arriving,
                forecast_id="north",
                quarter=Quarter.parse(QUARTER),
                exported_at=moment(10, 24),
                run_id="run",
            )
        assert house.value("select currency_code from clari.forecast_entry") == known


@pytest.mark.parametrize("crm", ["005A", ""], ids=["with a CRM id", "without"])
def test_one_email_under_two_roles_is_two_people(forecast: Forecast, crm: str) -> None:
    """Who had one role keeps its id once there are two, and each of two keeps its own where one is left; they are told
    apart by what `CLARI_TOP_USER` can name one of them by.
    """
    east, west = (
        csv_line(call, crm=crm, roles=f"{role},") for call, role in (("$100.00", "VP East"), ("$250.00", "VP West"))
    )
    both = Forecast(forecast.house, "both")
    outcome = both.bring(csv_of(east, west), moment(10, 24))
    calls = {"ann@corp.test (VP East)": 100, "ann@corp.test (VP West)": 250}
    assert both.by("user_id", "forecast_entry", "forecast_value") == calls
    assert "ann@corp.test (VP East) and ann@corp.test (VP West)" in broken(outcome)["people_are_distinct"]["summary"]
    shown = broken(outcome)["totals_have_one_top"]["summary"]
    assert "(ann@corp.test (VP East), ann@corp.test (VP West))" in shown

    for day, lines in enumerate(([east], [east, west], [west], [east, west]), start=21):
        assert forecast.bring(csv_of(*lines), moment(10, day)).export.state == "LOADED"
    swings = "select job_id, user_id, reason from clari.forecast_swing where baseline = 'sync' order by all"
    first, other = "ann@corp.test", "ann@corp.test (VP West)"
    _, together, alone, again = forecast.jobs
    found = forecast.house.tuples(swings)
    assert found == [
        (together, other, "new"),
        (alone, first, "disappeared"),
        (again, first, "new"),
        (again, other, None),
    ]
    forecast.house.replay([], [forecast.name])
    assert forecast.house.tuples(swings) == found


# The code that JSON gives of a person, the sign before their amounts in a CSV, and the currency that stands then.
SAME = [
    ("USD", "$", "USD"),
    ("CAD", "$", "CAD"),
    ("EUR", "€", "EUR"),
    ("USD", "US$", "USD"),
    (" usd ", "USD ", "USD"),
]
OTHERS = [("USD", "€", "€"), ("USD", "CA$", "CA$"), ("USD", "¥", "¥")]


def test_a_sign_that_a_known_code_may_stand_behind_is_no_change(house: House) -> None:
    """Exports change from JSON to CSV; each person's sign is held against the code that is known of them."""

    def check(case: tuple[list[tuple[str, str, str]], list[str]]) -> None:
        known, changed = case
        forecast = Forecast(house, " ".join(changed) or "unchanged")
        who = [f"p{number}" for number in range(len(known))]
        people = [person(one, role=one, parent=None if one == "p0" else "p0") for one in who]
        shown = [entry(one, "W04", call=5, currency=code) for one, (code, _, _) in zip(who, known, strict=True)]
        forecast.bring(document(*shown, people=people), moment(10, 24))
        lines = [
            csv_line(
                f"{sign}5.00",
                name=one["name"],
                email=one["email"],
                crm=one["crmId"],
                roles=f"{one['hierarchyName']},{one['parentHierarchyName']}",
            )
            for one, (_, sign, _) in zip(people, known, strict=True)
        ]
        outcome = forecast.bring(csv_of(*lines), moment(10, 25))
        assert list(broken(outcome)) == (["currency_is_stable"] if changed else [])
        assert [sign for sign in changed if sign not in str(broken(outcome))] == []
        currencies = forecast.by("user_id", "forecast_vs_quota", "currency_code")
        assert currencies == {one: currency for one, (_, _, currency) in zip(who, known, strict=True)}

    try_each([(SAME, []), (OTHERS, ["€", "CA$", "¥"])], check)
