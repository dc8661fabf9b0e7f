"""clari_pipeline.toml: what it may say, who goes before whom, and what then wakes people."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from clari_pipeline.config.rules import RULES_FILE, Rules, RulesError, read_rules
from clari_pipeline.store import marts
from tests.helpers.forecast import shared_house
from tests.helpers.house import QUARTER, House, Json, document, entry, moment, person

CRO = person("cro", role="chief revenue officer", parent=None)
MANAGER = person("mo", role="manager", parent="chief revenue officer")
REPS = [person(name, role="account executive", parent="manager") for name in ("ann", "bob")]
PEOPLE = [CRO, MANAGER, *REPS]

Ruled = Callable[..., House]


@pytest.fixture
def ruled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ruled]:
    """A house in a folder where the file says this."""
    with ExitStack() as held_open:

        def make(text: str, **settings: Any) -> House:
            monkeypatch.chdir(tmp_path)
            RULES_FILE.write_text(text, encoding="utf-8")
            house = House(tmp_path, **settings)
            held_open.enter_context(house.held_open())
            return house

        yield make


def compared(
    house: House, *moves: tuple[str, str, Any, Any], quota: Any = None, week: str = "W03", forecast: str = "north"
) -> dict[tuple[str, str], Json]:
    """Two exports in which these calls (person, field, before, after) move: the comparisons, by person and field."""
    day = {"W01": 2, "W02": 9, "W03": 16}[week]
    for number, at in ((2, moment(10, day)), (3, moment(10, day + 1))):
        entries = [entry(move[0], week, move[1], call=move[number]) for move in moves]
        if quota is not None:
            entries += [entry(who, week, "quota", quota=quota) for who in sorted({move[0] for move in moves})]
        house.deliver(document(*entries, people=PEOPLE), at, forecast=forecast)
        house.merge()
    return comparisons(house, forecast)


def comparisons(house: House, forecast: str) -> dict[tuple[str, str], Json]:
    """By person and field."""
    rows = house.rows("from clari.forecast_swing where forecast_id = $forecast", forecast=forecast)
    return {(row["user_id"], row["field_id"]): row for row in rows}


Judged = Callable[[str, str], dict[tuple[str, str], Json]]


@pytest.fixture(scope="module")
def brought(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Two exports, brought while no file says anything: ann's calls move by 20 % and by 8 %, the CRO's by 9 %."""
    with shared_house(tmp_path_factory.mktemp("rules")) as house:
        found = compared(house, ("ann", "commit", 1000, 1200), forecast="fifth")
        assert found["ann", "commit"]["threshold"] == Decimal("0.2")
        compared(house, ("ann", "commit", 1000, "1080.0001"), ("cro", "best_case", 100, 109), forecast="eight")
        yield house


