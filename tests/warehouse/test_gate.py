"""The gate: what each check lets through, what it stops, and what it says about it."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from clari_pipeline.documents import json_shapes
from clari_pipeline.sync.outcomes import Outcome
from tests.helpers.forecast import Forecast, shared_house
from tests.helpers.house import QUARTER, House, Json, document, entry, moment, person

GOOD = document(entry(call=100, closed=40), entry(field="quota", quota=200), people=[person("ann", parent=None)])


def verdict(outcome: Outcome, check: str) -> dict[str, Any]:
    (found,) = [one for one in outcome.verdicts if one.check_name == check]
    return found


def evidence(outcome: Outcome, check: str) -> str:
    return json.dumps(verdict(outcome, check).evidence, default=str)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One warehouse for this module, each test a forecast of its own in it."""
    with shared_house(tmp_path_factory.mktemp("gate")) as house:
        yield house


@pytest.fixture
def forecast(shared: House) -> Forecast:
    return Forecast(shared, f"forecast-{shared.exports}")


def assert_refused(forecast: Forecast, outcome: Outcome, check: str) -> None:
    """Refused for this reason alone, named in the ledger, landed, and in no table."""
    assert (outcome.export.state, outcome.is_failure) == ("REFUSED", True)
    assert {one.check_name for one in outcome.verdicts if not one.passed} == {check}
    assert verdict(outcome, check).severity == "ERROR"
    assert outcome.export.error.startswith(check)
    assert check in outcome.sentence
    assert outcome.export.landing_path
    for table in ("forecast_entry", "forecast_entry_history", "forecast_user", "forecast_swing"):
        assert forecast.rows(table) == []
    periods = {row["time_period_id"] for row in forecast.house.rows("from clari.time_period")}
    assert periods <= {QUARTER}, "what a refused document says of periods"


def test_a_good_document_passes_every_check(forecast: Forecast) -> None:
    """All that an export can be judged by is judged, once, and written down."""
    outcome = forecast.bring(GOOD, moment(10, 20))
    assert (outcome.export.state, outcome.is_failure, outcome.export.error) == ("LOADED", False, None)
    assert {one.check_name for one in outcome.verdicts if not one.passed} == set()
    assert {
        "export_is_readable",
        "export_is_complete",
        "export_is_not_empty",
        "export_is_not_truncated",
        "export_period_matches_request",
        "entry_keys_are_complete",
        "entry_keys_are_unique",
        "amounts_are_readable",
        "amounts_are_exact",
        "row_counts_reconcile",
        "control_totals_reconcile",
        "currency_is_stable",
        "people_are_distinct",
        "totals_have_one_top",
        "quota_field_is_unambiguous",
        "forecast_swings_within_threshold",
    } <= {one.check_name for one in outcome.verdicts}
    assert len({one.check_name for one in outcome.verdicts}) == len(outcome.verdicts)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>502 Bad Gateway</html>",
        b'{"entries": [',
        b'{"users": []}',
        b'{"entries": "none"}',
        b"\xff\xfe",
        b"[]",
    ],
)
def test_what_is_no_export_is_refused(forecast: Forecast, content: bytes) -> None:
    outcome = forecast.bring(content, moment(10, 20))
    assert_refused(forecast, outcome, "export_is_readable")
    assert verdict(outcome, "export_is_readable").evidence["summary"]


def test_a_download_of_which_nothing_shows_the_end_is_refused_whenever_it_is_read(house: House) -> None:
    """Its manifest says so: a warehouse that is made anew knows it, too. Releases before did not ask."""
    outcome = house.bring(GOOD, moment(10, 20), is_whole=False)
    forecast = Forecast(house, "north")
    assert_refused(forecast, outcome, "export_is_complete")
    assert "CLARI_EXPORT_FORMAT=JSON" in evidence(outcome, "export_is_complete")
    house.execute("delete from clari.export_job")
    house.bring(GOOD, moment(10, 21), is_whole=True)
    house.replay([], [])
    states = {row["job_id"]: row["state"] for row in forecast.rows("export_job")}
    assert states == {"job-north-2026_Q4-1": "REFUSED", "job-north-2026_Q4-2": "LOADED"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"errors": [{"status": "500", "code": "E1", "message": "No report"}]}', "No report"),
        (b'[{"statusCode": 500, "description": "Broken", "details": "try later"}]', "Broken (try later)"),
        (b'{"code": "SWW", "errorId": "c16a", "message": "Wrong", "orgId": 1}', "Wrong (error id c16a)"),
        (b'{"entries": null, "errors": [{"message": "The report is late"}]}', "The report is late"),
    ],
)
def test_an_error_of_claris_is_told_in_its_words(forecast: Forecast, content: bytes, said: str) -> None:
    outcome = forecast.bring(content, moment(10, 20))
    assert_refused(forecast, outcome, "export_is_readable")
    assert outcome.export.error.endswith(f"Clari sent an error in place of the document: {said}")


