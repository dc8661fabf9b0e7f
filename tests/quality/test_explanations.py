"""forecast_swing_contribution: what of a manager's swing their reports' calls add up to."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest

from ..warehouse.house import House, document, entry, moment, person

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
