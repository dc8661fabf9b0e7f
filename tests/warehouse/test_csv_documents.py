"""CSV documents in the warehouse: signs of money, currencies, people without ids."""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from clari_pipeline.core.periods import Quarter
from clari_pipeline.sync.outcomes import Outcome
from tests.helpers.forecast import Forecast, shared_house
from tests.helpers.house import QUARTER, House, moment

HEADER = "User,Email,CRM User ID,Role,Parent Role,Timeframe,Field,Week,Start Day,End Day,Data Type,Data Value"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One warehouse for this module, each test a forecast of its own in it."""
    with shared_house(tmp_path_factory.mktemp("csv")) as house:
        yield house


@pytest.fixture
def forecast(shared: House) -> Forecast:
    return Forecast(shared, f"forecast-{shared.exports}")


def line(amount: str, *, email: str = "ann@corp.test", crm: str = "005A", role: str = "CRO") -> str:
    return f'Ann,{email},{crm},{role},,Q4 FY 2026,Commit,4,10/22/2026,10/28/2026,Forecast Value,"{amount}"'


def bring(forecast: Forecast, at: datetime, *lines: str, **request: Any) -> Outcome:
    return forecast.bring("\n".join([HEADER, *lines]).encode(), at, **request)


def broken(outcome: Outcome) -> dict[str, Any]:
    assert outcome.verdicts
    return {one.check_name: one.evidence for one in outcome.verdicts if not one.passed}


def test_the_sign_that_is_written_decides(forecast: Forecast) -> None:
    amounts = ("\u2212$1,200.00", "$\u22121,200.00", "\u2013$1,200.00", "-$1,200.00", "($1,200.00)", "$1,200.00")
    lines = [line(amount, email=f"{number}@corp.test", crm="") for number, amount in enumerate(amounts)]
    outcome = bring(forecast, moment(10, 24), *lines)
    assert outcome.export.state == "LOADED"
    kept = {row["user_id"][0]: row["forecast_value"] for row in forecast.rows("forecast_entry")}
    assert kept == {**{str(number): Decimal(-1200) for number in range(5)}, "5": Decimal(1200)}


def test_what_may_be_another_amount_is_refused_by_name(forecast: Forecast) -> None:
    amounts = ("~1,200", "€3.000", "#1200")
    lines = [line(amount, email=f"{number}@corp.test", crm="") for number, amount in enumerate(amounts)]
    outcome = bring(forecast, moment(10, 24), line("$5"), *lines)
    assert outcome.export.state == "REFUSED"
    assert {one["written"] for one in broken(outcome).pop("amounts_are_readable")["entries"]} == set(amounts)


def test_the_sign_before_its_amounts_is_the_currency_of_a_csv(forecast: Forecast) -> None:
    bring(forecast, moment(10, 24), line("$500.00"))
    outcome = bring(forecast, moment(10, 25), line("¥75,000"))
    assert broken(outcome).keys() == {"currency_is_stable"}
    assert [(row["reason"], row["is_swing"]) for row in forecast.rows("forecast_swing", baseline="sync")] == [
        ("currency_changed", False)
    ]
    assert forecast.row("forecast_entry")["currency_code"] == "¥"


def test_the_currency_that_was_asked_for_is_that_of_a_csv(forecast: Forecast) -> None:
    bring(forecast, moment(10, 24), line("$500.00"), currency="CAD")
    assert forecast.row("forecast_entry")["currency_code"] == "CAD"


def test_the_currency_of_a_csv_from_elsewhere_is_the_one_that_is_set(tmp_path: Path) -> None:
    """Nobody knows what it was asked for, and what stands before its amounts is no code."""
    file = tmp_path / "delivered.csv"
    file.write_text("\n".join([HEADER, line("$500.00")]), encoding="utf-8")
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


def test_the_same_code_in_small_letters_is_no_other_currency(forecast: Forecast) -> None:
    bring(forecast, moment(10, 24), line("USD 500.00"))
    outcome = bring(forecast, moment(10, 25), line("usd 500.00"))
    assert broken(outcome) == {}
    assert forecast.row("forecast_entry")["currency_code"] == "USD"


@pytest.mark.parametrize("crm", ["005A", ""])
def test_one_email_under_two_roles_is_two_people(forecast: Forecast, crm: str) -> None:
    lines = [line("$100.00", crm=crm, role="VP East"), line("$250.00", crm=crm, role="VP West")]
    outcome = bring(forecast, moment(10, 24), *lines)
    assert outcome.export.state == "LOADED"
    assert {row["user_id"]: row["forecast_value"] for row in forecast.rows("forecast_entry")} == {
        "ann@corp.test (VP East)": 100,
        "ann@corp.test (VP West)": 250,
    }
    assert "ann@corp.test (VP East) and ann@corp.test (VP West)" in broken(outcome)["people_are_distinct"]["summary"]


@pytest.mark.parametrize("crm", ["005A", ""])
def test_a_role_that_comes_or_goes_changes_nobody_of_the_other_roles(forecast: Forecast, crm: str) -> None:
    """Who had one role keeps its id once there are two, and each of two keeps its own where one is left."""
    east, west = (line(call, crm=crm, role=role) for call, role in (("$100.00", "VP East"), ("$250.00", "VP West")))
    for day, lines in enumerate(([east], [east, west], [west], [east, west]), start=21):
        assert bring(forecast, moment(10, day), *lines).export.state == "LOADED"
    first = "ann@corp.test"
    told = {(row["job_id"], row["user_id"]): row["reason"] for row in forecast.rows("forecast_swing", baseline="sync")}
    _, both, alone, again = forecast.jobs
    other = "ann@corp.test (VP West)"
    assert told == {
        (both, other): "new",
        (alone, first): "disappeared",
        (again, first): "new",
        (again, other): None,
    }
    forecast.house.replay([], [forecast.name])
    assert {(row["job_id"], row["user_id"]) for row in forecast.rows("forecast_swing", baseline="sync")} == told.keys()


def test_people_of_one_name_at_the_top_are_told_apart(forecast: Forecast) -> None:
    """What is shown is what `CLARI_TOP_USER` can name one of them by."""
    outcome = bring(forecast, moment(10, 24), line("$100.00", role="VP East"), line("$250.00", role="VP West"))
    shown = broken(outcome)["totals_have_one_top"]["summary"]
    assert "(ann@corp.test (VP East), ann@corp.test (VP West))" in shown