def test_a_week_of_thousands_of_digits_stops_nothing(forecast: Forecast) -> None:
    """It is a number that Python does not convert. A week's id is a text, and this one is as good as any."""
    head = "User,Email,CRM User ID,Role,Parent Role,Timeframe,Field,Week,Start Day,End Day,Data Type,Data Value"
    line = f"Ann,ann@example.com,005,CRO,,Q4 FY 2026,Commit,{'9' * 5000},10/15/2026,10/21/2026,Forecast Value,$5.00"
    assert forecast.bring(f"{head}\n{line}\n".encode(), moment(10, 20)).export.state == "LOADED"
    assert forecast.bring(GOOD, moment(10, 21)).export.state == "LOADED"


def test_an_empty_document_is_refused(forecast: Forecast) -> None:
    outcome = forecast.bring(document(periods=[{"timePeriodId": QUARTER}]), moment(10, 20))
    assert_refused(forecast, outcome, "export_is_not_empty")
    assert QUARTER in evidence(outcome, "export_is_not_empty")


def test_a_document_that_clari_calls_cut_off_is_refused(house: House) -> None:
    """Complete by all that can be counted, and yet not: Clari's flag decides."""
    outcome = house.bring(GOOD, moment(10, 20), is_truncated=True)
    assert_refused(Forecast(house, "north"), outcome, "export_is_not_truncated")
    assert house.rows("from clari.time_period") == []


@pytest.mark.parametrize(
    "period",
    [
        {"timePeriodId": "2026_Q3"},
        {"timePeriodId": "2027_Q4"},
        {"timePeriodId": "july", "type": "MONTH", "startDate": "2026-07-01", "endDate": "2026-07-31"},
        {"timePeriodId": "july", "type": "MONTH", "label": "July FY 2026"},
        {"timePeriodId": "somewhen"},
    ],
)
def test_the_document_of_another_period_is_refused(forecast: Forecast, period: Json) -> None:
    content = document(entry(period=period["timePeriodId"], call=1), periods=[period])
    outcome = forecast.bring(content, moment(10, 20))
    assert_refused(forecast, outcome, "export_period_matches_request")
    found = verdict(outcome, "export_period_matches_request").evidence
    assert (found["requested"], found["delivered"]) == (QUARTER, [period["timePeriodId"]])


@pytest.mark.parametrize(
    "period",
    [
        {"timePeriodId": QUARTER},
        {"timePeriodId": "november", "type": "MONTH", "startDate": "2026-11-01", "endDate": "2026-11-30"},
        {"timePeriodId": "november", "type": "MONTH", "label": "November FY 2026"},
    ],
)
def test_the_quarter_and_the_months_in_it_pass(house: House, period: Json) -> None:
    outcome = house.bring(document(entry(period=period["timePeriodId"], call=1), periods=[period]), moment(10, 20))
    assert verdict(outcome, "export_period_matches_request").passed is True
    assert outcome.export.state == "LOADED"


@pytest.mark.parametrize("missing", ["fieldId", "timeFrameId", "userId", "timePeriodId"])
@pytest.mark.parametrize("written", [None, ""])
def test_an_entry_without_a_part_of_its_key_is_refused(forecast: Forecast, missing: str, written: str | None) -> None:
    broken = entry("ann", "W07", "best_case", call=1) | {missing: written}
    content = document(entry(call=1), broken, periods=[{"timePeriodId": QUARTER}], people=[person("ann")])
    outcome = forecast.bring(content, moment(10, 20))
    assert_refused(forecast, outcome, "entry_keys_are_complete")
    named = evidence(outcome, "entry_keys_are_complete")
    assert all(part in named for key, part in (("timeFrameId", "W07"), ("fieldId", "best_case")) if key != missing)


