"""Damage that somebody does to the tables is found, by the next sync and by a verification, told, and repaired."""

import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from itertools import zip_longest
from pathlib import Path

import pytest

from clari_pipeline.alerts.raising import Alerts
from clari_pipeline.checks.export_gate import Verdict as Gate
from clari_pipeline.landing import LandedDocument, Landing, LandingError
from clari_pipeline.sync.verifying import Verdict, Verification, Verified
from clari_pipeline.warehouse.catalogue import is_view, tables
from tests.helpers import prepared
from tests.helpers.each_case import try_each
from tests.helpers.forecast import verdict
from tests.helpers.house import QUARTER, House, Json, document, entry, moment, person

_PEOPLE = [person("ann", role="head", parent=None), person("bob", role="rep", parent="head")]
_DAYS = {"startDate": "2026-10-01", "endDate": "2026-12-31"}
_YEAR = [{"timePeriodId": QUARTER, "label": "Q4", **_DAYS}, {"timePeriodId": "2026", "type": "YEAR", "year": 2026}]
_OF_YEAR = entry("ann", "W02", quota=9000, period="2026")
FIRST = document(
    entry("ann", "W01", call=100, closed=10, quota=500),
    entry("ann", "W03", call=120, closed=20, quota=500),
    entry("bob", "W03", call=50),
    entry("cy", "W03", "best_case", call=5, adjustment=6, total=70),
    _OF_YEAR,
    people=[*_PEOPLE, person("cy")],
    periods=_YEAR,
)
SECOND = document(
    entry("ann", "W01", call=100, closed=10, quota=500),
    entry("ann", "W03", call=125, closed=20, quota=500),
    entry("bob", "W03", call=50),
    _OF_YEAR,
    people=[_PEOPLE[0], person("bob", role="seller", parent="head")],
    periods=_YEAR,
)
THIRD = document(
    entry("ann", "W01", call=100, closed=10, quota=500),
    entry("ann", "W03", call=126, closed=21, quota=500),
    entry("bob", "W03", call=51),
    _OF_YEAR,
    people=[_PEOPLE[0], person("bob", role="seller", parent="head")],
    periods=_YEAR,
)
BEFORE = document(
    entry("ann", "W02", call=8, period="2026_Q3"),
    people=[_PEOPLE[0]],
    weeks={"W02": date(2026, 7, 8)},
    fields={"commit": "Commit, once", "old": "Old"},
)
# By table: what somebody may do to it, and does not say.
DAMAGE = {
    "forecast_entry_state": (
        "update clari.forecast_entry_state set forecast_value = forecast_value * 10 where user_id = 'ann'",
        "update clari.forecast_entry_state set crm_closed = null where time_frame_id = 'W01'",
        "update clari.forecast_entry_state set currency_code = 'EUR' where user_id = 'bob'",
        "update clari.forecast_entry_state set in_latest_export = not in_latest_export where user_id = 'cy'",
        "update clari.forecast_entry_state set first_seen_at = first_seen_at - interval '1 day' where user_id = 'bob'",
        "update clari.forecast_entry_state set quarter_id = null where user_id = 'bob'",
        "update clari.forecast_entry_state set forecast_value = 175 - forecast_value where forecast_id = "
        "'north' and quarter_id = '2026_Q4' and time_frame_id = 'W03' and user_id in ('ann', 'bob')",
        "delete from clari.forecast_entry_state where user_id = 'bob'",
        "delete from clari.forecast_entry_state",
        "insert into clari.forecast_entry_state select * from clari.forecast_entry_state where user_id = 'ann'",
        "insert into clari.forecast_entry_state select * replace ('eve' as user_id) from "
        "clari.forecast_entry_state where user_id = 'bob'",
    ),
    "forecast_entry_history": (
        "update clari.forecast_entry_history set forecast_value = 1 where valid_to is not null",
        "update clari.forecast_entry_history set valid_to = null",
        "update clari.forecast_entry_history set valid_from = valid_from + interval '1 hour' where user_id = 'bob'",
        "delete from clari.forecast_entry_history where valid_to is not null",
        "delete from clari.forecast_entry_history",
        "insert into clari.forecast_entry_history select * from clari.forecast_entry_history where user_id = 'ann'",
    ),
    "forecast_entry_sighting": (
        "update clari.forecast_entry_sighting set exported_at = exported_at + interval '1 hour'",
        "delete from clari.forecast_entry_sighting",
        "insert into clari.forecast_entry_sighting select * replace (known_job_id || '-no' as known_job_id) "
        "from clari.forecast_entry_sighting",
    ),
    "forecast_user": (
        "update clari.forecast_user set name = 'Eve' where user_id = 'bob'",
        "update clari.forecast_user set is_top = true",
        "delete from clari.forecast_user where user_id = 'bob'",
        "insert into clari.forecast_user select * replace ('eve' as user_id) from clari.forecast_user where "
        "user_id = 'bob'",
    ),
    "forecast_user_history": (
        "update clari.forecast_user_history set role_name = 'Boss' where user_id = 'bob'",
        "delete from clari.forecast_user_history where valid_to is not null",
        "insert into clari.forecast_user_history select * from clari.forecast_user_history",
    ),
    "forecast_user_sighting": (
        "update clari.forecast_user_sighting set role_name = 'Boss' where user_id = 'ann'",
        "delete from clari.forecast_user_sighting where user_id = 'ann'",
        "insert into clari.forecast_user_sighting select * replace ('eve' as user_id) from "
        "clari.forecast_user_sighting where user_id = 'bob'",
    ),
    "forecast_time_frame": (
        "update clari.forecast_time_frame set start_date = start_date + 1 where time_frame_id = 'W02'",
        "delete from clari.forecast_time_frame where time_frame_id = 'W02'",
    ),
    "forecast_field": (
        "update clari.forecast_field set field_name = 'Eve'",
        "update clari.forecast_field set job_id = 'job-no' where field_id = 'commit'",
        "update clari.forecast_field set last_seen_at = '2030-01-01 00:00:00+00' where field_id = 'commit'",
        "delete from clari.forecast_field where field_id = 'commit'",
        "delete from clari.forecast_field where field_id = 'old'",
        "insert into clari.forecast_field select * replace ('eve' as field_id) from clari.forecast_field "
        "where field_id = 'commit'",
    ),
    "time_period": (
        "update clari.time_period set label = 'Eve'",
        "update clari.time_period set start_date = start_date + 1 where time_period_id = '2026_Q4'",
        "update clari.time_period set year = 1999 where time_period_id = '2026'",
        "delete from clari.time_period where time_period_id = '2026_Q4'",
        "delete from clari.time_period",
        "insert into clari.time_period select * replace ('2031_Q1' as time_period_id) from clari.time_period "
        "where time_period_id = '2026_Q4'",
    ),
    "time_frame": (
        "update clari.time_frame set week_number = 9 where time_frame_id = 'W02'",
        "update clari.time_frame set end_date = end_date - 1 where time_frame_id = 'W02'",
        "delete from clari.time_frame where time_frame_id = 'W02'",
        "insert into clari.time_frame select * replace ('W77' as time_frame_id) from clari.time_frame where "
        "time_frame_id = 'W02'",
    ),
}
# What the exports of several quarters and forecasts share: a sync does not look for it.
SHARED = {"forecast_field", "time_period", "time_frame"}
_OF_RUNS = {"mart_version", "mart_part_version", "newest_document"}  # what a refresh notes of itself


