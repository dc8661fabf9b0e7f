"""An export that shows an entry unchanged leaves its row alone, and people read all the same that it was shown."""

from __future__ import annotations

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


# What a server does with rows that are left alone is asked of the first two; conformance holds the rest.
_DUCKDB = pytest.mark.parametrize("place", ["duckdb", pytest.param("postgres", marks=pytest.mark.soak)], indirect=True)


def test_the_same_document_rewrites_no_row(place: House) -> None:
    """Day after day; each entry was shown by the newest export."""
    place.bring(document(*_FOUR), moment(10, 9))
    before = written(place)
    for day in (10, 11):
        place.bring(document(*_FOUR), moment(10, day))
    assert written(place) == before
    assert shown(place) == dict.fromkeys(before, ("3", True))
    assert place.value("select min(last_seen_at) from clari.forecast_entry") == moment(10, 11)
    assert sightings(place) == {("1", "3")}


def test_a_changed_entry_is_the_only_row_that_is_written(place: House) -> None:
    """And what it came after is followed: two exports are named by rows, one showed all of them last."""
    place.bring(document(*_FOUR), moment(10, 9))
    place.bring(document(*_FOUR), moment(10, 10))
    before = written(place)
    place.bring(document(*_FOUR[:3], entry("bob", "W02", call=61)), moment(10, 11))
    after = written(place)
    assert {key for key, row in after.items() if row != before[key]} == {("bob", "W02")}
    assert shown(place) == dict.fromkeys(before, ("3", True))
    assert sightings(place) == {("1", "3"), ("3", "3")}
    place.bring(document(*_FOUR[:3], entry("bob", "W02", call=61)), moment(10, 12))
    assert written(place) == after
    assert shown(place) == dict.fromkeys(before, ("4", True))
    assert sightings(place) == {("1", "4"), ("3", "4")}


def test_a_new_entry_is_the_only_row_that_is_written(house: House) -> None:
    house.bring(document(*_FOUR[:3]), moment(10, 9))
    before = written(house)
    house.bring(document(*_FOUR), moment(10, 10))
    assert {key: row for key, row in written(house).items() if key in before} == before
    assert set(shown(house).values()) == {("2", True)}


@_DUCKDB
def test_an_entry_that_is_gone_names_the_export_that_showed_it_last(place: House) -> None:
    """Not the one that wrote its row; and the others are left alone. It comes back as one that is shown anew."""
    place.bring(document(*_FOUR), moment(10, 9))
    place.bring(document(*_FOUR), moment(10, 10))
    before = written(place)
    place.bring(document(*_FOUR[:3]), moment(10, 11))
    after = written(place)
    assert {key for key, row in after.items() if row != before[key]} == {("bob", "W02")}
    assert shown(place) == dict.fromkeys(before, ("3", True)) | {("bob", "W02"): ("2", False)}
    row = place.row("select * from clari.forecast_entry where not in_latest_export")
    assert (row["last_seen_at"], row["exported_at"]) == (moment(10, 10), moment(10, 10))
    place.bring(document(*_FOUR[:3]), moment(10, 12))
    assert written(place) == after
    place.bring(document(*_FOUR), moment(10, 13))
    assert shown(place) == dict.fromkeys(before, ("5", True))
    assert sightings(place) == {("1", "5"), ("5", "5")}


@_DUCKDB
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


def test_an_export_of_a_scope_says_nothing_of_the_others(house: House) -> None:
    house.bring(document(*_FOUR), moment(10, 9))
    house.bring(document(*_FOUR[:2]), moment(10, 10), scope="east")
    assert set(shown(house).items()) == {
        (("ann", "W01"), ("2", True)),
        (("ann", "W02"), ("2", True)),
        (("bob", "W01"), ("1", True)),
        (("bob", "W02"), ("1", True)),
    }
    house.bring(document(_FOUR[0]), moment(10, 11), scope="east")
    assert shown(house)["ann", "W02"] == ("2", False)


def test_a_quarter_that_is_rebuilt_or_goes_leaves_nothing_behind(house: House) -> None:
    """A document that comes late takes its place in the middle."""
    house.bring(document(*_FOUR), moment(10, 9))
    house.bring(document(*_FOUR), moment(10, 11))
    house.bring(document(*_FOUR[:2]), moment(10, 10))
    assert set(shown(house).values()) == {("2", True)}
    assert sightings(house) == {("1", "2"), ("2", "2")}
    house.execute("delete from clari.forecast_entry_state where user_id = 'ann'")
    house.bring(document(*_FOUR[2:]), moment(10, 12))
    assert sightings(house) == {("2", "4")}


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
                house.deliver(
                    one.written, one.at, types=one.types, scope=one.scope, history=one.history, submitted=one.submitted
                )
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