def test_two_entries_of_one_key_that_differ_are_refused(forecast: Forecast) -> None:
    content = document(
        entry("ann", call=1), entry("bob", "W05", "best_case", call=2), entry("bob", "W05", "best_case", call=3)
    )
    outcome = forecast.bring(content, moment(10, 20))
    assert_refused(forecast, outcome, "entry_keys_are_unique")
    assert all(part in evidence(outcome, "entry_keys_are_unique") for part in ("bob", "W05", "best_case"))


def test_equal_entries_are_dropped_and_counted(forecast: Forecast) -> None:
    outcome = forecast.bring(document(entry(call=1), entry(call=1), entry(call=1)), moment(10, 20))
    assert outcome.export.state == "LOADED"
    assert (outcome.export.rows_exported, outcome.export.rows_staged, outcome.export.rows_inserted) == (
        3,
        1,
        1,
    )
    assert verdict(outcome, "entry_keys_are_unique").evidence["exact_duplicates_dropped"] == 2


def test_one_number_written_in_two_ways_is_one_entry(forecast: Forecast) -> None:
    outcome = forecast.bring(document(entry(call=1200000), entry(call="1200000.00"), entry(call=1.2e6)), moment(10, 20))
    assert (outcome.export.state, outcome.export.rows_staged) == ("LOADED", 1)
    assert verdict(outcome, "control_totals_reconcile").passed is True


@pytest.mark.parametrize("amount", ["123456789012345", "many", "1,200", "$5", "#1200", "1e400"])
def test_an_amount_that_is_none_is_refused(forecast: Forecast, amount: str) -> None:
    """Nothing is guessed, and nothing becomes null that was written."""
    outcome = forecast.bring(document(entry(call=1), entry("bob", "W05", "best_case", closed=amount)), moment(10, 20))
    assert_refused(forecast, outcome, "amounts_are_readable")
    named = evidence(outcome, "amounts_are_readable")
    assert all(part in named for part in ("bob", "W05", "best_case", "crm_closed", amount))


def test_amounts_with_more_decimals_than_are_kept_are_rounded_and_counted(forecast: Forecast) -> None:
    entries = (entry("ann", call="178406.46000000002"), entry("bob", call=1, closed="0.00005"), entry("cid", call=7))
    outcome = forecast.bring(document(*entries), moment(10, 20))
    assert _warned(outcome, "amounts_are_exact")
    found = verdict(outcome, "amounts_are_exact").evidence
    assert (found["amounts_changed"], Decimal(found["rounded_by_at_most"])) == (2, Decimal("0.00005"))
    assert {(one["field_id"], one["measure"], one["amounts"]) for one in found["rounded"]} == {
        ("commit", "forecast_value", 1), ("commit", "crm_closed", 1),
    }  # fmt: skip
    assert "crm_closed of commit" in found["summary"]
    kept = {row["user_id"]: (row["forecast_value"], row["crm_closed"]) for row in forecast.rows("forecast_entry")}
    assert kept == {"ann": (Decimal("178406.46"), None), "bob": (1, 0), "cid": (7, None)}
    assert verdict(outcome, "control_totals_reconcile").passed is True


def test_calculated_measures_are_left_out_named_and_keep_what_they_had(forecast: Forecast) -> None:
    """One cell of a ratio without a number keeps no quarter out, and not one figure of another measure or field."""
    cells = [float("nan"), "NaN", "N/A", "n/a", "-Infinity", "#DIV/0!", "\u2013", "87.5 %"]
    ratios = {f"ratio {number}": cell for number, cell in enumerate(cells)}
    forecast.bring(document(*(entry(field=ratio, total=3) for ratio in ratios), entry(call=1, total=5)), moment(10, 19))
    content = document(
        *(entry(field=ratio, total=4, closed=9) for ratio in ratios),
        *(entry("bob", field=ratio, total=cell, closed=8) for ratio, cell in ratios.items()),
        entry(call=2, total=6),
    )
    outcome = forecast.bring(content, moment(10, 20))
    assert _warned(outcome, "amounts_are_exact")
    found = verdict(outcome, "amounts_are_exact").evidence
    assert found["left_out"] == [
        {"field_id": ratio, "measure": "crm_total", "cells": 1, "written": str(cell).replace("nan", "NaN")}
        for ratio, cell in ratios.items()
    ]
    assert all(f"crm_total of {ratio}" in found["summary"] for ratio in ratios)
    kept = {
        (row["user_id"], row["field_id"]): (row["crm_total"], row["crm_closed"])
        for row in forecast.rows("forecast_entry")
    }
    assert kept == {("ann", "commit"): (6, None)} | {
        (who, ratio): figures for ratio in ratios for who, figures in (("ann", (3, 9)), ("bob", (None, 8)))
    }
    assert verdict(outcome, "control_totals_reconcile").passed is True


