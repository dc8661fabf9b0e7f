"""An export that shows an entry unchanged leaves its row alone, and people read all the same that it was shown."""

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from clari_pipeline.config.settings import EXPORT_TYPES
from tests.helpers.house import House, Json, document, entry, moment
from tests.warehouse.test_any_order import QUARTERS, Export, expected_entries, found_entries, modelled

_FOUR = (
    entry("ann", "W01", call=100),
    entry("ann", "W02", call=110),
    entry("bob", "W01", call=50),
    entry("bob", "W02", call=60),
)


def shown(house: House) -> dict[tuple[str, str], tuple[str, bool]]:
    """What people read: by person and week the export that showed the entry last, and whether the newest could."""
    found = house.rows(
        "select user_id, time_frame_id, job_id, in_latest_export, last_seen_at = exported_at as is_one from "
        "clari.forecast_entry"
    )
    assert all(row["is_one"] for row in found)
    return {
        (row["user_id"], row["time_frame_id"]): (row["job_id"].rpartition("-")[2], row["in_latest_export"])
        for row in found
    }


def written(house: House) -> dict[tuple[str, str], tuple[Any, ...]]:
    """How the rows stand on the disk, and which of the server's transactions wrote them there."""
    where = "ctid::text, xmin::text, " if house.context.warehouse.engine == "postgres" else ""
    found = house.rows(f"select {where}* from clari.forecast_entry_state")
    return {(row["user_id"], row["time_frame_id"]): tuple(row.values()) for row in found}


def sightings(house: House) -> set[tuple[str, str]]:
    """The export that rows name, and the one that showed them last."""
    found = house.rows("select known_job_id, job_id from clari.forecast_entry_sighting")
    return {(row["known_job_id"].rpartition("-")[2], row["job_id"].rpartition("-")[2]) for row in found}


