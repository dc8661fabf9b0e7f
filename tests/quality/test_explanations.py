"""forecast_swing_contribution: what of a manager's swing their reports' calls add up to."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.helpers.house import House, document, entry, moment, person

# Who reports to whom, by name; nobody: the top.
Team = dict[str, str | None]
TEAM: Team = {"cro": None, "mo": "cro", "max": "cro", "ann": "mo", "bob": "mo", "cy": "max"}


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def export(house: House, day: int, team: Team, calls: dict[str, Any], *, crm: dict[str, str] | None = None) -> None:
    """One export, in which these people report so and call that."""
    people = [
        person(name, parent=f"role-{boss}" if boss else None, crm=(crm or {}).get(name)) for name, boss in team.items()
    ]
    week = f"W{(day + 6) // 7:02d}"
    house.bring(document(*(entry(who, week, call=call) for who, call in calls.items()), people=people), moment(10, day))


def explained(house: House, manager: str, *, baseline: str = "sync") -> dict[str, tuple[str, Decimal]]:
    """Kind and amount by report, of the manager's newest swing."""
    rows = house.rows(
        "from clari.forecast_swing_contribution where user_id = $manager and baseline = $baseline",
        manager=manager,
        baseline=baseline,
    )
    assert len({row["job_id"] for row in rows}) <= 1
    assert len({row["report_user_id"] for row in rows}) == len(rows)
    return {row["report_user_id"]: (row["kind"], row["change_amount"]) for row in rows}


def test_reports_in_both_exports_add_how_their_calls_changed(house: House) -> None:
    """The one who did not move is named with 0, so that nobody asks where they are."""
    export(house, 2, TEAM, {"mo": 100, "ann": 60, "bob": 40})
    export(house, 3, TEAM, {"mo": 150, "ann": 95, "bob": 40})
    assert explained(house, "mo") == {"ann": ("report", 35), "bob": ("report", 0)}


def test_a_joiner_brings_the_whole_call(house: House) -> None:
    export(house, 2, {key: boss for key, boss in TEAM.items() if key != "bob"}, {"mo": 100, "ann": 100})
    export(house, 3, TEAM, {"mo": 150, "ann": 100, "bob": 40})
    assert explained(house, "mo") == {"ann": ("report", 0), "bob": ("joiner", 40)}


def test_a_leaver_takes_the_whole_call_away(house: House) -> None:
    export(house, 2, TEAM, {"mo": 100, "ann": 60, "bob": 40})
    export(house, 3, {key: boss for key, boss in TEAM.items() if key != "bob"}, {"mo": 60, "ann": 61})
    assert explained(house, "mo") == {"ann": ("report", 1), "bob": ("leaver", -40)}


def test_who_changes_managers_leaves_the_one_and_joins_the_other(house: House) -> None:
    """What was then is taken from the one, what is now is brought to the other."""
    export(house, 2, TEAM, {"mo": 100, "max": 50, "ann": 60, "bob": 40, "cy": 50})
    export(house, 3, TEAM | {"bob": "max"}, {"mo": 60, "max": 99, "ann": 60, "bob": 49, "cy": 50})
    assert explained(house, "mo") == {"ann": ("report", 0), "bob": ("leaver", -40)}
    assert explained(house, "max") == {"cy": ("report", 0), "bob": ("joiner", 49)}


def test_a_report_under_a_new_user_id_is_the_same_report(house: House) -> None:
    """One CRM person, neither joiner nor leaver."""
    export(house, 2, TEAM, {"mo": 100, "ann": 60, "bob": 40}, crm={"bob": "crm-b"})
    renamed: Team = {key: boss for key, boss in TEAM.items() if key != "bob"} | {"bob2": "mo"}
    export(house, 3, renamed, {"mo": 150, "ann": 60, "bob2": 70}, crm={"bob2": "crm-b"})
    assert explained(house, "mo") == {"ann": ("report", 0), "bob2": ("report", 30)}


def test_a_manager_under_a_new_user_id_keeps_the_team(house: House) -> None:
    export(house, 2, TEAM, {"mo": 100, "ann": 60, "bob": 40}, crm={"mo": "crm-m"})
    team: Team = {"cro": None, "mo2": "cro", "ann": "mo2", "bob": "mo2"}
    export(house, 3, team, {"mo2": 150, "ann": 90, "bob": 40}, crm={"mo2": "crm-m"})
    assert explained(house, "mo2") == {"ann": ("report", 30), "bob": ("report", 0)}


def test_only_direct_reports_are_counted(house: House) -> None:
    """A manager's call is for the whole team already: their reports' calls would be counted twice."""
    export(house, 2, TEAM, {"cro": 300, "mo": 100, "max": 100, "ann": 60, "cy": 90})
    export(house, 3, TEAM, {"cro": 400, "mo": 180, "max": 100, "ann": 140, "cy": 90})
    assert explained(house, "cro") == {"mo": ("report", 80), "max": ("report", 0)}
    assert explained(house, "mo") == {"ann": ("report", 80)}