def test_amounts_that_can_be_kept_exactly_pass(forecast: Forecast) -> None:
    amounts = ("99999999999999.9999", "-0.0001", "1.2E6", "+5", "1.50000000", " 7 ")
    outcome = forecast.bring(document(*(entry(f"calls {one}", call=one) for one in amounts)), moment(10, 20))
    assert outcome.export.state == "LOADED"
    kept = {row["user_id"]: row["forecast_value"] for row in forecast.rows("forecast_entry")}
    assert kept == {f"calls {one}": Decimal(one.strip()) for one in amounts}


def test_a_column_that_keeps_too_little_is_found_by_the_control_totals(house: House) -> None:
    """Somebody has narrowed a column by hand: cents would be lost in every row."""
    house.execute("alter table clari.forecast_entry_state alter crm_closed type decimal(18, 0)")
    outcome = house.bring(document(entry("ann", call=5, closed="10.75")), moment(10, 20))
    assert_refused(Forecast(house, "north"), outcome, "control_totals_reconcile")
    assert house.rows("from clari.time_period") == []
    (differing,) = verdict(outcome, "control_totals_reconcile").evidence["differing"]
    assert (differing["field_id"], differing["measure"]) == ("commit", "crm_closed")


def test_rows_that_the_document_does_not_explain_are_found_by_the_row_counts(house: House) -> None:
    """A row that claims to come from this export, put there by hand, in a week that the export does not speak of."""
    house.bring(document(entry(call=1)), moment(10, 19))
    house.execute(
        "insert into clari.forecast_entry_state by name select * replace "
        "('W05' as time_frame_id, 'job-north-2026_Q4-2' as job_id, timestamptz '2026-10-20 06:00Z' as exported_at) "
        "from clari.forecast_entry_state"
    )
    before = _tables(house)
    outcome = house.bring(document(entry(call=2)), moment(10, 20), history=False)
    assert (outcome.export.state, outcome.is_failure) == ("REFUSED", True)
    broken = [one.check_name for one in outcome.verdicts if not one.passed and one.severity == "ERROR"]
    assert broken == ["row_counts_reconcile"]
    found = verdict(outcome, "row_counts_reconcile").evidence
    assert (found["document"], found["staged"], found["merged"]) == (1, 1, 2)
    assert _tables(house) == before


def test_a_merge_that_does_not_reconcile_leaves_the_tables_as_they_were(house: House) -> None:
    """The whole merge is taken back, history and people included; the ledger says why."""
    house.bring(document(entry("ann", call=1, closed=10)), moment(10, 19))
    house.execute("alter table clari.forecast_entry_state alter crm_closed type decimal(18, 0)")
    before = _tables(house)
    outcome = house.bring(document(entry("ann", call=2, closed="10.75"), entry("bob", call=7)), moment(10, 20))
    assert (outcome.export.state, outcome.export.loaded_at) == ("REFUSED", None)
    assert "control_totals_reconcile" in outcome.export.error
    assert _tables(house) == before


def test_a_late_document_that_does_not_reconcile_leaves_the_others_merged(house: House) -> None:
    """The rebuild is done once more without it."""
    house.bring(document(entry("ann", call=1, closed=10)), moment(10, 18))
    house.bring(document(entry("ann", call=3, closed=30)), moment(10, 20))
    house.execute("alter table clari.forecast_entry_state alter crm_closed type decimal(18, 0)")
    before = _tables(house)
    late = house.bring(document(entry("ann", call=2, closed="10.75")), moment(10, 19))
    assert late.export.state == "REFUSED"
    assert _tables(house) == before


def _tables(house: House) -> dict[str, list[Any]]:
    return {
        table: house.rows(f"from clari.{table} order by all")
        for table in (
            "forecast_entry",
            "forecast_entry_history",
            "forecast_user",
            "forecast_user_history",
            "forecast_field",
            "time_period",
            "time_frame",
            "forecast_swing",
            "forecast_vs_quota",
        )
    }