@pytest.fixture(params=["duckdb", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[House]:
    url = request.getfixturevalue("prepared_database") if request.param == "postgres" else None
    house = House(tmp_path, url=url)
    with house.held_open():
        yield house


def test_what_an_export_shows_unchanged_rewrites_no_row(place: House) -> None:
    """Day after day: what is new, changed or gone is the only row that is written, each entry names the export that
    showed it last, and what an export came after is followed.
    """
    three, changed = _FOUR[:3], (*_FOUR[:3], entry("bob", "W02", call=61))
    last = ("bob", "W02")
    exports = iter(range(9, 20))

    def bring(*entries: Json) -> set[tuple[str, str]]:
        """The rows that are others on the disk afterwards."""
        before = written(place)
        place.bring(document(*entries), moment(10, next(exports)))
        after = written(place)
        return {key for key, row in after.items() if row != before.get(key)}

    everyone = bring(*three) | bring(*_FOUR)
    assert bring(*_FOUR) == set()
    assert shown(place) == dict.fromkeys(everyone, ("3", True))
    assert place.value("select min(last_seen_at) from clari.forecast_entry") == moment(10, 11)
    assert sightings(place) == {("1", "3"), ("2", "3")}

    assert bring(*changed) == {last}
    assert sightings(place) == {("1", "4"), ("4", "4")}
    assert bring(*changed) == set()
    assert shown(place) == dict.fromkeys(everyone, ("5", True))
    assert sightings(place) == {("1", "5"), ("4", "5")}

    assert bring(*three) == {last}
    assert shown(place) == dict.fromkeys(everyone, ("6", True)) | {last: ("5", False)}
    row = place.row("select * from clari.forecast_entry where not in_latest_export")
    assert (row["last_seen_at"], row["exported_at"]) == (moment(10, 13), moment(10, 13))
    assert bring(*three) == set()
    assert bring(*changed) == {last}
    assert shown(place) == dict.fromkeys(everyone, ("8", True))
    assert sightings(place) == {("1", "8"), ("8", "8")}


# A server's rows are asked of the test above; conformance holds the rest.
@pytest.mark.parametrize("place", ["duckdb", pytest.param("postgres", marks=pytest.mark.soak)], indirect=True)
def test_the_week_alone_is_told_from_those_of_which_an_export_says_nothing(place: House) -> None:
    """Without history: once, and from then on its rows are left alone as well; with it again all are shown."""
    of_week = document(_FOUR[1], _FOUR[3])
    place.bring(document(*_FOUR), moment(10, 9))
    place.bring(of_week, moment(10, 10), history=False)
    earlier = {("ann", "W01"): ("1", True), ("bob", "W01"): ("1", True)}
    week = [("ann", "W02"), ("bob", "W02")]
    assert shown(place) == earlier | dict.fromkeys(week, ("2", True))
    before = written(place)
    for day, request in ((11, {}), (12, {"types": ("crm_closed", "forecast", "quota")})):
        place.bring(of_week, moment(10, day), history=False, **request)
        assert written(place) == before
        assert shown(place) == earlier | dict.fromkeys(week, (str(day - 8), True))
    place.bring(document(*_FOUR), moment(10, 13))
    assert written(place) == before
    assert set(shown(place).values()) == {("5", True)}
    assert sightings(place) == {("1", "5"), ("2", "5")}


def test_a_quarter_that_is_rebuilt_leaves_nothing_behind(house: House) -> None:
    """A document that comes late takes its place in the middle."""
    house.bring(document(*_FOUR), moment(10, 9))
    house.bring(document(*_FOUR), moment(10, 11))
    house.bring(document(*_FOUR[:2]), moment(10, 10))
    assert set(shown(house).values()) == {("2", True)}
    assert sightings(house) == {("1", "2"), ("2", "2")}


def _follow(random: Random, steps: int) -> list[Export]:
    """Exports of a quarter, each much like the one before: whole, of a week, of a scope, of some types, or the same."""
    people = ("ann", "bob", "cy")
    calls = {(name, week, one): 100 for name in people for week in ("W01", "W02") for one in ("commit", "plan")}
    made: list[Export] = []
    for number in range(steps):
        at = moment(10, 9) + timedelta(hours=number // 2 * 2)  # now and then two of one moment
        if made and random.random() < 0.3:
            made.append(replace(random.choice(made[-2:]), at=at, number=number))
            continue
        for key in random.sample(sorted(calls), random.choice([0, 0, 1])):
            calls[key] += 1
        scope = random.choice([None, None, None, "east"])
        history = random.random() < 0.7
        types = random.choice(
            [EXPORT_TYPES, EXPORT_TYPES, ("crm_closed", "forecast", "quota"), ("crm_closed", "quota")]
        )
        whose = people if scope is None else people[:2]
        week = random.choice(["W01", "W02"])
        absent = random.sample(sorted(calls), random.choice([0, 0, 0, 1, 3]))
        entries = [
            _of(key, call, types)
            for key, call in calls.items()
            if key not in absent and key[0] in whose and (history or key[1] == week)
        ]
        made.append(Export("north", "2026_Q4", at, tuple(types), scope, history, tuple(entries), "new", "red", number))
    return made


def _of(key: tuple[str, str, str], call: int, types: tuple[str, ...]) -> Json:
    figures = {"forecastValue": call} if "forecast" in types else {}
    return entry(*key, period="2026_Q4") | figures | ({"quotaValue": 500} if key[2] == "plan" else {})


def check_exports(seed: int, steps: int) -> None:
    made = [one for one in _follow(Random(seed), steps) if one.entries]
    made = [replace(one, number=number) for number, one in enumerate(made)]
    with tempfile.TemporaryDirectory() as folder:
        house = House(Path(folder))
        with house.held_open():
            for number, one in enumerate(made):
                one.delivered(house)
                house.merge()
                assert found_entries(house) == expected_entries(modelled(made[: number + 1])), (seed, number)
            assert not house.rows(
                "select * from clari.forecast_entry_sighting as sighting anti join (from clari.forecast_entry_state "
                "where in_latest_export) as entry on entry.job_id = sighting.known_job_id "
                "and entry.time_period_id = sighting.time_period_id and entry.forecast_id = sighting.forecast_id"
            )
            in_order = house.rows("from clari.forecast_entry_state order by all")
            seen = house.rows("from clari.forecast_entry_sighting order by all")
            house.replay([], [])
            assert house.rows("from clari.forecast_entry_state order by all") == in_order
            assert house.rows("from clari.forecast_entry_sighting order by all") == seen


@pytest.mark.parametrize(
    ("seed", "steps"), [(8, 6), *(pytest.param(seed, 12, marks=pytest.mark.soak) for seed in (1, 2))]
)
def test_each_of_many_exports_says_what_a_plain_model_says(seed: int, steps: int) -> None:
    """Partial ones among them, and the same once more; read or recognised, they leave the same."""
    assert QUARTERS["2026_Q4"].keys() == {"W01", "W02"}
    check_exports(seed, steps)
