"""forecast_swing_contribution: what of a manager's swing their reports' calls add up to."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from random import Random
from typing import Any, TypeVar

import pytest

from tests.helpers.house import House, Json, document, entry, moment, person

# Who reports to whom, by name; nobody: the top.
Team = dict[str, str | None]
TEAM: Team = {"cro": None, "mo": "cro", "max": "cro", "ann": "mo", "bob": "mo", "cy": "max"}


@dataclass(frozen=True)
class Scene:
    """What one export shows of a case: its people, and each one's call and currency."""

    people: list[Json]
    calls: dict[str, tuple[Any, str]]


CASES: dict[str, tuple[Scene, Scene]] = {}
"""What each case shows on the 2nd and on the 3rd."""
T = TypeVar("T")


def told(before: Scene, after: Scene) -> Callable[[T], T]:
    """The case of a test."""

    def add(test: T) -> T:
        CASES[test.__name__] = (before, after)  # type: ignore[attr-defined]
        return test

    return add


def export(team: Team, calls: dict[str, Any], *, crm: dict[str, str] | None = None) -> Scene:
    """These people report so and call that."""
    people = [
        person(name, parent=f"role-{boss}" if boss else None, crm=(crm or {}).get(name)) for name, boss in team.items()
    ]
    return Scene(people, usd(**calls))


def usd(**calls: Any) -> dict[str, tuple[Any, str]]:
    return {who: (call, "USD") for who, call in calls.items()}


def without(name: str) -> Team:
    return {key: boss for key, boss in TEAM.items() if key != name}


@dataclass(frozen=True)
class Case:
    """A warehouse, and what begins the names of all who are of this case in it."""

    house: House
    mark: str

    def rows(self, table: str, condition: str = "true", **parameters: Any) -> list[Json]:
        """The case's own rows of a table, people by the names that the case has for them."""
        found = self.house.rows(
            f"from clari.{table} where starts_with(user_id, $mark) and {condition}", mark=self.mark, **parameters
        )
        names = ("user_id", "report_user_id")
        return [row | {name: row[name].removeprefix(self.mark) for name in names if name in row} for row in found]


