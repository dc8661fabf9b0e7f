"""Rules of one's own: what is refused, with its place; what is judged to the last decimal, and what is not."""

import json
import re
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from clari_pipeline.checks.fitting import BINARY
from clari_pipeline.config.rules import RULES_FILE, RulesError, read_rules
from clari_pipeline.config.settings import read_settings
from clari_pipeline.ops.preflight.on_machine import own_rules_are_right
from clari_pipeline.ops.preflight.probe import Probe
from clari_pipeline.store import quality_results
from clari_pipeline.store.quality_results import QualityResult
from clari_pipeline.sync.own_rules import check_own_rules
from clari_pipeline.sync.quality import judge_own_rules, results_of_run
from tests.helpers.each_case import try_each
from tests.helpers.house import House, moment

BETWEEN = "expect_column_values_to_be_between"
CALL = "table = 'forecast_vs_quota'\ncolumn = 'forecast_value'"


def rule(more: str, *, of: str = CALL, kind: str = BETWEEN) -> str:
    return f"[[expectation]]\n{of}\ntype = '{kind}'\n{more}\n"


def suite(folder: Path, name: str, content: Any) -> Path:
    """A suite file as a user writes it by hand."""
    file = folder / "expectations" / f"{name}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return file


def faults(toml: str, suites: dict[str, Any]) -> str:
    """Why these rules are refused; empty where they are not."""
    Path(RULES_FILE).write_text(toml, encoding="utf-8")
    for file in Path("data/gx").rglob("*.json"):
        file.unlink()
    for name, content in suites.items():
        suite(Path("data/gx"), name, content)
    try:
        check_own_rules(read_settings(), read_rules())
    except RulesError as error:
        return str(error)
    return ""


def of_suite(one: Any, name: str = "forecast_vs_quota") -> dict[str, Any]:
    return {name: {"name": name, "expectations": [one]}}


IN_SET = {"type": "expect_column_values_to_be_in_set"}


