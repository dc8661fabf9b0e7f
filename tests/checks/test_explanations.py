"""forecast_swing_contribution: what of a manager's swing their reports' calls add up to."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random
from typing import Any

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


@dataclass(frozen=True)
class Case:
    """What two exports show, and what is then explained of each manager's swing.

    `added` are kind and amount of those in the sum, by report; `apart` kind, why, amount and currency of those who
    are in none.
    """

    before: Scene
    after: Scene
    added: dict[str, dict[str, tuple[str, Any]]]
    apart: dict[str, dict[str, tuple[str, str, Any, str]]] = field(default_factory=dict)


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


VP = [
    person("cro", parent=None),
    person("mo", role="vp", parent="role-cro"),
    person("max", role="vp", parent="role-cro"),
    person("ann", parent="vp"),
    person("bob", parent="vp"),
]
ONE_HEAD = [one | {"crmId": "crm-m"} if one["userId"] in {"mo", "max"} else one for one in VP]


def except_for(name: str, people: list[Json]) -> list[Json]:
    return [one for one in people if one["userId"] != name]


def under_mo(*names: str) -> list[Json]:
    return [person("mo", parent=None), *(person(who, parent="role-mo") for who in names)]


CASES = {
    # The one who did not move is named with 0, so that nobody asks where they are.
    "reports in both exports add how their calls changed": Case(
        export(TEAM, {"mo": 100, "ann": 60, "bob": 40}),
        export(TEAM, {"mo": 150, "ann": 95, "bob": 40}),
        {"mo": {"ann": ("report", 35), "bob": ("report", 0)}},
    ),
    "a joiner brings the whole call": Case(
        export(without("bob"), {"mo": 100, "ann": 100}),
        export(TEAM, {"mo": 150, "ann": 100, "bob": 40}),
        {"mo": {"ann": ("report", 0), "bob": ("joiner", 40)}},
    ),
    "a leaver takes the whole call away": Case(
        export(TEAM, {"mo": 100, "ann": 60, "bob": 40}),
        export(without("bob"), {"mo": 60, "ann": 61}),
        {"mo": {"ann": ("report", 1), "bob": ("leaver", -40)}},
    ),
    # What was then is taken from the one, what is now is merged_histories to the other.
    "who changes managers leaves the one and joins the other": Case(
        export(TEAM, {"mo": 100, "max": 50, "ann": 60, "bob": 40, "cy": 50}),
        export(TEAM | {"bob": "max"}, {"mo": 60, "max": 99, "ann": 60, "bob": 49, "cy": 50}),
        {
            "mo": {"ann": ("report", 0), "bob": ("leaver", -40)},
            "max": {"cy": ("report", 0), "bob": ("joiner", 49)},
        },
    ),
    # One CRM person, neither joiner nor leaver.
    "a report under a new user id is the same report": Case(
        export(TEAM, {"mo": 100, "ann": 60, "bob": 40}, crm={"bob": "crm-b"}),
        export(without("bob") | {"bob2": "mo"}, {"mo": 150, "ann": 60, "bob2": 70}, crm={"bob2": "crm-b"}),
        {"mo": {"ann": ("report", 0), "bob2": ("report", 30)}},
    ),
    "a manager under a new user id keeps the team": Case(
        export(TEAM, {"mo": 100, "ann": 60, "bob": 40}, crm={"mo": "crm-m"}),
        export(
            {"cro": None, "mo2": "cro", "ann": "mo2", "bob": "mo2"},
            {"mo2": 150, "ann": 90, "bob": 40},
            crm={"mo2": "crm-m"},
        ),
        {"mo2": {"ann": ("report", 30), "bob": ("report", 0)}},
    ),
    # A manager's call is for the whole team already: their reports' calls would be counted twice.
    "only direct reports are counted": Case(
        export(TEAM, {"cro": 300, "mo": 100, "max": 100, "ann": 60, "cy": 90}),
        export(TEAM, {"cro": 400, "mo": 180, "max": 100, "ann": 140, "cy": 90}),
        {"cro": {"mo": ("report", 80), "max": ("report", 0)}, "mo": {"ann": ("report", 80)}},
    ),
    "reps and managers who did not swing have no explanation": Case(
        export(TEAM, {"mo": 100, "max": 100, "ann": 60, "cy": 90}),
        export(TEAM, {"mo": 100, "max": 120, "ann": 200, "cy": 10}),
        {},
    ),
    # The reports add up to -5, the call fell by 50: 45 are the manager's own.
    "what the reports do not explain is the manager's own judgement": Case(
        export(TEAM, {"mo": 100, "ann": 60, "bob": 40}),
        export(TEAM, {"mo": 50, "ann": 50, "bob": 45}),
        {"mo": {"ann": ("report", -10), "bob": ("report", 5)}},
    ),
    # The call of the week before stands.
    "a report who has not submitted yet adds nothing": Case(
        export(TEAM, {"mo": 100, "ann": 60, "bob": None}),
        export(TEAM, {"mo": 160, "ann": 60, "bob": 33}),
        {"mo": {"ann": ("report", 0), "bob": ("report", 33)}},
    ),
    # Both moved by 50; bob's 20 and ann's 30 would explain 100 of 50.
    "reports of two who share a role are in the sum of neither": Case(
        Scene(VP, usd(mo=100, max=100, ann=60, bob=40)),
        Scene(VP, usd(mo=150, max=150, ann=90, bob=60)),
        {"mo": {}, "max": {}},
        {
            manager: {"ann": ("report", "shared", 30, "USD"), "bob": ("report", "shared", 20, "USD")}
            for manager in ("mo", "max")
        },
    ),
    "their own calls explain whoever they report to": Case(
        Scene(VP, usd(cro=300, mo=100, max=100)),
        Scene(VP, usd(cro=400, mo=150, max=120)),
        {"cro": {"mo": ("report", 50), "max": ("report", 20)}},
    ),
    # Clari recommends an integration user beside the top.
    **{
        f"who stands in the role and calls {call} shares nothing": Case(
            Scene(VP, usd(mo=100, max=call, ann=60, bob=40)),
            Scene(VP, usd(mo=150, max=call, ann=90, bob=60)),
            {"mo": {"ann": ("report", 30), "bob": ("report", 20)}},
        )
        for call in (None, 0)
    },
    # A second head came in between: what of the team's change is whose, nobody can say.
    "a role that was shared in either export is shared": Case(
        Scene(except_for("max", VP), usd(mo=100, ann=60, bob=40)),
        Scene(VP, usd(mo=50, max=70, ann=90, bob=40)),
        {"mo": {}},
        {"mo": {"ann": ("report", "shared", 30, "USD"), "bob": ("report", "shared", 0, "USD")}},
    ),
    "a head under a new user id is no second one": Case(
        Scene(except_for("max", ONE_HEAD), usd(mo=100, ann=60, bob=40)),
        Scene(except_for("mo", ONE_HEAD), usd(max=150, ann=90, bob=40)),
        {"max": {"ann": ("report", 30), "bob": ("report", 0)}},
    ),
    # Joiners and leavers, too, each in the currency of its own.
    "calls in another currency are in no sum": Case(
        Scene(under_mo("ann", "bob", "cy"), usd(mo=100, ann=60) | {"bob": (40, "EUR"), "cy": (7, "GBP")}),
        Scene(under_mo("ann", "bob", "dee"), usd(mo=150, ann=90) | {"bob": (60, "EUR"), "dee": (9, "JPY")}),
        {"mo": {"ann": ("report", 30)}},
        {
            "mo": {
                "bob": ("report", "other_currency", 20, "EUR"),
                "cy": ("leaver", "other_currency", -7, "GBP"),
                "dee": ("joiner", "other_currency", 9, "JPY"),
            }
        },
    ),
    # Whether it came to the manager's currency or left it.
    "a call whose currency changed has no change that could be named": Case(
        Scene(under_mo("ann", "bob"), usd(mo=100, ann=60) | {"bob": (40, "EUR")}),
        Scene(under_mo("ann", "bob"), usd(mo=150, bob=44) | {"ann": (55, "EUR")}),
        {"mo": {}},
        {
            "mo": {
                "ann": ("report", "other_currency", None, "EUR"),
                "bob": ("report", "other_currency", None, "USD"),
            }
        },
    ),
    # Whatever the currency is today, under another manager.
    "who left and called in the manager's currency then is added up": Case(
        Scene(except_for("max", VP), usd(cro=500, mo=100, ann=60, bob=40)),
        Scene([*VP[:2], VP[3], person("bob", parent="role-cro")], usd(cro=500, mo=60, ann=60) | {"bob": (35, "EUR")}),
        {"mo": {"ann": ("report", 0), "bob": ("leaver", -40)}},
    ),
}


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


DRAWN = {
    f"drawn {seed}": Case(
        *(export(team, {who: str(call) for who, call in calls.items()}) for team, calls in drawn(seed)), {}
    )
    for seed in SEEDS
}


@dataclass(frozen=True)
class MergedHistories:
    """A warehouse, and what begins the names of all who are of one case in it."""

    house: House
    mark: str

    def rows(self, table: str, condition: str = "true", **parameters: Any) -> list[Json]:
        """The case's own rows of a table, people by the names that the case has for them."""
        found = self.house.rows(
            f"from clari.{table} where starts_with(user_id, $mark) and {condition}", mark=self.mark, **parameters
        )
        names = ("user_id", "report_user_id")
        return [row | {name: row[name].removeprefix(self.mark) for name in names if name in row} for row in found]

    def explained(self, manager: str, *, baseline: str = "sync") -> list[Json]:
        """The reports of the manager's newest swing, each once."""
        rows = self.rows(
            "forecast_swing_contribution",
            "user_id = $manager and baseline = $baseline",
            manager=f"{self.mark}{manager}",
            baseline=baseline,
        )
        assert len({row["job_id"] for row in rows}) <= 1
        assert len({row["report_user_id"] for row in rows}) == len(rows)
        return rows

    def added(self, manager: str, *, baseline: str = "sync") -> dict[str, tuple[str, Decimal]]:
        """Kind and amount of those in the sum."""
        rows = self.explained(manager, baseline=baseline)
        return {row["report_user_id"]: (row["kind"], row["change_amount"]) for row in rows if row["apart"] is None}

    def apart(self, manager: str) -> dict[str, tuple[str, str, Decimal | None, str]]:
        """Kind, why, amount and currency of those in no sum."""
        rows = [row for row in self.explained(manager) if row["apart"] is not None]
        assert all(row["change_amount"] is None for row in rows)
        return {
            row["report_user_id"]: (row["kind"], row["apart"], row["apart_amount"], row["currency_code"])
            for row in rows
        }


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Two exports that hold every case, each a company of its own: an export costs as much whatever it holds."""
    house = House(tmp_path_factory.mktemp("explained"))
    with house.held_open():
        for number in (0, 1):
            people, entries = [], []
            for place, case in enumerate((CASES | DRAWN).values()):
                mark, scene = f"{place}/", (case.before, case.after)[number]
                people += [_marked(one, mark) for one in scene.people]
                entries += [
                    entry(f"{mark}{who}", "W01", call=call, currency=currency)
                    for who, (call, currency) in scene.calls.items()
                ]
            house.deliver(document(*entries, people=people), moment(10, 2 + number))
        house.merge()
        yield house


def _marked(one: Json, mark: str) -> Json:
    names = ("userId", "crmId", "hierarchyId", "parentHierarchyId")
    return one | {name: f"{mark}{one[name]}" for name in names if one[name]}


def merged_histories(house: House, name: str) -> MergedHistories:
    return MergedHistories(house, f"{list(CASES | DRAWN).index(name)}/")


@pytest.mark.parametrize("name", CASES)
def test_the_reports_of_a_swing(name: str, house: House) -> None:
    case, found = CASES[name], merged_histories(house, name)
    assert {manager: found.added(manager) for manager in case.added} == case.added
    assert {manager: found.apart(manager) for manager in case.added if found.apart(manager)} == case.apart
    if not case.added:
        assert len(found.rows("forecast_swing", "is_swing")) == 2
        assert found.rows("forecast_swing_contribution") == []


def test_what_the_reports_do_not_explain_is_left_to_the_manager(house: House) -> None:
    found = merged_histories(house, "what the reports do not explain is the manager's own judgement")
    (change,) = [row["change_amount"] for row in found.rows("forecast_swing") if row["user_id"] == "mo"]
    assert change - sum(amount for _, amount in found.added("mo").values()) == -45


def test_the_week_is_explained_against_the_week(house: House) -> None:
    """Step by step nobody swings; over the week the manager does, and the reports' weeks are told."""
    for day, call in ((1, 100), (4, 85), (8, 72)):
        shown = export(TEAM, {"mo": call, "ann": call - 10, "bob": 10})
        entries = [entry(who, f"W{(day + 6) // 7:02d}", call=amount) for who, (amount, _) in shown.calls.items()]
        house.deliver(document(*entries, people=shown.people), moment(10, day), forecast="weeks")
    house.merge()
    found = MergedHistories(house, "")
    assert {row["forecast_id"] for row in found.rows("forecast_swing", "user_id = 'mo'")} == {"weeks"}
    assert found.explained("mo", baseline="sync") == []
    assert found.added("mo", baseline="week") == {"ann": ("report", -28), "bob": ("report", 0)}


@pytest.mark.parametrize("seed", SEEDS)
def test_whoever_comes_goes_and_moves_the_sums_add_up(
    seed: int, house: House, record_property: Callable[[str, object], None]
) -> None:
    """The reports of now less the reports of then, to the ten-thousandth, for every manager that swings."""
    kind_of = {(True, True): "report", (False, True): "joiner", (True, False): "leaver", (False, False): None}
    teams, calls = zip(*drawn(seed), strict=True)
    for manager in ("mo", "max"):
        now, then = (
            sum(calls[number][who] for who, boss in teams[number].items() if boss == manager) for number in (1, 0)
        )
        found = merged_histories(house, f"drawn {seed}").added(manager)
        record_property(manager, len(found))
        assert sum(amount for _, amount in found.values()) == now - then
        kinds = {who: kind for who, (kind, _) in found.items()}
        for who in REPS:
            was, is_now = (teams[number].get(who) == manager for number in (0, 1))
            assert kinds.get(who) == kind_of[was, is_now]