def _brought(house: House) -> None:
    house.bring(BEFORE, moment(9, 20), quarter="2026_Q3")
    house.bring(FIRST, moment(10, 19))
    house.bring(FIRST, moment(10, 19), forecast="south")
    house.bring(SECOND, moment(10, 20))
    house.bring(SECOND, moment(10, 21))
    house.refresh_marts()


@pytest.fixture
def whole(tmp_path: Path, open_house: Callable[..., House]) -> House:
    """Two forecasts, one with two quarters, of documents that change values and people; made once."""

    def make(folder: Path) -> None:
        house = House(folder)
        with house.held_open():
            _brought(house)

    shutil.copytree(prepared.made_once("verified", make), tmp_path, dirs_exist_ok=True)
    house = open_house()
    house.exports = 5
    return house


def everything(house: House, *, without: frozenset[str] | set[str] = frozenset()) -> dict[str, list[Json]]:
    named = [table for table in tables() if not is_view(table) and table not in without]
    return house.snapshot(*named, "forecast_entry", without={"detected_at"})


def verified(house: House, *, is_repaired: bool = False) -> list[Verified]:
    return Verification(house.context).verify(is_repaired=is_repaired)


def differing(found: list[Verified]) -> list[Verified]:
    return [one for one in found if one.verdict is not Verdict.EQUAL]


