"""A document that equals the newest loaded one is recognised unread, and recorded as if it had been read."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from clari_pipeline.sync.outcomes import Outcome
from tests.helpers import prepared
from tests.helpers.house import House, document, entry, moment, person
from tests.warehouse.test_any_order import ORDERED

COUNTS = ("rows_exported", "rows_staged", "rows_inserted", "rows_updated", "rows_unchanged", "rows_disappeared")
QUARTER_OF_TWO = document(
    entry("ann", "W01", call=100, closed=10, quota=500),
    entry("ann", "W03", call=120, closed=20, quota=500),
    entry("bob", "W03", call=50),
    people=[person("ann", role="head", parent=None), person("bob", role="rep", parent="head")],
)


@pytest.fixture
def of_two(tmp_path: Path) -> Path:
    """The folder of a house that has merged `QUARTER_OF_TWO` on 19 October; made once."""

    def make(folder: Path) -> None:
        House(folder).bring(QUARTER_OF_TWO, moment(10, 19))

    shutil.copytree(prepared.made_once("same-document", make), tmp_path, dirs_exist_ok=True)
    return tmp_path


@pytest.fixture
def house_of_two(of_two: Path, open_house: Callable[..., House]) -> House:
    house = open_house()
    house.exports = 1
    return house


def counts(outcome: Outcome) -> tuple[int, ...]:
    return tuple(getattr(outcome.export, name) for name in COUNTS)


def damage(house: House, outcome: Outcome) -> None:
    """Nobody can read this document any more."""
    (house.context.landing.root / outcome.export.landing_path / "document.zst").write_bytes(b"")


def tables(house: House) -> dict[str, list[dict[str, object]]]:
    return {name: house.rows(f"select * from clari.{name} order by {order}") for name, order in ORDERED.items()}


def test_it_is_not_read(house_of_two: House) -> None:
    """What lies on the disk for the second export cannot be read, and is not missed."""
    house = house_of_two
    request = house.deliver(QUARTER_OF_TWO, moment(10, 20))
    damage(house, house.outcome(request))
    house.merge()
    outcome = house.outcome(request)
    assert (outcome.export.state, counts(outcome)) == ("LOADED", (3, 3, 0, 0, 3, 0))


def test_it_is_recorded_as_if_it_had_been_read(house: House) -> None:
    """Figures, marks, people, calls, swings: the same rows as when the quarter is rebuilt from its documents."""
    house.bring(document(entry("cy", "W01", call=7), entry("ann", "W01", call=1)), moment(10, 2))
    house.bring(QUARTER_OF_TWO, moment(10, 12))
    house.bring(QUARTER_OF_TWO, moment(10, 20))
    shown = house.rows("select user_id, exported_at, last_seen_at, in_latest_export from clari.forecast_entry")
    assert {(row["user_id"], row["exported_at"], row["in_latest_export"]) for row in shown} == {
        ("ann", moment(10, 20), True),
        ("bob", moment(10, 20), True),
        ("cy", moment(10, 2), False),
    }
    before = tables(house)
    house.replay([], [])
    after = tables(house)
    assert {name: after[name] == rows for name, rows in before.items()} == dict.fromkeys(before, True)


def test_its_calls_are_compared(house: House) -> None:
    """The week of the call has moved on, and the baseline of a week ago with it."""
    house.bring(document(entry("ann", "W01", call=50), entry("ann", "W03", call=120)), moment(10, 5))
    house.bring(QUARTER_OF_TWO, moment(10, 12))
    outcome = house.bring(QUARTER_OF_TWO, moment(10, 20))
    swings = house.rows(
        "select user_id, baseline, previous_value, current_value from clari.forecast_swing "
        "where job_id = $job and user_id = 'ann' order by baseline",
        job=outcome.export.job_id,
    )
    assert [(row["baseline"], int(row["previous_value"]), int(row["current_value"])) for row in swings] == [
        ("sync", 100, 120),
        ("week", 100, 120),
    ]


def test_it_is_judged(house: House) -> None:
    """Every check has its verdict; it is as large as the one before, which had lost half its rows."""
    first = house.bring(document(*(entry(f"p{number}", call=1) for number in range(6))), moment(10, 18))
    half = document(*(entry(f"p{number}", call=1) for number in range(3)))
    shrunk = house.bring(half, moment(10, 19))
    again = house.bring(half, moment(10, 20))
    verdicts = [{one.check_name: one.passed for one in outcome.verdicts} for outcome in (first, shrunk, again)]
    assert verdicts[2].keys() == verdicts[1].keys()
    assert [one["row_count_is_stable"] for one in verdicts] == [True, False, True]


@pytest.mark.parametrize(
    "request_",
    [{"types": ("crm_closed", "forecast", "quota")}, {"currency": "EUR"}, {"scope": "east"}, {"history": False}],
    ids=str,
)
def test_asked_for_in_another_way_it_is_read(house_of_two: House, request_: dict[str, object]) -> None:
    """The same bytes say something else where something else was asked for."""
    house = house_of_two
    request = house.deliver(QUARTER_OF_TWO, moment(10, 20), **request_)  # type: ignore[arg-type]
    assert_read(house, request)


def assert_read(house: House, request: str) -> None:
    """It is read, which shows where it cannot be: damaged, it is refused by name."""
    damage(house, house.outcome(request))
    house.merge()
    outcome = house.outcome(request)
    assert (outcome.export.state, outcome.section) == ("REFUSED", "export_is_readable")
    assert "restore it from a backup" in outcome.reason


def test_only_the_newest_counts(house: House) -> None:
    """A document that came before the newest one brings its figures back."""
    house.bring(document(entry("ann", call=1)), moment(10, 18))
    house.bring(document(entry("ann", call=2)), moment(10, 19))
    outcome = house.bring(document(entry("ann", call=1)), moment(10, 20))
    assert counts(outcome) == (1, 1, 0, 1, 0, 0)
    assert house.value("select count(*) from clari.forecast_entry_history") == 3


def test_a_mart_that_stands_is_made_anew_when_a_rule_changes(open_house: Callable[..., House]) -> None:
    """The newest export stays the same: the call becomes the override all the same."""
    house = open_house()
    house.bring(document(entry("ann", call=100, adjustment=80, adjusted_by="boss")), moment(10, 20))
    assert house.value("select forecast_value from clari.forecast_vs_quota") == 100
    with_overrides = open_house(call="adjusted")
    with_overrides.refresh("forecast_vs_quota")
    assert with_overrides.value("select forecast_value from clari.forecast_vs_quota") == 80


def test_a_merge_leaves_the_mart_that_a_refresh_would_make(house: House) -> None:
    """Of a quarter's first document, of the same a week later, of one that moves a call back to what it was."""
    moved = document(entry("ann", "W01", call=100, closed=10, quota=500), entry("ann", "W03", call=90, quota=400))
    documents = {12: QUARTER_OF_TWO, 13: QUARTER_OF_TWO, 20: QUARTER_OF_TWO, 21: moved, 22: QUARTER_OF_TWO}
    for day, brought in documents.items():
        house.deliver(brought, moment(10, day))
        house.merge()
        left = tables(house)
        house.execute("delete from clari.mart_version")
        house.execute("delete from clari.forecast_swing_contribution")
        house.execute("delete from clari.forecast_swing")
        house.refresh("forecast_vs_quota")
        house.refresh("forecast_swing")
        assert {row["as_of"] for row in left["forecast_vs_quota"]} >= {moment(10, day)}
        assert tables(house) == left