def test_what_cannot_be_judged_is_refused_with_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Table, type, column, argument, condition and name: the line has file and place, and what was meant."""
    monkeypatch.chdir(tmp_path)
    first = r"clari_pipeline\.toml: expectation\.0"
    in_file = r"data/gx/expectations/forecast_vs_quota\.json: expectation 1"
    cases: list[tuple[str, dict[str, Any], str]] = [
        ("[[expectation]]\ntable = 'forecast_vs_quota'", {}, r"clari_pipeline\.toml: expectation\.0\.type: "),
        (rule("severity = 'P1'"), {}, r"expectation\.0\.severity"),
        (rule("min_value = 1", of="table='forecast_vs_quot'\ncolumn='user_id'"), {}, f"{first} .*forecast_vs_quota?"),
        (rule("min_value = 1", kind=BETWEEN[:-1]), {}, f"{first} .*did you mean {BETWEEN}?"),
        (rule("min_value = 1", of=CALL.replace("value", "valeu")), {}, f"{first} .*did you mean forecast_value?"),
        (rule("min_valu = 1"), {}, f"{first} .*min_valu: no argument .*did you mean min_value?"),
        (rule("min_value = 'much'"), {}, f"{first} .*min_value: "),
        (rule(""), {}, f"{first} .*cannot both be None"),
        (rule("min_value = 1\nmostly = 2"), {}, f"{first} .*mostly: "),
        (rule("min_value = 1\nwhere = 'is_topp'"), {}, f"{first} .*where: .*is_topp"),
        (rule("min_value = 1\nwhere = 'is_top; drop table x'"), {}, f"{first} .*where: it is no single condition"),
        (rule("min_value = 1\nwhere = 'is_top and'"), {}, f"{first} .*where: it is no single condition"),
        (rule("min_value = 1\nwhere = 'user_name'"), {}, f"{first} .*where: it is no condition"),
        (rule("min_value = 1\nwhere = 'max(quota_value) > 1'"), {}, f"{first} .*where: "),
        (rule("min_value = 1\nwhere = 'quota_value > ?'"), {}, f"{first} .*where: it has a parameter"),
        (rule("value_set = [0.12345]", kind=IN_SET["type"]), {}, f"{first} .*forecast_value .*0.12345 is none"),
        (rule("value = 1.5", of="table='time_period'", kind="expect_table_row_count_to_equal"), {}, "whole number"),
        (rule("unexpected_rows_query = 'x'", kind="unexpected_rows_expectation"), {}, f"{first} .*in SQL"),
        (rule("min_value = 1") * 2, {}, r"expectation\.1 .*is the name of clari_pipeline\.toml: expectation\.0"),
        (rule("min_value = 1\nname = 'a'"), of_suite(IN_SET | {"meta": {"name": "a"}}), f"{in_file} .*name of clari"),
        ("", of_suite(IN_SET), f"{in_file} .*column: field required"),
        ("", of_suite({"kwargs": {}}), f"{in_file}: it has no type"),
        ("", of_suite("x"), f"{in_file}: write an object"),
        ("", of_suite(IN_SET | {"severity": "bad"}), f"{in_file}: severity"),
        ("", of_suite(IN_SET | {"meta": {"where": 3}}), rf"{in_file}: meta\.where"),
        ("", of_suite(IN_SET, "no_table"), "no table is called no_table"),
        ("", of_suite(IN_SET | {"kwargs": {"column": "user_id", "value_set": {"$PARAMETER": "x"}}}), r"\$PARAMETER"),
        (
            rule("sum_total = 0.1\ncolumn_list = ['crm_closed', 'crm_total']", of="table='forecast_vs_quota'",
                 kind="expect_multicolumn_sum_to_equal"),
            {},
            f"{first} .*sum_total",
        ),
        (rule("min_value = 1", of="table='a'\ncolumn='b'"), of_suite(IN_SET), f"{first} .*; {in_file}"),
    ]  # fmt: skip

    def is_refused(case: tuple[str, dict[str, Any], str]) -> None:
        toml, suites, place = case
        said = faults(toml, suites)
        assert re.search(place, said), said
        assert "\n" not in said

    try_each(cases, is_refused)


def test_what_great_expectations_writes_beside_an_expectation_does_not_disturb(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    one = {
        "id": "3b",
        "notes": "hello",
        "description": "All have one",
        "rendered_content": None,
        "severity": "info",
        "type": "expect_column_values_to_not_be_null",
        "kwargs": {"column": "user_name", "batch_id": "x"},
        "meta": {"by": "me"},
        "expectation_context": {"description": None},
    }
    assert faults("", of_suite(one)) == ""
    (found,) = check_own_rules(read_settings(), read_rules()).rules
    assert (found.severity, found.explains) == ("WARN", "All have one")


# Amounts beside which a float is another number; a sum of them as floats is off by a cent.
AMOUNTS = ("0.1", "0.3", "12345678901234.5678", "22345678901234.9999")


@pytest.fixture
def judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Judges rules of a toml file on calls of these amounts, one a person, and an empty one."""
    monkeypatch.chdir(tmp_path)
    house = House(tmp_path)
    rows = ", ".join(f"('north', '2026_Q4', 'p{n}', 'commit', {amount})" for n, amount in enumerate((*AMOUNTS, "null")))
    columns = "forecast_id, time_period_id, user_id, field_id, forecast_value"
    house.execute(f"insert into clari.forecast_vs_quota ({columns}) values {rows}")

    def judge(toml: str) -> list[QualityResult]:
        Path(RULES_FILE).write_text(toml, encoding="utf-8")
        context = replace(house.context, rules=replace(house.context.rules, rules=read_rules()))
        assert judge_own_rules(context, "run") == []
        return results_of_run(context, "run")

    with house.held_open():
        yield judge


def test_bounds_and_sets_are_compared_to_the_last_decimal(judged: Any) -> None:
    """As written in decimals, where a float of the bound would be on the other side of the amount."""
    cases = [
        ("min_value = 0.1", 0, BETWEEN),
        ("min_value = 0.1\nstrict_min = true", 1, BETWEEN),
        ("min_value = 0.1001", 1, BETWEEN),
        ("min_value = 0.10001", 1, BETWEEN),
        ("max_value = 0.3\nwhere = 'forecast_value < 1'", 0, BETWEEN),
        ("max_value = 0.3\nstrict_max = true\nwhere = 'forecast_value < 1'", 1, BETWEEN),
        ("max_value = 0.29999\nwhere = 'forecast_value < 1'", 1, BETWEEN),
        ("value_set = [0.1, 0.3, 12345678901234.5678]", 1, IN_SET["type"]),
        ("value_set = [0.1, 0.3, 12345678901234.5679, 22345678901234.9999]", 1, IN_SET["type"]),
    ]

    def is_exact(case: tuple[str, int, str]) -> None:
        more, broken, kind = case
        (found,) = judged(rule(more, kind=kind))
        assert (found.evidence["unexpected_count"], found.passed) == (broken, not broken)
        assert "note" not in found.evidence

    try_each(cases, is_exact)
    for kind, bound, where in (("min", "0.1", "true"), ("max", "0.3", "forecast_value < 1")):
        (found,) = judged(
            rule(
                f"min_value = {bound}\nmax_value = {bound}\nwhere = '{where}'",
                kind=f"expect_column_{kind}_to_be_between",
            )
        )
        assert (found.passed, found.evidence["observed_value"]) == (True, f"{bound}000")