def named(found: list[Verified]) -> set[str]:
    """The tables that a verification names, by key or by what the last merge left."""
    by_key = {table for one in found for table in one.compared.keys_differing}
    by_key |= {"forecast_entry_state"} if "forecast_entry" in by_key else set()
    return by_key | {one.stands.table_name for each in found for one in each.unlike}


# Each round damages every table once, in one way of each.
_ROUNDS = list(zip_longest(*DAMAGE.values()))


@pytest.mark.parametrize("rounds", [_ROUNDS[::5], pytest.param(_ROUNDS, marks=pytest.mark.soak)], ids=len)
def test_damage_of_every_kind_is_found_and_repaired(whole: House, rounds: list[tuple[str | None, ...]]) -> None:
    """A verification finds it and changes nothing; with a repair the tables are those of an undisturbed warehouse."""
    before = everything(whole, without=_OF_RUNS)
    assert [one.verdict for one in verified(whole)] == [Verdict.EQUAL] * 5
    assert everything(whole, without=_OF_RUNS) == before

    def check(statements: tuple[str | None, ...]) -> None:
        damaged_tables = set()
        for table, statement in zip(DAMAGE, statements, strict=True):
            if statement is not None:
                whole.execute(statement)
                damaged_tables.add(table)
        damaged = everything(whole)
        found = verified(whole)
        assert everything(whole) == damaged, "without a repair nothing changes"
        repaired = verified(whole, is_repaired=True)
        assert damaged_tables - named(found) == set()
        assert {one.verdict for one in found} <= {Verdict.EQUAL, Verdict.DIFFERS}
        assert {one.verdict for one in repaired} <= {Verdict.EQUAL, Verdict.REPAIRED}
        after = everything(whole, without=_OF_RUNS)
        assert [table for table in before if after[table] != before[table]] == []

    try_each(rounds, check)


# What a sync has to find: rows gone and rows added, an amount, a call that changed places, a person, the history.
SYNCED = [statement for table in DAMAGE if table not in SHARED for statement in DAMAGE[table]]


def _of_sync(house: House) -> tuple[dict[str, list[Json]], list[tuple[object, ...]]]:
    """The tables, and which alerts there are on calls."""
    kept = everything(house, without=_OF_RUNS | {"export_check", "export_job", "alert", "alert_delivery"})
    alerts = house.tuples("select kind, alert_class from clari.alert where kind <> 'quality' order by 1, 2")
    return kept, alerts


@pytest.mark.parametrize("again", [SECOND, THIRD], ids=["same document", "new document"])
@pytest.mark.parametrize(
    "damages", [SYNCED[::8], pytest.param(SYNCED, marks=pytest.mark.soak)], ids=["some", "every kind"]
)
def test_the_next_sync_finds_damage_and_repairs_it(
    whole: House, tmp_path: Path, again: Json, damages: list[str]
) -> None:
    """With the document that it knows and with a new one: tables, history and swings are those of an undisturbed
    warehouse, no alert tells of a call that nobody changed, and one tells of the damage.
    """

    def synced(folder: str, statement: str | None) -> tuple[list[Gate], tuple[object, ...]]:
        """What a sync of all that the warehouse holds says of its tables, and leaves."""
        place = tmp_path / folder
        shutil.copytree(prepared.shared_folder() / "verified", place)
        house = House(place, now=moment(10, 22, 7))
        house.exports = 5
        with house.held_open():
            if statement is not None:
                house.execute(statement)
            outcomes = [
                house.bring(again, moment(10, 22)),
                house.bring(BEFORE, moment(10, 22), quarter="2026_Q3"),
                house.bring(FIRST, moment(10, 22), forecast="south"),
            ]
            assert {outcome.export.state for outcome in outcomes} == {"LOADED"}
            house.refresh_marts()
            Alerts(house.context).raise_alerts(run_id="run")
            found = [verdict(outcome, "tables_reconcile") for outcome in outcomes]
            alerted = house.value("select count(*) from clari.alert where kind = 'quality' and severity = 'P2'")
            assert alerted == sum(one.is_repaired for one in found)
            return found, _of_sync(house)

    undisturbed, expected = synced("undisturbed", None)
    assert all(one.passed for one in undisturbed)

    def check(statement: str) -> None:
        found, left = synced(f"damaged-{damages.index(statement)}", statement)
        (damaged, *_) = re.findall(r"clari\.(\w+)", statement)
        named = {one["table_name"] for each in found if each.is_repaired for one in each.evidence["unlike"]}
        assert damaged in named
        kept, calls = left
        assert [table for table in kept if kept[table] != expected[0][table]] == []
        assert calls == expected[1]

    try_each(damages, check)


