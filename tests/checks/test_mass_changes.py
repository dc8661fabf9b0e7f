"""Mass changes: for whom one line stands, and calls so small that rounding blurs by which ratio they moved."""

from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal
from random import Random
from typing import Any

import pytest

from clari_pipeline.store import marts
from tests.helpers.house import House, document, entry, moment, person
from tests.helpers.labelled.deceptions import CENT, NAMES
from tests.helpers.labelled.tracks import written

Calls = dict[str, tuple[Decimal, Decimal]]
Found = Callable[[str], dict[str, Any] | None]
UNIT = Decimal(1)


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


RATES = [(20, "1.0837"), (100, "0.9213"), (100, "1.041275"), (600, "0.99")]
WHOLE_RATES = ["1.0837", "0.9213"]
SIZES = [1, 5, 20, 100, 1000, 10**6]
UNITS = [CENT, UNIT]
SEEDS = range(3)
_OTHERS = {"p20": (Decimal(900), Decimal(100)), "p21": (Decimal(900), Decimal(2000))}
_REST = {who: (Decimal(900), Decimal(100 * number)) for number, who in enumerate(NAMES[12:24])}
_DEALS = [1, 1, 1, 2, 2, 2, 3, 3, 1, 2]

CASES: dict[str, Calls] = {
    **{
        f"small {least} {rate} {seed}": SAME | revalued(Random(seed), least=least, rate=rate)
        for least, rate in RATES
        for seed in SEEDS
    },
    **{f"whole {rate}": SAME | revalued(Random(3), least=5000, rate=rate, unit=UNIT) for rate in WHOLE_RATES},
    **{
        f"nearly {least} {unit} {seed}": SAME | nearly(Random(seed), least=least, unit=unit)
        for least in SIZES
        for unit in UNITS
        for seed in SEEDS
    },
    "double": SAME | {who: (Decimal(one), Decimal(2 * one)) for who, one in zip(NAMES, _DEALS, strict=False)},
    **{f"{people} people": SAME | revalued(Random(8), least=50, rate="1.07", people=people) for people in (9, 10)},
    "two others": SAME | revalued(Random(1), least=700, rate="1.31") | _OTHERS,
    "the rest swings": SAME | revalued(Random(1), least=700, rate="1.05") | _REST,
    "no ratio": {who: (Decimal(5), Decimal(5)) for who in NAMES[18:40]}
    | {who: (Decimal(900), Decimal(100 + 31 * number)) for number, who in enumerate(NAMES[:18])},
}
"""Calls as they were and as they are, each case a forecast field of its own: fields are judged one by one."""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Found:
    """Brings two exports that hold every case, and gives the mass change that was found in one, if any."""
    house = House(tmp_path_factory.mktemp("masses"))
    ids = {name: f"field-{number}" for number, name in enumerate(CASES)}
    people = [person("boss", parent=None), *(person(who, parent="role-boss") for who in NAMES)]
    with house.held_open():
        for number, at in enumerate((moment(10, 24), moment(10, 25))):
            entries = [
                entry(who, "W04", ids[name], call=written(pair[number]))
                for name, calls in CASES.items()
                for who, pair in calls.items()
            ]
            fields = {key: name for name, key in ids.items()}
            request = house.deliver(document(*entries, people=people, fields=fields), at)
        house.merge()
        assert house.outcome(request).export.state == "LOADED"
        with house.context.warehouse.session() as session:
            masses = marts.mass_changes(session, request.replace("request-", "job-"))
    by_name = {mass.field_name: mass for mass in masses}
    assert len(by_name) == len(masses)
    compared = house.rows("select field_id, count(*) as people from clari.forecast_swing group by field_id")
    assert {row["field_id"]: row["people"] for row in compared} == {ids[name]: len(CASES[name]) for name in CASES}
    return {name: by_name.get(name) for name in CASES}.__getitem__


@pytest.mark.parametrize(("least", "rate"), RATES)
def test_small_calls_that_one_rate_moves_are_found(least: int, rate: str, found: Found) -> None:
    """Forecasts kept in thousands: 120.00 is as much as anybody calls."""
    for seed in SEEDS:
        mass = found(f"small {least} {rate} {seed}")
        assert mass is not None
        assert mass.user_ids == sorted(NAMES[:12])
        assert abs(mass.ratio - Decimal(rate)) < Decimal("0.0002")


@pytest.mark.parametrize("rate", WHOLE_RATES)
def test_calls_in_whole_units_that_one_rate_moves_are_found(rate: str, found: Found) -> None:
    """Where nobody writes cents, a rate is blurred by half a unit."""
    mass = found(f"whole {rate}")
    assert mass is not None
    assert mass.user_ids == sorted(NAMES[:12])


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("least", SIZES)
def test_shares_that_rounding_brings_near_each_other_are_no_rate(least: int, unit: Decimal, found: Found) -> None:
    for seed in SEEDS:
        assert found(f"nearly {least} {unit} {seed}") is None


def test_counts_that_double_are_no_rate(found: Found) -> None:
    """Ten people who go from one deal to two: of so small numbers many have the same ratio."""
    assert found("double") is None


@pytest.mark.parametrize(("people", "is_found"), [(9, False), (10, True)])
def test_ten_are_needed(people: int, is_found: bool, found: Found) -> None:
    assert (found(f"{people} people") is not None) is is_found


def test_it_stands_for_those_whom_the_ratio_moved(found: Found) -> None:
    """Of the rest too few swing for that to be no news of each."""
    mass = found("two others")
    assert mass is not None
    assert mass.user_ids == sorted(NAMES[:12])
    assert (mass.swung, mass.others_swung, mass.moved_alike) == (14, 2, 12)


def test_it_stands_for_all_where_the_rest_swings_as_a_whole(found: Found) -> None:
    mass = found("the rest swings")
    assert mass is not None
    assert mass.user_ids is None
    assert (mass.moved_alike, mass.others_swung) == (12, 9)


def test_without_a_ratio_it_stands_for_all(found: Found) -> None:
    """As many near each other as there are shares, and one cause all the same."""
    mass = found("no ratio")
    assert mass is not None
    assert (mass.user_ids, mass.ratio, mass.moved_alike) == (None, None, 0)