def test_a_mart_follows_a_field_that_another_quarter_renames(house: House) -> None:
    house.bring(document(entry("ann", call=100)), moment(10, 20))
    october = {"fields": {"commit": "Commit, renamed"}, "weeks": {"W40": None}}
    last = document(entry("ann", "W40", period="2026_Q3", call=1), **october)  # type: ignore[arg-type]
    house.bring(last, moment(10, 21), quarter="2026_Q3")
    names = house.rows("select distinct field_name from clari.forecast_vs_quota")
    assert names == [{"field_name": "Commit, renamed"}]


def test_what_is_no_longer_loaded_leaves_the_mart(house: House) -> None:
    house.bring(document(entry("ann", call=100)), moment(10, 20))
    house.execute("update clari.export_job set state = 'REFUSED'")
    house.refresh("forecast_vs_quota")
    assert house.value("select count(*) from clari.forecast_vs_quota") == 0


def test_it_is_recognised_day_after_day(house_of_two: House) -> None:
    house = house_of_two
    for day in (20, 21, 22):
        request = house.deliver(QUARTER_OF_TWO, moment(10, day))
        damage(house, house.outcome(request))
        house.merge()
        assert house.outcome(request).export.state == "LOADED"


ROWS_LOST = (
    "delete from clari.forecast_entry_state where user_id = 'bob'",
    "delete from clari.forecast_entry_history where user_id = 'ann' and time_frame_id = 'W03'",
    "delete from clari.forecast_entry_state; delete from clari.forecast_entry_history",
    "insert into clari.forecast_entry_state select * from clari.forecast_entry_state",
    "insert into clari.forecast_entry_history select * from clari.forecast_entry_history",
    "insert into clari.forecast_entry_state select * from clari.forecast_entry_state where user_id = 'ann';"
    "insert into clari.forecast_entry_history select * from clari.forecast_entry_history where user_id = 'ann'",
    "insert into clari.forecast_entry_state select * replace ('eve' as user_id) from clari.forecast_entry_state "
    "where user_id = 'bob'",
    "insert into clari.forecast_entry_state select * replace ('eve' as user_id) from clari.forecast_entry_state "
    "where user_id = 'bob'; insert into clari.forecast_entry_history select * replace ('eve' as user_id) "
    "from clari.forecast_entry_history where user_id = 'bob'",
)


