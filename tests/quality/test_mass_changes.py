"""Mass changes: for whom one line stands, and calls so small that rounding blurs by which ratio they moved."""

from collections.abc import Callable, Iterator
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest

from clari_pipeline.warehouse import marts
from tests.helpers.house import House, document, entry, moment, person
from tests.helpers.labelled.deceptions import CENT, NAMES
from tests.helpers.labelled.tracks import written

Calls = dict[str, tuple[Decimal, Decimal]]
Found = Callable[[Calls], dict[str, Any] | None]
UNIT = Decimal(1)


@pytest.fixture
def found(tmp_path: Path) -> Iterator[Found]:
    """Brings calls as they were and as they are, a forecast each, and gives the mass change that is found, if any."""
    house = House(tmp_path)

    def find(calls: Calls) -> dict[str, Any] | None:
        forecast = f"forecast-{house.exports}"
        people = [person("boss", parent=None), *(person(who, parent="role-boss") for who in calls)]
        for number, at in enumerate((moment(10, 24), moment(10, 25))):
            entries = (entry(who, "W04", call=written(pair[number])) for who, pair in calls.items())
            request = house.deliver(document(*entries, people=people), at, forecast=forecast)
        house.merge()
        with house.pipeline.warehouse.session() as session:
            masses = marts.mass_changes(session, request.replace("request-", "job-"))
        assert len(masses) <= 1
        return masses[0] if masses else None

    with house.pipeline.warehouse.session():
        yield find


def rounded(amount: Decimal, unit: Decimal) -> Decimal:
    return amount.quantize(unit, ROUND_HALF_UP)


def revalued(chance: Random, *, least: int, rate: str, people: int = 12, unit: Decimal = CENT) -> Calls:
    """Calls of another currency, shown at one rate and then at another: both figures are rounded."""
    shown = Decimal(chance.randint(80_000_000, 120_000_000)) / 10**8
    calls = {}
    for who in NAMES[:people]:
        own = Decimal(chance.randint(least * 10**6, 2 * least * 10**6)) / 10**6
        calls[who] = (rounded(own * shown, unit), rounded(own * shown * Decimal(rate), unit))
    return calls


def nearly(chance: Random, *, least: int, people: int = 12, unit: Decimal = CENT) -> Calls:
    """Everybody by a share of their own, between 6 % and 12 %."""
    shares = [Decimal("0.06") + Decimal("0.06") * number / people for number in range(people)]
    calls = {}
    for who, share in zip(NAMES, chance.sample(shares, people), strict=False):
        before = rounded(Decimal(chance.randint(least * 100, 2 * least * 100)) / 100, unit)
        calls[who] = (before, rounded(before * (1 + share), unit))
    return calls


SAME: Calls = {who: (Decimal(500), Decimal(500)) for who in NAMES[12:]}


@pytest.mark.parametrize(("least", "rate"), [(20, "1.0837"), (100, "0.9213"), (100, "1.041275"), (600, "0.99")])
def test_small_calls_that_one_rate_moves_are_found(least: int, rate: str, found: Found) -> None:
    """Forecasts kept in thousands: 120.00 is as much as anybody calls."""
    for seed in range(3):
        calls = revalued(Random(seed), least=least, rate=rate)
        mass = found(SAME | calls)
        assert mass is not None
        assert mass["user_ids"] == sorted(calls)
        assert abs(mass["ratio"] - Decimal(rate)) < Decimal("0.0002")


@pytest.mark.parametrize("rate", ["1.0837", "0.9213"])
def test_calls_in_whole_units_that_one_rate_moves_are_found(rate: str, found: Found) -> None:
    """Where nobody writes cents, a rate is blurred by half a unit."""
    calls = revalued(Random(3), least=5000, rate=rate, unit=UNIT)
    mass = found(SAME | calls)
    assert mass is not None
    assert mass["user_ids"] == sorted(calls)


@pytest.mark.parametrize("unit", [CENT, UNIT])
@pytest.mark.parametrize("least", [1, 5, 20, 100, 1000, 10**6])
def test_shares_that_rounding_brings_near_each_other_are_no_rate(least: int, unit: Decimal, found: Found) -> None:
    for seed in range(3):
        assert found(SAME | nearly(Random(seed), least=least, unit=unit)) is None


def test_counts_that_double_are_no_rate(found: Found) -> None:
    """Ten people who go from one deal to two: of so small numbers many have the same ratio."""
    calls = {
        who: (Decimal(one), Decimal(2 * one)) for who, one in zip(NAMES, [1, 1, 1, 2, 2, 2, 3, 3, 1, 2], strict=False)
    }
    assert found(SAME | calls) is None


@pytest.mark.parametrize(("people", "is_found"), [(9, False), (10, True)])
def test_ten_are_needed(people: int, is_found: bool, found: Found) -> None:
    calls = revalued(Random(8), least=50, rate="1.07", people=people)
    assert (found(SAME | calls) is not None) is is_found


def test_it_stands_for_those_whom_the_ratio_moved(found: Found) -> None:
    """Of the rest too few swing for that to be no news of each."""
    others = {"p20": (Decimal(900), Decimal(100)), "p21": (Decimal(900), Decimal(2000))}
    mass = found(SAME | revalued(Random(1), least=700, rate="1.31") | others)
    assert mass is not None
    assert mass["user_ids"] == sorted(NAMES[:12])
    assert (mass["swung"], mass["others_swung"], mass["moved_alike"]) == (14, 2, 12)


def test_it_stands_for_all_where_the_rest_swings_as_a_whole(found: Found) -> None:
    others = {who: (Decimal(900), Decimal(100 * number)) for number, who in enumerate(NAMES[12:24])}
    mass = found(SAME | revalued(Random(1), least=700, rate="1.05") | others)
    assert mass is not None
    assert mass["user_ids"] is None
    assert (mass["moved_alike"], mass["others_swung"]) == (12, 9)


def test_without_a_ratio_it_stands_for_all(found: Found) -> None:
    """As many near each other as there are shares, and one cause all the same."""
    calls = {who: (Decimal(900), Decimal(100 + 31 * number)) for number, who in enumerate(NAMES[:18])}
    mass = found({who: (Decimal(5), Decimal(5)) for who in NAMES[18:40]} | calls)
    assert mass is not None
    assert (mass["user_ids"], mass["ratio"], mass["moved_alike"]) == (None, None, 0)
