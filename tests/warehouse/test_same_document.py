"""A document that equals the newest loaded one is recognised unread, and recorded as if it had been read."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from clari_pipeline.sync.outcomes import Outcome
from tests.helpers import prepared
from tests.helpers.forecast import broken, verdict
from tests.helpers.house import House, document, entry, moment, person
from tests.warehouse.test_any_order import TABLES

COUNTS = ("rows_exported", "rows_staged", "rows_inserted", "rows_updated", "rows_unchanged", "rows_disappeared")
QUARTER_OF_TWO = document(
    entry("ann", "W01", call=100, closed=10, quota=500),
    entry("ann", "W03", call=120, closed=20, quota=500),
    entry("bob", "W03", call=50),
    people=[person("ann", role="head", parent=None), person("bob", role="rep", parent="head")],
)


@pytest.fixture
def house_of_two(tmp_path: Path, open_house: Callable[..., House]) -> House:
    """A house that has merged `QUARTER_OF_TWO` on 19 October; made once."""

    def make(folder: Path) -> None:
        House(folder).bring(QUARTER_OF_TWO, moment(10, 19))

    shutil.copytree(prepared.made_once("same-document", make), tmp_path, dirs_exist_ok=True)
    house = open_house()
    house.exports = 1
    return house


def counts(outcome: Outcome) -> tuple[int, ...]:
    return tuple(getattr(outcome.export, name) for name in COUNTS)


def merged_unreadable(house: House, day: int, **request: object) -> Outcome:
    """The document once more, of which nobody can read what lies on the disk."""
    request_id = house.deliver(QUARTER_OF_TWO, moment(10, day), **request)  # type: ignore[arg-type]
    landed = house.outcome(request_id).export.landing_path
    (house.context.landing.root / landed / "document.zst").write_bytes(b"")
    house.merge()
    return house.outcome(request_id)


def test_it_is_not_read(house_of_two: House) -> None:
    """Day after day: what lies on the disk cannot be read, and is not missed."""
    for day in (20, 21, 22):
        outcome = merged_unreadable(house_of_two, day)
        assert (outcome.export.state, counts(outcome)) == ("LOADED", (3, 3, 0, 0, 3, 0))


def test_where_it_says_something_else_or_is_not_known_it_is_read(
    house_of_two: House, open_house: Callable[..., House]
) -> None:
    """Asked for in another way, in another calendar, which says the days of a quarter, or without the kept lists. That
    shows where it cannot be read: it is refused by name.
    """
    elsewhere = open_house(fiscal_year_start_month=2)
    elsewhere.exports = 100

    def assert_read(outcome: Outcome, how: object) -> None:
        assert (outcome.export.state, outcome.section) == ("REFUSED", "export_is_readable"), how
        assert "restore it from a backup" in outcome.reason, how

    for request in (
        {"types": ("crm_closed", "forecast", "quota")},
        {"currency": "EUR"},
        {"scope": "east"},
        {"history": False},
    ):
        assert_read(merged_unreadable(house_of_two, 20, **request), request)
    assert_read(merged_unreadable(elsewhere, 20), "another calendar")
    assert counts(merged_unreadable(house_of_two, 20)) == (3, 3, 0, 0, 3, 0), "none of those made it forget"
    house_of_two.execute("delete from clari.newest_document")
    assert_read(merged_unreadable(house_of_two, 20), "no lists")


def test_it_is_recorded_as_if_it_had_been_read(house: House) -> None:
    """Figures, marks, people, calls, swings, marts: the same rows as when the quarter is rebuilt from its documents,
    and as a refresh would make them; every check has its verdict.
    """

    def bring(day: int, content: dict[str, object]) -> Outcome:
        outcome = house.bring(content, moment(10, day))
        left = house.snapshot(*TABLES, without={"detected_at"})
        for table in ("mart_version", "forecast_swing_contribution", "forecast_swing"):
            house.execute(f"delete from clari.{table}")
        house.refresh("forecast_vs_quota")
        house.refresh("forecast_swing")
        assert house.snapshot(*TABLES, without={"detected_at"}) == left
        return outcome

    bring(2, document(entry("cy", "W01", call=7), entry("ann", "W01", call=1)))
    read = bring(12, QUARTER_OF_TWO)
    recognised = bring(20, QUARTER_OF_TWO)
    judged = [[one.check_name for one in outcome.verdicts] for outcome in (read, recognised)]
    assert sorted(judged[1]) == sorted(judged[0])
    shown = house.tuples("select distinct user_id, exported_at, in_latest_export from clari.forecast_entry order by 1")
    assert shown == [("ann", moment(10, 20), True), ("bob", moment(10, 20), True), ("cy", moment(10, 2), False)]
    # The week of the call has moved on, and the baseline of a week ago with it.
    swings = house.tuples(
        "select baseline, previous_value, current_value from clari.forecast_swing "
        "where job_id = $job and user_id = 'ann' order by baseline",
        job=recognised.export.job_id,
    )
    assert swings == [("sync", 100, 120), ("week", 100, 120)]
    before = house.snapshot(*TABLES)
    house.replay([], [])
    after = house.snapshot(*TABLES)
    assert [table for table in TABLES if after[table] != before[table]] == []

    moved = document(entry("ann", "W01", call=100, closed=10, quota=500), entry("ann", "W03", call=90, quota=400))
    assert "row_count_is_stable" in broken(bring(21, moved))
    assert "row_count_is_stable" not in broken(bring(22, moved)), "as many as the newest"
    back = bring(23, QUARTER_OF_TWO)
    assert counts(back) == (3, 3, 0, 2, 1, 0), "a document that came before the newest one brings its figures back"


def test_a_mart_follows_what_another_quarter_or_the_ledger_says(house: House) -> None:
    """A field that another quarter renames; and what is no longer loaded leaves it."""
    house.bring(document(entry("ann", call=100)), moment(10, 20))
    october = {"fields": {"commit": "Commit, renamed"}, "weeks": {"W40": None}}
    last = document(entry("ann", "W40", period="2026_Q3", call=1), **october)  # type: ignore[arg-type]
    house.bring(last, moment(10, 21), quarter="2026_Q3")
    assert house.tuples("select distinct field_name from clari.forecast_vs_quota") == [("Commit, renamed",)]
    house.execute("update clari.export_job set state = 'REFUSED'")
    house.refresh("forecast_vs_quota")
    assert house.value("select count(*) from clari.forecast_vs_quota") == 0


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

    def kept() -> list[object]:
        entries = house.snapshot("forecast_entry", without={"last_seen_at", "exported_at", "job_id"})
        return [entries, house.snapshot("forecast_entry_history")]

    whole = kept()
    for day, damaged in enumerate(damages, start=20):
        house.execute(damaged)
        assert house.bring(QUARTER_OF_TWO, moment(10, day)).export.state == "LOADED"
        assert kept() == whole, damaged


def test_that_it_came_before_shows_that_it_is_whole(house_of_two: House) -> None:
    """Whatever its own download shows, and though the release that merged the other did not judge that. The same bytes
    of which Clari now says that rows are missing are refused.
    """
    house = house_of_two
    house.execute("delete from clari.export_check where check_name = 'export_is_complete'")
    outcome = house.bring(QUARTER_OF_TWO, moment(10, 20), is_whole=False)
    assert (outcome.export.state, outcome.export.rows_unchanged) == ("LOADED", 3)
    assert verdict(outcome, "export_is_complete").passed
    outcome = house.bring(QUARTER_OF_TWO, moment(10, 21), is_truncated=True)
    assert outcome.export.state == "REFUSED"
    assert "export_is_not_truncated" in outcome.export.error


def test_the_one_at_the_top_is_looked_for_again(open_house: Callable[..., House]) -> None:
    """Two stand at the top; then a setting names the one."""
    people = [person(who, role=who, parent=None) for who in ("ann", "bob")]
    two = document(entry("ann", call=1), entry("bob", call=1), people=people)
    assert "totals_have_one_top" in broken(open_house().bring(two, moment(10, 19)))
    house = open_house(top_user="ann")
    house.exports = 1
    outcome = house.bring(two, moment(10, 20))
    assert not [one for one in outcome.verdicts if one.check_name == "totals_have_one_top" and not one.passed]