def test_reps_and_managers_who_did_not_swing_have_no_explanation(house: House) -> None:
    export(house, 2, TEAM, {"mo": 100, "max": 100, "ann": 60, "cy": 90})
    export(house, 3, TEAM, {"mo": 100, "max": 120, "ann": 200, "cy": 10})
    assert house.value("select count(*) from clari.forecast_swing where is_swing") == 2
    assert house.rows("from clari.forecast_swing_contribution") == []


def test_what_the_reports_do_not_explain_is_the_managers_own_judgement(house: House) -> None:
    """The reports add up to -5, the call fell by 50: 45 are the manager's own."""
    export(house, 2, TEAM, {"mo": 100, "ann": 60, "bob": 40})
    export(house, 3, TEAM, {"mo": 50, "ann": 50, "bob": 45})
    reports = sum(amount for _, amount in explained(house, "mo").values())
    assert reports == -5
    change = house.value("select change_amount from clari.forecast_swing where user_id = 'mo'")
    assert change - reports == -45


def test_the_week_is_explained_against_the_week(house: House) -> None:
    """Step by step nobody swings; over the week the manager does, and the reports' weeks are told."""
    for day, call in ((1, 100), (4, 85), (8, 72)):
        export(house, day, TEAM, {"mo": call, "ann": call - 10, "bob": 10})
    assert explained(house, "mo", baseline="sync") == {}
    assert explained(house, "mo", baseline="week") == {"ann": ("report", -28), "bob": ("report", 0)}


def test_a_report_who_has_not_submitted_yet_adds_nothing(house: House) -> None:
    """The call of the week before stands."""
    export(house, 2, TEAM, {"mo": 100, "ann": 60, "bob": None})
    export(house, 3, TEAM, {"mo": 160, "ann": 60, "bob": 33})
    assert explained(house, "mo") == {"ann": ("report", 0), "bob": ("report", 33)}


@pytest.mark.parametrize("seed", range(3))
def test_whoever_comes_goes_and_moves_the_sums_add_up(
    seed: int, house: House, record_property: Callable[[str, object], None]
) -> None:
    """The reports of now less the reports of then, to the ten-thousandth, for every manager that swings."""
    chance = Random(seed)
    reps = [f"r{number}" for number in range(14)]
    teams: list[Team] = []
    calls: list[dict[str, Decimal]] = []
    for number in (0, 1):
        shown = chance.sample(reps, 11)
        teams.append({"cro": None, "mo": "cro", "max": "cro"} | {who: chance.choice(("mo", "max")) for who in shown})
        calls.append({who: Decimal(chance.randint(-(10**9), 10**9)) / 10_000 for who in shown})
        calls[-1] |= {"mo": Decimal(100 + 900 * number), "max": Decimal(1000 - 900 * number)}
        export(house, 2 + number, teams[-1], {who: str(call) for who, call in calls[-1].items()})
    for manager in ("mo", "max"):
        now, then = (
            sum(calls[number][who] for who, boss in teams[number].items() if boss == manager) for number in (1, 0)
        )
        found = explained(house, manager)
        record_property(manager, len(found))
        assert sum(amount for _, amount in found.values()) == now - then
        kinds = {who: kind for who, (kind, _) in found.items()}
        for who in reps:
            was, is_now = (teams[number].get(who) == manager for number in (0, 1))
            assert (
                kinds.get(who)
                == {
                    (True, True): "report",
                    (False, True): "joiner",
                    (True, False): "leaver",
                    (False, False): None,
                }[was, is_now]
            )


# What cannot be added up


def bring(house: House, day: int, people: list[dict[str, Any]], calls: dict[str, tuple[Any, str]]) -> None:
    """One export of these people, each with a call in a currency."""
    entries = (entry(who, "W01", call=call, currency=currency) for who, (call, currency) in calls.items())
    house.bring(document(*entries, people=people), moment(10, day))


def apart(house: House, manager: str) -> dict[str, tuple[str, str | None, Decimal | None, str | None]]:
    """Kind, why, amount and currency of those in no sum."""
    rows = house.rows(
        "from clari.forecast_swing_contribution where user_id = $manager and apart is not null", manager=manager
    )
    assert all(row["change_amount"] is None for row in rows)
    return {
        row["report_user_id"]: (row["kind"], row["apart"], row["apart_amount"], row["currency_code"]) for row in rows
    }


def added(house: House, manager: str) -> dict[str, tuple[str, Decimal]]:
    """Kind and amount of those in the sum."""
    return {
        who: (kind, amount)
        for who, (kind, amount) in explained(house, manager).items()
        if who not in apart(house, manager)
    }


def usd(**calls: Any) -> dict[str, tuple[Any, str]]:
    return {who: (call, "USD") for who, call in calls.items()}


