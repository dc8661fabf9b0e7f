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


_OTHERS = {"p20": (Decimal(900), Decimal(100)), "p21": (Decimal(900), Decimal(2000))}
_REST = {who: (Decimal(900), Decimal(100 * number)) for number, who in enumerate(NAMES[12:24])}
_DEALS = [1, 1, 1, 2, 2, 2, 3, 3, 1, 2]
_TWELVE = sorted(NAMES[:12])

# Calls as they were and as they are, and what of the mass change is to be found, if there is any. Each case is a
# forecast field of its own: fields are judged one by one.
CASES: dict[str, tuple[Calls, dict[str, Any] | None]] = {
    # Forecasts kept in thousands: 120.00 is as much as anybody calls.
    **{
        f"small calls from {least} on that the rate {rate} moves, {seed}": (
            SAME | revalued(Random(seed), least=least, rate=rate),
            {"user_ids": _TWELVE, "ratio": Decimal(rate)},
        )
        for least, rate in ((20, "1.0837"), (100, "0.9213"), (100, "1.041275"), (600, "0.99"))
        for seed in range(3)
    },
    # Where nobody writes cents, a rate is blurred by half a unit.
    **{
        f"calls in whole units that the rate {rate} moves": (
            SAME | revalued(Random(3), least=5000, rate=rate, unit=UNIT),
            {"user_ids": _TWELVE},
        )
        for rate in ("1.0837", "0.9213")
    },
    **{
        f"shares that rounding {least} to {unit} brings near each other are no rate, {seed}": (
            SAME | nearly(Random(seed), least=least, unit=unit),
            None,
        )
        for least in (1, 5, 20, 100, 1000, 10**6)
        for unit in (CENT, UNIT)
        for seed in range(3)
    },
    # Ten people who go from one deal to two: of so small numbers many have the same ratio.
    "counts that double are no rate": (
        SAME | {who: (Decimal(one), Decimal(2 * one)) for who, one in zip(NAMES, _DEALS, strict=False)},
        None,
    ),
    "nine people are too few": (SAME | revalued(Random(8), least=50, rate="1.07", people=9), None),
    "ten people are enough": (SAME | revalued(Random(8), least=50, rate="1.07", people=10), {}),
    # Of the rest too few swing for that to be no news of each.
    "it stands for those whom the ratio moved": (
        SAME | revalued(Random(1), least=700, rate="1.31") | _OTHERS,
        {"user_ids": _TWELVE, "swung": 14, "others_swung": 2, "moved_alike": 12},
    ),
    "it stands for all where the rest swings as a whole": (
        SAME | revalued(Random(1), least=700, rate="1.05") | _REST,
        {"user_ids": None, "moved_alike": 12, "others_swung": 9},
    ),
    # As many near each other as there are shares, and one cause all the same.
    "without a ratio it stands for all": (
        {who: (Decimal(5), Decimal(5)) for who in NAMES[18:40]}
        | {who: (Decimal(900), Decimal(100 + 31 * number)) for number, who in enumerate(NAMES[:18])},
        {"user_ids": None, "ratio": None, "moved_alike": 0},
    ),
}


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
                for name, (calls, _) in CASES.items()
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
    assert {row["field_id"]: row["people"] for row in compared} == {ids[name]: len(CASES[name][0]) for name in CASES}
    return {name: by_name.get(name) for name in CASES}.__getitem__


@pytest.mark.parametrize("name", CASES)
def test_a_mass_change_is_found_where_there_is_one(name: str, found: Found) -> None:
    """And says for whom it stands; a ratio to two ten-thousandths."""
    mass, (_, expected) = found(name), CASES[name]
    assert (mass is None) == (expected is None)
    for figure, value in (expected or {}).items():
        assert mass is not None
        if figure == "ratio" and value is not None:
            assert abs(mass.ratio - value) < Decimal("0.0002")
        else:
            assert getattr(mass, figure) == value, figure