def test_one_refused_document_does_not_touch_what_was_there(house: House) -> None:
    house.bring(GOOD, moment(10, 19))
    before = _tables(house)
    house.bring(document(entry(call="many")), moment(10, 20))
    assert _tables(house) == before


def test_a_refused_document_says_what_was_counted_in_it(forecast: Forecast) -> None:
    outcome = forecast.bring(document(entry(call="many"), entry("bob", call=1)), moment(10, 20))
    assert (outcome.export.rows_exported, outcome.export.document_period_id) == (2, QUARTER)
    assert outcome.export.rows_inserted is None


def _warned(outcome: Outcome, check: str) -> bool:
    """Whether the check warns; the export is merged all the same."""
    assert (outcome.export.state, outcome.is_failure) == ("LOADED", False)
    found = verdict(outcome, check)
    assert found.severity == "WARN"
    return not found.passed


@pytest.mark.parametrize(("remaining", "warns"), [(17, False), (16, True)])
def test_a_document_that_has_lost_many_entries_warns(forecast: Forecast, remaining: int, warns: bool) -> None:
    """15 % fewer than the export before, exactly, is none."""
    for day, people in ((19, 20), (20, remaining)):
        outcome = forecast.bring(document(*(entry(f"p{number}", call=1) for number in range(people))), moment(10, day))
    assert _warned(outcome, "row_count_is_stable") is warns


def test_fewer_entries_of_another_request_are_no_loss(forecast: Forecast) -> None:
    """One week's entries are fewer than the whole quarter's."""
    forecast.bring(document(*(entry(week=f"W0{number}", call=1) for number in range(1, 8))), moment(10, 19))
    outcome = forecast.bring(document(entry(week="W03", call=1)), moment(10, 20), history=False)
    assert not [one for one in outcome.verdicts if one.check_name == "row_count_is_stable" and not one.passed]


@pytest.mark.parametrize(("currency", "warns"), [("USD", False), ("usd", False), ("EUR", True)])
def test_a_changed_currency_warns(forecast: Forecast, currency: str, warns: bool) -> None:
    forecast.bring(document(entry(call=1, currency="USD")), moment(10, 19))
    outcome = forecast.bring(document(entry(call=1, currency=currency)), moment(10, 20))
    assert _warned(outcome, "currency_is_stable") is warns
    assert not warns or all(code in evidence(outcome, "currency_is_stable") for code in ("USD", "EUR"))


@pytest.mark.parametrize(("crm", "warns"), [("crm-2", False), ("crm-1", True)])
def test_one_crm_person_under_two_ids_warns(forecast: Forecast, crm: str, warns: bool) -> None:
    people = [person("ann", crm="crm-1"), person("bob", crm=crm)]
    outcome = forecast.bring(document(entry("ann", call=1), entry("bob", call=1), people=people), moment(10, 20))
    assert _warned(outcome, "people_are_distinct") is warns
    assert not warns or all(name in evidence(outcome, "people_are_distinct") for name in ("ann", "bob", "crm-1"))


@pytest.mark.parametrize(("second", "warns"), [("Quota", False), ("Stretch", True)])
def test_several_quota_fields_warn_unless_one_is_called_quota(forecast: Forecast, second: str, warns: bool) -> None:
    fields = {"commit": "Commit", "plan": "Plan", "other": second}
    content = document(entry(call=1), entry(field="plan", quota=1), entry(field="other", quota=2), fields=fields)
    outcome = forecast.bring(content, moment(10, 20))
    assert _warned(outcome, "quota_field_is_unambiguous") is warns


@pytest.mark.parametrize(
    ("tops", "named", "warns"),
    [(1, None, False), (2, None, True), (0, None, True), (2, "p1", False), (2, "gone", True)],
)
def test_several_people_at_the_top_warn_unless_one_is_named(
    open_house: Any, tops: int, named: str | None, warns: bool
) -> None:
    house = open_house(top_user=named)
    people = [person(f"p{number}", parent=None if number < tops else "role-p0") for number in range(3)]
    if not tops:
        people = [one | {"hierarchyId": "", "parentHierarchyId": ""} for one in people]
    outcome = house.bring(document(*(entry(one["userId"], call=1) for one in people), people=people), moment(10, 20))
    assert _warned(outcome, "totals_have_one_top") is warns