@pytest.mark.parametrize("damages", [ROWS_LOST[:5:2], pytest.param(ROWS_LOST, marks=pytest.mark.soak)], ids=len)
def test_where_its_rows_are_not_all_there_the_quarter_is_made_anew(
    house_of_two: House, damages: tuple[str, ...]
) -> None:
    """It was called reconciled from memory, and the rows stayed away for ever. Rows that nobody brought go."""
    house = house_of_two
    with house.held_open():
        whole = tables(house)
        for day, damaged in enumerate(damages, start=20):
            house.execute(damaged)
            request = house.deliver(QUARTER_OF_TWO, moment(10, day))
            house.merge()
            assert house.outcome(request).export.state == "LOADED"
            entries = [
                row | {"last_seen_at": 0, "exported_at": 0, "job_id": 0} for row in tables(house)["forecast_entry"]
            ]
            assert entries == [
                row | {"last_seen_at": 0, "exported_at": 0, "job_id": 0} for row in whole["forecast_entry"]
            ], damaged
            assert tables(house)["forecast_entry_history"] == whole["forecast_entry_history"], damaged


def test_cut_off_this_time_it_is_refused(house_of_two: House) -> None:
    """The same bytes, of which Clari now says that rows are missing."""
    house = house_of_two
    outcome = house.bring(QUARTER_OF_TWO, moment(10, 20), is_truncated=True)
    assert outcome.export.state == "REFUSED"
    assert "export_is_not_truncated" in outcome.export.error


def test_that_it_came_before_shows_that_it_is_whole(house_of_two: House) -> None:
    """Whatever its own download shows, and though the release that merged the other did not judge that."""
    house = house_of_two
    house.execute("delete from clari.export_check where check_name = 'export_is_complete'")
    outcome = house.bring(QUARTER_OF_TWO, moment(10, 20), is_whole=False)
    assert (outcome.export.state, outcome.export.rows_unchanged) == ("LOADED", 3)
    (judged,) = [one for one in outcome.verdicts if one.check_name == "export_is_complete"]
    assert judged.passed


def test_the_one_at_the_top_is_looked_for_again(open_house: Callable[..., House]) -> None:
    """Two stand at the top; then a setting names the one."""
    two = document(
        entry("ann", call=1),
        entry("bob", call=1),
        people=[person("ann", role="one", parent=None), person("bob", role="two", parent=None)],
    )

    def has_one_top(outcome: Outcome) -> bool:
        return all(one.passed for one in outcome.verdicts if one.check_name == "totals_have_one_top")

    assert not has_one_top(open_house().bring(two, moment(10, 19)))
    house = open_house(top_user="ann")
    house.exports = 1
    assert has_one_top(house.bring(two, moment(10, 20)))


def test_what_keeps_a_document_out_is_said_as_it_is(house_of_two: House) -> None:
    """Without the kept lists the document has to be read, and it cannot be."""
    house = house_of_two
    house.execute("delete from clari.newest_document")
    assert_read(house, house.deliver(QUARTER_OF_TWO, moment(10, 20)))


@pytest.mark.usefixtures("of_two")
def test_read_in_another_calendar_it_is_read_again(open_house: Callable[..., House]) -> None:
    """Where a fiscal year begins decides which days a quarter has."""
    house = open_house(fiscal_year_start_month=2)
    house.exports = 1
    assert_read(house, house.deliver(QUARTER_OF_TWO, moment(10, 20)))