VP = [
    person("cro", parent=None),
    person("mo", role="vp", parent="role-cro"),
    person("max", role="vp", parent="role-cro"),
    person("ann", parent="vp"),
    person("bob", parent="vp"),
]


def test_reports_of_two_who_share_a_role_are_in_the_sum_of_neither(house: House) -> None:
    """Both moved by 50; bob's 20 and ann's 30 would explain 100 of 50."""
    bring(house, 2, VP, usd(mo=100, max=100, ann=60, bob=40))
    bring(house, 3, VP, usd(mo=150, max=150, ann=90, bob=60))
    for manager in ("mo", "max"):
        assert added(house, manager) == {}
        assert apart(house, manager) == {
            "ann": ("report", "shared", 30, "USD"),
            "bob": ("report", "shared", 20, "USD"),
        }
    total = house.value("select sum(change_amount) from clari.forecast_swing_contribution")
    assert total is None


def test_their_own_calls_explain_whoever_they_report_to(house: House) -> None:
    bring(house, 2, VP, usd(cro=300, mo=100, max=100))
    bring(house, 3, VP, usd(cro=400, mo=150, max=120))
    assert added(house, "cro") == {"mo": ("report", 50), "max": ("report", 20)}


@pytest.mark.parametrize("call", [None, 0])
def test_who_stands_in_the_role_and_has_no_call_shares_nothing(call: int | None, house: House) -> None:
    """Clari recommends an integration user beside the top."""
    bring(house, 2, VP, usd(mo=100, max=call, ann=60, bob=40))
    bring(house, 3, VP, usd(mo=150, max=call, ann=90, bob=60))
    assert added(house, "mo") == {"ann": ("report", 30), "bob": ("report", 20)}
    assert apart(house, "mo") == {}


def test_a_role_that_was_shared_in_either_export_is_shared(house: House) -> None:
    """A second head came in between: what of the team's change is whose, nobody can say."""
    bring(house, 2, [one for one in VP if one["userId"] != "max"], usd(mo=100, ann=60, bob=40))
    bring(house, 3, VP, usd(mo=50, max=70, ann=90, bob=40))
    assert added(house, "mo") == {}
    assert apart(house, "mo")["ann"] == ("report", "shared", 30, "USD")


def test_a_head_under_a_new_user_id_is_no_second_one(house: House) -> None:
    """One CRM person."""
    crm = [one | {"crmId": "crm-m"} if one["userId"] in {"mo", "max"} else one for one in VP]
    bring(house, 2, [one for one in crm if one["userId"] != "max"], usd(mo=100, ann=60, bob=40))
    bring(house, 3, [one for one in crm if one["userId"] != "mo"], usd(max=150, ann=90, bob=40))
    assert added(house, "max") == {"ann": ("report", 30), "bob": ("report", 0)}


def test_calls_in_another_currency_are_in_no_sum(house: House) -> None:
    """Joiners and leavers, too, each in the currency of its own."""
    people = [person("mo", parent=None), *(person(who, parent="role-mo") for who in ("ann", "bob", "cy", "dee"))]
    without = {"dee": people[:-1], "cy": [one for one in people if one["userId"] != "cy"]}
    bring(house, 2, without["dee"], usd(mo=100, ann=60) | {"bob": (40, "EUR"), "cy": (7, "GBP")})
    bring(house, 3, without["cy"], usd(mo=150, ann=90) | {"bob": (60, "EUR"), "dee": (9, "JPY")})
    assert added(house, "mo") == {"ann": ("report", 30)}
    assert apart(house, "mo") == {
        "bob": ("report", "other_currency", 20, "EUR"),
        "cy": ("leaver", "other_currency", -7, "GBP"),
        "dee": ("joiner", "other_currency", 9, "JPY"),
    }


def test_a_call_whose_currency_changed_has_no_change_that_could_be_told(house: House) -> None:
    """Whether it came to the manager's currency or left it."""
    people = [person("mo", parent=None), person("ann", parent="role-mo"), person("bob", parent="role-mo")]
    bring(house, 2, people, usd(mo=100, ann=60) | {"bob": (40, "EUR")})
    bring(house, 3, people, usd(mo=150, bob=44) | {"ann": (55, "EUR")})
    assert added(house, "mo") == {}
    assert apart(house, "mo") == {
        "ann": ("report", "other_currency", None, "EUR"),
        "bob": ("report", "other_currency", None, "USD"),
    }


def test_who_left_and_called_in_the_managers_currency_then_is_added_up(house: House) -> None:
    """Whatever the currency is today, under another manager."""
    bring(house, 2, VP[:2] + VP[3:], usd(cro=500, mo=100, ann=60, bob=40))
    moved = [*VP[:2], VP[3], person("bob", parent="role-cro")]
    bring(house, 3, moved, usd(cro=500, mo=60, ann=60) | {"bob": (35, "EUR")})
    assert added(house, "mo") == {"ann": ("report", 0), "bob": ("leaver", -40)}