@pytest.fixture
def judged(brought: House, tmp_path: Path) -> Judged:
    """Compares the calls of a forecast anew as they are in a folder where the file says this: they are there once."""

    def judge(text: str, forecast: str) -> dict[tuple[str, str], Json]:
        file = tmp_path / RULES_FILE
        file.write_text(text, encoding="utf-8")
        rules = replace(brought.context.rules, rules=read_rules(file))
        brought.execute(f"delete from clari.forecast_swing where forecast_id = '{forecast}'")
        with brought.context.warehouse.session() as session:
            marts.compare_calls(session, forecast, QUARTER, rules)
        return comparisons(brought, forecast)

    return judge


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("[swings]\nthresold = 0.1", "swings.thresold"),
        ("[swing]\nseverity = 'P1'", "swing:"),
        ("swings = 3", "swings:"),
        ("[swings]\nfields = 'Commit'", "swings.fields"),
        ("[swings]\nseverity = 'P4'", "swings.severity"),
        ("[swings]\nmin_share_of_quota = nan", "swings.min_share_of_quota"),
        ("[swings]\nreps_muted_in_weeks = [1, 0]", "swings.reps_muted_in_weeks.1"),
        ("[[swings.rule]]\nthreshold = 0.1", "swings.rule.0: a rule names a field, a role or a person"),
        ("[[swings.rule]]\nrole = 'AE'\n[[swings.rule]]\nrole = 5", "swings.rule.1.role"),
        ("[[swings.rule]]\nfield = 'Commit'\nthreshold = '8 %'", "swings.rule.0.threshold"),
        ("[[swings.rule]]\nfield = 'Commit'\nthreshold = '0.08'", "swings.rule.0.threshold"),
        ("[[swings.rule]]\nfield = 'Commit'\nthreshold = -0.1", "swings.rule.0.threshold"),
        ("[[swings.rule]]\nfield = 'Commit'\nmin_amount = true", "swings.rule.0.min_amount"),
        ("[[swings.rule]]\nfield = 'Commit'\nmuted = true", "swings.rule.0.muted"),
        ("[fields.Commit]\nquota = 5", "fields.Commit.quota"),
        ("[fields.Commit]\nwon = 'Closed'", "fields.Commit.won"),
        ("[swings\n", "is no TOML"),
        ("[swings]\nseverity = 'P1'\nseverity = 'P2'", "is no TOML"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_in_one_line(tmp_path: Path, text: str, place: str) -> None:
    """The line names the file and the place; no setting is guessed."""
    file = tmp_path / RULES_FILE
    file.write_text(text, encoding="utf-8")
    with pytest.raises(RulesError) as refused:
        read_rules(file)
    said = str(refused.value)
    assert said.startswith(str(file))
    assert place in said
    assert "\n" not in said


def test_all_faults_are_named_at_once(tmp_path: Path) -> None:
    file = tmp_path / RULES_FILE
    file.write_text("[swings]\na = 1\nb = 2\n", encoding="utf-8")
    with pytest.raises(RulesError, match=r"swings\.a.*swings\.b"):
        read_rules(file)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    file = tmp_path / RULES_FILE
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(RulesError, match="cannot be read"):
        read_rules(file)


def test_without_a_file_the_same_holds_for_all(tmp_path: Path) -> None:
    assert read_rules(tmp_path / RULES_FILE) == Rules()


def test_shares_and_amounts_are_read_as_decimals(tmp_path: Path) -> None:
    """0.1 is a tenth, not the binary number beside it."""
    file = tmp_path / RULES_FILE
    file.write_text("[[swings.rule]]\nfield = 'Commit'\nthreshold = 0.1\nmin_amount = 50_000.25\n", encoding="utf-8")
    (rule,) = read_rules(file).swings.rule
    assert (rule.threshold, rule.min_amount) == (Decimal("0.1"), Decimal("50000.25"))


def test_a_wrong_file_stops_the_pipeline_before_anything(ruled: Ruled) -> None:
    with pytest.raises(RulesError, match=r"clari_pipeline\.toml"):
        ruled("[swings]\nthreshold = 0.1")


def _rule(threshold: str, **names: str) -> str:
    return (
        "[[swings.rule]]\n" + "".join(f"{key} = '{name}'\n" for key, name in names.items()) + f"threshold={threshold}\n"
    )


_FIELD, _ROLE, _PERSON = {"field": "Commit"}, {"role": "Account Executive"}, {"person": "ann@example.com"}


@pytest.mark.parametrize(
    ("text", "threshold"),
    [
        (_rule("0.3", **_ROLE) + _rule("0.5", **_FIELD), "0.3"),
        (_rule("0.4", **_PERSON) + _rule("0.3", **_ROLE) + _rule("0.5", **_FIELD), "0.4"),
        (_rule("0.4", **_PERSON) + _rule("0.3", **_ROLE, **_FIELD), "0.4"),
        (_rule("0.3", **_ROLE, **_FIELD) + _rule("0.6", **_ROLE), "0.3"),
        (_rule("0.5", **_FIELD) + _rule("0.7", **_FIELD), "0.7"),
        (_rule("0.5", role="Manager") + _rule("0.6", person="Bob") + _rule("0.7", field="Best Case"), "0.2"),
        (_rule("0.4", **_PERSON) + "[[swings.rule]]\nperson = 'ann'\nmin_amount = 1\n", "0.4"),
    ],
)
def test_the_more_particular_rule_goes_first(judged: Judged, text: str, threshold: str) -> None:
    """Person before role before field, of equals the later; what a rule does not say stays as it was."""
    found = judged(text, "fifth")
    assert found["ann", "commit"]["threshold"] == Decimal(threshold)


@pytest.mark.parametrize(
    "names",
    [
        {"field": "commit"},
        {"field": "COMMIT"},
        {"role": "account executive"},
        {"person": "ann"},
        {"person": "Ann"},
        {"person": "ANN@example.com"},
        {"field": "Commit", "role": "Account Executive", "person": "ann"},
    ],
)
def test_fields_roles_and_people_are_known_by_id_name_and_address(judged: Judged, names: dict[str, str]) -> None:
    """A rise of 8 % exactly is none at 8 %, one ten-thousandth more is."""
    found = judged(_rule("0.08", **names), "eight")
    assert found["ann", "commit"]["is_swing"] is True
    assert found["cro", "best_case"]["is_swing"] is False


def test_a_rule_holds_for_all_that_it_names_at_once(ruled: Ruled) -> None:
    house = ruled(_rule("0.01", role="Account Executive", field="Commit"))
    moves = [(who, name, 100, 110) for who in ("ann", "mo") for name in ("commit", "best_case")]
    assert [key for key, row in compared(house, *moves).items() if row["is_swing"]] == [("ann", "commit")]


def test_the_settings_hold_where_no_rule_does(ruled: Ruled) -> None:
    house = ruled(_rule("0.5", person="ann"), swing_threshold=Decimal("0.1"))
    found = compared(house, ("ann", "commit", 100, 140), ("bob", "commit", 100, 111))
    assert [row["is_swing"] for _, row in sorted(found.items())] == [False, True]


def test_the_least_amount_counts_itself(ruled: Ruled) -> None:
    house = ruled("[[swings.rule]]\nrole = 'Account Executive'\nmin_amount = 50_000\n")
    moves = (("ann", "commit", 0, "49999.9999"), ("bob", "commit", 0, 50_000), ("mo", "commit", 0, 1))
    found = {who: row["is_swing"] for (who, _), row in compared(house, *moves).items()}
    assert found == {"ann": False, "bob": True, "mo": True}


def test_a_change_below_the_least_share_of_quota_is_none(ruled: Ruled) -> None:
    """One percent of a quota of a million; the manager's rule says another share."""
    house = ruled("[swings]\nmin_share_of_quota = 0.01\n[[swings.rule]]\nperson = 'mo'\nmin_share_of_quota = 0.02\n")
    moves = [("ann", "commit", 0, "9999.9999"), ("bob", "commit", 0, 10_000), ("mo", "commit", 0, 19_999)]
    found = compared(house, *moves, quota=1_000_000)
    assert {who: row["is_swing"] for (who, _), row in found.items()} == {"ann": False, "bob": True, "mo": False}
    assert found["mo", "commit"]["min_amount"] == 20_000


def test_the_larger_of_both_least_amounts_holds(ruled: Ruled) -> None:
    house = ruled("[swings]\nmin_share_of_quota = 0.01\n[[swings.rule]]\nperson = 'ann'\nmin_amount = 15\n")
    found = compared(house, ("ann", "commit", 0, 14), ("bob", "commit", 0, 14), quota=1000)
    assert {who: row["is_swing"] for (who, _), row in found.items()} == {"ann": False, "bob": True}


def _muted(found: dict[tuple[str, str], Json]) -> dict[tuple[str, str], bool]:
    assert all(row["is_swing"] for row in found.values())
    return {key: row["is_muted"] for key, row in found.items()}


def test_only_the_fields_that_are_named_alert(ruled: Ruled) -> None:
    """The comparison is the same; who is told of it is not. A rule may say otherwise for somebody."""
    rules = "[[swings.rule]]\nperson = 'mo'\nalert = true\n[[swings.rule]]\nperson = 'bob'\nalert = false\n"
    house = ruled("[swings]\nfields = ['Commit']\n" + rules)
    moves = [(who, name, 100, 200) for who in ("ann", "bob", "mo") for name in ("commit", "best_case")]
    assert _muted(compared(house, *moves)) == {
        ("ann", "commit"): False,
        ("ann", "best_case"): True,
        ("bob", "commit"): True,
        ("bob", "best_case"): True,
        ("mo", "commit"): False,
        ("mo", "best_case"): False,
    }


@pytest.mark.parametrize(("week", "is_muted"), [("W01", True), ("W02", True), ("W03", False)])
def test_reps_are_muted_in_the_weeks_that_are_named(ruled: Ruled, week: str, is_muted: bool) -> None:
    """Those to whom nobody reports; managers are heard all the same, and a rep whose rule says so."""
    house = ruled("[swings]\nreps_muted_in_weeks = [1, 2]\n[[swings.rule]]\nperson = 'bob'\nmuted_in_weeks = []\n")
    found = _muted(compared(house, *((who, "commit", 100, 200) for who in ("ann", "bob", "mo", "cro")), week=week))
    assert {who: muted for (who, _), muted in found.items()} == {
        "ann": is_muted,
        "bob": False,
        "mo": False,
        "cro": False,
    }


def test_a_reps_five_thousand_wake_nobody_and_the_cros_eight_percent_do(ruled: Ruled) -> None:
    house = ruled(
        "[[swings.rule]]\nrole = 'Account Executive'\nmin_amount = 50_000\n"
        "[[swings.rule]]\nperson = 'cro@example.com'\nthreshold = 0.0799\n"
    )
    moves = [("ann", "commit", 10_000, 15_000), ("cro", "commit", 12_500_000, 11_500_000), ("mo", "commit", 100, 108)]
    found = compared(house, *moves)
    alerting = [who for (who, _), row in found.items() if row["is_swing"] and not row["is_muted"]]
    assert alerting == ["cro"]


def test_a_forecast_field_is_held_against_the_fields_that_are_named(ruled: Ruled) -> None:
    """Quota, closed and pipeline of each; what is not named is the field's own, and the field called Quota."""
    house = ruled("[fields.'Commit']\nquota = 'Stretch'\nclosed = 'Closed Won'\npipeline = 'pipe'\n")
    fields = {"commit": "Commit", "best_case": "Best Case", "quota": "Quota", "stretch": "Stretch"}
    entries = [
        entry("cro", "W03", "commit", call=100, closed=1, total=2),
        entry("cro", "W03", "best_case", call=200, closed=3, total=4),
        entry("cro", "W03", "quota", quota=1000),
        entry("cro", "W03", "stretch", quota=2000),
        entry("cro", "W03", "won", closed=50),
        entry("cro", "W03", "pipe", total=70),
    ]
    content = document(*entries, people=[CRO], fields=fields | {"won": "Closed Won", "pipe": "Pipeline"})
    house.bring(content, moment(10, 16))
    found = {
        row["field_id"]: tuple(row[name] for name in ("quota_value", "crm_closed", "crm_total", "attainment_pct"))
        for row in house.rows("from clari.forecast_vs_quota")
    }
    assert found == {"commit": (2000, 50, 70, Decimal("0.025")), "best_case": (1000, 3, 4, Decimal("0.003"))}