def test_a_document_that_is_gone_is_named_and_nothing_is_booked(whole: House) -> None:
    """The quarter cannot be verified, nor rebuilt by a sync, which leaves it as it is; the others can."""
    landed = whole.value("select min(landing_path) from clari.export_job where job_id = 'job-north-2026_Q4-2'")
    (whole.context.landing.root / landed / "document.zst").unlink()
    (lost,) = differing(verified(whole))
    assert (lost.label, lost.verdict) == ("north 2026_Q4", Verdict.UNVERIFIED)
    assert landed in lost.finding
    whole.execute("update clari.forecast_entry_state set forecast_value = 7 where user_id = 'ann'")
    before = everything(whole)
    request_id = whole.deliver(THIRD, moment(10, 22))
    with pytest.raises(LandingError, match=r"forecast_value_total .* cannot be rebuilt"):
        whole.merge()
    assert whole.outcome(request_id).export.state == "LANDED"
    changed = [table for table, rows in everything(whole).items() if rows != before[table]]
    assert changed == ["export_job"]


def test_differences_are_named_by_key(whole: House) -> None:
    """Period, week, person and field, what the table has and what the documents give; rows that are missing or more."""
    whole.execute(
        "update clari.forecast_entry_state set forecast_value = 7 where user_id = 'ann' and time_frame_id = 'W03' "
        "and forecast_id = 'north'"
    )
    whole.execute("delete from clari.forecast_entry_state where user_id = 'bob' and forecast_id = 'north'")
    (found,) = differing(verified(whole))
    assert list(found.lines) == [
        "forecast_entry 2026_Q4 W03 ann (Ann) commit forecast_value: the table has 7.0000, the documents give 125.0000",
        "forecast_entry 2026_Q4 W03 bob (Bob) commit: 1 of its rows missing",
    ]
    assert found.keys_differing == 2


def test_a_killed_verification_leaves_everything_as_it_was(whole: House) -> None:
    """It is killed in the middle of its rebuild; what stood there, damaged, stands there."""
    whole.execute("update clari.forecast_entry_state set forecast_value = 7 where user_id = 'ann'")
    before = everything(whole)

    class Killed(BaseException):
        pass

    class Dying(Landing):
        def find(self, path: str) -> LandedDocument:
            """The third document of the rebuild is never read."""
            if path.endswith("-5"):
                raise Killed
            return super().find(path)

    context = replace(whole.context, landing=Dying(whole.context.landing.root))
    for is_repaired in (False, True):
        with pytest.raises(Killed):
            Verification(context).verify(["2026_Q4"], ["north"], is_repaired=is_repaired)
        assert everything(whole) == before


def test_on_a_server(tmp_path: Path, prepared_database: str) -> None:
    """PostgreSQL: its own hashes, and the same findings."""
    house = House(tmp_path, url=prepared_database)
    with house.held_open():
        house.bring(FIRST, moment(10, 19))
        assert verdict(house.bring(FIRST, moment(10, 20)), "tables_reconcile").passed
        assert verdict(house.bring(SECOND, moment(10, 21)), "tables_reconcile").passed
        assert differing(verified(house)) == []
        house.refresh_marts()
        kept = everything(house, without=_OF_RUNS)
        house.execute(
            "update clari.forecast_entry_state set forecast_value = 175 - forecast_value "
            "where time_frame_id = 'W03' and user_id in ('ann', 'bob')"
        )
        (found,) = differing(verified(house))
        assert found.compared.keys_differing == {"forecast_entry": 2}
        verified(house, is_repaired=True)
        assert everything(house, without=_OF_RUNS) == kept
        house.execute("update clari.forecast_user set name = 'Eve' where user_id = 'bob'")
        assert not verdict(house.bring(SECOND, moment(10, 22)), "tables_reconcile").passed