def test_where_a_verdict_may_be_off_the_result_says_so(judged: Any) -> None:
    """A bound that no float stands beside; and the sum, which floats make another to the cent."""
    (found,) = judged(rule("min_value = 12345678901234.5678"))
    assert "judged as 12345678901234.56640625" in found.evidence["note"]
    (found,) = judged(rule("min_value = 0", kind="expect_column_sum_to_be_between"))
    off = abs(Decimal(found.evidence["observed_value"]) - Decimal("34691357802469.9677"))
    said = re.search(r"in binary fractions.*it may be off by ([\d.]+)", found.evidence["note"])
    assert said is not None
    assert 0 < off <= Decimal(said[1]) < 1
    finding = own_rules_are_right(Probe(read_settings(), lambda: moment(12, 30)))
    assert (finding.status, "binary fractions" in finding.detail) == ("WARN", True)


# An argument or two for each type; those that are judged in floats must be the table's.
ARGUMENTS = {
    "max": "min_value = 0", "min": "min_value = 0", "mean": "min_value = 0", "median": "min_value = 0",
    "sum": "min_value = 0", "stdev": "min_value = 0", "unique_value_count": "min_value = 0",
}  # fmt: skip


def test_the_table_of_types_judged_in_floats_is_right(judged: Any) -> None:
    """What a type finds of two amounts that are one as floats says whether it reckons with floats."""
    only = "where = 'forecast_value > 1'"
    for name, more in ARGUMENTS.items():
        kind = f"expect_column_{name}_to_be_between"
        (found,) = judged(rule(f"{more}\n{only}", kind=kind))
        exact = {"max": AMOUNTS[3], "min": AMOUNTS[2], "sum": "34691357802469.5677", "unique_value_count": 2}
        is_exact = found.evidence["observed_value"] == exact.get(name)
        assert is_exact == (kind not in BINARY), (name, found.evidence)
        assert ("note" in found.evidence) == (kind in BINARY)


def test_what_great_expectations_cannot_judge_is_no_word_on_the_data(judged: Any) -> None:
    """A warning that says why, whatever the rule's severity; the other rules are judged. No row is nothing to judge."""
    pair = rule(
        "severity = 'ERROR'\ncolumn_A = 'forecast_value'\ncolumn_B = 'quota_value'",
        of="table = 'forecast_vs_quota'",
        kind="expect_column_pair_values_a_to_be_greater_than_b",
    )
    pattern = rule("regex = '('\nseverity = 'ERROR'", of="table='forecast_vs_quota'\ncolumn='user_id'",
                   kind="expect_column_values_to_match_regex")  # fmt: skip
    cast = rule("name = 'cast'\nmin_value = 1\nwhere = 'cast(user_id as integer) > 1'")
    nobody = rule("min_value = 1\nwhere = \"user_id = 'nobody'\"", kind="expect_column_max_to_be_between")
    found = {one.rule_name: one for one in judged(pair + pattern + cast + nobody + rule("min_value = 1"))}
    unjudged = {name: one for name, one in found.items() if "not_judged" in one.evidence}
    assert len(unjudged) == 3
    assert {(one.passed, one.severity) for one in unjudged.values()} == {(False, "WARN")}
    assert all(f"not judged: {one.evidence['not_judged']}" in one.summary for one in unjudged.values())
    assert any("ignore_row_if" in one.summary for one in unjudged.values())
    (of_nobody, of_all) = (
        found[f"forecast_vs_quota.forecast_value.column_{kind}_to_be_between"] for kind in ("max", "values")
    )
    assert (of_nobody.passed, of_all.passed, of_all.evidence["unexpected_count"]) == (True, False, 2)


def test_the_first_twenty_rows_are_the_evidence_and_always_the_same(judged: Any) -> None:
    found = [judged(rule("max_value = 0")) for _ in range(2)]
    ((first,), (second,)) = found
    assert first.evidence == second.evidence
    assert [row["user_id"] for row in first.evidence["unexpected_rows"]] == ["p0", "p1", "p2", "p3"]
    assert first.evidence["unexpected_rows"][2]["forecast_value"] == AMOUNTS[2]


def test_results_are_kept_once_a_run(tmp_path: Path, judged: Any) -> None:
    judged(rule("max_value = 0"))
    judged(rule("min_value = 0"))
    with House(tmp_path).context.warehouse.session() as session:
        (only,) = quality_results.of_run(session, "run")
    assert only.passed
