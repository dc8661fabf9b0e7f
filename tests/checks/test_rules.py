"""clari_pipeline.toml: what it may say, who goes before whom, and what then wakes people."""

import re
from collections.abc import Callable, Iterator
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
# Calls as they were and as they are, by field and person: each field is a case of its own.
MOVES: dict[str, dict[str, tuple[Any, Any]]] = {
    "commit": dict.fromkeys(("ann", "bob", "mo"), (1000, 1200)),
    "best_case": {"ann": (1000, 1200), "bob": (1000, 1200), "mo": (1000, 1200), "cro": (100, 109)},
    "eight": {"ann": (1000, "1080.0001"), "bob": (1000, 1080)},
    "least": {"ann": (0, "49999.9999"), "bob": (0, 50_000), "mo": (0, 1)},
    "share": {"ann": (0, "9999.9999"), "bob": (0, 10_000), "mo": (0, 19_999)},
    "both": {"ann": (0, 14_000), "bob": (0, 14_000)},
    "wake": {"ann": (10_000, 15_000), "cro": (12_500_000, 11_500_000), "mo": (100, 108)},
}
FIELDS = {name: name.replace("_", " ").title() for name in (*MOVES, "quota")}
Found = dict[tuple[str, str], Json]
Judged = Callable[..., Found]