@pytest.mark.parametrize(("historical", "missing"), [(0, []), (1, ["2026_Q3"])])
def test_a_quarter_that_was_never_loaded_warns(open_house: Any, historical: int, missing: list[str]) -> None:
    house = open_house(historical_periods=historical, now=moment(10, 20, 8))
    request_id = house.bring(GOOD, moment(10, 20)).export.request_id
    house.refresh_marts()
    outcome = house.outcome(request_id)
    assert _warned(outcome, "periods_are_covered") is bool(missing)
    assert verdict(outcome, "periods_are_covered").evidence["missing"] == missing


@pytest.mark.parametrize(("hours", "warns"), [(26, False), (27, True)])
def test_a_quarter_whose_figures_have_gone_stale_warns(open_house: Any, hours: int, warns: bool) -> None:
    """26 hours unless set: a daily sync, and two hours in which it may run late."""
    house = open_house(now=moment(10, 20) + timedelta(hours=hours))
    request_id = house.bring(GOOD, moment(10, 20)).export.request_id
    house.refresh_marts()
    found = verdict(house.outcome(request_id), "periods_are_covered")
    assert (not found.passed, found.evidence["stale"]) == (warns, ["2026_Q4"] if warns else [])


@pytest.mark.parametrize(("after", "warns"), [(120, False), (121, True)])
def test_a_swing_warns_and_names_the_call(forecast: Forecast, after: int, warns: bool) -> None:
    forecast.bring(document(entry(call=100)), moment(10, 2))
    outcome = forecast.bring(document(entry(call=after)), moment(10, 3))
    assert _warned(outcome, "forecast_swings_within_threshold") is warns
    assert not warns or all(part in evidence(outcome, "forecast_swings_within_threshold") for part in ("ann", "commit"))


_EMPTY = document(periods=[{"timePeriodId": QUARTER}])
_ECHO = document(entry(period="2026_Q3", call=1), periods=[{"timePeriodId": "2026_Q3"}])


@pytest.mark.parametrize(
    ("content", "check"), [(_EMPTY, "export_is_not_empty"), (_ECHO, "export_period_matches_request")]
)
@pytest.mark.parametrize(
    ("at", "is_excused"),
    [(moment(10, 1, 0), True), (moment(10, 7, 23), True), (moment(10, 8, 0), False), (moment(11, 1), False)],
)
def test_a_new_quarters_first_seven_days_are_excused(
    forecast: Forecast, content: Json, check: str, at: datetime, is_excused: bool
) -> None:
    """Clari may have nothing yet, or give the quarter before: kept out all the same, with a warning."""
    outcome = forecast.bring(content, at)
    assert outcome.export.state == "REFUSED"
    assert (verdict(outcome, check).severity, outcome.is_failure) == (
        ("WARN", False) if is_excused else ("ERROR", True)
    )
    assert forecast.rows("forecast_entry") == []


def test_the_days_of_grace_can_be_set(open_house: Any) -> None:
    assert open_house(quarter_grace_days=0).bring(_EMPTY, moment(10, 1)).is_failure is True


@pytest.mark.parametrize("content", [document(entry(call="many")), b"{"])
def test_nothing_else_is_excused_by_the_first_days(forecast: Forecast, content: Json | bytes) -> None:
    assert forecast.bring(content, moment(10, 1)).is_failure is True


def test_an_excused_document_that_is_also_cut_off_is_a_failure(forecast: Forecast) -> None:
    assert forecast.bring(_EMPTY, moment(10, 1), is_truncated=True).is_failure is True


def test_a_refused_document_is_judged_anew_on_replay(house: House) -> None:
    """What was refused for a reason that has gone is merged."""
    house.execute("alter table clari.forecast_entry_state alter crm_closed type decimal(18, 0)")
    refused = house.bring(document(entry(call=5, closed="10.75")), moment(10, 20))
    house.execute("alter table clari.forecast_entry_state alter crm_closed type decimal(18, 4)")
    house.replay([], [])
    again = house.outcome(refused.export.request_id)
    assert (refused.export.state, again.export.state, again.export.error) == ("REFUSED", "LOADED", None)


def test_control_totals_are_taken_from_the_document_not_from_what_was_staged(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A measure that the reader puts into the wrong column is noticed, though it is merged as it was staged."""
    monkeypatch.setitem(json_shapes.ENTRY_KEYS, "crmClosed", "crm_total")
    outcome = house.bring(document(entry(call=100, closed=40)), moment(10, 20))
    assert outcome.export.state == "REFUSED"
    assert not verdict(outcome, "control_totals_reconcile").passed