@pytest.fixture(scope="module")
def brought(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Two exports that hold every case, each a company of its own: an export costs as much whatever it holds."""
    house = House(tmp_path_factory.mktemp("explained"))
    with house.held_open():
        for number in (0, 1):
            people, entries = [], []
            for place, scenes in enumerate(CASES.values()):
                mark = f"{place}/"
                people += [_marked(one, mark) for one in scenes[number].people]
                entries += [
                    entry(f"{mark}{who}", "W01", call=call, currency=currency)
                    for who, (call, currency) in scenes[number].calls.items()
                ]
            house.deliver(document(*entries, people=people), moment(10, 2 + number))
        house.merge()
        yield house


def _marked(one: Json, mark: str) -> Json:
    names = ("userId", "crmId", "hierarchyId", "parentHierarchyId")
    return one | {name: f"{mark}{one[name]}" for name in names if one[name]}


@pytest.fixture
def case(brought: House, request: pytest.FixtureRequest) -> Case:
    """That of the test."""
    return case_of(brought, request.function.__name__)


def case_of(house: House, name: str) -> Case:
    return Case(house, f"{list(CASES).index(name)}/")


def explained(case: Case, manager: str, *, baseline: str = "sync") -> dict[str, tuple[str, Decimal]]:
    """Kind and amount by report, of the manager's newest swing."""
    rows = case.rows(
        "forecast_swing_contribution",
        "user_id = $manager and baseline = $baseline",
        manager=f"{case.mark}{manager}",
        baseline=baseline,
    )
    assert len({row["job_id"] for row in rows}) <= 1
    assert len({row["report_user_id"] for row in rows}) == len(rows)
    return {row["report_user_id"]: (row["kind"], row["change_amount"]) for row in rows}


@told(export(TEAM, {"mo": 100, "ann": 60, "bob": 40}), export(TEAM, {"mo": 150, "ann": 95, "bob": 40}))
def test_reports_in_both_exports_add_how_their_calls_changed(case: Case) -> None:
    """The one who did not move is named with 0, so that nobody asks where they are."""
    assert explained(case, "mo") == {"ann": ("report", 35), "bob": ("report", 0)}


@told(export(without("bob"), {"mo": 100, "ann": 100}), export(TEAM, {"mo": 150, "ann": 100, "bob": 40}))
def test_a_joiner_brings_the_whole_call(case: Case) -> None:
    assert explained(case, "mo") == {"ann": ("report", 0), "bob": ("joiner", 40)}


@told(export(TEAM, {"mo": 100, "ann": 60, "bob": 40}), export(without("bob"), {"mo": 60, "ann": 61}))
def test_a_leaver_takes_the_whole_call_away(case: Case) -> None:
    assert explained(case, "mo") == {"ann": ("report", 1), "bob": ("leaver", -40)}


@told(
    export(TEAM, {"mo": 100, "max": 50, "ann": 60, "bob": 40, "cy": 50}),
    export(TEAM | {"bob": "max"}, {"mo": 60, "max": 99, "ann": 60, "bob": 49, "cy": 50}),
)
def test_who_changes_managers_leaves_the_one_and_joins_the_other(case: Case) -> None:
    """What was then is taken from the one, what is now is brought to the other."""
    assert explained(case, "mo") == {"ann": ("report", 0), "bob": ("leaver", -40)}
    assert explained(case, "max") == {"cy": ("report", 0), "bob": ("joiner", 49)}


@told(
    export(TEAM, {"mo": 100, "ann": 60, "bob": 40}, crm={"bob": "crm-b"}),
    export(without("bob") | {"bob2": "mo"}, {"mo": 150, "ann": 60, "bob2": 70}, crm={"bob2": "crm-b"}),
)
def test_a_report_under_a_new_user_id_is_the_same_report(case: Case) -> None:
    """One CRM person, neither joiner nor leaver."""
    assert explained(case, "mo") == {"ann": ("report", 0), "bob2": ("report", 30)}


@told(
    export(TEAM, {"mo": 100, "ann": 60, "bob": 40}, crm={"mo": "crm-m"}),
    export(
        {"cro": None, "mo2": "cro", "ann": "mo2", "bob": "mo2"},
        {"mo2": 150, "ann": 90, "bob": 40},
        crm={"mo2": "crm-m"},
    ),
)
def test_a_manager_under_a_new_user_id_keeps_the_team(case: Case) -> None:
    assert explained(case, "mo2") == {"ann": ("report", 30), "bob": ("report", 0)}


@told(
    export(TEAM, {"cro": 300, "mo": 100, "max": 100, "ann": 60, "cy": 90}),
    export(TEAM, {"cro": 400, "mo": 180, "max": 100, "ann": 140, "cy": 90}),
)
def test_only_direct_reports_are_counted(case: Case) -> None:
    """A manager's call is for the whole team already: their reports' calls would be counted twice."""
    assert explained(case, "cro") == {"mo": ("report", 80), "max": ("report", 0)}
    assert explained(case, "mo") == {"ann": ("report", 80)}


@told(
    export(TEAM, {"mo": 100, "max": 100, "ann": 60, "cy": 90}),
    export(TEAM, {"mo": 100, "max": 120, "ann": 200, "cy": 10}),
)
def test_reps_and_managers_who_did_not_swing_have_no_explanation(case: Case) -> None:
    assert len(case.rows("forecast_swing", "is_swing")) == 2
    assert case.rows("forecast_swing_contribution") == []


@told(export(TEAM, {"mo": 100, "ann": 60, "bob": 40}), export(TEAM, {"mo": 50, "ann": 50, "bob": 45}))
def test_what_the_reports_do_not_explain_is_the_managers_own_judgement(case: Case) -> None:
    """The reports add up to -5, the call fell by 50: 45 are the manager's own."""
    reports = sum(amount for _, amount in explained(case, "mo").values())
    assert reports == -5
    (change,) = [row["change_amount"] for row in case.rows("forecast_swing") if row["user_id"] == "mo"]
    assert change - reports == -45


def test_the_week_is_explained_against_the_week(brought: House) -> None:
    """Step by step nobody swings; over the week the manager does, and the reports' weeks are told."""
    for day, call in ((1, 100), (4, 85), (8, 72)):
        shown = export(TEAM, {"mo": call, "ann": call - 10, "bob": 10})
        entries = [entry(who, f"W{(day + 6) // 7:02d}", call=amount) for who, (amount, _) in shown.calls.items()]
        brought.deliver(document(*entries, people=shown.people), moment(10, day), forecast="weeks")
    brought.merge()
    case = Case(brought, "")
    assert {row["forecast_id"] for row in case.rows("forecast_swing", "user_id = 'mo'")} == {"weeks"}
    assert explained(case, "mo", baseline="sync") == {}
    assert explained(case, "mo", baseline="week") == {"ann": ("report", -28), "bob": ("report", 0)}


@told(export(TEAM, {"mo": 100, "ann": 60, "bob": None}), export(TEAM, {"mo": 160, "ann": 60, "bob": 33}))
def test_a_report_who_has_not_submitted_yet_adds_nothing(case: Case) -> None:
    """The call of the week before stands."""
    assert explained(case, "mo") == {"ann": ("report", 0), "bob": ("report", 33)}


SEEDS = range(3)
REPS = [f"r{number}" for number in range(14)]


def drawn(seed: int) -> list[tuple[Team, dict[str, Decimal]]]:
    """Two teams, of whom chance says who reports to whom and calls what."""
    chance = Random(seed)
    drawn: list[tuple[Team, dict[str, Decimal]]] = []
    for number in (0, 1):
        shown = chance.sample(REPS, 11)
        team: Team = {"cro": None, "mo": "cro", "max": "cro"} | {who: chance.choice(("mo", "max")) for who in shown}
        calls = {who: Decimal(chance.randint(-(10**9), 10**9)) / 10_000 for who in shown}
        calls |= {"mo": Decimal(100 + 900 * number), "max": Decimal(1000 - 900 * number)}
        drawn.append((team, calls))
    return drawn


for _seed in SEEDS:
    _before, _after = (export(team, {who: str(call) for who, call in calls.items()}) for team, calls in drawn(_seed))
    CASES[f"drawn {_seed}"] = (_before, _after)


@pytest.mark.parametrize("seed", SEEDS)
def test_whoever_comes_goes_and_moves_the_sums_add_up(
    seed: int, brought: House, record_property: Callable[[str, object], None]
) -> None:
    """The reports of now less the reports of then, to the ten-thousandth, for every manager that swings."""
    teams, calls = zip(*drawn(seed), strict=True)
    for manager in ("mo", "max"):
        now, then = (
            sum(calls[number][who] for who, boss in teams[number].items() if boss == manager) for number in (1, 0)
        )
        found = explained(case_of(brought, f"drawn {seed}"), manager)
        record_property(manager, len(found))
        assert sum(amount for _, amount in found.values()) == now - then
        kinds = {who: kind for who, (kind, _) in found.items()}
        for who in REPS:
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


def apart(case: Case, manager: str) -> dict[str, tuple[str, str | None, Decimal | None, str | None]]:
    """Kind, why, amount and currency of those in no sum."""
    rows = case.rows(
        "forecast_swing_contribution", "user_id = $manager and apart is not null", manager=f"{case.mark}{manager}"
    )
    assert all(row["change_amount"] is None for row in rows)
    return {
        row["report_user_id"]: (row["kind"], row["apart"], row["apart_amount"], row["currency_code"]) for row in rows
    }


def added(case: Case, manager: str) -> dict[str, tuple[str, Decimal]]:
    """Kind and amount of those in the sum."""
    return {
        who: (kind, amount)
        for who, (kind, amount) in explained(case, manager).items()
        if who not in apart(case, manager)
    }


VP = [
    person("cro", parent=None),
    person("mo", role="vp", parent="role-cro"),
    person("max", role="vp", parent="role-cro"),
    person("ann", parent="vp"),
    person("bob", parent="vp"),
]


ONE_HEAD = [one | {"crmId": "crm-m"} if one["userId"] in {"mo", "max"} else one for one in VP]


def _under_mo(*names: str) -> list[Json]:
    return [person("mo", parent=None), *(person(who, parent="role-mo") for who in names)]


@told(Scene(VP, usd(mo=100, max=100, ann=60, bob=40)), Scene(VP, usd(mo=150, max=150, ann=90, bob=60)))
def test_reports_of_two_who_share_a_role_are_in_the_sum_of_neither(case: Case) -> None:
    """Both moved by 50; bob's 20 and ann's 30 would explain 100 of 50."""
    for manager in ("mo", "max"):
        assert added(case, manager) == {}
        assert apart(case, manager) == {
            "ann": ("report", "shared", 30, "USD"),
            "bob": ("report", "shared", 20, "USD"),
        }
    assert {row["change_amount"] for row in case.rows("forecast_swing_contribution")} == {None}


@told(Scene(VP, usd(cro=300, mo=100, max=100)), Scene(VP, usd(cro=400, mo=150, max=120)))
def test_their_own_calls_explain_whoever_they_report_to(case: Case) -> None:
    assert added(case, "cro") == {"mo": ("report", 50), "max": ("report", 20)}


NO_CALL = (None, 0)
for _call in NO_CALL:
    CASES[f"call {_call}"] = (
        Scene(VP, usd(mo=100, max=_call, ann=60, bob=40)),
        Scene(VP, usd(mo=150, max=_call, ann=90, bob=60)),
    )


@pytest.mark.parametrize("call", NO_CALL)
def test_who_stands_in_the_role_and_has_no_call_shares_nothing(call: int | None, brought: House) -> None:
    """Clari recommends an integration user beside the top."""
    case = case_of(brought, f"call {call}")
    assert added(case, "mo") == {"ann": ("report", 30), "bob": ("report", 20)}
    assert apart(case, "mo") == {}


@told(
    Scene([one for one in VP if one["userId"] != "max"], usd(mo=100, ann=60, bob=40)),
    Scene(VP, usd(mo=50, max=70, ann=90, bob=40)),
)
def test_a_role_that_was_shared_in_either_export_is_shared(case: Case) -> None:
    """A second head came in between: what of the team's change is whose, nobody can say."""
    assert added(case, "mo") == {}
    assert apart(case, "mo")["ann"] == ("report", "shared", 30, "USD")


@told(
    Scene([one for one in ONE_HEAD if one["userId"] != "max"], usd(mo=100, ann=60, bob=40)),
    Scene([one for one in ONE_HEAD if one["userId"] != "mo"], usd(max=150, ann=90, bob=40)),
)
def test_a_head_under_a_new_user_id_is_no_second_one(case: Case) -> None:
    """One CRM person."""
    assert added(case, "max") == {"ann": ("report", 30), "bob": ("report", 0)}


@told(
    Scene(_under_mo("ann", "bob", "cy"), usd(mo=100, ann=60) | {"bob": (40, "EUR"), "cy": (7, "GBP")}),
    Scene(_under_mo("ann", "bob", "dee"), usd(mo=150, ann=90) | {"bob": (60, "EUR"), "dee": (9, "JPY")}),
)
def test_calls_in_another_currency_are_in_no_sum(case: Case) -> None:
    """Joiners and leavers, too, each in the currency of its own."""
    assert added(case, "mo") == {"ann": ("report", 30)}
    assert apart(case, "mo") == {
        "bob": ("report", "other_currency", 20, "EUR"),
        "cy": ("leaver", "other_currency", -7, "GBP"),
        "dee": ("joiner", "other_currency", 9, "JPY"),
    }


@told(
    Scene(_under_mo("ann", "bob"), usd(mo=100, ann=60) | {"bob": (40, "EUR")}),
    Scene(_under_mo("ann", "bob"), usd(mo=150, bob=44) | {"ann": (55, "EUR")}),
)
def test_a_call_whose_currency_changed_has_no_change_that_could_be_told(case: Case) -> None:
    """Whether it came to the manager's currency or left it."""
    assert added(case, "mo") == {}
    assert apart(case, "mo") == {
        "ann": ("report", "other_currency", None, "EUR"),
        "bob": ("report", "other_currency", None, "USD"),
    }


@told(
    Scene(VP[:2] + VP[3:], usd(cro=500, mo=100, ann=60, bob=40)),
    Scene([*VP[:2], VP[3], person("bob", parent="role-cro")], usd(cro=500, mo=60, ann=60) | {"bob": (35, "EUR")}),
)
def test_who_left_and_called_in_the_managers_currency_then_is_added_up(case: Case) -> None:
    """Whatever the currency is today, under another manager."""
    assert added(case, "mo") == {"ann": ("report", 0), "bob": ("leaver", -40)}