@pytest.fixture(scope="module")
def brought(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Two exports of every case, merged while no file says anything; and calls that double, in three weeks."""
    with shared_house(tmp_path_factory.mktemp("rules")) as house:
        for number, day in enumerate((16, 17)):
            entries = [
                entry(who, "W03", field, call=pair[number])
                for field, calls in MOVES.items()
                for who, pair in calls.items()
            ]
            entries += [entry(who, "W03", "quota", quota=1_000_000) for who in ("ann", "bob", "mo")]
            house.deliver(document(*entries, people=PEOPLE, fields=FIELDS), moment(10, day))
        for number, (week, day) in enumerate((("W01", 2), ("W01", 3), ("W02", 9), ("W03", 16))):
            entries = [entry(who, week, call=100 * 2**number) for who in ("ann", "bob", "mo", "cro")]
            house.deliver(document(*entries, people=PEOPLE), moment(10, day), forecast="weeks")
        house.merge()
        assert house.value("select distinct threshold from clari.forecast_swing") == Decimal("0.2")
        yield house


@pytest.fixture
def compared(brought: House, tmp_path: Path) -> Callable[..., list[Json]]:
    """Compares the calls of a forecast anew as they are in a folder where the file says this."""

    def compare(text: str, forecast: str = "north") -> list[Json]:
        file = tmp_path / RULES_FILE
        file.write_text(text, encoding="utf-8")
        rules = replace(brought.context.rules, rules=read_rules(file))
        brought.execute(f"delete from clari.forecast_swing where forecast_id = '{forecast}'")
        with brought.context.warehouse.session() as session:
            marts.compare_calls(session, forecast, QUARTER, rules)
        return brought.rows(
            "from clari.forecast_swing where forecast_id = $forecast and baseline = 'sync'", forecast=forecast
        )

    return compare


@pytest.fixture
def judged(compared: Callable[..., list[Json]]) -> Judged:
    """The comparisons by person and field."""
    return lambda text: {(row["user_id"], row["field_id"]): row for row in compared(text)}


def swings(found: Found, field: str) -> dict[str, bool]:
    """Whether each person's call of a field swings."""
    return {who: row["is_swing"] for (who, name), row in found.items() if name == field}


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("[swings]\nthresold = 0.1", r"swings\.thresold: there is no such key: did you mean threshold\?"),
        ("[swing]\nseverity = 'P1'", "swing:"),
        ("swings = 3", "swings: write a table of keys and values"),
        ("[swings]\nfields = 'Commit'", r"swings\.fields: write a list in square brackets"),
        ("[swings]\nseverity = 'P4'", r"swings\.severity: write 'P1', 'P2' or 'P3'"),
        ("[swings]\nmin_share_of_quota = nan", r"swings\.min_share_of_quota"),
        ("[swings]\nmin_share_of_quota = 1.0000001", "at most 6 digits after the point"),
        ("[[swings.rule]]\nfield = 'Commit'\nthreshold = 8", r"threshold: .*did you mean 0\.08\?"),
        ("[swings]\nreps_muted_in_weeks = [1, 0]", r"swings\.reps_muted_in_weeks\.1"),
        ("[[swings.rule]]\nthreshold = 0.1", "swings.rule.0: a rule names a field, a role or a person"),
        ("[[swings.rule]]\nrole = 'AE'\n[[swings.rule]]\nrole = 5", r"swings\.rule\.1\.role: write a text in quotes"),
        ("[[swings.rule]]\nfield = 'Commit'\nthreshold = '8 %'", r"threshold: did you mean 0\.08\?"),
        ("[[swings.rule]]\nfield = 'Commit'\nthreshold = '0.08'", r"swings\.rule\.0\.threshold"),
        ("[[swings.rule]]\nfield = 'Commit'\nthreshold = -0.1", r"swings\.rule\.0\.threshold"),
        ("[[swings.rule]]\nfield = 'Commit'\nmin_amount = true", r"swings\.rule\.0\.min_amount"),
        ("[[swings.rule]]\nfield = 'Commit'\nmuted = true", r"swings\.rule\.0\.muted"),
        ("[fields.Commit]\nquota = 5", r"fields\.Commit\.quota"),
        ("[fields.Commit]\nwon = 'Closed'", r"fields\.Commit\.won"),
        ("[[field]]\nname = 'Churn'", r"field\.0\.also: it is missing"),
        ("[[field]]\nname = 'Churn'\nalso = []", r"field\.0\.also: name at least one"),
        ("[[field]]\nname = ''\nalso = ['Churn']", r"field\.0\.name: it is empty"),
        ("[[field]]\nname = 'Churn'\nalso = 'churn'", r"field\.0\.also"),
        ("[[field]]\nname = 'A'\nalso = ['B']\n[[field]]\nname = 'C'\nalso = ['B']", "field.1: 'B' stands in field.0"),
        ("[[field]]\nname = 'A'\nalso = ['A']", "field.0: 'A' stands in field.0"),
        ("[swings\n", "is no TOML"),
        ("[swings]\nseverity = 'P1'\nseverity = 'P2'", "is no TOML"),
        ("[swings]\na = 1\nb = 2\n", r"swings\.a.*swings\.b"),
        (b"\xff\xfe", "cannot be read"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_in_one_line(tmp_path: Path, text: str | bytes, place: str) -> None:
    """The line names the file and every place; no setting is guessed."""
    file = tmp_path / RULES_FILE
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(RulesError, match=rf"\A{re.escape(str(file))}.*{place}.*\Z") as refused:
        read_rules(file)
    assert not re.search("Input should|valid (integer|number|string)|Extra inputs|Value error", str(refused.value))


def test_without_a_file_the_same_holds_for_all(tmp_path: Path) -> None:
    assert read_rules(tmp_path / RULES_FILE) == Rules()


def test_shares_and_amounts_are_read_as_decimals(tmp_path: Path) -> None:
    """0.1 is a tenth, not the binary number beside it."""
    file = tmp_path / RULES_FILE
    file.write_text("[[swings.rule]]\nfield = 'Commit'\nthreshold = 0.1\nmin_amount = 50_000.25\n", encoding="utf-8")
    (rule,) = read_rules(file).swings.rule
    assert (rule.threshold, rule.min_amount) == (Decimal("0.1"), Decimal("50000.25"))


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
    assert judged(text)["ann", "commit"]["threshold"] == Decimal(threshold)


@pytest.mark.parametrize(
    "names",
    [
        {"field": "eight"},
        {"field": "EIGHT"},
        {"field": "Best Case"},
        {"role": "account executive"},
        {"person": "ann"},
        {"person": "Ann"},
        {"person": "ANN@example.com"},
        {"field": "Eight", "role": "Account Executive", "person": "ann"},
    ],
)
def test_fields_roles_and_people_are_known_by_id_name_and_address(judged: Judged, names: dict[str, str]) -> None:
    """A rise of 8 % exactly is none at 8 %, one ten-thousandth more is; whom the rule does not name keeps 20 %."""
    found = judged(_rule("0.08", **names))
    is_of_best_case = names == {"field": "Best Case"}
    assert swings(found, "eight") == {"ann": not is_of_best_case, "bob": False}
    assert found["cro", "best_case"]["is_swing"] is is_of_best_case


def test_a_rule_holds_for_all_that_it_names_at_once(judged: Judged) -> None:
    """The others keep what the settings say."""
    found = judged(_rule("0.01", role="Account Executive", field="Commit"))
    assert swings(found, "commit") == {"ann": True, "bob": True, "mo": False}
    assert swings(found, "best_case") == {"ann": False, "bob": False, "mo": False, "cro": False}


def test_the_file_of_the_folder_holds_beside_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the whole way: a rule goes before the setting, which holds where there is none; a wrong file stops all."""
    monkeypatch.chdir(tmp_path)
    RULES_FILE.write_text("[swings]\nthreshold = 0.1", encoding="utf-8")
    with pytest.raises(RulesError, match=r"clari_pipeline\.toml"):
        House(tmp_path)
    RULES_FILE.write_text(_rule("0.5", person="ann"), encoding="utf-8")
    house = House(tmp_path, swing_threshold=Decimal("0.1"))
    with house.held_open():
        for ann, bob, day in ((100, 100, 16), (140, 111, 17)):
            entries = [entry("ann", "W03", call=ann), entry("bob", "W03", call=bob)]
            house.deliver(document(*entries, people=PEOPLE), moment(10, day))
        house.merge()
        found = house.rows("select user_id, is_swing from clari.forecast_swing order by user_id")
    assert [tuple(row.values()) for row in found] == [("ann", False), ("bob", True)]


_SHARE = "[swings]\nmin_share_of_quota = 0.01\n[[swings.rule]]\nperson = "


@pytest.mark.parametrize(
    ("text", "field", "expected"),
    [
        pytest.param(
            "[[swings.rule]]\nrole = 'Account Executive'\nmin_amount = 50_000\n",
            "least",
            {"ann": False, "bob": True, "mo": True},
            id="the least amount counts itself",
        ),
        pytest.param(
            f"{_SHARE}'mo'\nmin_share_of_quota = 0.02\n",
            "share",
            {"ann": False, "bob": True, "mo": False},
            id="below one percent of a quota of a million, and a manager's two",
        ),
        pytest.param(
            f"{_SHARE}'ann'\nmin_amount = 15_000\n",
            "both",
            {"ann": False, "bob": True},
            id="the larger of both least amounts holds",
        ),
    ],
)
def test_a_change_below_the_least_amount_is_none(
    judged: Judged, text: str, field: str, expected: dict[str, bool]
) -> None:
    found = judged(text)
    assert swings(found, field) == expected
    if field == "share":
        assert found["mo", field]["min_amount"] == 20_000


def test_only_the_fields_that_are_named_alert(judged: Judged) -> None:
    """The comparison is the same; who is told of it is not. A rule may say otherwise for somebody."""
    rules = "[[swings.rule]]\nperson = 'mo'\nalert = true\n[[swings.rule]]\nperson = 'bob'\nalert = false\n"
    found = judged(
        "[swings]\nfields = ['Commit']\n" + rules + _rule("0.1", field="Commit") + _rule("0.1", field="Best Case")
    )
    expected = {
        ("ann", "commit"): False,
        ("ann", "best_case"): True,
        ("bob", "commit"): True,
        ("bob", "best_case"): True,
        ("mo", "commit"): False,
        ("mo", "best_case"): False,
    }
    assert {key: (found[key]["is_swing"], found[key]["is_muted"]) for key in expected} == {
        key: (True, is_muted) for key, is_muted in expected.items()
    }


def test_reps_are_muted_in_the_weeks_that_are_named(compared: Callable[..., list[Json]]) -> None:
    """Those to whom nobody reports; managers are heard all the same, and a rep whose rule says so."""
    rules = "[swings]\nreps_muted_in_weeks = [1, 2]\n[[swings.rule]]\nperson = 'bob'\nmuted_in_weeks = []\n"
    rows = compared(rules, "weeks")
    assert all(row["is_swing"] for row in rows)
    assert {(row["time_frame_id"], row["user_id"]): row["is_muted"] for row in rows} == {
        (week, who): who == "ann" and week != "W03"
        for week in ("W01", "W02", "W03")
        for who in ("ann", "bob", "mo", "cro")
    }


def test_a_reps_five_thousand_wake_nobody_and_the_cros_eight_percent_do(judged: Judged) -> None:
    found = judged(
        "[[swings.rule]]\nrole = 'Account Executive'\nmin_amount = 50_000\n"
        "[[swings.rule]]\nperson = 'cro@example.com'\nthreshold = 0.0799\n"
    )
    assert swings(found, "wake") == {"ann": False, "cro": True, "mo": False}
    assert not found["cro", "wake"]["is_muted"]


def test_a_forecast_field_is_held_against_the_fields_that_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Quota, closed and pipeline of each; what is not named is the field's own, and the field called Quota."""
    monkeypatch.chdir(tmp_path)
    RULES_FILE.write_text("[fields.'Commit']\nquota = 'Stretch'\nclosed = 'Closed Won'\npipeline = 'pipe'\n")
    house = House(tmp_path)
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
